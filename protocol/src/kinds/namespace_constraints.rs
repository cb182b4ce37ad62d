//! Where debug pods may go (spec 1 section 6).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Checks;
use super::namespace_filter::NamespaceFilter;

/// `namespaceConstraints`. Denied wins over allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceConstraints {
    /// Where pods go if the requester asks for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_namespace: Option<String>,
    /// Whether the requester may ask for a namespace at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_user_namespace: Option<bool>,
    /// Forbids asking, whatever `allowUserNamespace` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_user_namespace: Option<bool>,
    /// Namespaces that may be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<NamespaceFilter>,
    /// Namespaces that are never used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_namespaces: Option<NamespaceFilter>,
    /// Short form of `allowedNamespaces.patterns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_patterns: Option<Vec<String>>,
    /// Short form of `deniedNamespaces.patterns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_patterns: Option<Vec<String>>,
    /// Makes the namespace if it is missing; the session removes it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_if_not_exists: Option<bool>,
    /// Labels of a namespace that the session makes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace_labels: BTreeMap<String, String>,
}

impl NamespaceConstraints {
    /// What may be asked for, in either spelling; `None` if nothing is said.
    #[must_use]
    pub fn allowed(&self) -> Option<NamespaceFilter> {
        either_spelling(
            self.allowed_namespaces.as_ref(),
            self.allowed_patterns.as_ref(),
        )
    }

    /// What is never used, in either spelling; `None` if nothing is said.
    #[must_use]
    pub fn denied(&self) -> Option<NamespaceFilter> {
        either_spelling(
            self.denied_namespaces.as_ref(),
            self.denied_patterns.as_ref(),
        )
    }
}

/// `check` has refused objects in which both spellings name different patterns.
fn either_spelling(
    long: Option<&NamespaceFilter>,
    short: Option<&Vec<String>>,
) -> Option<NamespaceFilter> {
    match (long, short) {
        (None, None) => None,
        (Some(filter), None) => Some(filter.clone()),
        (None, Some(patterns)) => Some(NamespaceFilter {
            patterns: patterns.clone(),
            selector_terms: Vec::new(),
        }),
        (Some(filter), Some(patterns)) => Some(NamespaceFilter {
            patterns: patterns.clone(),
            selector_terms: filter.selector_terms.clone(),
        }),
    }
}

impl NamespaceConstraints {
    pub(super) fn check(&self, checks: &mut Checks) {
        if let Some(name) = &self.default_namespace {
            checks.dns_label("defaultNamespace", name);
        }
        if self.allow_user_namespace == Some(true) && self.deny_user_namespace == Some(true) {
            checks.refuse(
                "denyUserNamespace",
                "cannot be true together with allowUserNamespace; keep one of them",
            );
        }
        for (field, filter, short, patterns) in [
            (
                "allowedNamespaces",
                &self.allowed_namespaces,
                "allowedPatterns",
                &self.allowed_patterns,
            ),
            (
                "deniedNamespaces",
                &self.denied_namespaces,
                "deniedPatterns",
                &self.denied_patterns,
            ),
        ] {
            checks.within_some(field, filter.as_ref(), NamespaceFilter::check);
            checks.globs(short, patterns.as_deref().unwrap_or_default());
            let long = filter.as_ref().map(|filter| &filter.patterns);
            checks.spellings(
                (&format!("{field}.patterns"), long),
                (short, patterns.as_ref()),
            );
        }
        checks.labels("namespaceLabels", &self.namespace_labels);
    }
}
