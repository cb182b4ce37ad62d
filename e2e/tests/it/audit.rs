//! What a cluster's webhook decided shows in the hub's record of the session.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};
use serde_json::Value;

use crate::Case;
use crate::story::{NAMESPACE, Session, refused, works};

pub const CASES: &[Case] = &[(
    "audit::s20_who_got_in_and_who_did_not_stands_in_the_sessions_record",
    in_the_record,
)];

/// The first of each is told at once; a minute more for what waits behind repeats.
const TOLD: Duration = Duration::from_secs(90);

fn in_the_record(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = session.pod()?;
    works(&session.exec(User::Alice, &pod, &["true"])?, "alice's exec")?;
    refused(
        &session.exec(User::Mallory, &pod, &["true"])?,
        "mallory's exec",
    )?;
    let allowed = await_line(&session, "accessAllowed", "alice", Some("exec"))?;
    for (name, expected) in [("pod", pod.as_str()), ("namespace", NAMESPACE)] {
        ensure!(allowed["detail"][name] == expected, "{allowed}");
    }
    ensure!(allowed["by"]["kind"] == "agent", "{allowed}");
    ensure!(allowed["by"]["name"] == "west", "{allowed}");
    // kubectl begins with `get`, and mallory is refused that already.
    let denied = await_line(&session, "accessDenied", "mallory", None)?;
    ensure!(denied["detail"]["why"] == "notInSession", "{denied}");
    ensure!(denied["outcome"] == "refused", "{denied}");

    // Whoever sees the session reads who got in, and nobody else's attempts.
    let ask = ["debug", "session", "events", &session.name];
    let events = lines(&stack.ask(User::Alice, &ask)?, "events")?;
    let has = |event: &str| events.iter().any(|line| line["event"] == event);
    ensure!(has("accessAllowed") && !has("accessDenied"), "{events:?}");
    session.end().map(drop)
}

/// Waits for a line of the record that tells of this person.
fn await_line(
    session: &Session<'_>,
    event: &str,
    person: &str,
    operation: Option<&str>,
) -> Result<Value> {
    wait::until(&format!("{event} of {person}"), TOLD, || {
        let ask = ["debug", "session", "audit", &session.name];
        let records = lines(&session.stack.ask(User::Admin, &ask)?, "records")?;
        let is_it = |line: &&Value| {
            let user = line["detail"]["user"].as_str().unwrap_or_default();
            line["event"] == event
                && user.contains(person)
                && operation.is_none_or(|operation| line["detail"]["operation"] == operation)
        };
        Ok(match records.iter().find(is_it) {
            Some(line) => Look::Found(line.clone()),
            None => Look::NotYet(format!("{} other lines", records.len())),
        })
    })
}

fn lines(answer: &Value, list: &str) -> Result<Vec<Value>> {
    let lines = answer[list].as_array();
    lines
        .cloned()
        .with_context(|| format!("no {list}: {answer}"))
}
