//! What is seen of one grant in the cluster: facts only, gathered by the program from its watches and single reads.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PodSpec, PodStatus};

use crate::nodes::NodesSeen;

mod from_kube;

/// Everything seen of one grant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub watches: Watches,
    pub namespace: NamespaceSeen,
    /// The ServiceAccount as whom the grant's objects are made, if it names one.
    pub deployer: DeployerSeen,
    /// Who else uses a namespace that this session made; only told once the session has ended.
    pub neighbour: Neighbour,
    /// The recorded workload, from the watch.
    pub workload: WorkloadSeen,
    /// ReplicaSets with the session's label, from the watch.
    pub replica_sets: Vec<OwnerFacts>,
    /// Pods with the session's label in the grant's namespace, from the watch. Labels find, they do not prove.
    pub pods: Vec<PodFacts>,
    /// The cluster's nodes, from the watch.
    pub nodes: NodesSeen,
    /// The cluster's own words on why something is not made: text of the newest `FailedCreate` event of the DaemonSet
    /// or ReplicaSet (quota), and of the newest `FailedScheduling`/image events if the program has them.
    pub trouble: Vec<String>,
}

/// Whether every watch on session objects has told all there is: until then what is not seen may be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watches {
    #[default]
    Syncing,
    Synced,
}

/// The grant's namespace, as last read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum NamespaceSeen {
    #[default]
    Unread,
    Missing,
    Terminating,
    /// The API server refuses to show it.
    Unreadable(Unreadable),
    Active(NamespaceFacts),
}

/// A namespace that the agent may not read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unreadable {
    /// Since when (monotonic) every attempt was refused.
    pub since: Duration,
    /// The API server's words.
    pub message: String,
    /// See [`NamespaceFacts::services`].
    pub services: Vec<ServiceFacts>,
}

/// The ServiceAccount that the grant names, as last read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeployerSeen {
    #[default]
    Unread,
    Missing,
    Present,
}

/// Another session in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Neighbour {
    #[default]
    None,
    /// Its name.
    Running(String),
    /// It has ended; its objects are still being removed.
    Ending,
}

/// One object in a namespace, as far as it tells whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inhabitant {
    pub kind: String,
    pub name: String,
    /// The label [`breakglass_protocol::labels::SESSION`].
    pub session: Option<String>,
    /// The annotation [`breakglass_protocol::labels::GRANT`].
    pub grant: Option<String>,
    /// `deletionTimestamp` is set.
    pub deleting: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamespaceFacts {
    pub labels: BTreeMap<String, String>,
    /// Services in it that select by label: none but the session's own may select its pods (S9).
    pub services: Vec<ServiceFacts>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ServiceFacts {
    pub uid: String,
    pub name: String,
    pub selector: BTreeMap<String, String>,
}

/// The workload by its recorded UID.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum WorkloadSeen {
    /// Not recorded yet, or the watch has not synced.
    #[default]
    Unknown,
    /// The watch has synced and holds no object with the recorded UID.
    Absent,
    Present(WorkloadFacts),
}

/// A DaemonSet's or Deployment's facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkloadFacts {
    pub uid: String,
    pub generation: i64,
    pub observed_generation: i64,
    /// Pods it wants: DaemonSet `desiredNumberScheduled`, Deployment `spec.replicas`.
    pub desired: i32,
    pub ready: i32,
    pub deleting: bool,
    /// Messages of conditions that tell of failure (`ReplicaFailure`, `Progressing=False`).
    pub failures: Vec<String>,
}

/// An object that may own pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerFacts {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// UID and kind of its controller (`ownerReferences[].controller: true`).
    pub controller: Option<ControllerRef>,
    pub deleting: bool,
    /// Messages of its failure conditions.
    pub failures: Vec<String>,
}

/// An `ownerReferences` entry with `controller: true`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControllerRef {
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// A pod's facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodFacts {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub created_at: Option<Timestamp>,
    pub controller: Option<ControllerRef>,
    pub origin: Origin,
    /// `deletionTimestamp` is set, with this grace in seconds.
    pub deleting: Option<Deleting>,
    pub spec: Box<PodSpec>,
    pub status: Box<PodStatus>,
}

/// A pod on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleting {
    pub grace_seconds: i64,
}

/// Who made the pod, by `managedFields`: a controller that makes a pod writes its containers and its owner reference
/// in one request; one that adopts a pod writes only the reference (S3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Made together with its owner reference.
    MadeByOwner,
    /// The owner reference came later, or not from whoever made the pod.
    Adopted,
    /// `managedFields` do not tell; counts as not proved.
    #[default]
    Untold,
}
