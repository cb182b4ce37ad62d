//! Auxiliary resources: which ones a session takes, and what is reported of them.

use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::wire::grant::{AtEnd, AuxiliaryOrder, AuxiliarySource};
use serde_json::{Value, json};

use crate::fixture::*;

fn resource(name: &str, more: Value) -> Value {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let mut resource = json!({"name": name, "template": object});
    for (field, value) in more.as_object().unwrap() {
        resource[field] = value.clone();
    }
    resource
}

fn resources() -> Value {
    json!([
        resource("always", json!({})),
        resource(
            "policy",
            json!({"optional": true, "category": "network-policy"})
        ),
        resource(
            "metrics",
            json!({"optional": true, "category": "monitoring"})
        ),
        resource(
            "traces",
            json!({"optional": true, "category": "monitoring"})
        ),
    ])
}

fn pod() -> Option<Value> {
    Some(json!({"template": {"spec": {"containers": [{"name": "c", "image": "x"}]}}}))
}

/// The names taken, or the messages of the refusal.
fn taken(changes: Value, selected: Option<&[&str]>) -> Result<Vec<String>, Vec<String>> {
    let mut asked = asked();
    asked.selected_auxiliary_resources =
        selected.map(|names| names.iter().map(|n| (*n).to_owned()).collect());
    let mut with = json!({"auxiliaryResources": resources()});
    for (field, value) in changes.as_object().unwrap() {
        with[field] = value.clone();
    }
    match resolve_texts(&asked, with, pod(), &alice()) {
        Ok(resolved) => {
            let session = resolved.session;
            let terms = session.snapshot.terms;
            let recorded = session.snapshot.source.resolved.auxiliary_resources.clone();
            let names: Vec<String> = terms.auxiliary.into_iter().map(|a| a.name).collect();
            assert_eq!(names, recorded);
            Ok(names)
        }
        Err(refusal) => Err(refusal
            .violations
            .into_iter()
            .map(|v| format!("{}: {}", v.field, v.message))
            .collect()),
    }
}

fn names(names: &[&str]) -> Result<Vec<String>, Vec<String>> {
    Ok(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn optional_resources_follow_the_requester_then_the_defaults() {
    assert_eq!(taken(json!({}), None), names(&["always"]));
    let defaults = json!({"auxiliaryResourceDefaults": {"monitoring": true, "traces": false, "always": false}});
    assert_eq!(
        taken(defaults.clone(), None),
        names(&["always", "metrics"]),
        "by name before category"
    );
    assert_eq!(
        taken(defaults.clone(), Some(&[])),
        names(&["always"]),
        "an empty list takes none"
    );
    assert_eq!(
        taken(defaults, Some(&["traces", "always"])),
        names(&["always", "traces"])
    );
}

#[test]
fn a_required_category_cannot_be_deselected_and_must_be_there() {
    let required = json!({"requiredAuxiliaryResourceCategories": ["network-policy"]});
    assert_eq!(
        taken(required.clone(), Some(&[])),
        names(&["always", "policy"])
    );
    assert_eq!(taken(required, None), names(&["always", "policy"]));
    let lacking = json!({"requiredAuxiliaryResourceCategories": ["rbac", "monitoring"]});
    let told = taken(lacking, None).unwrap_err();
    assert_eq!(
        told,
        [
            "templateRef: session template standard-debug: spec.requiredAuxiliaryResourceCategories names rbac, of which it has no auxiliary resource"
        ]
    );
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    assert_eq!(
        taken(json!({}), Some(&["metrics", "polcy"])).unwrap_err(),
        [
            "selectedAuxiliaryResources[1]: \"polcy\" is no auxiliary resource of this template: always, policy, metrics, traces; did you mean \"policy\"?"
        ]
    );
    assert_eq!(
        taken(json!({"auxiliaryResources": []}), Some(&["x"])).unwrap_err(),
        ["selectedAuxiliaryResources[0]: names an auxiliary resource, and this template has none"]
    );
}

#[test]
fn settings_reach_the_agent_resolved() {
    let with = json!({
        "templateEngine": "jinja",
        "auxiliaryResources": [
            resource("first", json!({})),
            {"name": "second", "templateString": "kind: X", "createBefore": false, "deleteAfter": false, "failurePolicy": "warn", "category": "rbac"},
        ]
    });
    let resolved = resolve_texts(&asked(), with, pod(), &alice()).unwrap();
    let auxiliary = &resolved.session.snapshot.terms.auxiliary;
    let settings: Vec<_> = auxiliary
        .iter()
        .map(|a| (a.order, a.at_end, a.failure_policy))
        .collect();
    assert_eq!(
        settings,
        [
            (
                AuxiliaryOrder::BeforeWorkload,
                AtEnd::Delete,
                FailurePolicy::Fail
            ),
            (
                AuxiliaryOrder::AfterWorkload,
                AtEnd::Keep,
                FailurePolicy::Warn
            ),
        ]
    );
    assert_eq!(auxiliary[1].category.as_deref(), Some("rbac"));
    match (&auxiliary[0].source, &auxiliary[1].source) {
        (
            AuxiliarySource::Structured {
                place, template, ..
            },
            AuxiliarySource::Text(text),
        ) => {
            assert_eq!(
                place,
                "DebugSessionTemplate standard-debug spec.auxiliaryResources[0].template"
            );
            assert_eq!(template["kind"], "ConfigMap");
            assert_eq!(
                text.place,
                "DebugSessionTemplate standard-debug spec.auxiliaryResources[1].templateString"
            );
        }
        other => panic!("{other:?}"),
    }
}
