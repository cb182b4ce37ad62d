//! Nobody reads what the hub says any more.

use std::process::Command;
use std::sync::mpsc;

use super::{PATIENCE, begin};
use crate::harness::inputs;

#[test]
fn a_hub_whose_log_nobody_reads_still_stops() {
    let folder = tempfile::tempdir().unwrap();
    inputs(folder.path());
    let (mut child, lines, _) = begin(folder.path());
    drop(lines);
    let id = child.id().to_string();
    let kill = |signal: &str| Command::new("kill").args([signal, &id]).status().unwrap();
    let (tell, told) = mpsc::channel();
    let waiting = std::thread::spawn(move || tell.send(child.wait()).ok());
    assert!(kill("-TERM").success());
    let ended = told.recv_timeout(PATIENCE);
    if ended.is_err() {
        kill("-KILL");
    }
    waiting.join().unwrap();
    let ended = ended.expect("it does not stop").unwrap();
    assert!(ended.success(), "{ended}");
}
