//! Bodies of `/debug-sessions` (spec 5).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::debug_session::DebugSession;
use crate::kinds::pod_operations::AllowedPodOperations;

/// `POST /debug-sessions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateDebugSession {
    /// Name of the session template.
    pub template_ref: String,
    /// Name of the cluster.
    pub cluster: String,
    /// `namespace/name` or `name` of the binding, where several would match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_ref: Option<String>,
    /// Such as `45m` or `1h30m`; the template's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_duration: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Old spelling of `targetNamespace`; both must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Names of people who may join as participants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_participants: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_scheduling_option: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_auxiliary_resources: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_deploy_values: Option<BTreeMap<String, serde_json::Value>>,
}

/// `POST …/approve` and `…/reject`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decide {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `status.pendingRenewal.id`: decide that renewal and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_id: Option<String>,
}

/// `POST …/remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Remove {
    /// Name of somebody who is or was in the session, or is invited to it.
    pub user: String,
}

/// `POST …/renew`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Renew {
    /// Such as `30m`: added to `expiresAt`.
    pub extend_by: String,
}

/// `POST …/invite`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Invite {
    pub users: Vec<String>,
    /// `viewer` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<JoinRole>,
}

/// `POST …/join` (D12).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Join {
    /// Above what was granted is refused; where absent, what was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<JoinRole>,
}

/// What somebody can become by joining.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum JoinRole {
    Viewer,
    Participant,
}

/// `POST …/leave` and `…/terminate`: nothing to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoFields {}

/// What the caller may do with a session now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Can {
    pub can_approve: bool,
    pub can_reject: bool,
    pub can_join: bool,
    pub can_renew: bool,
    pub can_terminate: bool,
}

/// `GET /debug-sessions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DebugSessionList {
    pub sessions: Vec<Summary>,
    /// Sessions that match and that the caller may see, on all pages.
    pub total: usize,
    /// Where the next page starts; absent on the last.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<String>,
}

/// One session in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub name: String,
    pub template_ref: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    pub cluster: String,
    pub requested_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by_display_name: Option<String>,
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// People who have joined and not left.
    pub participants: usize,
    pub is_participant: bool,
    pub allowed_pods: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_pod_operations: Option<AllowedPodOperations>,
    #[serde(flatten)]
    pub can: Can,
}

/// `get`, `create` and the verbs: the whole object at the root, with what the caller may do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DebugSessionView {
    #[serde(flatten)]
    pub session: DebugSession,
    /// What the caller should know though the request succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    #[serde(flatten)]
    pub can: Can,
}
