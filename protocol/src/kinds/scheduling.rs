//! Where pods may run (spec 1 section 5).

use std::collections::BTreeMap;

use super::check::Checks;
use k8s_openapi::api::core::v1::{
    NodeSelector, PodAffinityTerm, PreferredSchedulingTerm, Toleration, TopologySpreadConstraint,
    WeightedPodAffinityTerm,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod merge;

/// `schedulingConstraints`: mandatory; nobody overrides them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchedulingConstraints {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// AND-ed with what is already required: the cross product of the terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_node_affinity: Option<NodeSelector>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_node_affinity: Vec<PreferredSchedulingTerm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_pod_anti_affinity: Vec<PodAffinityTerm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_pod_anti_affinity: Vec<WeightedPodAffinityTerm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Globs of node names where no pod runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied_nodes: Vec<String>,
    /// Nodes with this label and value carry no pod; `*` is any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub denied_node_labels: BTreeMap<String, String>,
}

/// `schedulingOptions`: placements from which the requester chooses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchedulingOptions {
    /// Whether one must be chosen (or be the default). Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    #[schemars(length(min = 1))]
    pub options: Vec<SchedulingOption>,
}

/// One placement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchedulingOption {
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Taken if the requester chooses nothing. At most one option is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// Added to the mandatory constraints, never instead of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_constraints: Option<SchedulingConstraints>,
    /// Who may choose it; with neither groups nor users, everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_users: Vec<String>,
}

impl SchedulingConstraints {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.wanted_labels("nodeSelector", &self.node_selector);
        checks.globs("deniedNodes", &self.denied_nodes);
        let valued = self.denied_node_labels.iter().map(|(key, value)| {
            let value = if value == "*" { "" } else { value };
            (key.clone(), value.to_owned())
        });
        checks.wanted_labels("deniedNodeLabels", &valued.collect());
    }
}

impl SchedulingOptions {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.unique(
            "options",
            "name",
            self.options.iter().map(|o| o.name.as_str()),
        );
        let defaults = self
            .options
            .iter()
            .filter(|o| o.default == Some(true))
            .count();
        if defaults > 1 {
            checks.refuse(
                "options",
                format_args!("{defaults} options are the default; at most one can be"),
            );
        }
        checks.within_each("options", &self.options, |option, checks| {
            checks.not_blank("displayName", Some(&option.display_name));
            checks.groups("allowedGroups", &option.allowed_groups);
            checks.people("allowedUsers", &option.allowed_users);
            checks.within_some(
                "schedulingConstraints",
                option.scheduling_constraints.as_ref(),
                SchedulingConstraints::check,
            );
        });
    }
}
