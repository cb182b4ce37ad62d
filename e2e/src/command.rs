//! Running other programs to their end, with errors that say what was run and what it said.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs `program` with `args`; its standard output, or an error that carries the command line and its standard error.
pub(crate) fn run<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args);
    succeed(&mut command, "")
}

/// The same inside a network namespace. Not by `ip netns exec`: that remounts /sys and hides the cgroups.
pub(crate) fn run_inside<S: AsRef<OsStr>>(netns: &Path, args: &[S], input: &str) -> Result<String> {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", netns.display())).args(args);
    succeed(&mut command, input)
}

/// Runs a prepared command with `input` as its standard input.
pub(crate) fn succeed(command: &mut Command, input: &str) -> Result<String> {
    let line = shown(command);
    let output = finish(command, input).with_context(|| format!("could not run `{line}`"))?;
    if !output.status.success() {
        bail!(
            "`{line}` failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn finish(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading its input says why in its status.
        stdin.write_all(input.as_bytes()).ok();
    }
    child.wait_with_output()
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
