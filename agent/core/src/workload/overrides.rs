//! The session template's `podOverrides`, affinity and tolerations, laid over the pod template's spec.

use breakglass_protocol::wire::grant::{ContainerOverride, PodOverrides, Workload};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::WorkloadError;

const CONTAINER_LISTS: [&str; 2] = ["containers", "initContainers"];

/// Lays `podOverrides` over the spec.
pub(super) fn apply(
    spec: &mut Map<String, Value>,
    overrides: &PodOverrides,
) -> Result<(), WorkloadError> {
    for (field, value) in [
        ("hostNetwork", overrides.host_network),
        ("hostPID", overrides.host_pid),
        ("hostIPC", overrides.host_ipc),
    ] {
        if let Some(value) = value {
            spec.insert(field.to_owned(), json!(value));
        }
    }
    for container in &overrides.containers {
        override_container(spec, container)?;
    }
    Ok(())
}

/// Lays affinity and tolerations over the spec.
pub(super) fn place(
    spec: &mut Map<String, Value>,
    workload: &Workload,
) -> Result<(), WorkloadError> {
    if let Some(affinity) = &workload.affinity {
        lay_over(spec, "affinity", &as_object(affinity)?);
    }
    add_tolerations(spec, workload)
}

fn override_container(
    spec: &mut Map<String, Value>,
    wanted: &ContainerOverride,
) -> Result<(), WorkloadError> {
    let Some(container) = find_container(spec, &wanted.name) else {
        return Err(WorkloadError::NoSuchContainer {
            name: wanted.name.clone(),
            known: container_names(spec).join(", "),
        });
    };
    if let Some(context) = &wanted.security_context {
        lay_over(container, "securityContext", &as_object(context)?);
    }
    if let Some(resources) = &wanted.resources {
        let mut held = take_object(container, "resources");
        for (kind, amounts) in as_object(resources)? {
            // requests and limits go by resource: overriding the memory leaves the CPU alone
            if let Value::Object(amounts) = &amounts {
                lay_over(&mut held, &kind, amounts);
            } else {
                held.insert(kind, amounts);
            }
        }
        container.insert("resources".to_owned(), Value::Object(held));
    }
    if !wanted.env.is_empty() {
        let mut held = take_array(container, "env");
        for variable in &wanted.env {
            let variable = Value::Object(as_object(variable)?);
            held.retain(|other| other.get("name") != variable.get("name"));
            held.push(variable);
        }
        container.insert("env".to_owned(), Value::Array(held));
    }
    Ok(())
}

fn find_container<'a>(
    spec: &'a mut Map<String, Value>,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    spec.iter_mut()
        .filter(|(key, _)| CONTAINER_LISTS.contains(&key.as_str()))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
        .filter_map(Value::as_object_mut)
        .find(|container| container.get("name").and_then(Value::as_str) == Some(name))
}

fn container_names(spec: &Map<String, Value>) -> Vec<String> {
    CONTAINER_LISTS
        .iter()
        .filter_map(|list| spec.get(*list).and_then(Value::as_array))
        .flatten()
        .filter_map(|container| container.get("name").and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

fn add_tolerations(
    spec: &mut Map<String, Value>,
    workload: &Workload,
) -> Result<(), WorkloadError> {
    if workload.tolerations.is_empty() {
        return Ok(());
    }
    let mut held = take_array(spec, "tolerations");
    for toleration in &workload.tolerations {
        let toleration = Value::Object(as_object(toleration)?);
        if !held.contains(&toleration) {
            held.push(toleration);
        }
    }
    spec.insert("tolerations".to_owned(), Value::Array(held));
    Ok(())
}

/// Puts every field of `over` into the object under `key`, making it if it is not there.
fn lay_over(map: &mut Map<String, Value>, key: &str, over: &Map<String, Value>) {
    let mut held = take_object(map, key);
    held.extend(over.clone());
    map.insert(key.to_owned(), Value::Object(held));
}

pub(super) fn take_object(map: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    if let Some(Value::Object(object)) = map.remove(key) {
        object
    } else {
        Map::new()
    }
}

pub(super) fn take_array(map: &mut Map<String, Value>, key: &str) -> Vec<Value> {
    if let Some(Value::Array(list)) = map.remove(key) {
        list
    } else {
        Vec::new()
    }
}

fn as_object<T: Serialize>(value: &T) -> Result<Map<String, Value>, WorkloadError> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(WorkloadError::NotAPodSpec(format!(
            "{other} is not an object"
        ))),
        Err(e) => Err(WorkloadError::NotAPodSpec(e.to_string())),
    }
}
