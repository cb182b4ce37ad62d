//! Whether a running pod is what was applied (S3): every container of the applied template with its image, command and
//! security context; ServiceAccount, host namespaces, volumes. What the cluster's own admission adds is fine as long as
//! it loosens nothing.

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use serde::Serialize;
use serde_json::{Map, Value};

/// Quantities are spelled anew by the API server (`1024Mi` → `1Gi`) and open nothing: not compared.
const NOT_COMPARED: [&str; 4] = ["sizeLimit", "divisor", "requests", "limits"];

/// The first difference that matters, as the field's path in the pod spec.
pub(super) fn difference(applied: &PodSpec, running: &PodSpec) -> Option<String> {
    pod_level(applied, running)
        .or_else(|| {
            containers(
                "initContainers",
                applied.init_containers.as_deref(),
                running.init_containers.as_deref(),
            )
        })
        .or_else(|| {
            containers(
                "containers",
                Some(&applied.containers),
                Some(&running.containers),
            )
        })
        .or_else(|| ephemeral_containers(running))
        .or_else(|| volumes(applied.volumes.as_deref(), running.volumes.as_deref()))
}

fn pod_level(applied: &PodSpec, running: &PodSpec) -> Option<String> {
    let account = |spec: &PodSpec| {
        spec.service_account_name
            .clone()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "default".to_owned())
    };
    let flags = |spec: &PodSpec| {
        [
            spec.host_network,
            spec.host_pid,
            spec.host_ipc,
            spec.share_process_namespace,
        ]
        .map(|flag| flag.unwrap_or(false))
    };
    let names = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"];
    if account(applied) != account(running) {
        return Some("spec.serviceAccountName".to_owned());
    }
    if applied.automount_service_account_token != running.automount_service_account_token {
        return Some("spec.automountServiceAccountToken".to_owned());
    }
    if let Some((name, _)) = names
        .iter()
        .zip(flags(applied).iter().zip(flags(running)))
        .find(|(_, (applied, running))| **applied != *running)
    {
        return Some(format!("spec.{name}"));
    }
    if applied.host_users != running.host_users && applied.host_users.is_some() {
        return Some("spec.hostUsers".to_owned());
    }
    context(
        "spec",
        &object(applied.security_context.as_ref()),
        &object(running.security_context.as_ref()),
    )
}

/// Every applied container is there as applied; containers beside them are the cluster's own, unless privileged.
fn containers(
    list: &str,
    applied: Option<&[Container]>,
    running: Option<&[Container]>,
) -> Option<String> {
    let applied = applied.unwrap_or_default();
    let running = running.unwrap_or_default();
    for wanted in applied {
        let place = format!("spec.{list}[{}]", wanted.name);
        let Some(found) = running.iter().find(|found| found.name == wanted.name) else {
            return Some(place);
        };
        if let Some(field) = container(wanted, found) {
            return Some(format!("{place}.{field}"));
        }
    }
    running
        .iter()
        .filter(|found| applied.iter().all(|wanted| wanted.name != found.name))
        .find_map(|added| {
            let place = format!("spec.{list}[{}]", added.name);
            context(
                &place,
                &Map::new(),
                &object(added.security_context.as_ref()),
            )
        })
}

fn container(applied: &Container, running: &Container) -> Option<String> {
    if applied.image != running.image {
        return Some("image".to_owned());
    }
    if applied.command.as_deref().unwrap_or_default()
        != running.command.as_deref().unwrap_or_default()
    {
        return Some("command".to_owned());
    }
    if applied.args.as_deref().unwrap_or_default() != running.args.as_deref().unwrap_or_default() {
        return Some("args".to_owned());
    }
    context(
        "",
        &object(applied.security_context.as_ref()),
        &object(running.security_context.as_ref()),
    )
    .map(|field| field.trim_start_matches('.').to_owned())
}

