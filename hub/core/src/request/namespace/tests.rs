use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::person::Identity;
use serde_json::{Value, json};

use super::*;
use crate::caller::{Caller, Standing};
use crate::request::Layers;

/// What is resolved of a template with these fields of `spec`, a binding with these, and this wish.
fn ask(
    template: Value,
    binding: Option<Value>,
    wanted: Option<&str>,
) -> Result<Chosen, Vec<Violation>> {
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1", "kind": kind,
            "metadata": {"name": "x", "namespace": "ns"}, "spec": spec,
        })
    };
    let template: DebugSessionTemplate =
        serde_json::from_value(object("DebugSessionTemplate", template)).unwrap();
    let binding: Option<DebugSessionClusterBinding> = binding
        .map(|spec| serde_json::from_value(object("DebugSessionClusterBinding", spec)).unwrap());
    let cluster: Cluster = serde_json::from_value(object("Cluster", json!({}))).unwrap();
    let caller = Caller {
        identity: Identity {
            issuer: "i".into(),
            subject: "s".into(),
            name: "alice".into(),
            email: None,
            email_verified: false,
        },
        display_name: None,
        groups: Vec::new(),
        standing: Standing::User,
    };
    let asked = CreateDebugSession {
        template_ref: "x".into(),
        target_namespace: wanted.map(str::to_owned),
        ..CreateDebugSession::default()
    };
    resolve(&Facts {
        asked: &asked,
        template: &template,
        binding: binding.as_ref(),
        layers: Layers {
            template: &template.spec,
            binding: binding.as_ref().map(|b| &b.spec),
        },
        pod_template: None,
        cluster: &cluster,
        caller: &caller,
    })
}

fn rules(of: Value) -> Value {
    json!({ "namespaceConstraints": of })
}

fn refused(answer: Result<Chosen, Vec<Violation>>) -> Vec<&'static str> {
    answer.unwrap_err().iter().map(|v| v.rule).collect()
}

const ALLOWED: &str = "namespaceConstraints.allowedNamespaces";
const DENIED: &str = "namespaceConstraints.deniedNamespaces";
const MAY_ASK: &str = "namespaceConstraints.allowUserNamespace";

#[test]
fn d23_what_the_name_leaves_open_goes_to_the_agent() {
    let term = |key: &str| json!({"matchLabels": {key: "true"}});
    let template = rules(json!({
        "allowUserNamespace": true,
        "allowedNamespaces": {"patterns": ["debug-*"], "selectorTerms": [term("debug-enabled")]},
        "deniedNamespaces": {"patterns": ["kube-*"], "selectorTerms": [term("protected")]},
    }));
    // (wanted, whether label terms of allow stay open)
    for (wanted, allowed_is_open) in [
        (None, false),
        (Some("breakglass-debug"), false),
        (Some("debug-1"), false),
        (Some("team-a"), true),
    ] {
        let terms = ask(template.clone(), None, wanted).unwrap().terms.unwrap();
        let [layer] = &terms.layers[..] else {
            panic!("{terms:?}")
        };
        assert_eq!(layer.place, "session template x");
        assert_eq!(layer.allowed.is_some(), allowed_is_open, "{wanted:?}");
        assert_eq!(
            layer.denied.len(),
            1,
            "deny filters bind always: {wanted:?}"
        );
    }
    let kube = ask(template, None, Some("kube-system"));
    assert_eq!(refused(kube), [DENIED], "denied wins");
    let by_names = rules(json!({"allowUserNamespace": true, "allowedNamespaces": ["debug-*"]}));
    assert_eq!(
        ask(by_names.clone(), None, Some("debug-1")).unwrap().terms,
        None,
        "an agent without label terms can have it"
    );
    assert_eq!(refused(ask(by_names, None, Some("team-a"))), [ALLOWED]);
}

#[test]
fn s01_a_binding_narrows_where_pods_may_go() {
    let template = |of: Value| {
        let mut of = of;
        of["allowUserNamespace"] = json!(true);
        rules(of)
    };
    let open =
        template(json!({"allowedNamespaces": ["a-*", "b-*"], "deniedNamespaces": ["a-secret"]}));
    let binding = |of: Value| Some(rules(of));
    let own =
        binding(json!({"allowedNamespaces": ["a-*", "c-*"], "deniedNamespaces": ["a-other"]}));
    assert_eq!(
        ask(open.clone(), own.clone(), Some("a-1"))
            .unwrap()
            .namespace,
        "a-1"
    );
    for (wanted, by) in [
        ("b-1", ALLOWED),
        ("c-1", ALLOWED),
        ("a-secret", DENIED),
        ("a-other", DENIED),
    ] {
        assert_eq!(
            refused(ask(open.clone(), own.clone(), Some(wanted))),
            [by],
            "{wanted}"
        );
    }
    // Who says no wins; who says nothing leaves it to the other.
    for (of_template, of_binding, may_ask) in [
        (json!({}), json!({}), false),
        (json!({"allowUserNamespace": true}), json!({}), true),
        (json!({}), json!({"allowUserNamespace": true}), true),
        (
            json!({"allowUserNamespace": false}),
            json!({"allowUserNamespace": true}),
            false,
        ),
        (
            json!({"allowUserNamespace": true}),
            json!({"allowUserNamespace": false}),
            false,
        ),
        (
            json!({"allowUserNamespace": true}),
            json!({"denyUserNamespace": true}),
            false,
        ),
    ] {
        let answer = ask(
            rules(of_template.clone()),
            binding(of_binding.clone()),
            Some("other"),
        );
        match may_ask {
            true => assert_eq!(answer.unwrap().namespace, "other"),
            false => assert_eq!(refused(answer), [MAY_ASK], "{of_template} {of_binding}"),
        }
    }
}

#[test]
fn d13_the_default_is_the_bindings_then_the_templates() {
    let got =
        |template: Value, binding: Value| ask(template, Some(binding), None).unwrap().namespace;
    let given = json!({"targetNamespace": "t", "namespaceConstraints": {"defaultNamespace": "d"}});
    assert_eq!(
        got(given.clone(), rules(json!({"defaultNamespace": "b"}))),
        "b"
    );
    assert_eq!(got(given, rules(json!({}))), "d");
    assert_eq!(got(json!({"targetNamespace": "t"}), rules(json!({}))), "t");
    assert_eq!(got(json!({}), rules(json!({}))), "breakglass-debug");
}

#[test]
fn who_makes_a_missing_namespace_and_with_what_labels() {
    let terms = |template: Value, binding: Value| {
        ask(rules(template), Some(rules(binding)), None)
            .unwrap()
            .terms
    };
    let yes =
        json!({"createIfNotExists": true, "namespaceLabels": {"a": "template", "b": "template"}});
    let more = json!({"namespaceLabels": {"a": "binding", "c": "binding"}});
    let made = terms(yes.clone(), more).unwrap();
    assert_eq!(made.create_if_not_exists, Some(true));
    assert_eq!(
        serde_json::to_value(&made.namespace_labels).unwrap(),
        json!({"a": "template", "b": "template", "c": "binding"}),
        "a binding adds labels and changes none"
    );
    assert_eq!(terms(yes, json!({"createIfNotExists": false})), None);
    assert_eq!(
        terms(
            json!({"createIfNotExists": false}),
            json!({"createIfNotExists": true})
        ),
        None
    );
    let open = ask(json!({"failMode": "open"}), None, None)
        .unwrap()
        .terms
        .unwrap();
    assert_eq!(open.fail_mode, Some(FailMode::Open));
}
