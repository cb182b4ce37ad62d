//! As whom the agent deploys.

use std::collections::BTreeMap;

use super::check::Checks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `impersonation`. Only `serviceAccountRef` has a meaning; the rest belongs to Kubernetes's constrained impersonation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Impersonation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ImpersonationMode>,
    #[schemars(length(max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    #[schemars(length(max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    #[schemars(length(max = 32))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
    #[schemars(length(max = 32))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub action_verbs: Vec<String>,
    #[schemars(length(max = 100))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_identities: Vec<String>,
}

/// A ServiceAccount of the target cluster. Set and missing there = the session fails (S10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccountRef {
    pub name: String,
    pub namespace: String,
}

/// Modes of constrained impersonation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImpersonationMode {
    UserInfo,
    #[serde(rename = "serviceaccount")]
    ServiceAccount,
    ArbitraryNode,
    AssociatedNode,
    Legacy,
}

impl Impersonation {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.within_some(
            "serviceAccountRef",
            self.service_account_ref.as_ref(),
            |reference, checks| {
                checks.dns_label("namespace", &reference.namespace);
                checks.not_blank("name", Some(&reference.name));
            },
        );
    }
}
