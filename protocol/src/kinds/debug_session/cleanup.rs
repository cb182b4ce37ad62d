//! How a session ended, and the proof that nothing is left. Times have microseconds: they are measured against limits
//! of a few seconds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::deployed::DeployedResource;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    pub reason: EndReason,
    /// Who ended it; absent where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub at: MicroTime,
    /// Who asked afterwards that what stayed there goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_requested_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup_requested_at: Option<MicroTime>,
}

/// Why it ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum EndReason {
    /// Its time was up.
    Expired,
    /// Its owner or an administrator ended it.
    Terminated,
    /// It could not be deployed.
    Failed,
    /// An approver said no.
    Rejected,
    /// Nobody decided in time.
    ApprovalTimeout,
    /// The hub no longer wanted it.
    Withdrawn,
}

/// The proof: what was removed, when, and what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cleanup {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// From `startedAt` to `finishedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_milliseconds: Option<i64>,
    /// When the API server confirmed that the last pod was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods_gone_at: Option<MicroTime>,
    /// Streams through the hub that were cut; direct ones are never counted (D7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams_cut: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<RemovedObject>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remaining: Vec<RemainingObject>,
    /// What stays, as its template says (`deleteAfter: false`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<DeployedResource>,
}

/// An object confirmed gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemovedObject {
    pub api_version: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    pub removed_at: MicroTime,
}

/// An object that is still there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemainingObject {
    pub api_version: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Why, in plain words; absent while the deletion is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
