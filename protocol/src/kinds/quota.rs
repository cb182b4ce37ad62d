//! What one session may use, and how its pods are protected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `resourceQuota`: totals of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionQuota {
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pods: Option<i32>,
    /// A quantity such as `500m`.
    #[serde(default, rename = "maxCPU", skip_serializing_if = "Option::is_none")]
    pub max_cpu: Option<String>,
    /// A quantity such as `2Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<String>,
    /// A quantity such as `5Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_storage: Option<String>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce_resource_requests: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce_resource_limits: Option<bool>,
}

/// `podDisruptionBudget`: one of `minAvailable` and `maxUnavailable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionDisruptionBudget {
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_available: Option<i32>,
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<i32>,
}
