//! What an agent tells: of one grant ([`Report`]) and of itself ([`AgentStatus`]). JSON inside a frame. A report is
//! always whole: the newest replaces all older ones, and it is repeated until the hub says `Settled`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::grant::EndReason;
use crate::ids::{GrantUid, Revision};

/// What the agent sees of one grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub uid: GrantUid,
    /// Time of this report by the agent's clock.
    pub at: Timestamp,
    /// The renewal that the agent has taken in; a renewal counts from then on (S12).
    pub renewal: u32,
    /// When the agent will end it, by that renewal and its ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The grant's `recycle` whose pods from before are all gone.
    #[serde(default)]
    pub recycled: u32,
    pub phase: Phase,
    /// In plain words, why pods are not ready or what failed. For people.
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub pods: Vec<ObservedPod>,
    /// Everything that was made for the grant, in order of creation.
    #[serde(default)]
    pub deployed: Vec<ObjectRecord>,
    /// Every resource beside the workload, made or not, in the order of the grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    /// Set once the grant has ended, before anything is removed. If it says *ended* first, it ended (S12).
    #[serde(default)]
    pub end: Option<EndRecord>,
    /// The proof; complete when `phase` is `Ended`.
    #[serde(default)]
    pub cleanup: Option<Cleanup>,
}

/// One resource beside the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// As in [`ObjectRecord::source`]: `pod-template[1]`, `auxiliary/NAME[0]`.
    pub source: String,
    pub origin: ResourceOrigin,
    pub api_version: String,
    pub kind: String,
    /// Its name in the cluster.
    pub name: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// By the rules of kstatus; `None` before it was looked at.
    #[serde(default)]
    pub readiness: Option<Readiness>,
    #[serde(default)]
    pub ready_at: Option<Timestamp>,
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
    /// Why it could not be made, is not ready, or is still there.
    #[serde(default)]
    pub error: Option<String>,
}

/// Which part of the grant asks for a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResourceOrigin {
    /// A later document of the pod template.
    PodTemplate {},
    Auxiliary {
        name: String,
        #[serde(default)]
        category: Option<String>,
    },
}

/// The words of kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    InProgress,
    Failed,
    Current,
    Terminating,
    NotFound,
    Unknown,
}

/// How far a grant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Taken in; objects are being made, or pods are not all ready yet.
    Deploying,
    /// Everything is made and every wanted pod is ready.
    Running,
    /// Access is closed; objects are being removed.
    Ending,
    /// Nothing is left, or what is left is in `cleanup.remaining` and will no more be retried.
    Ended,
}

/// How a grant ended in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndRecord {
    pub reason: EndReason,
    pub at: Timestamp,
    /// For `Failed`: what failed and what to do.
    #[serde(default)]
    pub message: Option<String>,
}

/// A pod that the webhook allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedPod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    #[serde(default)]
    pub node_name: Option<String>,
    #[serde(default)]
    pub phase: Option<String>,
    pub ready: bool,
    #[serde(default)]
    pub container_status: Option<ContainerStatus>,
}

/// The container status that tells most: a waiting one before a restarted one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    #[serde(default)]
    pub waiting_reason: Option<String>,
    #[serde(default)]
    pub waiting_message: Option<String>,
    #[serde(default)]
    pub last_termination_reason: Option<String>,
    #[serde(default)]
    pub restart_count: i32,
}

/// One object that the agent made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRecord {
    pub api_version: String,
    pub kind: String,
    #[serde(default)]
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
    /// Which part of the grant asked for it: `workload`, `pod-template[1]` (its second document),
    /// `auxiliary/NAME[0]`.
    pub source: String,
}

/// The proof that nothing is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cleanup {
    pub started_at: Timestamp,
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// When the API server confirmed that the last pod was gone.
    #[serde(default)]
    pub pods_gone_at: Option<Timestamp>,
    #[serde(default)]
    pub removed: Vec<Removed>,
    #[serde(default)]
    pub remaining: Vec<Remaining>,
    /// What stays, as its template says (`deleteAfter: false`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<ObjectRecord>,
}

/// An object confirmed gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    #[serde(flatten)]
    pub object: ObjectRecord,
    pub at: Timestamp,
}

/// An object that is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remaining {
    #[serde(flatten)]
    pub object: ObjectRecord,
    /// Why, in plain words; `None` while the deletion is under way.
    #[serde(default)]
    pub error: Option<String>,
}

/// What an agent says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    pub agent_version: String,
    pub kubernetes_version: String,
    /// Words for people and clients: `workload`, `authorization-webhook`, …
    pub capabilities: Vec<String>,
    pub certificate_expires_at: Timestamp,
    /// The ceiling as the cluster's owner set it, for display.
    pub ceiling: serde_json::Value,
    /// End of the newest webhook client certificate that this agent signed, if any.
    #[serde(default)]
    pub webhook_client_expires_at: Option<Timestamp>,
    /// When the API server last called the webhook with a valid certificate.
    #[serde(default)]
    pub webhook_called_at: Option<Timestamp>,
    /// The deny policies that it holds; absent from agents that know none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_policies: Option<DenyPolicyReport>,
    /// Whether the API server asks the webhook before RBAC, as the agent's canary found; absent while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_order: Option<WebhookOrder>,
    /// Set where enforcement is strict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<StrictEnforcement>,
}

/// What the answer to the canary's SubjectAccessReview proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WebhookOrder {
    /// It was denied: the webhook is asked, and before RBAC.
    BeforeRbac,
    /// It was allowed: RBAC is asked first, or the webhook not at all.
    BehindRbac,
}

/// `enforcement: strict` (S15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StrictEnforcement {
    Strict,
}

/// What an agent does with deny policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DenyPolicyReport {
    /// Of the set that it holds; `None` before it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// How many policies that set has.
    pub policies: usize,
    pub state: DenyPolicyState,
    /// For people: why, if they are not applied as the hub last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whether the webhook judges by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DenyPolicyState {
    Applied,
    /// The cluster's owner does not want them (`ceiling.denyPolicies: false`): held, not judged by.
    HeldBack,
    /// The newest set could not be taken; the one before is judged by.
    Outdated,
}
