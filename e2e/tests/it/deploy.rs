//! What is deployed, and what people are told when it does not become ready.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use serde_json::Value;

use crate::Case;
use crate::story::{NAMESPACE, Session, refused, text, works};

pub const CASES: &[Case] = &[
    ("deploy::daemonset_has_a_pod_on_every_node", daemon_set),
    (
        "deploy::deployment_with_replicas_labels_and_overrides",
        overrides,
    ),
    ("deploy::everything_carries_the_labels", labels),
    (
        "deploy::message_names_the_image_that_cannot_be_pulled",
        missing_image,
    ),
    (
        "deploy::message_tells_why_a_pod_cannot_be_scheduled",
        unschedulable,
    ),
    ("deploy::message_tells_of_an_exceeded_quota", quota),
    (
        "deploy::s09_the_ceiling_refuses_privileged_pods_and_says_what_opens_it",
        ceiling,
    ),
    ("deploy::d02_pods_carry_a_deadline_as_backstop", deadline),
];

/// The agent looks at most once in a few seconds at pods that do not become ready.
const TOLD: Duration = Duration::from_secs(45);

fn daemon_set(stack: &Stack) -> Result<()> {
    let session = Session::asked(stack, "west", "it-nodes", &[])?;
    let pods = session.await_pods(2)?;
    let mut nodes: Vec<String> = pods
        .iter()
        .map(|pod| text(&pod["nodeName"]))
        .collect::<Result<_>>()?;
    nodes.sort();
    ensure!(
        nodes == ["west-node-1", "west-node-2"],
        "pods are on {nodes:?}"
    );
    for pod in &pods {
        ensure!(pod["phase"] == "Running" && pod["uid"].is_string(), "{pod}");
        let name = text(&pod["name"])?;
        works(
            &session.exec(User::Alice, &name, &["true"])?,
            "exec on each node",
        )?;
    }
    session.end().map(drop)
}

fn overrides(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-overrides", 2)?;
    let selector = format!("breakglass.t-caas.telekom.com/session={}", session.name);
    let pods = list(&session, "pods", &selector)?;
    ensure!(pods.len() == 2, "two replicas, not {}", pods.len());
    for pod in &pods {
        let container = &pod["spec"]["containers"][0];
        let env = container["env"].as_array().context("env")?;
        ensure!(
            env.iter()
                .any(|e| e["name"] == "GREETING" && e["value"] == "hello"),
            "{env:?}"
        );
        ensure!(
            container["resources"]["limits"]["memory"] == "64Mi",
            "{}",
            container["resources"]
        );
        ensure!(
            container["securityContext"]["runAsUser"] == 1000,
            "{}",
            container["securityContext"]
        );
        ensure!(
            pod["metadata"]["labels"]["team"] == "sre",
            "{}",
            pod["metadata"]["labels"]
        );
        ensure!(
            pod["metadata"]["annotations"]["example.com/ticket"] == "INC-1",
            "{}",
            pod["metadata"]["annotations"]
        );
        ensure!(pod["spec"]["terminationGracePeriodSeconds"] == 2, "D1");
        ensure!(
            pod["spec"]["automountServiceAccountToken"] == Value::Bool(false),
            "S9: no token"
        );
    }
    session.end().map(drop)
}

fn list(session: &Session<'_>, kind: &str, selector: &str) -> Result<Vec<Value>> {
    let text = session
        .cluster
        .admin(&["get", kind, "-n", NAMESPACE, "-l", selector, "-o", "json"])?;
    let list: Value = serde_json::from_str(&text)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn labels(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let selector = format!(
        "breakglass.t-caas.telekom.com/session={},breakglass.t-caas.telekom.com/session-type=debug,\
         breakglass.t-caas.telekom.com/template=it-shell,breakglass.t-caas.telekom.com/cluster=west,\
         app.kubernetes.io/managed-by=breakglass",
        session.name
    );
    for kind in ["deployments", "pods"] {
        ensure!(
            list(&session, kind, &selector)?.len() == 1,
            "{kind} with all five labels"
        );
    }
    let deployments = list(&session, "deployments", &selector)?;
    ensure!(
        deployments[0]["metadata"]["name"] == format!("{}-deploy", session.name),
        "D16"
    );
    session.end().map(drop)
}

fn missing_image(stack: &Stack) -> Result<()> {
    let session = Session::asked(stack, "west", "it-missing-image", &[])?;
    let told = await_message(&session, &["no-such-image:1"])?;
    ensure!(told.contains("image"), "{told}");
    session.end().map(drop)
}

fn unschedulable(stack: &Stack) -> Result<()> {
    let session = Session::asked(stack, "west", "it-unschedulable", &[])?;
    await_message(&session, &["node"])?;
    session.end().map(drop)
}

fn quota(stack: &Stack) -> Result<()> {
    let cluster = stack.cluster("west")?;
    cluster.apply(&format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: it-none, namespace: {NAMESPACE}}}\nspec: {{hard: {{pods: \"0\"}}}}\n"
    ))?;
    let session = Session::approved(stack, "west", "it-shell", &[])?;
    let told = await_message(&session, &["quota"]);
    cluster.admin(&["delete", "resourcequota", "it-none", "-n", NAMESPACE])?;
    told?;
    session.end().map(drop)
}

/// Waits until the session's message holds every one of these words.
fn await_message(session: &Session<'_>, words: &[&str]) -> Result<String> {
    let seen = session.await_so(&format!("a message with {words:?}"), TOLD, |s| {
        let message = s["status"]["message"].as_str().unwrap_or_default();
        s["status"]["state"] == "Active" && words.iter().all(|word| message.contains(word))
    })?;
    text(&seen["status"]["message"])
}

fn ceiling(stack: &Stack) -> Result<()> {
    let session = Session::asked(stack, "west", "it-privileged", &[])?;
    let failed = session.await_so("Failed by the ceiling", TOLD, |s| {
        s["status"]["state"] == "Failed"
    })?;
    let message = text(&failed["status"]["message"])?;
    for word in ["privileged", "hostPID", "ceiling."] {
        ensure!(
            message.contains(word),
            "the message should say {word:?}: {message}"
        );
    }
    let selector = format!("breakglass.t-caas.telekom.com/session={}", session.name);
    ensure!(
        list(&session, "all", &selector)?.is_empty(),
        "nothing was deployed"
    );
    Ok(())
}

fn deadline(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let selector = format!("breakglass.t-caas.telekom.com/session={}", session.name);
    breakglass_e2e::wait::until("activeDeadlineSeconds", Duration::from_secs(15), || {
        let pods = list(&session, "pods", &selector)?;
        let seconds = pods
            .first()
            .and_then(|pod| pod["spec"]["activeDeadlineSeconds"].as_i64());
        // Four hours from the start is the last possible end, and the backstop stands 30 s behind it.
        Ok(match seconds {
            Some(1..=14_430) => breakglass_e2e::wait::Look::Found(()),
            other => breakglass_e2e::wait::Look::NotYet(format!("{other:?}")),
        })
    })?;
    refused(
        &session
            .cluster
            .kubectl(User::Alice, &["get", "deployments", "-n", NAMESPACE])?,
        "deployments",
    )?;
    session.end().map(drop)
}
