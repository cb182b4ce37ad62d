//! Which pods are the session's (S3), and why pods are not ready, in plain words.

use breakglass_protocol::wire::report::{ContainerStatus, ObservedPod};
use k8s_openapi::api::core::v1::ContainerStatus as KubeContainerStatus;

use crate::held::Held;
use crate::observed::{Observed, OwnerFacts, PodFacts};

mod judge;
mod message;
mod template;

pub use judge::PodJudge;
pub use message::explain;
pub(crate) use message::shortened;

/// Pods told to the hub and opened at most: 5,000 with container status fill a report (2 MiB). A larger cluster's
/// DaemonSet works on as many; the message says so.
pub const MAX_PODS: usize = 5_000;

/// Whether a pod is the session's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodVerdict {
    Allowed,
    NotAllowed(PodRefusal),
}

/// Why a pod is not the session's, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PodRefusal {
    #[error("the session has ended")]
    Ended,
    #[error("no workload is recorded for the session")]
    NoWorkload,
    #[error("it is in namespace {0}, not in the session's")]
    OtherNamespace(String),
    #[error("it has no UID")]
    NoUid,
    #[error("it is being deleted")]
    Deleting,
    #[error("it is being replaced, because somebody was removed from the session")]
    Old,
    #[error("its owner is not the workload that was made for the session")]
    OtherOwner,
    #[error("its owner adopted it instead of making it")]
    Adopted,
    #[error("its node {0} is not known yet")]
    NodeUnknown(String),
    #[error("node {node} {why}")]
    NodeDenied { node: String, why: String },
    #[error("the session may have {0} pods, and that many older ones are there")]
    OverQuota(u32),
    #[error("its {0} differs from what was applied")]
    Differs(String),
}

/// S3 for one pod among what is seen. For many pods of one grant take a [`PodJudge`].
#[must_use]
pub fn judge_pod(held: &Held, pod: &PodFacts, observed: &Observed) -> PodVerdict {
    match PodJudge::of(held, observed) {
        Some(judge) => judge.verdict(pod),
        None => PodVerdict::NotAllowed(PodRefusal::NoWorkload),
    }
}

/// The pods that the webhook may open, as told to the hub. Empty once the grant has ended.
#[must_use]
pub fn allowed_pods(held: &Held, observed: &Observed) -> Vec<ObservedPod> {
    if held.has_ended() {
        return Vec::new();
    }
    let Some(judge) = PodJudge::of(held, observed) else {
        return Vec::new();
    };
    observed
        .pods
        .iter()
        .filter(|pod| judge.verdict(pod) == PodVerdict::Allowed)
        .take(MAX_PODS)
        .map(observed_pod)
        .collect()
}

/// Whether a ReplicaSet is owned, by UID, by the Deployment that was made for the session.
pub(crate) fn owns_replica_set(held: &Held, set: &OwnerFacts) -> bool {
    held.workload_record().is_some_and(|workload| {
        workload.kind == "Deployment"
            && set.namespace == held.grant.target_namespace
            && !set.uid.is_empty()
            && set.controller.as_ref().is_some_and(|controller| {
                controller.kind == "Deployment" && controller.uid == workload.uid
            })
    })
}

/// The owner chain as it stands now: only this opens a pod.
fn is_owned_now(held: &Held, pod: &PodFacts, owners: &[OwnerFacts]) -> bool {
    let (Some(workload), Some(controller)) = (held.workload_record(), &pod.controller) else {
        return false;
    };
    if workload.kind == "DaemonSet" {
        return controller.kind == "DaemonSet" && controller.uid == workload.uid;
    }
    controller.kind == "ReplicaSet"
        && owners
            .iter()
            .any(|set| set.uid == controller.uid && owns_replica_set(held, set))
}

/// The owner chain as it stands or once stood: enough to delete a pod at the end, never to open one.
pub(crate) fn is_owned(held: &Held, pod: &PodFacts, owners: &[OwnerFacts]) -> bool {
    let by_remembered_set = pod.controller.as_ref().is_some_and(|controller| {
        held.replica_sets
            .iter()
            .any(|set| set.uid == controller.uid)
    });
    pod.namespace == held.grant.target_namespace
        && (held.pods.contains_key(&pod.uid)
            || by_remembered_set
            || is_owned_now(held, pod, owners))
}

fn observed_pod(pod: &PodFacts) -> ObservedPod {
    ObservedPod {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        node_name: pod.spec.node_name.clone(),
        phase: pod.status.phase.clone(),
        ready: is_ready(pod),
        container_status: telling_status(pod),
    }
}

pub(crate) fn is_ready(pod: &PodFacts) -> bool {
    condition(pod, "Ready").is_some_and(|(status, ..)| status == "True")
}

/// (status, reason, message) of a pod condition.
fn condition<'a>(pod: &'a PodFacts, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    pod.status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == kind)
        .map(|condition| {
            (
                condition.status.as_str(),
                condition.reason.as_deref().unwrap_or_default(),
                condition.message.as_deref().unwrap_or_default(),
            )
        })
}

fn statuses(pod: &PodFacts) -> impl Iterator<Item = &KubeContainerStatus> {
    let status = &pod.status;
    status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten())
}

/// A waiting container before the most restarted one.
fn telling_status(pod: &PodFacts) -> Option<ContainerStatus> {
    let waiting = |status: &KubeContainerStatus| {
        status
            .state
            .as_ref()
            .is_some_and(|state| state.waiting.is_some())
    };
    let chosen = statuses(pod)
        .find(|status| waiting(status))
        .or_else(|| statuses(pod).max_by_key(|status| status.restart_count))?;
    let state = chosen
        .state
        .as_ref()
        .and_then(|state| state.waiting.as_ref());
    let last = chosen
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    Some(ContainerStatus {
        waiting_reason: state.and_then(|waiting| waiting.reason.clone()),
        waiting_message: state
            .and_then(|waiting| waiting.message.as_deref())
            .map(shortened),
        last_termination_reason: last.and_then(|terminated| terminated.reason.clone()),
        restart_count: chosen.restart_count,
    })
}

#[cfg(test)]
mod tests;
