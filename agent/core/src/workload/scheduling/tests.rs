use breakglass_protocol::wire::grant::WorkloadKind;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::nodes::{Constraints, NodeFacts, selects};
use crate::sample;
use crate::workload::render;

fn layer(place: &str, constraints: Value) -> SchedulingLayer {
    SchedulingLayer {
        place: place.into(),
        constraints: serde_json::from_value(constraints).unwrap(),
    }
}

fn laid(mut spec: Value, layers: &[SchedulingLayer]) -> Result<Value, String> {
    lay(spec.as_object_mut().unwrap(), layers).map_err(|e| e.to_string())?;
    Ok(spec)
}

fn has(key: &str) -> Value {
    json!({ "key": key, "operator": "Exists" })
}

fn required(terms: Value) -> Value {
    json!({ "nodeAffinity": { REQUIRED: { "nodeSelectorTerms": terms } } })
}

#[test]
fn layers_add_to_the_pod_and_never_loosen_it() {
    let pod = json!({
        "nodeSelector": { "os": "linux" },
        "affinity": required(json!([{ "matchExpressions": [has("a")] }, { "matchExpressions": [has("b")] }])),
        "tolerations": [{ "operator": "Exists" }],
    });
    let template = layer(
        "session template t",
        json!({
            "nodeSelector": { "pool": "general" },
            "requiredNodeAffinity": { "nodeSelectorTerms": [{ "matchExpressions": [has("c")] }] },
            "preferredNodeAffinity": [{ "weight": 100, "preference": { "matchExpressions": [has("d")] } }],
            "requiredPodAntiAffinity": [{ "labelSelector": {}, "topologyKey": "kubernetes.io/hostname" }],
            "tolerations": [{ "operator": "Exists" }, { "key": "dedicated", "value": "x", "effect": "NoSchedule" }],
            "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway" }],
            "deniedNodeLabels": { "control-plane": "*", "zone": "b" },
        }),
    );
    let request = layer(
        "the request",
        json!({ "nodeSelector": { "pool": "general", "disk": "ssd" } }),
    );
    let together = json!([
        has("c"),
        { "key": "control-plane", "operator": "DoesNotExist" },
        { "key": "zone", "operator": "NotIn", "values": ["b"] },
    ]);
    let term = |own: &str| {
        let mut all = vec![has(own)];
        all.extend(together.as_array().unwrap().clone());
        json!({ "matchExpressions": all })
    };
    let mut affinity = required(json!([term("a"), term("b")]));
    affinity["nodeAffinity"][PREFERRED] =
        json!([{ "weight": 100, "preference": { "matchExpressions": [has("d")] } }]);
    affinity["podAntiAffinity"] =
        json!({ REQUIRED: [{ "labelSelector": {}, "topologyKey": "kubernetes.io/hostname" }] });
    assert_eq!(
        laid(pod, &[template, request]).unwrap(),
        json!({
            "nodeSelector": { "os": "linux", "pool": "general", "disk": "ssd" },
            "affinity": affinity,
            "tolerations": [{ "operator": "Exists" }, { "key": "dedicated", "value": "x", "effect": "NoSchedule" }],
            "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway" }],
        })
    );
}

#[test]
fn a_pod_without_placement_gets_the_layers_alone_and_without_layers_stays_as_it_is() {
    let template = layer(
        "t",
        json!({ "deniedNodeLabels": { "control-plane": "*" }, "deniedNodes": ["etcd-*"] }),
    );
    assert_eq!(
        laid(
            json!({ "affinity": null, "nodeSelector": null }),
            &[template]
        )
        .unwrap(),
        json!({ "nodeSelector": null, "affinity": required(json!([{ "matchExpressions": [
            { "key": "control-plane", "operator": "DoesNotExist" } ] }])) })
    );
    let odd = json!({ "affinity": { "from": "the future" } });
    assert_eq!(laid(odd.clone(), &[]).unwrap(), odd);
}

#[test]
fn a_label_that_two_places_want_otherwise_is_told_with_both() {
    let told = laid(
        json!({ "nodeSelector": { "pool": "batch" } }),
        &[layer(
            "session template t",
            json!({ "nodeSelector": { "pool": "general" } }),
        )],
    );
    assert_eq!(
        told.unwrap_err(),
        "the debug pods cannot be placed: no node can fulfil both: the pod template wants label pool to be \"batch\", and \
         session template t wants it to be \"general\""
    );
}

