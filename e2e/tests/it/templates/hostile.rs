//! S13: values that want to be more than data. Quoted they arrive as they are; unquoted they fail the session, and nothing
//! that they ask for is ever made.

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use serde_json::Value;

use super::{lay, objects, run};
use crate::Case;
use crate::inventory::{await_again, inventory};
use crate::story::{Session, text};

pub const CASES: &[Case] = &[
    (
        "templates::hostile::s13_quoted_values_arrive_byte_for_byte",
        quoted,
    ),
    (
        "templates::hostile::s13_unquoted_values_make_nothing_of_their_own",
        unquoted,
    ),
    (
        "templates::hostile::s13_values_that_are_undeclared_or_hold_control_characters_are_refused",
        refused_at_once,
    ),
];

/// What becomes of a value where its author forgot the quotes.
enum Unquoted {
    Fails,
    Arrives,
}
use Unquoted::{Arrives, Fails};

/// What is typed, what arrives where it is quoted (line breaks are one space), and what happens where it is not.
const VALUES: [(&str, &str, Unquoted); 10] = [
    (
        "x\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: it-smuggled}",
        "x --- apiVersion: v1 kind: ConfigMap metadata: {name: it-smuggled}",
        Fails,
    ),
    ("a: b", "a: b", Fails),
    ("\"", "\"", Fails),
    ("{{ .session.name }}", "{{ .session.name }}", Fails),
    ("*x", "*x", Fails),
    ("!!binary aGk=", "!!binary aGk=", Fails),
    ("'\\n\\x41\\", "'\\n\\x41\\", Fails),
    ("a # b", "a # b", Fails),
    ("x\n- y\tz\u{2028}k", "x - y\tz k", Arrives),
    (
        "x\"\n  image: evil:1\n  name: \"y",
        "x\"   image: evil:1   name: \"y",
        Fails,
    ),
];

fn env_of(container: &Value) -> Result<Vec<(String, String)>> {
    let env = container["env"].as_array().context("no env")?;
    env.iter()
        .map(|one| Ok((text(&one["name"])?, text(&one["value"])?)))
        .collect()
}

fn quoted(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let values = VALUES.iter().enumerate();
    let values =
        values.flat_map(|(nth, (typed, _, _))| ["--set".to_owned(), format!("v{nth}={typed}")]);
    let values: Vec<String> = values.collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let session = Session::asked(stack, "east", "it-quoted", &values)?;
    session.await_pods(1)?;
    let pods = objects(&session, "pods")?;
    ensure!(pods[0]["spec"]["containers"][0]["image"] == "busybox:latest");
    let mut wanted: Vec<(String, String)> = VALUES
        .iter()
        .enumerate()
        .map(|(nth, (_, arrives, _))| (format!("v{nth}"), (*arrives).to_owned()))
        .collect();
    wanted.push(("REASON".to_owned(), "an end-to-end test".to_owned()));
    let env = env_of(&pods[0]["spec"]["containers"][0])?;
    ensure!(env == wanted, "{env:?}");
    let told = run(&session, &["env"])?;
    for (name, value) in &wanted {
        let line = format!("{name}={value}");
        ensure!(told.lines().any(|seen| seen == line), "{line:?} in {told}");
    }
    let maps = objects(&session, "all,configmaps,secrets")?;
    let kinds: Vec<String> = maps.iter().map(|one| one["kind"].to_string()).collect();
    ensure!(kinds.len() == 3, "Deployment, ReplicaSet, Pod: {kinds:?}");
    session.end()?;
    await_again(&cluster, &before)
}

fn unquoted(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    for (typed, arrives, outcome) in VALUES {
        let note = format!("note={typed}");
        let session = Session::asked(stack, "east", "it-unquoted", &["--set", &note])?;
        match outcome {
            Fails => fails(&session),
            Arrives => arrives_as(&session, arrives),
        }
        .with_context(|| format!("the value {typed:?}"))?;
    }
    await_again(&cluster, &before)
}

fn fails(session: &Session<'_>) -> Result<()> {
    let failed = session.await_end("Failed")?;
    let message = text(&failed["status"]["message"])?;
    ensure!(
        message.contains("spec.podTemplateString"),
        "the message names the place: {message}"
    );
    let removed = &failed["status"]["cleanup"]["removed"];
    ensure!(
        removed.as_array().is_none_or(Vec::is_empty),
        "something was made: {removed}"
    );
    Ok(())
}

fn arrives_as(session: &Session<'_>, value: &str) -> Result<()> {
    session.await_pods(1)?;
    let pods = objects(session, "pods")?;
    let env = env_of(&pods[0]["spec"]["containers"][0])?;
    ensure!(env == [("NOTE".to_owned(), value.to_owned())], "{env:?}");
    session.end().map(drop)
}

fn refused_at_once(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let create = [
        "debug",
        "session",
        "create",
        "--template",
        "it-unquoted",
        "--cluster",
        "east",
        "--reason",
        "an end-to-end test",
    ];
    let declared = ["--set", "note=x", "--set", "other=y"];
    for (values, place) in [
        (declared.as_slice(), "extraDeployValues.other"),
        (&["--set", "note=x\r- y"], "extraDeployValues.note"),
    ] {
        let refused = stack.bgctl(User::Alice, &[&create, values].concat())?;
        let said = String::from_utf8_lossy(&refused.stderr);
        ensure!(
            !refused.status.success() && said.contains(place) && said.contains("HTTP 422"),
            "{values:?}: {said}"
        );
    }
    Ok(())
}
