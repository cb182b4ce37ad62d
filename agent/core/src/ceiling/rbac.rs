//! Roles and bindings of a session (S9, D22): rules within those that the cluster's owner lists, for ServiceAccounts that
//! the session makes itself, by Roles that it makes itself.

use std::collections::BTreeSet;

use breakglass_protocol::wire::grant::Grant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::extra::refusal;
use super::pod::{items, text};
use super::{Ceiling, CeilingRefusal, Remedy};
use crate::workload::{Document, Rendered};

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const ALL: &str = "*";

/// A rule that Roles made for sessions may hold, whole or in part; written as RBAC writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrantableRule {
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    pub verbs: Vec<String>,
    /// Objects by name; none = every object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

/// Every right in its rules is in one of the ceiling's.
pub(super) fn judge_role(
    ceiling: &Ceiling,
    document: &Document,
    refusals: &mut Vec<CeilingRefusal>,
) {
    if document
        .manifest
        .get("aggregationRule")
        .is_some_and(|rule| !rule.is_null())
    {
        refusals.push(refusal(
            document,
            "aggregationRule",
            "set".to_owned(),
            "rules that stand in the role itself",
        ));
    }
    for (nth, rule) in items(&document.manifest, "rules").enumerate() {
        let rule: GrantableRule = match serde_json::from_value(without_nulls(rule)) {
            Ok(rule) => rule,
            Err(e) => {
                let field = format!("rules[{nth}]");
                refusals.push(refusal(
                    document,
                    &field,
                    e.to_string(),
                    "RBAC's own fields",
                ));
                continue;
            }
        };
        if let Some(missing) = missing(&ceiling.grantable_rules, &rule) {
            refusals.push(CeilingRefusal {
                remedy: Remedy::Ceiling,
                rule: "grantableRules",
                field: format!("{}: rules[{nth}]", document.label()),
                value: missing,
                limit: "what its grantableRules list".to_owned(),
            });
        }
    }
}

fn without_nulls(rule: &Value) -> Value {
    let mut rule = rule.clone();
    if let Value::Object(fields) = &mut rule {
        fields.retain(|_, value| !value.is_null());
    }
    rule
}

/// The first right that no rule of the ceiling covers, as the rule to add.
fn missing(grantable: &[GrantableRule], rule: &GrantableRule) -> Option<String> {
    for verb in &rule.verbs {
        for url in &rule.non_resource_urls {
            let covered = grantable.iter().any(|known| {
                holds(&known.verbs, verb)
                    && known.non_resource_urls.iter().any(|k| covers_url(k, url))
            });
            if !covered {
                return Some(format!("{{nonResourceURLs: [{url:?}], verbs: [{verb:?}]}}"));
            }
        }
        for group in &rule.api_groups {
            for resource in &rule.resources {
                if !covers(grantable, rule, verb, group, resource) {
                    return Some(format!(
                        "{{apiGroups: [{group:?}], resources: [{resource:?}], verbs: [{verb:?}]}}"
                    ));
                }
            }
        }
    }
    None
}

fn covers(
    grantable: &[GrantableRule],
    rule: &GrantableRule,
    verb: &str,
    group: &str,
    resource: &str,
) -> bool {
    let matching = || {
        grantable.iter().filter(|known| {
            holds(&known.verbs, verb)
                && holds(&known.api_groups, group)
                && holds(&known.resources, resource)
        })
    };
    let is_whole = matching().any(|known| known.resource_names.is_empty());
    let named: BTreeSet<&String> = matching().flat_map(|known| &known.resource_names).collect();
    is_whole
        || (!rule.resource_names.is_empty()
            && rule.resource_names.iter().all(|name| named.contains(name)))
}

/// `*` covers everything; what is asked as `*` is covered by nothing less.
fn holds(list: &[String], wanted: &str) -> bool {
    list.iter().any(|known| known == ALL || known == wanted)
}

fn covers_url(known: &str, wanted: &str) -> bool {
    match known.strip_suffix(ALL) {
        Some(prefix) => wanted.starts_with(prefix),
        None => known == wanted,
    }
}

/// Its role and its subjects are this session's own.
pub(super) fn judge_binding(
    grant: &Grant,
    rendered: &Rendered,
    document: &Document,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let role_kind = match document.kind() {
        "RoleBinding" => "Role",
        _ => "ClusterRole",
    };
    let role = document.manifest.get("roleRef").unwrap_or(&Value::Null);
    let name = text(role, "name").unwrap_or_default();
    let is_own = text(role, "kind") == Some(role_kind)
        && text(role, "apiGroup").is_none_or(|group| group == RBAC_GROUP)
        && rendered.own_names(role_kind).contains(name);
    if !is_own {
        refusals.push(refusal(
            document,
            "roleRef",
            format!("{} {name}", text(role, "kind").unwrap_or_default()),
            &format!("a {role_kind} that this session makes"),
        ));
    }
    let accounts = rendered.own_names("ServiceAccount");
    for (nth, subject) in items(&document.manifest, "subjects").enumerate() {
        let name = text(subject, "name").unwrap_or_default();
        let is_own = text(subject, "kind") == Some("ServiceAccount")
            && text(subject, "apiGroup").is_none_or(str::is_empty)
            && text(subject, "namespace") == Some(grant.target_namespace.as_str())
            && accounts.contains(name);
        if !is_own {
            refusals.push(refusal(
                document,
                &format!("subjects[{nth}]"),
                format!("{} {name}", text(subject, "kind").unwrap_or_default()),
                "ServiceAccounts that this session makes, with its namespace",
            ));
        }
    }
}
