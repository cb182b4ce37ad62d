//! Objects beside the workload, against the ceiling (S9): kinds that are listed only, and of those nothing that reaches
//! beyond the session.

use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::labels;
use breakglass_protocol::wire::grant::Grant;
use serde_json::Value;

use super::pod::{items, text};
use super::{Ceiling, CeilingRefusal, Remedy, listed, pod, rbac};
use crate::kinds::{known_by_name, known_kind, split};
use crate::workload::{Document, RESOURCE_QUOTA, Rendered};

/// How deep a custom resource is searched for pod specs: deeper than any schema nests them.
const MAX_DEPTH: u32 = 32;

/// Why an entry of `extraKinds` makes no sense. Worded to follow the field's name.
pub(super) fn check_entry(entry: &str) -> Result<(), String> {
    let (kind, group) = match entry.split_once('.') {
        Some((kind, group)) => (kind, Some(group)),
        None => (entry, None),
    };
    let is_kind = kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_kind || group == Some("") {
        return Err(format!(
            "holds {entry:?}; write a kind such as ConfigMap, or Kind.group such as PodMonitor.monitoring.coreos.com"
        ));
    }
    if group.is_none() && known_by_name(kind).is_none() {
        return Err(format!(
            "holds {entry:?}, which is no kind of Kubernetes's own; write it with its group, such as {kind}.example.com"
        ));
    }
    Ok(())
}

fn is_listed(ceiling: &Ceiling, document: &Document) -> bool {
    let (group, _) = split(document.api_version());
    let kind = document.kind();
    ceiling
        .extra_kinds
        .iter()
        .any(|entry| match entry.split_once('.') {
            Some((listed, listed_group)) => listed == kind && listed_group == group,
            // A kind of the same name in somebody's group is another kind.
            None => entry == kind && known_kind(document.api_version(), kind).is_some(),
        })
}

/// Leaves out what is of an unlisted kind and may be missing (`failurePolicy` `ignore` or `warn`): what is not made exceeds
/// nothing. Everything else that the ceiling refuses, refuses the grant, whatever the policy.
pub fn leave_out_unlisted(ceiling: &Ceiling, rendered: &mut Rendered) {
    for document in &mut rendered.documents {
        let may_be_missing = match document.failure_policy() {
            FailurePolicy::Fail => false,
            FailurePolicy::Ignore | FailurePolicy::Warn => document.is_wanted(),
        };
        if may_be_missing && !is_listed(ceiling, document) {
            let why = unlisted(ceiling, document).to_string();
            document.leave_out(why);
        }
    }
}

fn unlisted(ceiling: &Ceiling, document: &Document) -> CeilingRefusal {
    CeilingRefusal {
        remedy: Remedy::Ceiling,
        rule: "extraKinds",
        field: format!("{}: kind", document.label()),
        value: entry_of(document),
        limit: listed(&ceiling.extra_kinds),
    }
}

/// As it would be listed.
fn entry_of(document: &Document) -> String {
    let (group, _) = split(document.api_version());
    match document.known() {
        Some(known) => known.kind.to_owned(),
        None if group.is_empty() => document.kind().to_owned(),
        None => format!("{}.{group}", document.kind()),
    }
}

/// Every document that is to be made.
pub(super) fn judge(
    ceiling: &Ceiling,
    grant: &Grant,
    rendered: &Rendered,
    refusals: &mut Vec<CeilingRefusal>,
) {
    for (_, document) in rendered.beside() {
        if document.source == RESOURCE_QUOTA {
            // Only narrows, and only where `createNamespaces` lets it be made.
            continue;
        }
        if !is_listed(ceiling, document) {
            refusals.push(unlisted(ceiling, document));
            continue;
        }
        judge_kind(ceiling, grant, rendered, document, refusals);
        for (place, spec) in pod_specs(document) {
            let place = format!("{}: {place}", document.label());
            pod::judge(ceiling, &place, spec, refusals);
        }
    }
}

