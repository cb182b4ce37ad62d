//! What approvers said.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::DurationText;
use crate::person::Identity;

/// The decision on the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
    /// Who approved (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by_identity: Option<Identity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_at: Option<Time>,
    /// Who rejected (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_by_identity: Option<Identity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `status.digest` as it was when it was decided (S7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A renewal that does not count yet (S7, S12). One approval counts once, before `expiresAt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PendingRenewal {
    pub id: String,
    pub extend_by: DurationText,
    pub requested_by: String,
    pub requested_at: Time,
    /// Who asked (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by_identity: Option<Identity>,
    /// What it waits for.
    #[serde(default)]
    pub waits_for: RenewalWait,
    /// The session's `expiresAt` once it counts; only where it waits for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// What a renewal waits for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RenewalWait {
    /// An approver must agree.
    #[default]
    Approval,
    /// It is agreed; it counts when the cluster's agent has taken it in.
    Agent,
}

/// Somebody who approved a renewal: from then on at most a viewer (S5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewalApproval {
    /// The renewal's id.
    pub id: String,
    pub approved_by: String,
    pub approved_at: Time,
    /// Who approved (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by_identity: Option<Identity>,
}
