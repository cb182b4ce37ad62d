//! Namespace rules and the deploying ServiceAccount, from request to grant.

use breakglass_hub_core::grant::{UserNames, of, prepare};
use breakglass_hub_core::lifecycle;
use breakglass_hub_core::request::{Layers, deployer};
use breakglass_hub_core::session::Session;
use breakglass_protocol::ids::Revision;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBindingSpec;
use breakglass_protocol::kinds::debug_session_template::{DebugSessionTemplateSpec, FailMode};
use breakglass_protocol::wire::grant::{Grant, IfMissing, feature};
use serde_json::{Value, json};

use crate::fixture::*;

/// The grant of an active session of alice's in that namespace, stored and read back before, and what it requires.
fn granted(changes: Value, wanted: Option<&str>) -> (Grant, Vec<String>) {
    let mut changes = changes;
    changes["approvers"] = json!(null);
    let mut asked = asked();
    asked.target_namespace = wanted.map(str::to_owned);
    let pod = Some(json!({"template": {"spec": {"containers": [{"name": "c", "image": "x"}]}}}));
    let session = resolve_texts(&asked, changes, pod, &alice())
        .unwrap()
        .session;
    let session = lifecycle::submit(session, at(0)).unwrap();
    let stored = serde_json::to_value(DebugSession::from(&session)).unwrap();
    let object: DebugSession = serde_json::from_value(stored).unwrap();
    let read = Session::try_from(&object).unwrap();
    assert_eq!(read, session, "what is stored is read back the same");
    let names = UserNames::default();
    let prepared = prepare(&read, &names, Revision(1)).unwrap().unwrap();
    (of(&read, &names).unwrap(), prepared.requires)
}

#[test]
fn d23_terms_travel_only_where_there_are_some() {
    let (plain, requires) = granted(
        json!({"namespaceConstraints": {"deniedNamespaces": ["kube-*"]}}),
        None,
    );
    assert_eq!((plain.namespace_rule, plain.impersonate), (None, None));
    assert_eq!(requires, [feature::WORKLOAD]);

    let rules = json!({"namespaceConstraints": {
        "allowUserNamespace": true,
        "allowedNamespaces": {"selectorTerms": [{"matchLabels": {"debug-enabled": "true"}}]},
        "deniedNamespaces": {"selectorTerms": [{"matchLabels": {"protected": "true"}}]},
        "createIfNotExists": true, "namespaceLabels": {"purpose": "debug"},
    }, "failMode": "open"});
    let (grant, requires) = granted(rules, Some("team-a"));
    assert_eq!(requires, [feature::WORKLOAD, feature::NAMESPACES]);
    let rule = grant.namespace_rule.unwrap();
    assert_eq!(rule.layers[0].place, "session template standard-debug");
    assert_eq!(rule.layers[0].allowed.as_ref().map(Vec::len), Some(1));
    assert_eq!(rule.layers[0].denied.len(), 1);
    assert_eq!(rule.if_unreadable, FailMode::Open);
    let IfMissing::Create { labels } = rule.if_missing else {
        panic!("it is made")
    };
    assert_eq!(labels["purpose"], "debug");
}

#[test]
fn s10_the_service_account_travels_with_a_feature() {
    let reference = json!({"name": "debug-deployer", "namespace": "breakglass-system"});
    let (grant, requires) = granted(
        json!({"impersonation": {"serviceAccountRef": reference}}),
        None,
    );
    assert_eq!(requires, [feature::WORKLOAD, feature::IMPERSONATION]);
    let account = grant.impersonate.unwrap();
    assert_eq!(account.to_string(), "breakglass-system/debug-deployer");
}

#[test]
fn s10_a_binding_names_an_account_only_where_its_template_names_none_or_the_same() {
    let one = json!({"serviceAccountRef": {"name": "one", "namespace": "n"}});
    let other = json!({"serviceAccountRef": {"name": "other", "namespace": "n"}});
    let null = json!(null);
    for (template, binding, expected) in [
        (&null, &null, Ok(None)),
        (&one, &null, Ok(Some("one"))),
        (&null, &one, Ok(Some("one"))),
        (&one, &one, Ok(Some("one"))),
        (&one, &json!({}), Ok(Some("one"))),
        (&one, &other, Err("impersonation.serviceAccountRef")),
    ] {
        let template: DebugSessionTemplateSpec =
            serde_json::from_value(json!({"impersonation": template})).unwrap();
        let binding: DebugSessionClusterBindingSpec =
            serde_json::from_value(json!({"impersonation": binding})).unwrap();
        let found = deployer(Layers {
            template: &template,
            binding: Some(&binding),
        });
        let found = found.map(|account| account.map(|a| a.name));
        assert_eq!(
            found.as_ref().map(Option::as_deref).map_err(|v| v.rule),
            expected,
            "{template:?} {binding:?}"
        );
    }
}
