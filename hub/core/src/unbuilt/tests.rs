use std::collections::BTreeSet;

use schemars::{JsonSchema, schema_for};
use serde_json::json;

use super::*;

/// Every property path of a schema, leaves only; what is recursive or embedded stops at the first repeat.
fn leaves<T: JsonSchema>() -> BTreeSet<String> {
    let root = schema_for!(T).to_value();
    let mut found = BTreeSet::new();
    walk(&root, &root, "", &mut Vec::new(), &mut found);
    found
}

fn walk(
    root: &Value,
    schema: &Value,
    path: &str,
    on_the_way: &mut Vec<String>,
    found: &mut BTreeSet<String>,
) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        if on_the_way.iter().any(|r| r == reference) {
            found.insert(path.to_owned());
            return;
        }
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        on_the_way.push(reference.to_owned());
        walk(root, target, path, on_the_way, found);
        on_the_way.pop();
        return;
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let below = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            walk(root, property, &below, on_the_way, found);
        }
        return;
    }
    let alternatives = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|k| schema.get(*k)?.as_array())
        .flatten();
    let objects: Vec<&Value> = alternatives
        .filter(|a| a.get("$ref").is_some() || a.get("properties").is_some())
        .collect();
    // A list or an object: the object's fields are the fields.
    let objects = if objects.is_empty() {
        schema.get("x-list-or-object").into_iter().collect()
    } else {
        objects
    };
    if objects.is_empty() {
        found.insert(path.to_owned());
    }
    for object in objects {
        walk(root, object, path, on_the_way, found);
    }
}

fn covers(entry: &Entry, leaf: &str) -> bool {
    leaf == entry.path
        || leaf
            .strip_prefix(entry.path)
            .is_some_and(|rest| rest.starts_with('.'))
}

fn complete<T: JsonSchema>(table: &[Entry]) {
    let leaves = leaves::<T>();
    for leaf in &leaves {
        let entries = table.iter().filter(|e| covers(e, leaf)).count();
        assert_eq!(
            entries, 1,
            "spec.{leaf} must be named once in unbuilt/table.rs, built or unbuilt"
        );
    }
    for entry in table {
        assert!(
            leaves.iter().any(|leaf| covers(entry, leaf)),
            "spec.{} is no field of the kind",
            entry.path
        );
    }
}

#[test]
fn d10_every_field_of_every_kind_is_built_or_unbuilt() {
    complete::<DebugSessionTemplateSpec>(table::TEMPLATE);
    complete::<DebugSessionClusterBindingSpec>(table::BINDING);
    complete::<DebugPodTemplateSpec>(table::POD_TEMPLATE);
    complete::<ClusterSpec>(table::CLUSTER);
    complete::<DenyPolicySpec>(table::DENY_POLICY);
}

fn template(spec: Value) -> Vec<String> {
    let spec: DebugSessionTemplateSpec = serde_json::from_value(spec).unwrap();
    of(Document::Template(&spec))
        .into_iter()
        .map(|u| u.field)
        .collect()
}

#[test]
fn d10_fields_in_use_are_named_and_their_off_values_pass() {
    for (used, off, field) in [
        (
            json!({"mode": "hybrid"}),
            json!({"mode": "workload"}),
            "spec.mode",
        ),
        (
            json!({"kubectlDebug": {"podCopy": {"enabled": true}}}),
            json!({"kubectlDebug": {"podCopy": {"enabled": false, "ttl": "1h"}}}),
            "spec.kubectlDebug.podCopy",
        ),
        (
            json!({"terminalSharing": {"enabled": true}}),
            json!({"terminalSharing": {"enabled": false, "provider": "screen"}}),
            "spec.terminalSharing",
        ),
        (
            json!({"audit": {"logCommands": true}}),
            json!({"audit": {"enabled": false, "logCommands": true}}),
            "spec.audit.logCommands",
        ),
        (
            json!({"impersonation": {"mode": "legacy"}}),
            json!({"impersonation": {"serviceAccountRef": {"name": "a", "namespace": "b"}}}),
            "spec.impersonation.mode",
        ),
        (
            json!({"impersonation": {"groups": ["system:masters"]}}),
            json!({"impersonation": {"groups": []}}),
            "spec.impersonation.groups",
        ),
    ] {
        assert_eq!(template(used.clone()), [field], "{used}");
        assert_eq!(template(off.clone()), Vec::<String>::new(), "{off}");
    }
}

