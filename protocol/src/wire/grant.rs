//! A grant: an Active session as an agent sees it. Whole, resolved, expiring; enough to deploy and to judge with no
//! further question. JSON inside [`super::to_agent::GrantFrame`]; a new field that must not be ignored by an old agent
//! comes with a new feature in the frame's `requires`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Affinity, EnvVar, ResourceRequirements, SecurityContext, Toleration,
};
use serde::{Deserialize, Serialize};

use crate::ids::{ClusterName, GrantUid};
use crate::kinds::auxiliary::FailurePolicy;
use crate::kinds::debug_pod_template::TemplateEngine;
use crate::kinds::scheduling::SchedulingConstraints;

mod namespace;

pub use namespace::{IfMissing, NamespaceLayer, NamespaceRule, ServiceAccountName};

/// Features a grant may require; an agent lists in its Hello those that it has.
pub mod feature {
    /// Workload mode: DaemonSet or Deployment from a structured pod template with overrides.
    pub const WORKLOAD: &str = "workload.v1";
    /// Texts that the agent renders: pod templates, overrides, auxiliary resources; their values; failure policies.
    pub const TEMPLATES: &str = "templates.v1";
    /// Where pods may run: `Workload.scheduling`.
    pub const SCHEDULING: &str = "scheduling.v1";
    /// What a session may use: `Workload.quota`.
    pub const QUOTA: &str = "quota.v1";
    /// `Workload.disruption_budget`.
    pub const DISRUPTION_BUDGET: &str = "disruption-budget.v1";
    /// Label terms of namespaces, and namespaces made for a session.
    pub const NAMESPACES: &str = "namespaces.v1";
    /// Objects made as a ServiceAccount of the cluster.
    pub const IMPERSONATION: &str = "impersonation.v1";
    /// Pods that are replaced while the session runs, because somebody was removed from it.
    pub const RECYCLE: &str = "recycle.v1";
    /// A workload that stays when the session's time is over, and that nobody may use any more.
    pub const NOTIFY_ONLY: &str = "notify-only.v1";

    /// All of them.
    pub const ALL: [&str; 9] = [
        WORKLOAD,
        TEMPLATES,
        SCHEDULING,
        QUOTA,
        DISRUPTION_BUDGET,
        NAMESPACES,
        IMPERSONATION,
        RECYCLE,
        NOTIFY_ONLY,
    ];
}

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    pub uid: GrantUid,
    /// The session's name and its namespace in the hub.
    pub session: String,
    pub namespace: String,
    /// Must be the agent's own cluster; anything else is refused and told.
    pub cluster: ClusterName,
    pub desired: Desired,
    pub starts_at: Timestamp,
    pub expires_at: Timestamp,
    /// End of the last possible renewal: `activeDeadlineSeconds` of every pod is set to it as a backstop (D2).
    pub last_end: Timestamp,
    /// How often the session was renewed; a smaller `expires_at` with a higher number is a real change.
    pub renewal: u32,
    /// Digest of what was approved (S7).
    pub digest: String,
    /// Who may use the pods: those who joined and have not left, by their names in this cluster.
    pub people: Vec<GrantedPerson>,
    pub operations: Operations,
    pub context: GrantContext,
    /// Namespace in the cluster where everything goes.
    pub target_namespace: String,
    /// What its name did not decide; `None` if nothing is open and it must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_rule: Option<NamespaceRule>,
    /// As whom everything is made; `None`: the agent itself (S10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonate: Option<ServiceAccountName>,
    pub work: Work,
    /// Labels and annotations of template, binding and session for everything deployed; ours are added by the agent.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What templates read as `.vars`: every declared variable, defaults filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, GrantedValue>,
    /// Resources beside the workload, in the order of the session template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auxiliary: Vec<Auxiliary>,
    /// A number that grows: whenever it does, every pod of then is replaced, once. Cuts the streams of who was removed (D7).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recycle: u32,
    #[serde(default, skip_serializing_if = "AtExpiry::is_default")]
    pub at_expiry: AtExpiry,
}

/// What the agent does with the workload when the session's time is over. Access ends either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AtExpiry {
    #[default]
    RemoveAll,
    /// `notify-only`: pods are replaced, by ones that nobody may use; all goes a day later, or once the grant says so.
    KeepWorkload,
}

impl AtExpiry {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The value of one variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantedValue {
    pub text: String,
    pub origin: ValueOrigin,
}

/// How free the requester was in choosing a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueOrigin {
    /// A default, a boolean, a number, a quantity or one of the template's options: words of the template's author.
    Constrained,
    /// Typed by the requester: rendered documents are checked against it (S13).
    FreeText,
}

/// A text to be rendered by the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateText {
    pub engine: TemplateEngine,
    pub text: String,
    /// Where it stands, for errors: `DebugPodTemplate storage-debug-pod spec.templateString`.
    pub place: String,
}

/// One of the session template's `auxiliaryResources` that the session takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Auxiliary {
    pub name: String,
    #[serde(default)]
    pub category: Option<String>,
    pub source: AuxiliarySource,
    pub order: AuxiliaryOrder,
    pub at_end: AtEnd,
    pub failure_policy: FailurePolicy,
}

/// Where an auxiliary resource comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuxiliarySource {
    /// One object; the strings in it may hold expressions.
    Structured {
        engine: TemplateEngine,
        template: serde_json::Value,
        /// Where it stands, for errors.
        place: String,
    },
    /// One or several YAML documents.
    Text(TemplateText),
}

