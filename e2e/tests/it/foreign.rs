//! S3 and S8: labels prove nothing, names prove nothing; what is not the session's is neither opened nor touched.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};
use breakglass_e2e::{Cluster, User};
use serde_json::Value;

use crate::Case;
use crate::story::{NAMESPACE, Session, refused, text, works};

pub const CASES: &[Case] = &[
    (
        "foreign::s03_a_pod_labelled_like_the_sessions_is_not_allowed",
        labelled,
    ),
    (
        "foreign::s03_a_pod_that_a_controller_adopts_is_not_allowed",
        adopted,
    ),
    (
        "foreign::s03_a_pod_reborn_under_the_same_name_is_not_allowed",
        reborn,
    ),
    (
        "foreign::s08_an_object_in_the_way_fails_the_session_and_stays",
        in_the_way,
    ),
];

fn pod_json(cluster: &Cluster, name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&cluster.admin(&[
        "get", "pod", name, "-n", NAMESPACE, "-o", "json",
    ])?)?)
}

/// A copy of a pod under another (or the same) name: same labels, same containers, no owner, nothing of the server's.
fn copy(pod: &Value, name: &str) -> Value {
    let mut spec = pod["spec"].clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("nodeName");
    }
    serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": NAMESPACE,
            "labels": pod["metadata"]["labels"], "annotations": pod["metadata"]["annotations"],
        },
        "spec": spec,
    })
}

fn create(cluster: &Cluster, manifest: &Value) -> Result<()> {
    cluster.apply(&manifest.to_string()).map(drop)
}

fn remove(cluster: &Cluster, name: &str) -> Result<()> {
    cluster
        .admin(&[
            "delete",
            "pod",
            name,
            "-n",
            NAMESPACE,
            "--grace-period=0",
            "--force",
            "--ignore-not-found",
        ])
        .map(drop)
}

fn await_running(cluster: &Cluster, name: &str) -> Result<()> {
    let pod = format!("pod/{name}");
    cluster
        .admin(&[
            "wait",
            "-n",
            NAMESPACE,
            "--for=condition=Ready",
            &pod,
            "--timeout=60s",
        ])
        .map(drop)
}

/// Alice is refused on that pod, now and after the agent had every chance to look at it.
fn stays_refused(session: &Session<'_>, pod: &str) -> Result<()> {
    for round in 0..5 {
        refused(
            &session.exec(User::Alice, pod, &["id"])?,
            &format!("exec in {pod}, round {round}"),
        )?;
        // A round trip through the agent's watch: its own pod's annotation changes and is seen.
        session.cluster.admin(&[
            "annotate",
            "pod",
            pod,
            "-n",
            NAMESPACE,
            &format!("example.com/round={round}"),
            "--overwrite",
        ])?;
    }
    let allowed = session.get()?["status"]["allowedPods"].to_string();
    ensure!(
        !allowed.contains(&format!("\"{pod}\"")),
        "{pod} is listed as allowed: {allowed}"
    );
    Ok(())
}

fn labelled(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let own = session.pod()?;
    // A ReplicaSet adopts whatever matches its selector: this one lacks the template's hash, the next test has it.
    let mut twin = copy(&pod_json(&session.cluster, &own)?, "labelled");
    if let Some(labels) = twin["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    create(&session.cluster, &twin)?;
    await_running(&session.cluster, "labelled")?;
    let result = stays_refused(&session, "labelled");
    works(&session.exec(User::Alice, &own, &["true"])?, "her own pod")?;
    session.end()?;
    let kept = pod_json(&session.cluster, "labelled")
        .context("S8: the end removed a pod that the session did not make");
    remove(&session.cluster, "labelled")?;
    kept?;
    result
}

/// An orphan with every label of the ReplicaSet's selector gets the ReplicaSet as its owner, by UID and all.
fn adopted(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let own = session.pod()?;
    let mut orphan = copy(&pod_json(&session.cluster, &own)?, "adopted");
    orphan["spec"]["containers"][0]["env"] =
        serde_json::json!([{"name": "FOREIGN", "value": "yes"}]);
    orphan["spec"]["containers"][0]["command"] = serde_json::json!(["sleep", "infinity"]);
    create(&session.cluster, &orphan)?;
    // The controller adopts it, then has one pod too many and removes one: whichever is left, only ours is ever allowed.
    for _ in 0..10 {
        let output = session.exec(User::Alice, "adopted", &["id"])?;
        ensure!(!output.status.success(), "exec in an adopted pod works");
    }
    let allowed = session.get()?["status"]["allowedPods"].to_string();
    ensure!(
        !allowed.contains("\"adopted\""),
        "an adopted pod is listed: {allowed}"
    );
    remove(&session.cluster, "adopted")?;
    session.await_pods(1)?;
    session.end().map(drop)
}

fn reborn(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let own = session.pod()?;
    let before = pod_json(&session.cluster, &own)?;
    // Without the ReplicaSet's own label, which would have it adopted and perhaps removed again (the test above).
    let mut twin = copy(&before, &own);
    if let Some(labels) = twin["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    remove(&session.cluster, &own)?;
    create(&session.cluster, &twin)?;
    let reborn = pod_json(&session.cluster, &own)?;
    ensure!(
        reborn["metadata"]["uid"] != before["metadata"]["uid"],
        "it is another pod"
    );
    await_running(&session.cluster, &own)?;
    for _ in 0..10 {
        let output = session.exec(User::Alice, &own, &["id"])?;
        ensure!(
            !output.status.success(),
            "exec in a pod reborn under the same name works"
        );
    }
    remove(&session.cluster, &own)?;
    let pods = session.await_pods(1)?;
    let fresh = text(&pods[0]["name"])?;
    works(
        &session.exec(User::Alice, &fresh, &["true"])?,
        "the workload's new pod",
    )?;
    session.end().map(drop)
}

fn in_the_way(stack: &Stack) -> Result<()> {
    let session = Session::asked(stack, "west", "it-shell", &[])?;
    let name = format!("{}-deploy", session.name);
    session.cluster.admin(&[
        "create",
        "deployment",
        &name,
        "-n",
        NAMESPACE,
        "--image=busybox:latest",
        "--replicas=0",
    ])?;
    session.act(User::Carol, "approve", &[])?;
    let failed = session.await_so("Failed", Duration::from_secs(30), |s| {
        s["status"]["state"] == "Failed"
    })?;
    let message = text(&failed["status"]["message"])?;
    ensure!(
        message.contains(&name),
        "the message names the object: {message}"
    );
    wait::until("the end's proof", Duration::from_secs(30), || {
        let session = session.get()?;
        Ok(if session["status"]["cleanup"]["finishedAt"].is_string() {
            Look::Found(())
        } else {
            Look::NotYet(session["status"].to_string())
        })
    })?;
    session
        .cluster
        .admin(&["get", "deployment", &name, "-n", NAMESPACE])
        .context("S8: the foreign object was removed")?;
    session
        .cluster
        .admin(&["delete", "deployment", &name, "-n", NAMESPACE])
        .map(drop)
}
