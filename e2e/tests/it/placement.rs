//! Where pods land, on three real nodes: labels, names, a control plane, nodes that join and change later; and what a session
//! may use.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::stack::Stack;
use breakglass_e2e::stack::artifacts::CHECKOUT;
use breakglass_e2e::wait::{self, Look};
use breakglass_e2e::{Cluster, Progress, Testbed, User};
use serde_json::Value;

use crate::Case;
use crate::story::{NAMESPACE, READY, Session, await_offered, refused, text};

pub const CASES: &[Case] = &[
    (
        "placement::an_option_places_pods_and_labels_cannot_contradict_it",
        options,
    ),
    (
        "placement::d09_a_session_over_its_quota_makes_nothing",
        over_quota,
    ),
    (
        "placement::standard_debug_lands_on_permitted_nodes_also_when_they_change",
        standard_debug,
    ),
    (
        "placement::s03_d04_nodes_that_join_later_are_included_or_denied",
        join_later,
    ),
];

const TEMPLATES: &str = include_str!("placement.yaml");
const CLUSTER: &str = "west";
/// The node that joins and leaves.
const THIRD: &str = "west-node-3";
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
/// A node registers within seconds; the rest is for a busy machine.
const JOINED: Duration = Duration::from_secs(90);

fn lay(stack: &Stack) -> Result<()> {
    std::fs::write(stack.templates().join("placement.yaml"), TEMPLATES)?;
    for name in [
        "it-placed-by-label",
        "it-placed-by-name",
        "it-one-pod",
        "it-options",
    ] {
        await_offered(stack, name)?;
    }
    Ok(())
}

/// The sample, as far as this issue builds it and on this cluster.
fn lay_standard_debug(stack: &Stack) -> Result<()> {
    let from = format!("{CHECKOUT}/protocol/fixtures/samples/standard-debug.yaml");
    let sample = std::fs::read_to_string(&from).context(from)?;
    let without = |text: String, from: &str, to: &str| -> Result<String> {
        let (before, rest) = text.split_once(from).context("the sample has changed")?;
        let at = rest.find(to).context("the sample has changed")?;
        Ok(format!("{before}{}", &rest[at..]))
    };
    let sample = without(sample, "  terminalSharing:\n", "  notification:\n")?;
    let sample = without(sample, "  audit:\n", "  allowedPodOperations:\n")?;
    let sample = sample.replace("\"prod-*\"", CLUSTER);
    std::fs::write(stack.templates().join("standard-debug.yaml"), sample)?;
    await_offered(stack, "standard-debug")
}

/// The third node joins: a machine of its own the first time, its kubelet anew after that.
fn join(stack: &Stack) -> Result<Cluster> {
    let mut testbed = Testbed::attach(stack.folder())?;
    let is_made = |testbed: &Testbed| -> Result<bool> {
        let cluster = testbed.cluster(CLUSTER)?;
        Ok(cluster.nodes()?.iter().any(|node| node.name == THIRD))
    };
    if is_made(&testbed)? {
        testbed.cluster(CLUSTER)?.restart_on(THIRD, "kubelet")?;
    } else {
        let name = testbed.add_node(CLUSTER, Progress::start())?;
        ensure!(name == THIRD, "the new node is {name}");
    }
    let cluster = testbed.cluster(CLUSTER)?;
    cluster.await_ready(JOINED)?;
    Ok(cluster)
}

/// It leaves: other stories count on two nodes.
fn leave(stack: &Stack) -> Result<()> {
    let cluster = Testbed::attach(stack.folder())?.cluster(CLUSTER)?;
    cluster.kill_on(THIRD, "kubelet")?;
    cluster.admin(&["delete", "node", THIRD, "--ignore-not-found"])?;
    Ok(())
}

fn label(cluster: &Cluster, node: &str, label: &str) -> Result<()> {
    cluster
        .admin(&["label", "node", node, label, "--overwrite"])
        .map(drop)
}

/// The nodes of the session's open pods, once they are these.
fn await_nodes(session: &Session<'_>, wanted: &[&str]) -> Result<()> {
    session
        .await_so(
            &format!("open pods on {}", wanted.join(", ")),
            READY,
            |session| {
                let pods = session["status"]["allowedPods"].as_array();
                let mut nodes: Vec<&str> = pods
                    .into_iter()
                    .flatten()
                    .filter(|pod| pod["ready"] == Value::Bool(true))
                    .filter_map(|pod| pod["nodeName"].as_str())
                    .collect();
                nodes.sort_unstable();
                nodes == wanted
            },
        )
        .map(drop)
}

/// The session's pods in the cluster, by node.
fn pods_on(session: &Session<'_>, node: &str) -> Result<Vec<Value>> {
    let selector = format!("breakglass.t-caas.telekom.com/session={}", session.name);
    let field = format!("spec.nodeName={node}");
    let list = session.cluster.admin(&[
        "get",
        "pods",
        "-n",
        NAMESPACE,
        "-l",
        &selector,
        "--field-selector",
        &field,
        "-o",
        "json",
    ])?;
    let list: Value = serde_json::from_str(&list)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn await_empty(session: &Session<'_>, node: &str) -> Result<()> {
    wait::until(&format!("no pod on {node}"), READY, || {
        let pods = pods_on(session, node)?;
        Ok(if pods.is_empty() {
            Look::Found(())
        } else {
            Look::NotYet(format!("{} pods", pods.len()))
        })
    })
}

fn options(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let second = Session::asked(
        stack,
        CLUSTER,
        "it-options",
        &["--scheduling-option", "second"],
    )?;
    await_nodes(&second, &["west-node-2"])?;
    second.end()?;
    let first = Session::asked(stack, CLUSTER, "it-options", &[])?;
    await_nodes(&first, &["west-node-1"])?;
    first.end()?;
    let create = [
        "debug",
        "session",
        "create",
        "--template",
        "it-options",
        "--cluster",
        CLUSTER,
    ];
    for (more, words) in [
        (
            ["--scheduling-option", "reserved"],
            "is for members of netops-admins only",
        ),
        (
            ["--scheduling-option", "third"],
            "choose one of: first, second",
        ),
        (
            ["--node-selector", "kubernetes.io/hostname=west-node-2"],
            "no node can fulfil both",
        ),
    ] {
        let output = stack.bgctl(User::Alice, &[&create[..], &more].concat())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !output.status.success() && said.contains(words),
            "{words:?} in {said}"
        );
    }
    Ok(())
}

