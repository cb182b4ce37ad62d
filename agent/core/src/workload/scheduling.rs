//! Scheduling constraints laid over the pod (spec 1 section 5): pod template with the session template's overrides first,
//! then the grant's layers in their order. Later ones add and never loosen.
//!
//! Names of denied nodes are known only in the cluster, and only for the nodes that are there: they join the node affinity
//! when the workload is made, and again when a denied node joins later (D4).

use std::collections::{BTreeMap, BTreeSet};

use breakglass_protocol::kinds::scheduling::SchedulingConstraints;
use breakglass_protocol::kinds::scheduling::merge::{Placed, both, contradictions};
use breakglass_protocol::wire::grant::SchedulingLayer;
use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
use serde::Serialize;
use serde_json::{Map, Value};

use super::WorkloadError;
use super::overrides::{take_array, take_object};
use crate::nodes::NODE_NAME;

/// Requirements that name denied nodes, in all terms together: of about 80 bytes each they stay within what a pod template
/// may have. Many nodes are better denied by a label.
pub(crate) const MAX_NAMED: usize = 4_000;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const IN_WORKLOAD: &str = "/spec/template/spec/affinity/nodeAffinity";

/// Lays the grant's constraints over a pod spec.
pub(super) fn lay(
    spec: &mut Map<String, Value>,
    layers: &[SchedulingLayer],
) -> Result<(), WorkloadError> {
    if layers.is_empty() {
        return Ok(());
    }
    let own = SchedulingConstraints {
        node_selector: node_selector(spec)?,
        ..SchedulingConstraints::default()
    };
    check_together(&own, layers)?;
    let mut selector = own.node_selector;
    let mut affinity = take_object(spec, "affinity");
    let mut node = take_object(&mut affinity, "nodeAffinity");
    let mut anti = take_object(&mut affinity, "podAntiAffinity");
    let mut required = required_of(&node)?;
    for SchedulingLayer { constraints, .. } in layers {
        selector.extend(constraints.node_selector.clone());
        let more = constraints.required().map_err(too_many)?;
        required = match (required, more) {
            (Some(held), Some(more)) => Some(both(&held, &more).map_err(too_many)?),
            (held, more) => held.or(more),
        };
        append(&mut node, PREFERRED, &constraints.preferred_node_affinity)?;
        append(&mut anti, REQUIRED, &constraints.required_pod_anti_affinity)?;
        append(
            &mut anti,
            PREFERRED,
            &constraints.preferred_pod_anti_affinity,
        )?;
        append(spec, "tolerations", &constraints.tolerations)?;
        append(
            spec,
            "topologySpreadConstraints",
            &constraints.topology_spread_constraints,
        )?;
    }
    if let Some(required) = required {
        node.insert(REQUIRED.to_owned(), as_value(&required)?);
    }
    put(&mut affinity, "nodeAffinity", node);
    put(&mut affinity, "podAntiAffinity", anti);
    put(spec, "affinity", affinity);
    if !selector.is_empty() {
        spec.insert("nodeSelector".to_owned(), as_value(&selector)?);
    }
    Ok(())
}

/// A pod that no node can take is told at once, and by name.
fn check_together(
    own: &SchedulingConstraints,
    layers: &[SchedulingLayer],
) -> Result<(), WorkloadError> {
    let pod = Placed {
        place: "the pod template",
        constraints: own,
    };
    let layers = layers.iter().map(|layer| Placed {
        place: &layer.place,
        constraints: &layer.constraints,
    });
    let all: Vec<Placed<'_>> = [pod].into_iter().chain(layers).collect();
    match contradictions(&all).first() {
        Some(found) => Err(WorkloadError::Scheduling(found.to_string())),
        None => Ok(()),
    }
}

fn too_many(error: impl std::fmt::Display) -> WorkloadError {
    WorkloadError::Scheduling(error.to_string())
}

fn node_selector(spec: &Map<String, Value>) -> Result<BTreeMap<String, String>, WorkloadError> {
    match spec.get("nodeSelector").filter(|value| !value.is_null()) {
        Some(value) => read(value),
        None => Ok(BTreeMap::new()),
    }
}

