//! `bgctl`: the command line of breakglass debug sessions.
//!
//! The path of a command: [`args`] (what was asked) → [`settings`] (which hub, whose token, from flags, environment and
//! config file) → `commands::…` → [`client`] (one HTTPS request, errors in the hub's own words) → [`output`]
//! (stdout is for machines and tables, everything else goes to stderr). `template check` needs no hub.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 the command line is wrong.

mod args;
mod client;
mod commands;
mod output;
mod settings;
mod webhook_files;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let cli = args::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start")),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(
        std::io::stderr(),
        "bgctl: {}",
        output::printable_lines(&format!("{error:#}"))
    );
    ExitCode::from(1)
}