fn judge_kind(
    ceiling: &Ceiling,
    grant: &Grant,
    rendered: &Rendered,
    document: &Document,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let Some(known) = document.known() else {
        return;
    };
    match known.kind {
        "Secret" => judge_secret(document, refusals),
        "Service" => judge_service(document, refusals),
        "NetworkPolicy" => judge_selector(grant, document, "podSelector", refusals),
        "PodDisruptionBudget" => judge_selector(grant, document, "selector", refusals),
        "ResourceQuota" => refusals.push(refusal(
            document,
            "kind",
            "ResourceQuota".to_owned(),
            "one in a namespace that the session makes only, since it counts everything in its namespace",
        )),
        "Role" | "ClusterRole" => rbac::judge_role(ceiling, document, refusals),
        "RoleBinding" | "ClusterRoleBinding" => {
            rbac::judge_binding(grant, rendered, document, refusals);
        }
        // Their pods are judged as pods, and the others hold nothing that reaches beyond their namespace.
        _ => {}
    }
}

/// A refusal that no setting opens.
pub(super) fn refusal(
    document: &Document,
    field: &str,
    value: String,
    limit: &str,
) -> CeilingRefusal {
    CeilingRefusal {
        remedy: Remedy::Template,
        rule: "extraKinds",
        field: format!("{}: {field}", document.label()),
        value,
        limit: limit.to_owned(),
    }
}

/// Other types are tokens of ServiceAccounts and credentials of the node.
fn judge_secret(document: &Document, refusals: &mut Vec<CeilingRefusal>) {
    let kind = text(&document.manifest, "type").unwrap_or("Opaque");
    if kind != "Opaque" {
        refusals.push(refusal(document, "type", kind.to_owned(), "Opaque"));
    }
}

/// Only what is reached from inside the cluster, by its own address.
fn judge_service(document: &Document, refusals: &mut Vec<CeilingRefusal>) {
    let Some(spec) = document.manifest.get("spec") else {
        return;
    };
    let kind = text(spec, "type").unwrap_or("ClusterIP");
    if kind != "ClusterIP" {
        refusals.push(refusal(document, "spec.type", kind.to_owned(), "ClusterIP"));
    }
    for field in [
        "externalIPs",
        "externalName",
        "loadBalancerIP",
        "loadBalancerClass",
        "loadBalancerSourceRanges",
    ] {
        if let Some(value) = spec.get(field).filter(|value| !is_empty(value)) {
            refusals.push(refusal(
                document,
                &format!("spec.{field}"),
                value.to_string(),
                "none, only an address inside the cluster",
            ));
        }
    }
    let node_ports = items(spec, "ports").filter_map(|port| port.get("nodePort"));
    for port in node_ports.filter(|port| port.as_i64() != Some(0) && !port.is_null()) {
        refusals.push(refusal(
            document,
            "spec.ports[].nodePort",
            port.to_string(),
            "none, only an address inside the cluster",
        ));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// One that selects pods of others would cut them off, open them (policies add up), or hold up their node's upgrade.
fn judge_selector(
    grant: &Grant,
    document: &Document,
    selector: &str,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let own = document
        .manifest
        .get("spec")
        .and_then(|spec| spec.get(selector))
        .and_then(|selector| selector.get("matchLabels"))
        .and_then(|labels| labels.get(labels::SESSION))
        .and_then(Value::as_str);
    if own != Some(grant.session.as_str()) {
        refusals.push(refusal(
            document,
            &format!("spec.{selector}.matchLabels[\"{}\"]", labels::SESSION),
            own.map_or_else(|| "missing".to_owned(), |own| format!("{own:?}")),
            &format!(
                "{:?}, so that it selects this session's pods only",
                grant.session
            ),
        ));
    }
}

/// Pod specs inside a document, with their places. In a kind that this build does not know, whatever holds containers.
fn pod_specs(document: &Document) -> Vec<(String, &Value)> {
    match document.known() {
        Some(known) => known
            .pod_spec
            .and_then(|at| {
                let place = at.trim_start_matches('/').replace('/', ".");
                Some((place, document.manifest.pointer(at)?))
            })
            .into_iter()
            .collect(),
        None => {
            let mut found = Vec::new();
            search(&document.manifest, "", 0, &mut found);
            found
        }
    }
}

fn search<'a>(value: &'a Value, place: &str, depth: u32, found: &mut Vec<(String, &'a Value)>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            let holds = |key: &str| items(value, key).any(Value::is_object);
            if holds("containers") || holds("initContainers") {
                found.push((place.trim_start_matches('.').to_owned(), value));
            }
            for (key, value) in map {
                search(value, &format!("{place}.{key}"), depth + 1, found);
            }
        }
        Value::Array(list) => {
            for (nth, value) in list.iter().enumerate() {
                search(value, &format!("{place}[{nth}]"), depth + 1, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
