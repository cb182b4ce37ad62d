//! People of a session.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::person::Identity;

/// Somebody who joined, or the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Participant {
    /// Their name in the hub, as clusters know it unless `userNames` maps it.
    #[schemars(length(min = 1))]
    pub user: String,
    pub role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub joined_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Time>,
    /// Who removed them; absent where they left by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_by: Option<String>,
    /// Who removed them (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_by_identity: Option<Identity>,
    /// Who they are (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// What somebody is in a session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Owner,
    Participant,
    Viewer,
}

/// Somebody who may join. Counts only from their own `join` (S5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Invitation {
    #[schemars(length(min = 1))]
    pub user: String,
    /// The most that they may become.
    pub role: InvitedRole,
    pub invited_by: String,
    pub invited_at: Time,
    /// Who invited them (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by_identity: Option<Identity>,
    /// Only on invitations that were made after the session was approved (S5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<InvitationApproval>,
    /// Set when they were removed: it lets nobody in any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Time>,
    /// Who withdrew it (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_by_identity: Option<Identity>,
}

/// What approvers said of an invitation as participant; until then it lets in as viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InvitationApproval {
    pub state: InvitationApprovalState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Time>,
    /// Who decided (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by_identity: Option<Identity>,
}

/// How far an invitation's approval is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum InvitationApprovalState {
    Waiting,
    Approved,
    Rejected,
}

/// What an invited person may become.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum InvitedRole {
    Participant,
    Viewer,
}
