//! Killed between the first document and the rest: what was made is found again and not made twice.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};
use serde_json::Value;

use super::{lay, objects, proves_removed};
use crate::Case;
use crate::inventory::{await_again, inventory};
use crate::story::{NAMESPACE, Session};

pub const CASES: &[Case] = &[
    (
        "templates::crash::agent_killed_after_the_first_document_goes_on_without_doubling",
        agent_killed,
    ),
    (
        "templates::crash::hub_killed_after_the_first_document_changes_nothing",
        hub_killed,
    ),
];

const QUOTA: &str = "it-no-secrets";

fn agent_killed(stack: &Stack) -> Result<()> {
    in_the_middle(stack, |session| stack.kill_agent(&session.cluster))
}

fn hub_killed(stack: &Stack) -> Result<()> {
    in_the_middle(stack, |_| {
        stack.hub()?.kill()?;
        stack.start_hub().map(drop)
    })
}

/// A quota that no Secret fits holds the session between its first document, a ConfigMap, and its second.
fn in_the_middle(stack: &Stack, crash: impl FnOnce(&Session<'_>) -> Result<()>) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    cluster.apply(&format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: {QUOTA}, namespace: {NAMESPACE}}}\nspec: {{hard: {{count/secrets: \"0\"}}}}\n"
    ))?;
    let session = Session::asked(stack, "east", "it-app", &[]);
    let crashed = session.as_ref().ok().map(|session| {
        let first = await_first(session)?;
        ensure!(objects(session, "secrets")?.is_empty(), "the second waits");
        crash(session)?;
        Ok(first)
    });
    cluster.admin(&["delete", "resourcequota", QUOTA, "-n", NAMESPACE])?;
    let session = session?;
    let first = crashed.context("it was asked for")??;
    session.await_pods(1)?;
    let pod = session.pod()?;
    session.await_allowed_within(User::Alice, &pod, Duration::from_secs(60))?;
    let made = objects(&session, "configmaps,secrets,deployments")?;
    let kinds: Vec<&str> = made.iter().filter_map(|one| one["kind"].as_str()).collect();
    ensure!(
        kinds == ["ConfigMap", "Secret", "Deployment"],
        "each once: {kinds:?}"
    );
    ensure!(
        made[0]["metadata"]["uid"] == first["metadata"]["uid"],
        "the first document is the one from before"
    );
    proves_removed(&session.end()?, &made)?;
    await_again(&cluster, &before)
}

fn await_first(session: &Session<'_>) -> Result<Value> {
    wait::until("the first document", Duration::from_secs(20), || {
        let found = objects(session, "configmaps")?;
        Ok(match found.into_iter().next() {
            Some(first) => Look::Found(first),
            None => Look::NotYet(session.get()?["status"].to_string()),
        })
    })
}
