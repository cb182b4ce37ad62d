//! Who may ask for a session, and who decides on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Checks;
use super::selector::LabelSelector;

/// `allowed`: who may ask, and on which clusters. A block that names no group and no user is refused (S1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allowed {
    /// Members of any of these groups may ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// These people may ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Globs of cluster names. With `clusterSelector`, either is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Clusters by their labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_selector: Option<LabelSelector>,
}

/// `approvers`: who decides, and who needs no decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approvers {
    /// Members of any of these groups may decide, except on their own session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// These people may decide, except on their own session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Requests that need no decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_approve_for: Option<AutoApproveFor>,
}

/// Requests that are approved without anybody: the requester's group, or the cluster, is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoApproveFor {
    /// Groups of the requester.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Globs of cluster names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
}

/// What an `allowed` block must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AllowedOf {
    /// People.
    Template,
    /// People or clusters: with clusters only, the people are the template's (S1).
    Binding,
}

impl Allowed {
    pub(super) fn check(&self, of: AllowedOf, checks: &mut Checks) {
        let names_people = !(self.groups.is_empty() && self.users.is_empty());
        let names_clusters = !self.clusters.is_empty() || self.cluster_selector.is_some();
        match of {
            AllowedOf::Template if !names_people => {
                checks.refuse_here("names no user and no group, so nobody could ask; add groups or users");
            }
            AllowedOf::Binding if !names_people && !names_clusters => checks.refuse_here(
                "names no user, no group and no cluster; remove it to use the template's, or fill it in",
            ),
            AllowedOf::Template | AllowedOf::Binding => {}
        }
        checks.groups("groups", &self.groups);
        checks.people("users", &self.users);
        checks.globs("clusters", &self.clusters);
        checks.within_some(
            "clusterSelector",
            self.cluster_selector.as_ref(),
            LabelSelector::check,
        );
    }
}

impl Approvers {
    /// A block that names nobody would mean "no approval", which must not happen by leaving something out (S1).
    pub(super) fn check(&self, checks: &mut Checks) {
        if self.groups.is_empty() && self.users.is_empty() {
            checks.refuse_here(
                "names no user and no group; add those who decide, or remove the whole block",
            );
        }
        checks.groups("groups", &self.groups);
        checks.people("users", &self.users);
        checks.within_some(
            "autoApproveFor",
            self.auto_approve_for.as_ref(),
            |auto, checks| {
                checks.groups("groups", &auto.groups);
                checks.globs("clusters", &auto.clusters);
            },
        );
    }
}
