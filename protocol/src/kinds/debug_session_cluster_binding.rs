//! `DebugSessionClusterBinding`: opens a session template to clusters and people, with stricter rules.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{Allowed, Approvers};
use super::constraints::Constraints;
use super::impersonation::Impersonation;
use super::namespace_constraints::NamespaceConstraints;
use super::notification::Notification;
use super::pod_operations::AllowedPodOperations;
use super::reasons::{ApprovalReason, RequestReason};
use super::references::NameRef;
use super::scheduling::{SchedulingConstraints, SchedulingOptions};
use super::selector::LabelSelector;

/// An absent field means the template's. `allowed`, `approvers` and `clusters` replace, everything else narrows (D3).
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "breakglass.t-caas.telekom.com",
    version = "v1alpha1",
    kind = "DebugSessionClusterBinding",
    plural = "debugsessionclusterbindings",
    shortname = "dscb",
    shortname = "debugbinding",
    namespaced,
    status = "DebugSessionClusterBindingStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    derive = "schemars::JsonSchema",
    printcolumn = r#"{"name":"Template","type":"string","jsonPath":".spec.templateRef.name"}"#,
    printcolumn = r#"{"name":"Clusters","type":"string","jsonPath":".status.resolvedClusters"}"#,
    printcolumn = r#"{"name":"Active","type":"integer","jsonPath":".status.activeSessionCount"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugSessionClusterBindingSpec {
    /// The template by name. Exactly one of this and `templateSelector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<NameRef>,
    /// Templates by labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_selector: Option<LabelSelector>,
    /// Exact names of clusters. With `clusterSelector`, either is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Clusters by labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_selector: Option<LabelSelector>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Approvers>,
    /// No approval is needed. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_approve: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Constraints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_constraints: Option<NamespaceConstraints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_constraints: Option<SchedulingConstraints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_options: Option<SchedulingOptions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<Impersonation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_auxiliary_resource_categories: Vec<String>,
    /// By name or category: whether the resource is taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_resource_overrides: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_pod_operations: Option<AllowedPodOperations>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_reason: Option<RequestReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_reason: Option<ApprovalReason>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active_sessions_per_user: Option<i32>,
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active_sessions_total: Option<i32>,
}

/// What the hub knows of a binding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugSessionClusterBindingStatus {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub active_by_user: BTreeMap<String, i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_session_count: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub name_collisions: Vec<NameCollision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_session_count: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_clusters: Vec<ResolvedCluster>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_templates: Vec<ResolvedTemplate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_session_count: Option<i64>,
}

/// Two bindings that would be listed under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NameCollision {
    pub cluster_name: String,
    pub colliding_binding: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colliding_binding_namespace: Option<String>,
    pub effective_name: String,
    pub template_name: String,
}

/// A cluster that the binding covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolvedCluster {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
}

/// A template that the binding opens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolvedTemplate {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
}