fn over_quota(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let session = Session::asked(stack, CLUSTER, "it-one-pod", &[])?;
    let failed = session.await_end("Failed")?;
    let message = text(&failed["status"]["message"])?;
    ensure!(
        message.contains("comes to 2 pods, and resourceQuota.maxPods is 1"),
        "{message}"
    );
    let selector = format!("breakglass.t-caas.telekom.com/session={}", session.name);
    let made = session
        .cluster
        .admin(&["get", "all", "-n", NAMESPACE, "-l", &selector, "-o", "name"])?;
    ensure!(made.trim().is_empty(), "made: {made}");
    Ok(())
}

/// What the stories put on nodes, taken off again.
fn with_labels(cluster: &Cluster, story: impl FnOnce() -> Result<()>) -> Result<()> {
    for node in ["west-node-1", "west-node-2"] {
        label(cluster, node, "node-pool=general-purpose")?;
        label(cluster, node, "network.kubernetes.io/sriov=false")?;
    }
    let told = story();
    let off = format!("{CONTROL_PLANE}-");
    let removed = ["west-node-1", "west-node-2"].iter().try_for_each(|node| {
        ["node-pool-", "network.kubernetes.io/sriov-", &off]
            .iter()
            .try_for_each(|key| label(cluster, node, key))
    });
    told.and(removed)
}

fn standard_debug(stack: &Stack) -> Result<()> {
    lay_standard_debug(stack)?;
    let cluster = join(stack)?;
    let told = with_labels(&cluster, || {
        label(&cluster, THIRD, "node-pool=general-purpose")?;
        label(&cluster, THIRD, "network.kubernetes.io/sriov=false")?;
        label(&cluster, THIRD, &format!("{CONTROL_PLANE}="))?;
        standard_debug_on(stack, &cluster)
    });
    told.and(leave(stack))
}

fn standard_debug_on(stack: &Stack, cluster: &Cluster) -> Result<()> {
    let session = Session::approved(stack, CLUSTER, "standard-debug", &[])?;
    await_nodes(&session, &["west-node-1", "west-node-2"])?;
    ensure!(
        pods_on(&session, THIRD)?.is_empty(),
        "a pod on the control plane"
    );
    let budget = format!("{}-pdb", session.name);
    let made = cluster.admin(&["get", "pdb", &budget, "-n", NAMESPACE, "-o", "json"])?;
    let made: Value = serde_json::from_str(&made)?;
    ensure!(made["spec"]["minAvailable"] == 1, "{}", made["spec"]);

    let lost = pods_on(&session, "west-node-2")?;
    let pod = text(&lost.first().context("a pod")?["metadata"]["name"])?;
    label(cluster, "west-node-2", &format!("{CONTROL_PLANE}="))?;
    await_nodes(&session, &["west-node-1"])?;
    await_empty(&session, "west-node-2")?;
    refused(
        &session.exec(User::Alice, &pod, &["true"])?,
        "exec in a pod of a node that is denied now",
    )?;
    label(cluster, "west-node-2", &format!("{CONTROL_PLANE}-"))?;
    await_nodes(&session, &["west-node-1", "west-node-2"])?;

    let ended = session.end()?;
    let removed = &ended["status"]["cleanup"]["removed"];
    ensure!(removed.to_string().contains(&budget), "{removed}");
    let gone = cluster.kubectl(User::Admin, &["get", "pdb", &budget, "-n", NAMESPACE])?;
    ensure!(!gone.status.success(), "the budget is still there");
    Ok(())
}

fn join_later(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let open = Session::asked(stack, CLUSTER, "it-placed-by-label", &[])?;
    let closed = Session::asked(stack, CLUSTER, "it-placed-by-name", &[])?;
    for session in [&open, &closed] {
        await_nodes(session, &["west-node-1", "west-node-2"])?;
    }
    let told = join(stack).and_then(|_| {
        await_nodes(&open, &["west-node-1", "west-node-2", THIRD])?;
        let workload = format!("daemonset/{}-ds", closed.name);
        wait::until("the denied node's name in the affinity", READY, || {
            let args = ["get", &workload, "-n", NAMESPACE, "-o", "json"];
            let set: Value = serde_json::from_str(&closed.cluster.admin(&args)?)?;
            let affinity = &set["spec"]["template"]["spec"]["affinity"];
            Ok(if affinity.to_string().contains(THIRD) {
                Look::Found(())
            } else {
                Look::NotYet(affinity.to_string())
            })
        })?;
        await_empty(&closed, THIRD)?;
        await_nodes(&closed, &["west-node-1", "west-node-2"])
    });
    let ended = open.end().and(closed.end()).map(drop);
    told.and(ended).and(leave(stack))
}