#[test]
fn d04_each_denied_node_is_one_requirement_of_every_term() {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    sample::workload_mut(&mut grant).scheduling = vec![layer(
        "t",
        json!({ "requiredNodeAffinity": { "nodeSelectorTerms": [
            { "matchExpressions": [has("a")] }, { "matchExpressions": [has("b")] } ] } }),
    )];
    let rendered = render(&grant, &sample::seed()).unwrap();
    let (_, manifest) = rendered.workload().unwrap();
    let names: BTreeSet<String> = ["etcd-1".to_owned(), "etcd-2".to_owned()].into();
    let without = without_nodes(manifest, &names).unwrap();
    let terms = without
        .pointer(&format!("{IN_WORKLOAD}/{REQUIRED}/nodeSelectorTerms"))
        .unwrap();
    let fields = json!([
        { "key": "metadata.name", "operator": "NotIn", "values": ["etcd-1"] },
        { "key": "metadata.name", "operator": "NotIn", "values": ["etcd-2"] },
    ]);
    assert_eq!(terms[0]["matchFields"], fields);
    assert_eq!(terms[1]["matchFields"], fields);
    assert_eq!(nodes_left_out(&without), names);
    assert_eq!(nodes_left_out(manifest), BTreeSet::new());
    assert_eq!(
        without_nodes(&without, &names).as_ref(),
        Some(&without),
        "again changes nothing"
    );
    let many = (0..=MAX_NAMED / 2).map(|n| format!("etcd-{n}")).collect();
    assert_eq!(without_nodes(manifest, &many), None, "two terms each");
    let bare = sample::grant(WorkloadKind::DaemonSet);
    let bare = render(&bare, &sample::seed()).unwrap();
    let without = without_nodes(bare.workload().unwrap().1, &names).unwrap();
    assert_eq!(nodes_left_out(&without), names);
}

const KEYS: [&str; 3] = ["a", "b", "c"];
const VALUES: [&str; 2] = ["1", "2"];

fn requirement() -> impl Strategy<Value = Value> {
    (0..KEYS.len(), 0..4_usize, 0..VALUES.len()).prop_map(|(key, operator, value)| {
        let key = KEYS[key];
        match operator {
            0 => json!({ "key": key, "operator": "In", "values": [VALUES[value]] }),
            1 => json!({ "key": key, "operator": "NotIn", "values": [VALUES[value]] }),
            2 => json!({ "key": key, "operator": "Exists" }),
            _ => json!({ "key": key, "operator": "DoesNotExist" }),
        }
    })
}

fn affinity() -> impl Strategy<Value = Value> {
    let term = prop::collection::vec(requirement(), 0..3).prop_map(|all| {
        if all.is_empty() {
            json!({})
        } else {
            json!({ "matchExpressions": all })
        }
    });
    prop::collection::vec(term, 1..4).prop_map(|terms| json!({ "nodeSelectorTerms": terms }))
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let pair = (0..KEYS.len(), 0..VALUES.len())
        .prop_map(|(key, value)| (KEYS[key].to_owned(), VALUES[value].to_owned()));
    prop::collection::vec(pair, 0..3).prop_map(|pairs| pairs.into_iter().collect())
}

fn constraints() -> impl Strategy<Value = Value> {
    (
        labels(),
        prop::option::of(affinity()),
        labels(),
        prop::bool::ANY,
    )
        .prop_map(|(selector, required, denied, any)| {
            let denied: BTreeMap<String, String> = denied
                .into_iter()
                .map(|(key, value)| (key, if any { "*".to_owned() } else { value }))
                .collect();
            json!({ "nodeSelector": selector, "requiredNodeAffinity": required, "deniedNodeLabels": denied })
        })
}

fn takes(spec: &Value, node: &NodeFacts) -> bool {
    let has_labels = spec
        .get("nodeSelector")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .all(|(key, value)| node.labels.get(key).map(String::as_str) == value.as_str());
    let required = spec.pointer(&format!("/affinity/nodeAffinity/{REQUIRED}"));
    has_labels
        && required.is_none_or(|required| {
            selects(&serde_json::from_value(required.clone()).unwrap(), node)
        })
}

proptest! {
    /// The merged pod runs exactly where the pod template and every layer would let it run alone.
    #[test]
    fn merged_constraints_permit_what_each_of_them_permits(
        own in prop::option::of(affinity()),
        layers in prop::collection::vec(constraints(), 0..4),
        nodes in prop::collection::vec(labels(), 1..6),
    ) {
        let pod = match own {
            Some(required) => json!({ "affinity": { "nodeAffinity": { REQUIRED: required } } }),
            None => json!({}),
        };
        let layers: Vec<SchedulingLayer> = layers.into_iter().map(|all| layer("x", all)).collect();
        let nodes = nodes.into_iter().enumerate().map(|(nth, labels)| NodeFacts {
            name: format!("n{nth}"), labels, taints: Vec::new(),
        });
        let mut grant = sample::grant(WorkloadKind::DaemonSet);
        sample::workload_mut(&mut grant).scheduling = layers.clone();
        let constraints = Constraints::of(&grant);
        match laid(pod.clone(), &layers) {
            Ok(merged) => for node in nodes {
                let each = takes(&pod, &node) && constraints.against(&node).is_none();
                prop_assert_eq!(takes(&merged, &node), each, "{} on {:?}", merged, node);
            },
            // Refused by name, so no node may fulfil all of it.
            Err(_) => for node in nodes {
                prop_assert!(constraints.against(&node).is_some() || !takes(&pod, &node));
            },
        }
    }
}
