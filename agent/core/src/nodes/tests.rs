use breakglass_protocol::kinds::scheduling::SchedulingConstraints;
use breakglass_protocol::wire::grant::WorkloadKind;
use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

use super::*;
use crate::sample;

fn node(name: &str, labels: &[(&str, &str)]) -> NodeFacts {
    NodeFacts {
        name: name.into(),
        labels: labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        taints: Vec::new(),
    }
}

fn selector(terms: Value) -> NodeSelector {
    serde_json::from_value(json!({ "nodeSelectorTerms": terms })).unwrap()
}

#[test]
fn requirements_mean_what_they_mean_to_the_scheduler() {
    let node = node("n-1", &[("zone", "a"), ("cpus", "16")]);
    for (key, operator, values, is_met) in [
        ("zone", "In", vec!["a", "b"], true),
        ("zone", "In", vec!["b"], false),
        ("other", "In", vec!["a"], false),
        ("zone", "NotIn", vec!["a"], false),
        ("zone", "NotIn", vec!["b"], true),
        ("other", "NotIn", vec!["a"], true),
        ("zone", "Exists", vec![], true),
        ("other", "Exists", vec![], false),
        ("zone", "DoesNotExist", vec![], false),
        ("other", "DoesNotExist", vec![], true),
        ("cpus", "Gt", vec!["8"], true),
        ("cpus", "Gt", vec!["16"], false),
        ("cpus", "Lt", vec!["17"], true),
        ("zone", "Lt", vec!["17"], false),
        ("other", "Lt", vec!["17"], false),
        ("zone", "Maybe", vec!["a"], false),
    ] {
        let terms = json!([{ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }]);
        assert_eq!(
            selects(&selector(terms), &node),
            is_met,
            "{key} {operator} {values:?}"
        );
    }
    let named = |operator: &str, name: &str| {
        let terms = json!([{ "matchFields": [{ "key": "metadata.name", "operator": operator, "values": [name] }] }]);
        selects(&selector(terms), &node)
    };
    assert!(named("In", "n-1") && !named("In", "n-2"));
    assert!(named("NotIn", "n-2") && !named("NotIn", "n-1"));
}

#[test]
fn terms_are_alternatives_and_an_empty_one_is_none() {
    let node = node("n", &[("a", "1")]);
    let has = |key: &str| json!({ "matchExpressions": [{ "key": key, "operator": "Exists" }] });
    assert!(selects(&selector(json!([has("b"), has("a")])), &node));
    assert!(!selects(&selector(json!([{}])), &node));
    assert!(!selects(&selector(json!([])), &node));
}

fn against(constraints: Value, node: &NodeFacts) -> Option<String> {
    let constraints: SchedulingConstraints = serde_json::from_value(constraints).unwrap();
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    sample::workload_mut(&mut grant).scheduling = vec![SchedulingLayer {
        place: "session template t".into(),
        constraints,
    }];
    Constraints::of(&grant).against(node)
}

#[test]
fn s03_a_node_is_judged_by_what_it_is_now() {
    let worker = node("worker-1", &[("pool", "general")]);
    let sample = json!({
        "nodeSelector": { "pool": "general" }, "deniedNodes": ["control-plane-*", "etcd-*"],
        "deniedNodeLabels": { "node-role.kubernetes.io/control-plane": "*", "zone": "b" },
    });
    assert_eq!(against(sample.clone(), &worker), None);
    let told = |node: &NodeFacts| against(sample.clone(), node).unwrap();
    let denied = node("etcd-3", &[("pool", "general")]);
    assert_eq!(
        told(&denied),
        "is among the deniedNodes of session template t"
    );
    let moved = node("worker-1", &[("pool", "batch")]);
    assert_eq!(
        told(&moved),
        "lacks label pool=general, which session template t requires"
    );
    for label in [("node-role.kubernetes.io/control-plane", ""), ("zone", "b")] {
        let labelled = node("worker-1", &[("pool", "general"), label]);
        assert!(told(&labelled).contains("does not permit"), "{label:?}");
    }
}

#[test]
fn constraints_without_nodes_choose_none() {
    let tolerating = json!({ "tolerations": [{ "operator": "Exists" }] });
    let constraints: SchedulingConstraints = serde_json::from_value(tolerating).unwrap();
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    assert!(!Constraints::of(&grant).choose_nodes());
    sample::workload_mut(&mut grant).scheduling = vec![SchedulingLayer {
        place: "x".into(),
        constraints,
    }];
    assert!(!Constraints::of(&grant).choose_nodes());
}

#[test]
fn daemon_sets_tolerate_what_their_controller_adds() {
    let taint = |key: &str, effect| Taint {
        key: key.into(),
        value: "v".into(),
        effect,
    };
    let spec = |tolerations: Value| -> PodSpec {
        serde_json::from_value(json!({ "containers": [], "tolerations": tolerations })).unwrap()
    };
    let control_plane = [taint(
        "node-role.kubernetes.io/control-plane",
        TaintEffect::NoSchedule,
    )];
    assert!(!daemon_tolerates(&spec(json!([])), &control_plane));
    for tolerations in [
        json!([{ "operator": "Exists" }]),
        json!([{ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule" }]),
        json!([{ "key": "node-role.kubernetes.io/control-plane", "value": "v" }]),
    ] {
        assert!(daemon_tolerates(&spec(tolerations), &control_plane));
    }
    let other_effect = json!([{ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoExecute" }]);
    assert!(!daemon_tolerates(&spec(other_effect), &control_plane));
    let passing = [
        taint("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
        taint("node.kubernetes.io/not-ready", TaintEffect::NoExecute),
        taint("example.com/soft", TaintEffect::Other),
    ];
    assert!(daemon_tolerates(&spec(json!([])), &passing));
}
