//! Asked × template × pod template × cluster × caller → a resolved session, or every violated rule by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a person asks for (`POST /debug-sessions`), before anything is checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Asked {
    pub template_ref: String,
    pub cluster: String,
    /// `namespace/name` or `name`.
    pub binding_ref: Option<String>,
    pub requested_duration: Option<String>,
    pub node_selector: BTreeMap<String, String>,
    pub target_namespace: Option<String>,
    pub reason: Option<String>,
    pub invited_participants: Vec<String>,
    pub selected_scheduling_option: Option<String>,
    pub selected_auxiliary_resources: Vec<String>,
    pub extra_deploy_values: BTreeMap<String, serde_json::Value>,
}
