//! Sessions through a binding: opened to one cluster only, decided by the binding's approvers, under its stricter rules
//! and its limit, and not approved any more once it is disabled (S1, S7, D18).

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};
use serde_json::Value;

use crate::Case;
use crate::story::{NAMESPACE, Session, works};

pub const CASES: &[Case] = &[
    (
        "bindings::s01_a_template_is_opened_to_west_by_its_binding_alone",
        west_only,
    ),
    ("bindings::d18_the_bindings_limit_holds", limit),
    (
        "bindings::s07_what_a_disabled_binding_offered_is_not_approved",
        disabled,
    ),
];

const BINDINGS: &str = include_str!("bindings/bindings.yaml");
const LABEL: &str = "jsonpath={.metadata.labels.it-binding}";
/// The hub looks at its folder every second, twice.
const TAKEN_IN: Duration = Duration::from_secs(20);

/// Lays the template and its binding as `text` says them, and waits until the hub says of the binding what it should.
fn lay(stack: &Stack, text: &str, is_active: &Value) -> Result<()> {
    std::fs::write(stack.templates().join("bindings.yaml"), text)?;
    wait::until("the binding in the hub", TAKEN_IN, || {
        let found = stack.ask(
            User::Admin,
            &["debug", "binding", "get", "breakglass/it-west"],
        );
        Ok(match found {
            Ok(found) if found["status"]["isActive"] == *is_active => Look::Found(()),
            Ok(found) => Look::NotYet(found.to_string()),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })
}

/// What the hub says to a request of alice's that it refuses.
fn refusal(stack: &Stack, cluster: &str) -> Result<String> {
    match Session::asked(stack, cluster, "it-bound", &[]) {
        Ok(session) => bail!("{} was made on {cluster}", session.name),
        Err(error) => Ok(format!("{error:#}")),
    }
}

fn west_only(stack: &Stack) -> Result<()> {
    lay(stack, BINDINGS, &Value::Bool(true))?;
    let offers = stack.ask(User::Alice, &["debug", "template", "clusters", "it-bound"])?;
    let names: Vec<&Value> = offers["clusters"]
        .as_array()
        .map(|clusters| clusters.iter().map(|c| &c["name"]).collect())
        .unwrap_or_default();
    ensure!(names == ["west"], "it is offered on west only: {offers}");
    let told = refusal(stack, "east")?;
    ensure!(told.contains("through bindings only"), "{told}");

    let session = Session::asked(stack, "west", "it-bound", &[])?;
    let seen = session.get()?;
    ensure!(seen["spec"]["bindingRef"]["name"] == "it-west", "{seen}");
    ensure!(
        seen["status"]["resolved"]["durationSeconds"] == 600,
        "{seen}"
    );
    // The template's approver has no say in it.
    let approve = ["debug", "session", "approve", &session.name];
    ensure!(stack.ask(User::Carol, &approve).is_err(), "carol approved");
    stack.ask(User::Mallory, &approve)?;
    session.await_pods(1)?;
    let pod = session.pod()?;
    session.await_allowed(User::Alice, &pod)?;
    let said = works(
        &session.exec(User::Alice, &pod, &["echo", "bound"])?,
        "exec",
    )?;
    ensure!(said.contains("bound"), "{said}");
    let target = format!("pods/{pod}");
    let may_attach = ["auth", "can-i", "create", &target, "--subresource=attach"];
    let answer = session
        .cluster
        .kubectl(User::Alice, &[&may_attach[..], &["-n", NAMESPACE]].concat())?;
    let said = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    ensure!(
        said == "no" || said.starts_with("no - "),
        "attach is off in the binding: {said:?}"
    );
    let labels = ["get", "pod", &pod, "-n", NAMESPACE, "-o", LABEL];
    let label = session.cluster.admin(&labels)?;
    ensure!(
        label == "west",
        "the binding's label is on the pod: {label:?}"
    );
    session.end()?;
    Ok(())
}

fn limit(stack: &Stack) -> Result<()> {
    lay(stack, BINDINGS, &Value::Bool(true))?;
    let first = Session::asked(stack, "west", "it-bound", &[])?;
    let told = refusal(stack, "west")?;
    ensure!(
        told.contains("that this binding allows at once are open"),
        "{told}"
    );
    first.act(User::Alice, "terminate", &["--yes"])?;
    let second = Session::asked(stack, "west", "it-bound", &[])?;
    second.act(User::Alice, "terminate", &["--yes"])?;
    Ok(())
}

fn disabled(stack: &Stack) -> Result<()> {
    lay(stack, BINDINGS, &Value::Bool(true))?;
    let session = Session::asked(stack, "west", "it-bound", &[])?;
    lay(
        stack,
        &BINDINGS.replace("disabled: false", "disabled: true"),
        &Value::Bool(false),
    )?;
    let approve = ["debug", "session", "approve", &session.name];
    match stack.ask(User::Mallory, &approve) {
        Ok(approved) => bail!("it was approved: {approved}"),
        Err(error) => {
            let told = format!("{error:#}");
            ensure!(told.contains("breakglass/it-west is disabled"), "{told}");
        }
    }
    let told = refusal(stack, "west")?;
    ensure!(told.contains("is disabled"), "{told}");
    session.act(User::Alice, "terminate", &["--yes"])?;
    Ok(())
}
