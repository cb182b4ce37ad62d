//! Bodies of `/debug-session-templates` and `/debug-pod-templates` (spec 5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::constraints::Constraints;
use crate::kinds::namespace_constraints::NamespaceConstraints;
use crate::kinds::scheduling::SchedulingOptions;
use crate::kinds::variables::DeployVariable;

/// `GET /debug-session-templates`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateList {
    pub templates: Vec<Template>,
    pub total: usize,
}

/// A session template as a requester sees it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    pub name: String,
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub mode: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Constraints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_clusters: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_groups: Option<Vec<String>>,
    /// Whether a request of this caller waits for an approver, on some cluster and through some binding at least.
    pub requires_approval: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_options: Option<SchedulingOptions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_constraints: Option<NamespaceConstraints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_deploy_variables: Option<Vec<DeployVariable>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_message: Option<String>,
    /// Whether the caller can request it somewhere now.
    pub has_available_clusters: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_cluster_count: Option<usize>,
}

/// `GET /debug-pod-templates`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplateList {
    pub templates: Vec<PodTemplateSummary>,
    pub total: usize,
}

/// One pod template in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplateSummary {
    pub name: String,
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Containers of a structured template; 0 where the pod is rendered from text.
    pub containers: usize,
}
