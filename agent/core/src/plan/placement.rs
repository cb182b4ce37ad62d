//! Pods stay where they may be, also on nodes that join or are relabelled later (S3, D4): a pod that must go is deleted, and
//! only then the workload's affinity is written anew with the names of the nodes that stay free.

use std::collections::BTreeSet;

use breakglass_protocol::wire::grant::{Work, WorkloadKind};
use serde_json::Value;

use super::{PodRef, Step};
use crate::held::Held;
use crate::nodes::{Constraints, NodesSeen};
use crate::observed::{Observed, PodFacts};
use crate::pods::{self, PodJudge};
use crate::quota;
use crate::workload::scheduling::{nodes_left_out, without_nodes};

/// Whether nothing can be made before the nodes are known: where pods may run, or how many there will be, hangs on them.
pub(super) fn waits_for_nodes(held: &Held, observed: &Observed) -> bool {
    matches!(observed.nodes, NodesSeen::Unknown)
        && (Constraints::of(&held.grant).choose_nodes() || quota::counts_nodes(&held.grant))
}

/// Whether nodes matter to the grant at all once it is made.
fn looks_at_nodes(held: &Held) -> bool {
    let Work::Workload(workload) = &held.grant.work;
    let quota = workload.quota.as_ref();
    quota.is_some_and(|quota| quota.max_pods.is_some())
        || Constraints::of(&held.grant).choose_nodes()
}

/// Pods that must go.
pub(super) fn remove_pods(held: &Held, observed: &Observed) -> Vec<Step> {
    if !looks_at_nodes(held) {
        return Vec::new();
    }
    let Some(judge) = PodJudge::of(held, observed) else {
        return Vec::new();
    };
    observed
        .pods
        .iter()
        .filter(|pod| !held.asked.contains(&pod.uid) && judge.must_go(pod))
        .map(|pod| Step::DeletePod {
            pod: PodRef {
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
                uid: pod.uid.clone(),
            },
        })
        .collect()
}

/// The workload as it is made first: no pod on a node whose name is denied.
///
/// # Errors
/// If the names are more than a pod template should hold; words for the session's people.
pub(super) fn first_manifest(
    held: &Held,
    observed: &Observed,
    manifest: &Value,
) -> Result<Value, String> {
    let names = denied_names(held, observed);
    without_nodes(manifest, &names).ok_or_else(|| {
        format!(
            "deniedNodes match {} nodes of cluster {}, more than can be named in a pod; deny them by a label \
             (deniedNodeLabels)",
            names.len(),
            held.grant.cluster
        )
    })
}

/// The workload as it should be now, if that leaves out other nodes than it does.
pub(super) fn changed_manifest(
    held: &Held,
    observed: &Observed,
    manifest: &Value,
) -> Option<Value> {
    if !looks_at_nodes(held) {
        return None;
    }
    let wanted = without_nodes(manifest, &to_leave_out(held, observed))?;
    (nodes_left_out(&wanted) != held.nodes_left_out).then_some(wanted)
}

/// The workload as it was written last.
pub(super) fn same_manifest(held: &Held, manifest: &Value) -> Option<Value> {
    without_nodes(manifest, &held.nodes_left_out)
}

fn denied_names(held: &Held, observed: &Observed) -> BTreeSet<String> {
    let constraints = Constraints::of(&held.grant);
    let nodes = observed.nodes.iter();
    nodes
        .filter(|node| constraints.deny_name(&node.name))
        .map(|node| node.name.clone())
        .collect()
}

/// What is left out stays left out: an affinity that is loosened again could bring a pod back to where it must not be.
fn to_leave_out(held: &Held, observed: &Observed) -> BTreeSet<String> {
    let mut names = held.nodes_left_out.clone();
    let Work::Workload(workload) = &held.grant.work;
    let more = match workload.kind {
        WorkloadKind::DaemonSet => {
            let mut more = denied_names(held, observed);
            more.extend(full(held, observed));
            more
        }
        // A new template replaces all its pods, so it is written only where one of them met such a node.
        WorkloadKind::Deployment => {
            let met: BTreeSet<&str> = own(held, observed).filter_map(node_of).collect();
            let denied = denied_names(held, observed).into_iter();
            denied.filter(|name| met.contains(name.as_str())).collect()
        }
    };
    let live: BTreeSet<&str> = own(held, observed)
        .filter(|pod| pod.deleting.is_none() && !held.asked.contains(&pod.uid))
        .filter_map(node_of)
        .collect();
    names.extend(
        more.into_iter()
            .filter(|name| !live.contains(name.as_str())),
    );
    names
}

/// Nodes that would get a pod though the session has as many as it may: the DaemonSet makes none there then.
fn full(held: &Held, observed: &Observed) -> BTreeSet<String> {
    let Work::Workload(workload) = &held.grant.work;
    let Some(max_pods) = workload.quota.as_ref().and_then(|quota| quota.max_pods) else {
        return BTreeSet::new();
    };
    let Some(judge) = PodJudge::of(held, observed) else {
        return BTreeSet::new();
    };
    let taken: BTreeSet<&str> = own(held, observed)
        .filter(|pod| pod.deleting.is_none() && !judge.must_go(pod))
        .filter_map(node_of)
        .collect();
    let is_full = taken.len() >= usize::try_from(max_pods).unwrap_or(usize::MAX);
    let eligible = quota::eligible_nodes(held, observed);
    eligible
        .filter(|name| is_full && !taken.contains(name))
        .map(str::to_owned)
        .collect()
}

fn own<'a>(held: &'a Held, observed: &'a Observed) -> impl Iterator<Item = &'a PodFacts> {
    let pods = observed.pods.iter();
    pods.filter(|pod| pods::is_owned(held, pod, &observed.replica_sets))
}

fn node_of(pod: &PodFacts) -> Option<&str> {
    pod.spec.node_name.as_deref()
}
