//! Templates as text: what becomes of them in snapshot and grant.

use breakglass_hub_core::grant::{UserNames, of, prepare};
use breakglass_hub_core::lifecycle;
use breakglass_hub_core::session::{Session, State};
use breakglass_protocol::ids::Revision;
use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::wire::grant::{PodSource, TemplateText, Work, feature};
use serde_json::{Value, json};

use crate::fixture::*;

/// An active session of alice's, stored and read back.
fn running(changes: Value, pod: Option<Value>) -> Session {
    let mut changes = changes;
    changes["approvers"] = json!(null);
    let session = resolve_texts(&asked(), changes, pod, &alice())
        .unwrap()
        .session;
    let session = lifecycle::submit(session, at(0)).unwrap();
    assert!(matches!(session.state, State::Active(_)));
    let stored = serde_json::to_value(DebugSession::from(&session)).unwrap();
    let object: DebugSession = serde_json::from_value(stored).unwrap();
    let read = Session::try_from(&object).unwrap();
    assert_eq!(read, session, "what is stored is read back the same");
    read
}

fn pod_of(session: &Session) -> PodSource {
    let Work::Workload(workload) = of(session, &UserNames::default()).unwrap().work;
    workload.pod
}

fn requires(session: &Session) -> Vec<String> {
    prepare(session, &UserNames::default(), Revision(1))
        .unwrap()
        .unwrap()
        .requires
}

fn structured() -> Option<Value> {
    Some(json!({"template": {"spec": {"containers": [{"name": "c", "image": "x"}]}}}))
}

fn text(engine: TemplateEngine, text: &str, place: &str) -> TemplateText {
    TemplateText {
        engine,
        text: text.to_owned(),
        place: place.to_owned(),
    }
}

#[test]
fn a_pod_templates_text_goes_to_the_agent_as_it_is() {
    let pod = json!({"templateString": "containers: []  # {{ .x }}", "templateEngine": "jinja"});
    let session = running(json!({}), Some(pod));
    let place = "DebugPodTemplate standard-pod spec.templateString";
    let expected = text(TemplateEngine::Jinja, "containers: []  # {{ .x }}", place);
    assert_eq!(pod_of(&session), PodSource::Text(expected));
    assert_eq!(requires(&session), [feature::WORKLOAD, feature::TEMPLATES]);
}

#[test]
fn a_session_template_may_hold_the_pod_itself() {
    let changes = json!({"podTemplateRef": null, "podTemplateString": "containers: []", "podOverridesTemplate": "spec: {}"});
    let session = running(changes, None);
    let place = |field: &str| format!("DebugSessionTemplate standard-debug spec.{field}");
    let expected = text(
        TemplateEngine::Go,
        "containers: []",
        &place("podTemplateString"),
    );
    assert_eq!(pod_of(&session), PodSource::Text(expected));
    let Work::Workload(workload) = of(&session, &UserNames::default()).unwrap().work;
    let expected = text(
        TemplateEngine::Go,
        "spec: {}",
        &place("podOverridesTemplate"),
    );
    assert_eq!(workload.overrides_template, Some(expected));
    assert!(session.snapshot.source.pod_template.is_none());
}

#[test]
fn d17_only_a_grant_with_texts_values_or_resources_needs_an_agent_that_renders() {
    assert_eq!(
        requires(&running(json!({}), structured())),
        [feature::WORKLOAD]
    );
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}});
    for changes in [
        json!({"podOverridesTemplate": "spec: {}"}),
        json!({"extraDeployVariables": [{"name": "x", "default": "y"}]}),
        json!({"auxiliaryResources": [{"name": "x", "template": object}]}),
    ] {
        let session = running(changes.clone(), structured());
        assert_eq!(
            requires(&session),
            [feature::WORKLOAD, feature::TEMPLATES],
            "{changes}"
        );
    }
}

#[test]
fn s07_the_digest_covers_texts_values_and_resources() {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}});
    let base = json!({
        "podTemplateRef": null, "podTemplateString": "a",
        "extraDeployVariables": [{"name": "x", "default": "y"}],
        "auxiliaryResources": [{"name": "x", "template": object, "optional": true}],
    });
    let digest = |changes: &Value, values: Value, selected: &[&str]| {
        let mut asked = asked();
        asked.extra_deploy_values = serde_json::from_value(values).unwrap();
        asked.selected_auxiliary_resources =
            Some(selected.iter().map(|s| (*s).to_owned()).collect());
        resolve_texts(&asked, changes.clone(), None, &alice())
            .unwrap()
            .session
            .snapshot
            .digest
    };
    let first = digest(&base, json!({}), &[]);
    assert_eq!(first, digest(&base, json!({}), &[]));
    assert_ne!(first, digest(&base, json!({"x": "z"}), &[]), "values");
    assert_ne!(first, digest(&base, json!({}), &["x"]), "resources");
    let mut other = base.clone();
    other["podTemplateString"] = json!("b");
    assert_ne!(first, digest(&other, json!({}), &[]), "text");
}

#[test]
fn s07_a_session_stored_before_there_were_values_is_read_unchanged() {
    let session = active();
    let mut stored = serde_json::to_value(DebugSession::from(&session)).unwrap();
    let resolved = stored["status"]["resolved"].as_object_mut().unwrap();
    assert!(!resolved.contains_key("values") && !resolved.contains_key("auxiliaryResources"));
    let object: DebugSession = serde_json::from_value(stored).unwrap();
    assert_eq!(Session::try_from(&object).unwrap(), session);
    assert_eq!(requires(&session), [feature::WORKLOAD]);
}

#[test]
fn s07_a_session_whose_pod_is_missing_is_a_damaged_record() {
    let session = active();
    let mut stored = serde_json::to_value(DebugSession::from(&session)).unwrap();
    stored["status"]
        .as_object_mut()
        .unwrap()
        .remove("resolvedPodTemplate");
    let object: DebugSession = serde_json::from_value(stored).unwrap();
    let error = Session::try_from(&object).unwrap_err().to_string();
    assert!(error.contains("resolvedPodTemplate is missing"), "{error}");
}
