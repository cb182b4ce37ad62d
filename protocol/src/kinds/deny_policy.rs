//! `DenyPolicy`: what the authorization webhook refuses, once no debug session allows it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Checks, FieldError};
use super::debug_session_template::FailMode;
use super::impersonation::ImpersonationMode;
use super::namespace_filter::NamespaceFilter;

/// Refusals and where they apply.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "breakglass.t-caas.telekom.com",
    version = "v1alpha1",
    kind = "DenyPolicy",
    plural = "denypolicies",
    shortname = "dpolicy",
    status = "DenyPolicyStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    derive = "schemars::JsonSchema",
    printcolumn = r#"{"name":"Precedence","type":"integer","jsonPath":".spec.precedence"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DenyPolicySpec {
    /// Absent: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<PolicyScope>,
    /// Lower ones are asked first. Absent: 100.
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precedence: Option<i32>,
    #[schemars(length(max = 200))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<DenyRule>,
    /// Belongs to Kubernetes's constrained impersonation; not supported.
    #[schemars(length(max = 100))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impersonation_rules: Vec<ImpersonationRule>,
    /// Needs a CONNECT admission; not supported yet (D21).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security_rules: Option<PodSecurityRules>,
}

/// Where a policy applies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyScope {
    /// Globs of cluster names.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Globs of tenants of clusters. A cluster that either list names is covered.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
}

/// What is refused; `*` is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DenyRule {
    #[schemars(length(max = 20))]
    pub verbs: Vec<String>,
    #[schemars(length(max = 50))]
    pub api_groups: Vec<String>,
    #[schemars(length(max = 100))]
    pub resources: Vec<String>,
    #[schemars(length(max = 100))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Absent: the resource and all of its subresources (S16).
    #[schemars(length(max = 20))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresources: Option<Vec<String>>,
    /// Absent: every namespace, and no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceFilter>,
}

/// A rule of constrained impersonation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImpersonationRule {
    #[schemars(length(max = 32))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub action_verbs: Vec<String>,
    #[schemars(length(max = 32))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_keys: Vec<String>,
    #[schemars(length(max = 100))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    #[schemars(length(max = 6))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity_resources: Vec<IdentityResource>,
    #[schemars(length(max = 5))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<ImpersonationMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceFilter>,
    #[schemars(length(max = 512))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(
        default,
        rename = "targetAPIGroups",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 50))]
    pub target_api_groups: Vec<String>,
    #[schemars(length(max = 100))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_resources: Vec<String>,
}

/// What can be impersonated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdentityResource {
    Users,
    Groups,
    Uids,
    UserExtras,
    ServiceAccounts,
    Nodes,
}

/// Risk scores of pods that somebody would enter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSecurityRules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<PodSecurityScope>,
    #[schemars(length(max = 10))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub block_factors: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemptions: Option<PodSecurityExemptions>,
    /// Absent: closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_mode: Option<FailMode>,
    pub risk_factors: RiskFactors,
    #[schemars(length(max = 20))]
    pub thresholds: Vec<RiskThreshold>,
}

/// Requests that are scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSecurityScope {
    #[schemars(length(max = 20))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subresources: Vec<String>,
}

/// Pods that are not scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSecurityExemptions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceFilter>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,
}

/// Points of each trait of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RiskFactors {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<String, i32>,
    #[serde(default, rename = "hostIPC", skip_serializing_if = "Option::is_none")]
    pub host_ipc: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_network: Option<i32>,
    #[serde(default, rename = "hostPID", skip_serializing_if = "Option::is_none")]
    pub host_pid: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path_read_only: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path_writable: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged_container: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_root: Option<i32>,
}

/// What a sum of points means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RiskThreshold {
    pub max_score: i32,
    pub action: RiskAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is done about a risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RiskAction {
    Allow,
    Warn,
    Deny,
}

