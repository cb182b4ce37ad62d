//! `DebugSession`: one session, as requested (`spec`, immutable) and as it stands (`status`, written by the hub only).

mod cleanup;
mod decision;
mod deployed;
mod operation;
mod participant;
mod resolved;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::cleanup::{Cleanup, End, EndReason, RemainingObject, RemovedObject};
pub use self::decision::{Approval, PendingRenewal, RenewalApproval, RenewalWait};
pub use self::deployed::{
    AdditionalResourceStatus, AllowedPod, AuxiliaryResourceStatus, ContainerStatus,
    DeployedResource, PodTemplateResourceStatus,
};
pub use self::operation::{CopiedPod, InjectedContainer, KubectlDebugStatus, NodeDebugPod};
pub use self::participant::{
    Invitation, InvitationApproval, InvitationApprovalState, InvitedRole, Participant, Role,
};
pub use self::resolved::{
    NamespaceTerms, NamespaceTermsLayer, ResolvedBinding, ResolvedRequest, ResolvedValue,
    ValueOrigin,
};
use super::check::{Checks, FieldError};
use super::debug_pod_template::DebugPodTemplateSpec;
use super::debug_session_template::DebugSessionTemplateSpec;
use super::pod_operations::AllowedPodOperations;
use super::reasons::{ApprovalReason, RequestReason};
use super::references::BindingRef;
use super::scheduling::SchedulingConstraints;
use crate::duration::DurationText;
use crate::person::{Identity, check_person_name};

/// What was asked for. Never changes once created.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "breakglass.t-caas.telekom.com",
    version = "v1alpha1",
    kind = "DebugSession",
    plural = "debugsessions",
    shortname = "ds",
    namespaced,
    status = "DebugSessionStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    derive = "schemars::JsonSchema",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.cluster"}"#,
    printcolumn = r#"{"name":"Template","type":"string","jsonPath":".spec.templateRef"}"#,
    printcolumn = r#"{"name":"Target NS","type":"string","jsonPath":".spec.targetNamespace"}"#,
    printcolumn = r#"{"name":"Requested By","type":"string","jsonPath":".spec.requestedBy"}"#,
    printcolumn = r#"{"name":"Expires At","type":"date","jsonPath":".status.expiresAt"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugSessionSpec {
    #[schemars(length(min = 1))]
    pub cluster: String,
    /// Name of the session template.
    #[schemars(length(min = 1))]
    pub template_ref: String,
    /// The binding through which it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_ref: Option<BindingRef>,
    #[schemars(length(min = 1))]
    pub requested_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by_email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by_display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_duration: Option<DurationText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// The namespace that was asked for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_scheduling_option: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selected_auxiliary_resources: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_deploy_values: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invited_participants: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_reason_config: Option<RequestReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_reason_config: Option<ApprovalReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_scheduling_constraints: Option<SchedulingConstraints>,
}

/// How a session stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugSessionStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SessionState>,
    /// Why it is as it is, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_count: Option<i32>,
    /// Who asked, from their token (S19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Identity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_renewal: Option<PendingRenewal>,
    /// Everybody who approved a renewal, with the newest that they approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renewal_approvals: Vec<RenewalApproval>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Participant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invitations: Vec<Invitation>,
    /// Whether the pods were to be replaced, because somebody who may have open streams was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_replacement: Option<PodReplacement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_pods: Vec<AllowedPod>,
    /// Resolved: every operation says true or false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_pod_operations: Option<AllowedPodOperations>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployed_resources: Vec<DeployedResource>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auxiliary_resource_statuses: Vec<AuxiliaryResourceStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_template_resource_statuses: Vec<PodTemplateResourceStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubectl_debug_status: Option<KubectlDebugStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_debug_pods: Vec<NodeDebugPod>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal_sharing: Option<TerminalSharingStatus>,
    /// The template's spec at the time of the request (S7).
    #[schemars(extend("x-embedded" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_template: Option<Box<DebugSessionTemplateSpec>>,
    /// The pod template's spec at the time of the request (S7).
    #[schemars(extend("x-embedded" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_pod_template: Option<Box<DebugPodTemplateSpec>>,
    /// The binding at the time of the request (S7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_binding: Option<ResolvedBinding>,
    /// What was resolved from request, template, binding and cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Box<ResolvedRequest>>,
    /// SHA-256 of the snapshots and of what was resolved, lower-case hex; an approval names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentReport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// The proof of what was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<Cleanup>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The states of a session; the last three never change again.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum SessionState {
    Pending,
    PendingApproval,
    Active,
    Expired,
    Terminated,
    Failed,
}

impl SessionState {
    /// All six, in the order of a session's life.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::PendingApproval,
        Self::Active,
        Self::Expired,
        Self::Terminated,
        Self::Failed,
    ];

    /// As it is written in `status.state`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::PendingApproval => "PendingApproval",
            Self::Active => "Active",
            Self::Expired => "Expired",
            Self::Terminated => "Terminated",
            Self::Failed => "Failed",
        }
    }

    /// Those that are not terminal.
    pub const OPEN: [Self; 3] = [Self::Pending, Self::PendingApproval, Self::Active];

    /// Whether it never changes again.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::PendingApproval | Self::Active => false,
            Self::Expired | Self::Terminated | Self::Failed => true,
        }
    }
}

impl std::fmt::Display for SessionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How to reach the shared terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerminalSharingStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach_command: Option<String>,
}

/// How often all pods were to be replaced, and how often that is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodReplacement {
    pub requested: i32,
    /// From the agent: of the pods from before, all are gone.
    pub completed: i32,
}

/// What the agent last said of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentReport {
    /// The renewal that the agent has taken in; a renewal counts from then on (S12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_renewal: Option<i32>,
    /// Time of the newest report by the agent's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<MicroTime>,
    /// Time of its final report by its own clock: nothing more will come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<MicroTime>,
}

impl DebugSession {
    /// Everything wrong with the fields that a schema cannot say. The status is the hub's own and not checked.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut checks = Checks::of_spec();
        let spec = &self.spec;
        checks.dns_label("cluster", &spec.cluster);
        checks.dns_label("templateRef", &spec.template_ref);
        if let Err(error) = check_person_name(&spec.requested_by) {
            checks.refuse("requestedBy", error);
        }
        checks.groups("userGroups", &spec.user_groups);
        checks.people("invitedParticipants", &spec.invited_participants);
        if let Some(name) = &spec.target_namespace {
            checks.dns_label("targetNamespace", name);
        }
        if spec
            .requested_duration
            .as_ref()
            .is_some_and(|d| d.duration().is_zero())
        {
            checks.refuse("requestedDuration", "is zero; a session needs some time");
        }
        checks.wanted_labels("nodeSelector", &spec.node_selector);
        checks.into_errors()
    }
}
