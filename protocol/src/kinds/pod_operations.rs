//! What may be done on a session's pods.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `allowedPodOperations`. Absent: exec, attach and portForward are on, logs is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedPodOperations {
    /// `kubectl exec`, and `kubectl cp`, which is exec. Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach: Option<bool>,
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_forward: Option<bool>,
}