/// `createBefore`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuxiliaryOrder {
    BeforeWorkload,
    AfterWorkload,
}

/// `deleteAfter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AtEnd {
    Delete,
    /// It stays when the session ends, and is named in the proof.
    Keep,
}

/// What the hub wants of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Desired {
    Running {},
    /// End it now; nothing makes it run again.
    Ended {
        reason: EndReason,
        /// Who ended it, for the cluster's records; the hub user's name.
        by: Option<String>,
        at: Timestamp,
    },
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndReason {
    Expired,
    Terminated,
    /// It could not be deployed, or the agent refused it.
    Failed,
    /// The hub no longer knows it (absent from a complete snapshot).
    Withdrawn,
}

/// One person of a session, as the cluster knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantedPerson {
    /// Compared byte for byte with the review's user name (S6).
    pub user: String,
    pub role: Role,
}

/// What a person is in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    Owner,
    Participant,
    Viewer,
}

/// One of the operations that a session can open on its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    Exec,
    Attach,
    Logs,
    PortForward,
}

impl Operation {
    /// All four, in the order in which people list them.
    pub const ALL: [Self; 4] = [Self::Exec, Self::Attach, Self::Logs, Self::PortForward];
}

/// The operations that are open, resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operations {
    pub exec: bool,
    pub attach: bool,
    pub logs: bool,
    pub port_forward: bool,
}

impl Role {
    /// Whether the role may ever have an operation opened (S4: viewers watch, they do not type).
    #[must_use]
    pub fn permits(self, operation: Operation) -> bool {
        match self {
            Self::Owner | Self::Participant => true,
            Self::Viewer => match operation {
                Operation::Logs => true,
                Operation::Exec | Operation::Attach | Operation::PortForward => false,
            },
        }
    }
}

impl Operations {
    #[must_use]
    pub fn allows(self, operation: Operation) -> bool {
        match operation {
            Operation::Exec => self.exec,
            Operation::Attach => self.attach,
            Operation::Logs => self.logs,
            Operation::PortForward => self.port_forward,
        }
    }
}

/// The facts about the session that templates and annotations may tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantContext {
    pub requested_by: String,
    #[serde(default)]
    pub approved_by: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
    pub template: String,
    /// `namespace/name` of the binding.
    #[serde(default)]
    pub binding: Option<String>,
}

/// What to deploy. Kubectl-debug mode will be a variant of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    Workload(Box<Workload>),
}

/// Workload mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    pub kind: WorkloadKind,
    /// For a Deployment; a DaemonSet has one pod per eligible node.
    pub replicas: u32,
    pub pod: PodSource,
    #[serde(default)]
    pub overrides: PodOverrides,
    /// Renders to more of the same, applied after `overrides`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides_template: Option<TemplateText>,
    /// Replaces the pod template's affinity, field by field (node, pod, anti).
    #[serde(default)]
    pub affinity: Option<Affinity>,
    /// Added to the pod template's tolerations.
    #[serde(default)]
    pub tolerations: Vec<Toleration>,
    /// Laid over the pod in this order (spec 1 section 5): mandatory ones, the chosen option's, the requester's labels.
    /// Later ones add and never loosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduling: Vec<SchedulingLayer>,
    /// Totals of the session, judged before anything is made (D9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,
}

/// One set of scheduling constraints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchedulingLayer {
    /// Where it stands, for messages: `session template standard-debug`.
    pub place: String,
    pub constraints: SchedulingConstraints,
}

/// What one session may use in sum, with defaults filled in. Amounts are Kubernetes quantities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pods: Option<u32>,
    #[serde(default, rename = "maxCPU", skip_serializing_if = "Option::is_none")]
    pub max_cpu: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_storage: Option<String>,
    /// Every container must say what it requests of CPU and memory.
    pub enforce_requests: bool,
    /// Every container must limit its CPU and memory.
    pub enforce_limits: bool,
}

/// How many of the session's pods a voluntary disruption (a node's drain) must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DisruptionBudget {
    MinAvailable(u32),
    MaxUnavailable(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkloadKind {
    DaemonSet,
    Deployment,
}

/// Where the pod comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PodSource {
    Structured {
        #[serde(default)]
        labels: BTreeMap<String, String>,
        #[serde(default)]
        annotations: BTreeMap<String, String>,
        /// core/v1 PodSpec as JSON: fields that this build does not know still reach the API server.
        spec: serde_json::Value,
    },
    /// Renders to a pod spec, a Pod, or its metadata and spec; later documents are resources made before the workload.
    Text(TemplateText),
}

/// `podOverrides` of the session template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodOverrides {
    #[serde(default)]
    pub host_network: Option<bool>,
    #[serde(default, rename = "hostPID")]
    pub host_pid: Option<bool>,
    #[serde(default, rename = "hostIPC")]
    pub host_ipc: Option<bool>,
    #[serde(default)]
    pub containers: Vec<ContainerOverride>,
}

/// Overrides of one container, found by name (init containers too). A name that the pod lacks is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerOverride {
    pub name: String,
    /// Added; a variable of the same name is replaced.
    #[serde(default)]
    pub env: Vec<EnvVar>,
    #[serde(default)]
    pub resources: Option<ResourceRequirements>,
    /// Replaces the container's field by field.
    #[serde(default)]
    pub security_context: Option<SecurityContext>,
}
