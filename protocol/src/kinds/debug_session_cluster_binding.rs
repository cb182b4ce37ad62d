//! `DebugSessionClusterBinding`: opens a session template to clusters and people, with stricter rules.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::AllowedOf;
use super::access::{Allowed, Approvers};
use super::check::{Checks, FieldError};
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

impl DebugSessionClusterBinding {
    /// Everything wrong with the fields that a schema cannot say.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut checks = Checks::of_spec();
        self.spec.check_reach(&mut checks);
        self.spec.check_rules(&mut checks);
        checks.into_errors()
    }
}

impl DebugSessionClusterBindingSpec {
    fn check_reach(&self, checks: &mut Checks) {
        match (&self.template_ref, &self.template_selector) {
            (Some(_), Some(_)) => {
                checks.refuse_here("has both templateRef and templateSelector; keep one of them")
            }
            (None, None) => {
                checks.refuse_here("has neither templateRef nor templateSelector; add one of them")
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if self.clusters.is_empty() && self.cluster_selector.is_none() {
            checks.refuse_here(
                "has neither clusters nor clusterSelector, so it opens nothing; add one of them",
            );
        }
        checks.within_some(
            "templateSelector",
            self.template_selector.as_ref(),
            LabelSelector::check,
        );
        checks.within_some(
            "clusterSelector",
            self.cluster_selector.as_ref(),
            LabelSelector::check,
        );
        checks.cluster_names("clusters", &self.clusters);
        if let (Some(from), Some(until)) = (&self.effective_from, &self.expires_at)
            && from >= until
        {
            checks.refuse(
                "expiresAt",
                "is not after effectiveFrom, so the binding would never hold",
            );
        }
    }

    fn check_rules(&self, checks: &mut Checks) {
        checks.within_some("allowed", self.allowed.as_ref(), |allowed, checks| {
            allowed.check(AllowedOf::Binding, checks);
        });
        checks.within_some("approvers", self.approvers.as_ref(), Approvers::check);
        checks.within_some("constraints", self.constraints.as_ref(), Constraints::check);
        checks.within_some(
            "namespaceConstraints",
            self.namespace_constraints.as_ref(),
            NamespaceConstraints::check,
        );
        checks.within_some(
            "schedulingConstraints",
            self.scheduling_constraints.as_ref(),
            SchedulingConstraints::check,
        );
        checks.within_some(
            "schedulingOptions",
            self.scheduling_options.as_ref(),
            SchedulingOptions::check,
        );
        checks.within_some(
            "impersonation",
            self.impersonation.as_ref(),
            Impersonation::check,
        );
        checks.within_some(
            "notification",
            self.notification.as_ref(),
            Notification::check,
        );
        checks.within_some(
            "requestReason",
            self.request_reason.as_ref(),
            RequestReason::check,
        );
        checks.within_some(
            "approvalReason",
            self.approval_reason.as_ref(),
            ApprovalReason::check,
        );
        checks.labels("labels", &self.labels);
        checks.annotations("annotations", &self.annotations);
    }
}
