//! Namespaces that sessions make (S17, D22), and ServiceAccounts as whom they deploy (S10).

use breakglass_protocol::pattern::{Pattern, PatternSet};
use breakglass_protocol::wire::grant::Grant;
use serde::{Deserialize, Serialize};

use super::{Ceiling, CeilingRefusal, Remedy, listed};
use crate::kinds::{check_name, known_by_name};
use crate::workload::{RESOURCE_QUOTA, Rendered};

/// `ceiling.impersonation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ImpersonationCeiling {
    /// ServiceAccounts as whom sessions may deploy, each `namespace/name`. No globs: the chart grants exactly these.
    /// Default: none.
    pub service_accounts: Vec<String>,
}

/// Why an entry of `impersonation.serviceAccounts` makes no sense. Worded to follow the field's name.
pub(super) fn check_account(entry: &str) -> Result<(), String> {
    let is_right = entry.split_once('/').is_some_and(|(namespace, name)| {
        check_name(known_by_name("Namespace"), namespace).is_ok()
            && check_name(known_by_name("ServiceAccount"), name).is_ok()
    });
    if is_right {
        Ok(())
    } else {
        Err(format!("holds {entry:?}; write namespace/name"))
    }
}

/// Why an entry of `namespaceLabels` makes no sense. Worded to follow the field's name.
pub(super) fn check_label(entry: &str) -> Result<(), String> {
    let (key, value) = entry.split_once('=').unwrap_or((entry, "*"));
    let both = [key, value].map(Pattern::new);
    match both.into_iter().find_map(Result::err) {
        None => Ok(()),
        Some(error) => Err(format!("holds {entry:?}, which {error}")),
    }
}

pub(super) fn judge_impersonation(
    ceiling: &Ceiling,
    grant: &Grant,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let Some(account) = &grant.impersonate else {
        return;
    };
    let permitted = &ceiling.impersonation.service_accounts;
    if !permitted.contains(&account.to_string()) {
        refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "impersonation.serviceAccounts",
            field: "impersonation.serviceAccountRef".to_owned(),
            value: account.to_string(),
            limit: listed(permitted),
        });
    }
}

/// Notes why a namespace may not be made. That is no reason to refuse the grant: the namespace may be there.
pub fn settle_namespace(ceiling: &Ceiling, rendered: &mut Rendered) {
    let Some(own) = &mut rendered.namespace else {
        return;
    };
    let labels = own.labels();
    let mut refusals = Vec::new();
    if !ceiling.create_namespaces {
        refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "createNamespaces",
            field: "namespaceConstraints.createIfNotExists".to_owned(),
            value: "true".to_owned(),
            limit: "false".to_owned(),
        });
    }
    for (key, value) in &labels {
        if is_kubernetes(key) && !permits_label(ceiling, key, value) {
            refusals.push(CeilingRefusal {
                remedy: Remedy::Ceiling,
                rule: "namespaceLabels",
                field: format!("namespaceConstraints.namespaceLabels[{key:?}]"),
                value: value.clone(),
                limit: listed(&ceiling.namespace_labels),
            });
        }
    }
    if !refusals.is_empty() {
        let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        own.refused = Some(all.join("; "));
        rendered
            .documents
            .retain(|document| document.source != RESOURCE_QUOTA);
    }
}

/// Keys of Kubernetes's own: pod security admission and others act on them. Ours among them is `app.kubernetes.io`'s.
fn is_kubernetes(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else {
        return false;
    };
    let is_of = |own: &str| domain == own || domain.ends_with(&format!(".{own}"));
    (is_of("kubernetes.io") || is_of("k8s.io")) && key != breakglass_protocol::labels::MANAGED_BY
}

fn permits_label(ceiling: &Ceiling, key: &str, value: &str) -> bool {
    ceiling.namespace_labels.iter().any(|entry| {
        let (keys, values) = entry.split_once('=').unwrap_or((entry, "*"));
        let matches = |pattern: &str, text: &str| {
            PatternSet::new(&[pattern]).is_ok_and(|set| set.matches(text))
        };
        matches(keys, key) && matches(values, value)
    })
}
