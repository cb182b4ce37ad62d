//! What is recorded of a session.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Checks;
use crate::duration::DurationText;

/// What is recorded of a session, and where records go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audit {
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Records the commands that are run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_commands: Option<bool>,
    /// Commands that match are not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_patterns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<AuditSidecar>,
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_terminal_recording: Option<bool>,
    /// Recordings are kept this long. Absent: 90d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_retention: Option<DurationText>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_shell_history: Option<bool>,
    /// Where records go beside the hub's own store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<AuditDestination>,
}

/// A container beside the debug container that records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditSidecar {
    #[schemars(length(min = 1))]
    pub image: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// One place where records go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditDestination {
    #[serde(rename = "type")]
    pub type_: AuditDestinationType,
    /// For `webhook`: the name of an entry of the hub's configuration, or its address (S20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Kinds of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditDestinationType {
    Breakglass,
    Kubernetes,
    Webhook,
}

impl Audit {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.within_each(
            "destinations",
            &self.destinations,
            |destination, checks| match (destination.type_, &destination.url) {
                (AuditDestinationType::Webhook, None) => {
                    checks.refuse("url", "is needed for the type webhook")
                }
                (AuditDestinationType::Breakglass | AuditDestinationType::Kubernetes, Some(_)) => {
                    checks.refuse("url", "has a meaning for the type webhook only; remove it");
                }
                (AuditDestinationType::Webhook, Some(_))
                | (AuditDestinationType::Breakglass | AuditDestinationType::Kubernetes, None) => {}
            },
        );
    }
}
