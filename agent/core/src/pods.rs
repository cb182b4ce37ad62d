//! Which pods are the session's (S3), and why pods are not ready, in plain words.

use breakglass_protocol::wire::report::ObservedPod;

use crate::held::Held;
use crate::observed::{Observed, OwnerFacts, PodFacts};

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
    #[error("its owner is not the workload that was made for the session")]
    OtherOwner,
    #[error("its owner adopted it instead of making it")]
    Adopted,
    #[error("{0} differs from what was applied")]
    Differs(String),
}

/// S3 for one pod. `owners` are the ReplicaSets seen in the namespace.
#[must_use]
pub fn judge_pod(held: &Held, pod: &PodFacts, owners: &[OwnerFacts]) -> PodVerdict {
    let _ = (held, pod, owners);
    PodVerdict::NotAllowed(PodRefusal::NoWorkload)
}

/// The pods that the webhook may open, as told to the hub. Empty once the grant has ended.
#[must_use]
pub fn allowed_pods(held: &Held, observed: &Observed) -> Vec<ObservedPod> {
    let _ = (held, observed);
    Vec::new()
}

/// Why not all wanted pods are ready, in plain words; `None` when all is well.
#[must_use]
pub fn explain(held: &Held, observed: &Observed) -> Option<String> {
    let _ = (held, observed);
    None
}
