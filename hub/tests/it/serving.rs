//! Starting and stopping the program itself, as an administrator meets it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_breakglass-hub");

fn hub(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_remove("RUST_LOG");
    command
}

fn serve(state: &Path, more: &[&str]) -> Command {
    let mut command = hub(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--agent-listen",
        "127.0.0.1:0",
    ]);
    command.arg("--state").arg(state).args(more);
    command
}

fn error_of(output: Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// A hub that said it is ready.
fn ready(mut command: Command) -> Child {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().contains("ready")),
        "the hub ended before it was ready"
    );
    // What it says later goes nowhere, but its pipe stays open.
    std::thread::spawn(move || lines.count());
    child
}

#[test]
fn a_second_hub_on_one_state_folder_is_refused_and_a_stop_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut first = ready(serve(&state, &[]));
    let error = error_of(serve(&state, &[]).output().unwrap());
    assert!(error.contains("in use by another hub"), "{error}");
    assert!(error.contains(&first.id().to_string()), "{error}");
    let stopped = Command::new("kill")
        .arg(first.id().to_string())
        .status()
        .unwrap();
    assert!(stopped.success());
    let status = first.wait().unwrap();
    assert!(
        status.success(),
        "SIGTERM ends it in good order, not with {status}"
    );
    let mut next = ready(serve(&state, &[]));
    next.kill().unwrap();
    next.wait().unwrap();
}

#[test]
fn mistakes_are_told_with_the_flag_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let none = folder.path().join("none");
    let none = none.to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (more, told) in [
        (["--templates", none], "--templates"),
        (["--dev-users", none], "--dev-users"),
        (["--metrics-listen", taken.as_str()], "--metrics-listen"),
        (["--tls-cert", none], "--tls-key"),
        (["--approval-timeout", "tomorrow"], "is not a duration"),
    ] {
        let error = error_of(serve(&state, &more).output().unwrap());
        assert!(error.contains(told), "{more:?}: {error}");
    }
}

#[test]
fn a_damaged_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(
        state.join("hub.db"),
        "this is no database, but somebody's only copy of it",
    )
    .unwrap();
    let error = error_of(serve(&state, &[]).output().unwrap());
    assert!(
        error.contains("is damaged") && error.contains("backup"),
        "{error}"
    );
    let text = std::fs::read_to_string(state.join("hub.db")).unwrap();
    assert_eq!(text, "this is no database, but somebody's only copy of it");
}

#[test]
fn it_prints_its_api_and_its_kinds() {
    let openapi = hub(&["openapi"]).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&openapi.stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let crds = String::from_utf8(hub(&["crds"]).output().unwrap().stdout).unwrap();
    let kinds = crds
        .lines()
        .filter(|line| *line == "kind: CustomResourceDefinition")
        .count();
    assert_eq!(kinds, 6, "{}", &crds[..200.min(crds.len())]);
}
