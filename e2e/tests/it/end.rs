//! Ends: open streams die, everything goes, nothing else does.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;

use crate::Case;
use crate::inventory::{await_again, inventory};
use crate::story::{Running, Session, refused};

pub const CASES: &[Case] = &[
    ("end::d01_terminate_cuts_an_open_shell", terminate_heeding),
    (
        "end::d01_terminate_cuts_an_open_shell_where_process_1_ignores_sigterm",
        terminate_stubborn,
    ),
    ("end::d01_expiry_cuts_an_open_shell", expiry),
    (
        "end::nothing_is_left_and_nothing_else_is_touched",
        nothing_left,
    ),
    ("end::the_proof_says_what_was_removed", proof),
    (
        "end::a_request_that_is_rejected_or_withdrawn_deploys_nothing",
        never_ran,
    ),
];

/// The limits of D1 count from the moment the hub has said yes, and hold on a quiet machine; the measured times stand in
/// docs/FIGURES.md. Here only that the stream is cut at all within a time that no busy machine exceeds.
const CUT: Duration = Duration::from_secs(15);

fn terminate_heeding(stack: &Stack) -> Result<()> {
    terminate(stack, "it-shell")
}

fn terminate_stubborn(stack: &Stack) -> Result<()> {
    terminate(stack, "it-stubborn")
}

fn terminate(stack: &Stack, template: &str) -> Result<()> {
    let session = Session::ready(stack, "west", template, 1)?;
    let pod = session.pod()?;
    let mut shell = Running::shell(&session, User::Alice, &pod)?;
    ensure!(shell.is_open()?, "the shell is open before the end");
    session.act(User::Alice, "terminate", &["--yes"])?;
    let ended = Instant::now();
    let cut = shell.await_cut(CUT)?.duration_since(ended);
    println!(
        "terminate → stream cut: {} ms ({template})",
        cut.as_millis()
    );
    refused(
        &session.exec(User::Alice, &pod, &["id"])?,
        "exec after the end",
    )?;
    session.await_end("Terminated").map(drop)
}

fn expiry(stack: &Stack) -> Result<()> {
    let session = Session::approved(stack, "west", "it-shell", &["--duration", "12s"])?;
    session.await_pods(1)?;
    let pod = session.pod()?;
    let mut shell = Running::shell(&session, User::Alice, &pod)?;
    shell.await_cut(Duration::from_secs(12) + CUT)?;
    refused(
        &session.exec(User::Alice, &pod, &["id"])?,
        "exec after expiry",
    )?;
    let ended = session.await_end("Expired")?;
    ensure!(
        ended["status"]["end"]["reason"] == "Expired",
        "the end's reason: {}",
        ended["status"]["end"]
    );
    Ok(())
}

fn nothing_left(stack: &Stack) -> Result<()> {
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let deployment = Session::ready(stack, "east", "it-overrides", 2)?;
    let daemon_set = Session::ready(stack, "east", "it-nodes", 1)?;
    let during = inventory(&cluster)?;
    ensure!(during.len() > before.len(), "sessions deploy something");
    deployment.end()?;
    daemon_set.end()?;
    await_again(&cluster, &before)
}

fn proof(stack: &Stack) -> Result<()> {
    let session = Session::asked(stack, "west", "it-nodes", &[])?;
    session.await_pods(2)?;
    let deployed = session.get()?["status"]["deployedResources"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    ensure!(!deployed.is_empty(), "the session tells what it deployed");
    let ended = session.end()?;
    let cleanup = &ended["status"]["cleanup"];
    let removed = cleanup["removed"].as_array().cloned().unwrap_or_default();
    for object in &deployed {
        ensure!(
            removed
                .iter()
                .any(|gone| gone["uid"] == object["uid"] && gone["removedAt"].is_string()),
            "{object} was deployed, but the proof has only {removed:?}"
        );
    }
    ensure!(
        cleanup["remaining"].as_array().is_none_or(Vec::is_empty),
        "something remained: {cleanup}"
    );
    ensure!(
        cleanup["podsGoneAt"].is_string() && cleanup["startedAt"].is_string(),
        "times are missing: {cleanup}"
    );
    ensure!(
        cleanup["durationMilliseconds"].is_number(),
        "how long it took is missing: {cleanup}"
    );
    ensure!(
        ended["status"]["allowedPods"]
            .as_array()
            .is_none_or(Vec::is_empty),
        "no pod is allowed after the end"
    );
    Ok(())
}

fn never_ran(stack: &Stack) -> Result<()> {
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let rejected = Session::asked(stack, "east", "it-shell", &[])?;
    let after = rejected.act(
        User::Carol,
        "reject",
        &["--reason", "not during the freeze"],
    )?;
    ensure!(
        after["status"]["state"] == "Failed",
        "a rejected request is Failed: {}",
        after["status"]
    );
    let withdrawn = Session::asked(stack, "east", "it-shell", &[])?;
    let after = withdrawn.act(User::Alice, "terminate", &["--yes"])?;
    ensure!(
        after["status"]["state"] == "Terminated",
        "a withdrawn request is Terminated: {}",
        after["status"]
    );
    ensure!(
        inventory(&cluster)? == before,
        "nothing was deployed for either"
    );
    Ok(())
}
