//! Body of `/debug-session-templates/{name}/clusters` (spec 5): what a template offers to one caller on each cluster, and
//! through which bindings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::constraints::Constraints;
use crate::kinds::selector::LabelSelector;

/// `GET /debug-session-templates/{name}/clusters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateClusters {
    pub template_name: String,
    pub template_display_name: String,
    /// Clusters on which the caller may request the template now.
    pub clusters: Vec<ClusterOffer>,
}

/// One cluster, with what a request that names no binding gets there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOffer {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The binding that such a request goes through; absent where the template itself reaches the cluster, and where
    /// several bindings of one priority leave the choice to the requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_ref: Option<OfferedBinding>,
    /// Every binding that the caller may name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_options: Option<Vec<BindingOption>>,
    #[serde(flatten)]
    pub offer: Offer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ClusterHealth>,
}

/// What a request through one binding gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingOption {
    pub binding_ref: OfferedBinding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(flatten)]
    pub offer: Offer,
}

/// A binding by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedBinding {
    pub name: String,
    pub namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name_prefix: Option<String>,
}

/// Whether the cluster's agent is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterHealth {
    pub healthy: bool,
    /// RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked: Option<String>,
}

/// The rules of template and binding together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Constraints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_constraints: Option<SchedulingSummary>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_options: Option<OfferedOptions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_constraints: Option<OfferedNamespaces>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<OfferedImpersonation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_auxiliary_resource_categories: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<OfferedApproval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_reason: Option<OfferedReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_reason: Option<OfferedReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<OfferedNotification>,
}

/// Where the pods may run, as far as a form shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchedulingSummary {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub denied_node_labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<OfferedToleration>,
}

/// A toleration of the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedToleration {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
}

/// The options that the caller may choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedOptions {
    pub required: bool,
    pub options: Vec<OfferedOption>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedOption {
    pub name: String,
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_constraints: Option<SchedulingSummary>,
}

/// Where the pods may go. A namespace that is asked for is allowed by one of `allowedPatterns`, one of
/// `allowedLabelSelectors`, or one of `allowedWithLabels`, as far as template and binding both allow it (none of them: any
/// is), and by none of the denials of either. At most 1,000 of each are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedNamespaces {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_patterns: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_label_selectors: Vec<LabelSelector>,
    /// Where one of template and binding allows by name and the other by labels: both have to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_with_labels: Vec<NamedAndLabelled>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied_patterns: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied_label_selectors: Vec<LabelSelector>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_namespace: Option<String>,
    pub allow_user_namespace: bool,
}

/// Namespaces with one of these names that have one of these sets of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedAndLabelled {
    pub patterns: Vec<String>,
    pub label_selectors: Vec<LabelSelector>,
}

/// As whom the agent deploys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedImpersonation {
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a request of this caller needs an approver, and who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedApproval {
    pub required: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approver_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approver_users: Vec<String>,
    /// There are approvers, and this caller's requests start without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can_auto_approve: Option<bool>,
}

/// What must be said. Lengths in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedReason {
    pub mandatory: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandatory_for_rejection: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggested_reasons: Vec<String>,
}

/// Whether people are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedNotification {
    pub enabled: bool,
}