/// A container that somebody added to the running pod opens with it, so it must not be privileged.
fn ephemeral_containers(running: &PodSpec) -> Option<String> {
    running
        .ephemeral_containers
        .iter()
        .flatten()
        .find_map(|added| {
            let place = format!("spec.ephemeralContainers[{}]", added.name);
            context(
                &place,
                &Map::new(),
                &object(added.security_context.as_ref()),
            )
        })
}

fn volumes(applied: Option<&[Volume]>, running: Option<&[Volume]>) -> Option<String> {
    let applied = applied.unwrap_or_default();
    let running = running.unwrap_or_default();
    for wanted in applied {
        let same = running
            .iter()
            .find(|found| found.name == wanted.name)
            .is_some_and(|found| covers(&object(Some(found)), &object(Some(wanted))));
        if !same {
            return Some(format!("spec.volumes[{}]", wanted.name));
        }
    }
    running
        .iter()
        .filter(|found| applied.iter().all(|wanted| wanted.name != found.name))
        .find(|added| added.host_path.is_some())
        .map(|added| format!("spec.volumes[{}].hostPath", added.name))
}

/// What the template sets must be so; what it leaves open may be set by admission, but not to something looser.
fn context(
    place: &str,
    applied: &Map<String, Value>,
    running: &Map<String, Value>,
) -> Option<String> {
    let path = |key: &str| Some(format!("{place}.securityContext.{key}"));
    for (key, value) in applied {
        let same = match (value, running.get(key)) {
            (_, None) => is_unset(value),
            (Value::Object(wanted), Some(Value::Object(found))) => covers(found, wanted),
            (wanted, Some(found)) => wanted == found,
        };
        if !same {
            return path(key);
        }
    }
    let empty = Value::Null;
    running
        .iter()
        .find(|(key, value)| loosens(key, value, applied.get(*key).unwrap_or(&empty)))
        .and_then(|(key, _)| path(key))
}

/// Whether a field is set to less isolation than a field left open has.
fn loosens(key: &str, value: &Value, applied: &Value) -> bool {
    let inner = |field: &str| {
        value
            .get(field)
            .filter(|found| applied.get(field) != Some(found))
    };
    match key {
        "capabilities" => inner("add")
            .and_then(Value::as_array)
            .is_some_and(|added| !added.is_empty()),
        "seccompProfile" | "appArmorProfile" => {
            inner("type").and_then(Value::as_str) == Some("Unconfined")
        }
        "windowsOptions" => inner("hostProcess") == Some(&Value::Bool(true)),
        "privileged" | "allowPrivilegeEscalation" => {
            value == &Value::Bool(true) && applied != value
        }
        "runAsNonRoot" => value == &Value::Bool(false) && applied.is_boolean() && applied != value,
        "runAsUser" => value.as_i64() == Some(0) && applied.as_i64() != Some(0),
        "procMount" => value.as_str() == Some("Unmasked") && applied != value,
        "sysctls" => value.as_array().is_some_and(|set| !set.is_empty()) && applied != value,
        _ => false,
    }
}

/// Whether `found` has everything that `wanted` sets. Lists must be equal in length.
fn covers(found: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted
        .iter()
        .filter(|(key, _)| !NOT_COMPARED.contains(&key.as_str()))
        .all(|(key, wanted)| match found.get(key) {
            Some(found) => covers_value(found, wanted),
            None => is_unset(wanted),
        })
}

fn covers_value(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => covers(found, wanted),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found
                    .iter()
                    .zip(wanted)
                    .all(|(found, wanted)| covers_value(found, wanted))
        }
        (found, wanted) => found == wanted || (is_unset(found) && is_unset(wanted)),
    }
}

/// Empty values that the API server drops on the way.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn object<T: Serialize>(value: Option<&T>) -> Map<String, Value> {
    match value.map(serde_json::to_value) {
        Some(Ok(Value::Object(map))) => map,
        Some(Ok(_) | Err(_)) | None => Map::new(),
    }
}