#[test]
fn d10_reasons_presentation_and_templates_are_built() {
    let spec = json!({
        "displayName": "x", "description": "y", "priority": 7, "hidden": true, "deprecated": true, "deprecationMessage": "z",
        "requestReason": {"mandatory": true, "suggestedReasons": ["a"], "description": "b"},
        "approvalReason": {"mandatoryForRejection": true},
        "notification": {"enabled": true, "notifyOnExpiry": false, "additionalRecipients": ["a@b"]},
        "gracePeriodBeforeExpiry": "15m",
    });
    assert_eq!(template(spec), Vec::<String>::new());
    let spec = json!({
        "podTemplateString": "x", "podOverridesTemplate": "x", "templateEngine": "jinja",
        "extraDeployVariables": [{"name": "x"}],
        "auxiliaryResources": [{"name": "x", "templateString": "x"}],
        "auxiliaryResourceDefaults": {"x": true}, "requiredAuxiliaryResourceCategories": ["x"],
    });
    assert_eq!(template(spec), Vec::<String>::new());
    let terms = json!({"selectorTerms": [{"matchLabels": {"a": "b"}}]});
    let spec = json!({
        "namespaceConstraints": {
            "allowedNamespaces": terms, "deniedNamespaces": terms,
            "createIfNotExists": true, "namespaceLabels": {"a": "b"},
        },
        "failMode": "open",
    });
    assert_eq!(template(spec), Vec::<String>::new());
}

#[test]
fn d10_pod_templates_clusters_and_whole_kinds() {
    let pod = json!({"templateString": "containers: []", "templateEngine": "jinja", "extraDeployVariables": [{"name": "x"}]});
    let pod: DebugPodTemplateSpec = serde_json::from_value(pod).unwrap();
    assert_eq!(of(Document::PodTemplate(&pod)), []);
    let cluster: ClusterSpec =
        serde_json::from_value(json!({"userNames": {"groupsPrefix": "oidc:"}})).unwrap();
    assert_eq!(
        of(Document::Cluster(&cluster))[0].field,
        "spec.userNames.groupsPrefix"
    );
    assert_eq!(
        of(Document::Binding(&DebugSessionClusterBindingSpec::default())),
        []
    );
}

#[test]
fn s16_d21_what_a_review_cannot_tell_is_refused_in_deny_policies() {
    let policy = |spec: Value| {
        let spec: DenyPolicySpec = serde_json::from_value(spec).unwrap();
        of(Document::DenyPolicy(&spec))
            .into_iter()
            .map(|u| u.field)
            .collect::<Vec<_>>()
    };
    let rule = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "namespaces": ["prod-*"]});
    let built = json!({"precedence": 10, "rules": [rule],
        "appliesTo": {"clusters": ["*"], "tenants": ["a"], "sessions": []}});
    assert_eq!(policy(built), Vec::<String>::new());
    for (used, field) in [
        (
            json!({"appliesTo": {"sessions": ["x"]}}),
            "spec.appliesTo.sessions",
        ),
        (
            json!({"impersonationRules": [{"identities": ["x"]}]}),
            "spec.impersonationRules",
        ),
        (
            json!({"podSecurityRules": {"riskFactors": {}, "thresholds": [{"maxScore": 1, "action": "deny"}]}}),
            "spec.podSecurityRules",
        ),
    ] {
        assert_eq!(policy(used), [field]);
    }
}