/// What the hub knows of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DenyPolicyStatus {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl DenyPolicy {
    /// Everything wrong with the fields that a schema cannot say.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut checks = Checks::of_spec();
        let spec = &self.spec;
        if spec.rules.is_empty()
            && spec.impersonation_rules.is_empty()
            && spec.pod_security_rules.is_none()
        {
            checks.refuse(
                "rules",
                "is empty, so the policy refuses nothing; add a rule",
            );
        }
        checks.within_some("appliesTo", spec.applies_to.as_ref(), |scope, checks| {
            checks.globs("clusters", &scope.clusters);
            checks.globs("tenants", &scope.tenants);
        });
        checks.within_each("rules", &spec.rules, DenyRule::check);
        checks.within_each(
            "impersonationRules",
            &spec.impersonation_rules,
            |rule, checks| {
                checks.within_some(
                    "namespaces",
                    rule.namespaces.as_ref(),
                    NamespaceFilter::check,
                );
            },
        );
        checks.within_some(
            "podSecurityRules",
            spec.pod_security_rules.as_ref(),
            |rules, checks| {
                checks.within_some(
                    "exemptions",
                    rules.exemptions.as_ref(),
                    |exemptions, checks| {
                        checks.within_some(
                            "namespaces",
                            exemptions.namespaces.as_ref(),
                            NamespaceFilter::check,
                        );
                        checks.wanted_labels("podLabels", &exemptions.pod_labels);
                    },
                );
            },
        );
        checks.into_errors()
    }
}

impl DenyRule {
    fn check(&self, checks: &mut Checks) {
        for (field, words) in [
            ("verbs", &self.verbs),
            ("apiGroups", &self.api_groups),
            ("resources", &self.resources),
        ] {
            if words.is_empty() {
                checks.refuse(
                    field,
                    "is empty, so the rule refuses nothing; write \"*\" for all",
                );
            }
        }
        for (field, words) in [("verbs", &self.verbs), ("resources", &self.resources)] {
            if words.iter().any(String::is_empty) {
                checks.refuse(
                    field,
                    "holds an empty word; remove it or write \"*\" for all",
                );
            }
        }
        if self.resources.iter().any(|word| word.contains('/')) {
            checks.refuse(
                "resources",
                "holds a \"/\"; write the subresource in subresources, such as resources: [pods] and subresources: [exec]",
            );
        }
        for (field, words) in [
            ("verbs", self.verbs.as_slice()),
            ("apiGroups", &self.api_groups),
            ("resources", &self.resources),
            ("resourceNames", &self.resource_names),
            (
                "subresources",
                self.subresources.as_deref().unwrap_or_default(),
            ),
        ] {
            if words.iter().any(|word| is_half_a_wildcard(word)) {
                checks.refuse(
                    field,
                    "holds a \"*\" within a word, which matches nothing; a word is compared whole, and \"*\" alone is anything",
                );
            }
        }
        for (field, words) in [
            ("verbs", self.verbs.as_slice()),
            ("apiGroups", &self.api_groups),
            ("resources", &self.resources),
            (
                "subresources",
                self.subresources.as_deref().unwrap_or_default(),
            ),
        ] {
            if words
                .iter()
                .any(|word| word.bytes().any(|b| b.is_ascii_uppercase()))
            {
                checks.refuse(
                    field,
                    "holds a capital letter, which matches nothing; write it as in RBAC, such as secrets",
                );
            }
        }
        if self
            .namespaces
            .as_ref()
            .is_some_and(NamespaceFilter::is_empty)
        {
            checks.refuse(
                "namespaces",
                "has neither patterns nor selectorTerms; leave it out to mean every namespace",
            );
        }
        checks.within_some(
            "namespaces",
            self.namespaces.as_ref(),
            NamespaceFilter::check,
        );
    }
}

/// What its author would take for a glob: words of rules are none, and one that matches nothing would refuse nothing.
fn is_half_a_wildcard(word: &str) -> bool {
    word != "*" && word.contains('*')
}
