//! What cannot be made: the session fails and takes back what was made, or goes on, as the failure policy says.

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use serde_json::Value;

use super::{lay, objects, run, statuses};
use crate::Case;
use crate::inventory::{await_again, inventory};
use crate::story::{NAMESPACE, READY, Session, text};

pub const CASES: &[Case] = &[
    (
        "templates::refused::a_middle_document_that_the_api_server_refuses_takes_the_others_with_it",
        middle_refused,
    ),
    (
        "templates::refused::s09_a_middle_document_that_the_ceiling_forbids_deploys_nothing",
        middle_forbidden,
    ),
    (
        "templates::refused::failure_policies_and_what_stays_after_the_end",
        policies,
    ),
];

fn middle_refused(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let session = Session::asked(stack, "east", "it-middle-refused", &[])?;
    let failed = session.await_end("Failed")?;
    let message = text(&failed["status"]["message"])?;
    let document = format!(
        "document 3 of the pod template (ConfigMap {}-second)",
        session.name
    );
    for words in [document.as_str(), "data[not a key]"] {
        ensure!(message.contains(words), "{words:?} in {message}");
    }
    let cleanup = &failed["status"]["cleanup"];
    let first = format!("{}-first", session.name);
    let removed = cleanup["removed"].as_array().context("nothing removed")?;
    ensure!(
        removed
            .iter()
            .any(|gone| gone["name"] == first && gone["uid"].is_string()),
        "what came before it was made, and is gone: {cleanup}"
    );
    ensure!(
        !cleanup.to_string().contains("-third"),
        "what comes after it was never made: {cleanup}"
    );
    await_again(&cluster, &before)
}

fn middle_forbidden(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let session = Session::asked(stack, "east", "it-middle-forbidden", &[])?;
    let failed = session.await_end("Failed")?;
    let message = text(&failed["status"]["message"])?;
    let document = format!(
        "document 3 of the pod template (Service {}-second)",
        session.name
    );
    for words in [document.as_str(), "spec.type", "LoadBalancer", "ClusterIP"] {
        ensure!(message.contains(words), "{words:?} in {message}");
    }
    let removed = &failed["status"]["cleanup"]["removed"];
    ensure!(
        removed.as_array().is_none_or(Vec::is_empty),
        "nothing was made: {removed}"
    );
    await_again(&cluster, &before)
}

fn policies(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let session = Session::asked(stack, "east", "it-policies", &["--aux", "notes"])?;
    let without = Session::asked(stack, "east", "it-policies", &["--no-aux"])?;
    run(&session, &["true"])?;
    run(&without, &["true"])?;
    let seen = session.await_so("both ConfigMaps", READY, |session| {
        let told = statuses(session);
        told.iter().filter(|one| one["ready"] == true).count() == 2
    })?;
    ensure!(
        objects(&session, "configmaps")?.len() == 2 && objects(&without, "configmaps")?.len() == 1,
        "notes are optional"
    );
    left_out_is_told(&seen)?;
    without.act(User::Alice, "terminate", &["--yes"])?;
    for ended in [session.end()?, without.await_end("Terminated")?] {
        let kept = &ended["status"]["cleanup"]["kept"];
        let findings = format!("{}-findings", text(&ended["metadata"]["name"])?);
        cluster
            .admin(&["delete", "configmap", &findings, "-n", NAMESPACE])
            .context("deleteAfter: false")?;
        ensure!(
            kept.as_array().is_some_and(|kept| kept.len() == 1) && kept[0]["name"] == findings,
            "the proof names what stays: {kept}"
        );
    }
    await_again(&cluster, &before)
}

fn left_out_is_told(session: &Value) -> Result<()> {
    let message = text(&session["status"]["message"])?;
    ensure!(
        message.contains("Warning:") && message.contains("Loud") && !message.contains("Quiet"),
        "warn is told, ignore is not: {message}"
    );
    for kind in ["Quiet", "Loud"] {
        let told = statuses(session);
        let one = told.iter().find(|one| one["kind"] == kind);
        let one = one.with_context(|| format!("no status of {kind}: {told:?}"))?;
        ensure!(
            one["created"] == Value::Bool(false) && one["error"].is_string(),
            "{one}"
        );
    }
    Ok(())
}