fn required_of(node_affinity: &Map<String, Value>) -> Result<Option<NodeSelector>, WorkloadError> {
    let held = node_affinity.get(REQUIRED);
    held.filter(|value| !value.is_null()).map(read).transpose()
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, WorkloadError> {
    serde_json::from_value(value.clone()).map_err(|e| WorkloadError::NotAPodSpec(e.to_string()))
}

fn as_value(value: &impl Serialize) -> Result<Value, WorkloadError> {
    serde_json::to_value(value).map_err(|e| WorkloadError::NotAPodSpec(e.to_string()))
}

/// Adds to a list what is not in it yet.
fn append<T: Serialize>(
    map: &mut Map<String, Value>,
    key: &str,
    more: &[T],
) -> Result<(), WorkloadError> {
    if more.is_empty() {
        return Ok(());
    }
    let mut held = take_array(map, key);
    for item in more {
        let item = as_value(item)?;
        if !held.contains(&item) {
            held.push(item);
        }
    }
    map.insert(key.to_owned(), Value::Array(held));
    Ok(())
}

fn put(map: &mut Map<String, Value>, key: &str, object: Map<String, Value>) {
    if !object.is_empty() {
        map.insert(key.to_owned(), Value::Object(object));
    }
}

/// The workload's manifest with these nodes kept free of its pods, one requirement each (D4): `None` if the names are
/// more than a pod template should hold.
pub(crate) fn without_nodes(manifest: &Value, names: &BTreeSet<String>) -> Option<Value> {
    let mut manifest = manifest.clone();
    if names.is_empty() {
        return Some(manifest);
    }
    let held = manifest
        .pointer(IN_WORKLOAD)
        .and_then(|node| node.get(REQUIRED))
        .and_then(|required| serde_json::from_value::<NodeSelector>(required.clone()).ok());
    let terms = held
        .as_ref()
        .map_or(1, |held| held.node_selector_terms.len());
    if names.len().saturating_mul(terms) > MAX_NAMED {
        return None;
    }
    let named = NodeSelector {
        node_selector_terms: vec![NodeSelectorTerm {
            match_expressions: None,
            match_fields: Some(names.iter().map(|name| not_on(name)).collect()),
        }],
    };
    let required = match held {
        Some(held) => both(&held, &named).ok()?,
        None => named,
    };
    let spec = manifest.pointer_mut("/spec/template/spec")?;
    let spec = spec.as_object_mut()?;
    let mut affinity = take_object(spec, "affinity");
    let mut node = take_object(&mut affinity, "nodeAffinity");
    node.insert(REQUIRED.to_owned(), serde_json::to_value(required).ok()?);
    put(&mut affinity, "nodeAffinity", node);
    put(spec, "affinity", affinity);
    Some(manifest)
}

fn not_on(name: &str) -> NodeSelectorRequirement {
    NodeSelectorRequirement {
        key: NODE_NAME.to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(vec![name.to_owned()]),
    }
}

/// The nodes that a workload's affinity keeps free by name: those that every term names.
pub(crate) fn nodes_left_out(manifest: &Value) -> BTreeSet<String> {
    let required = manifest
        .pointer(IN_WORKLOAD)
        .and_then(|node| node.get(REQUIRED))
        .and_then(|required| serde_json::from_value::<NodeSelector>(required.clone()).ok());
    let terms = required.map(|r| r.node_selector_terms).unwrap_or_default();
    let mut named = terms.iter().map(|term| {
        let fields = term.match_fields.iter().flatten();
        fields
            .filter(|field| field.key == NODE_NAME && field.operator == "NotIn")
            .flat_map(|field| field.values.clone().unwrap_or_default())
            .collect::<BTreeSet<String>>()
    });
    let first = named.next().unwrap_or_default();
    named.fold(first, |all, more| {
        all.intersection(&more).cloned().collect()
    })
}

#[cfg(test)]
mod tests;
