//! What the hub fixed when the session was asked for. What was approved is what runs (S7), so nothing here is looked
//! up again.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::cluster::UserNames;
use super::super::debug_session_cluster_binding::DebugSessionClusterBindingSpec;
use super::super::debug_session_template::{ExpirationBehavior, FailMode, Mode, WorkloadType};
use super::super::impersonation::ServiceAccountRef;
use super::super::pod_operations::AllowedPodOperations;
use super::super::selector::LabelSelector;

/// The binding, as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolvedBinding {
    pub name: String,
    pub namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[schemars(extend("x-embedded" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Box<DebugSessionClusterBindingSpec>>,
}

/// Request × template × binding × cluster, with every default filled in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolvedRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_type: Option<WorkloadType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    /// What the agent still has to check on the live namespace (S17, D23).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_terms: Option<NamespaceTerms>,
    /// As whom the agent deploys; absent: as itself (S10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonate: Option<ServiceAccountRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
    /// From `startsAt` to the end of the last possible renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration_seconds: Option<i64>,
    /// `startsAt` + `maxDurationSeconds`, once it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_end_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_renewal: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_renewals: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval_for_renewal: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<AllowedPodOperations>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approver_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approver_users: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_user_names: Option<UserNames>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_option: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_behavior: Option<ExpirationBehavior>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<i64>,
    /// What templates read as `.vars`, by variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, ResolvedValue>,
    /// Names of the auxiliary resources that the session takes, in the template's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auxiliary_resources: Vec<String>,
}

/// The value of one variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolvedValue {
    pub text: String,
    pub origin: ValueOrigin,
}

/// How free the requester was in choosing a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ValueOrigin {
    /// A default, a boolean, a number, a quantity or one of the template's options.
    Constrained,
    /// Typed by the requester.
    FreeText,
}

/// Rules about the target namespace that need the cluster to be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceTerms {
    /// The template's and the binding's; each must permit the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<NamespaceTermsLayer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_if_not_exists: Option<bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace_labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_mode: Option<FailMode>,
}

/// Label terms of one template or binding that the namespace's name did not decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceTermsLayer {
    /// Where they stand: `session template placed-debug`.
    pub place: String,
    /// One of these must match; absent if the name is allowed, or was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<LabelSelector>>,
    /// None of these may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<LabelSelector>,
}
