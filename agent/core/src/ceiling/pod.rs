//! The pod spec against the ceiling. Reads JSON, so that a known danger is found whatever version of the API names it.

use breakglass_protocol::pattern::PatternSet;
use serde_json::{Map, Value};

use super::{Ceiling, CeilingRefusal, Remedy, image, listed};

const CONTAINER_LISTS: [&str; 2] = ["initContainers", "containers"];

/// `place` is the pod spec's, such as `spec`.
pub(super) fn judge(
    ceiling: &Ceiling,
    place: &str,
    spec: &Value,
    refusals: &mut Vec<CeilingRefusal>,
) {
    judge_host_namespaces(ceiling, place, spec, refusals);
    judge_service_account(ceiling, place, spec, refusals);
    judge_context(ceiling, place, spec.get("securityContext"), refusals);
    for list in CONTAINER_LISTS {
        for (nth, container) in items(spec, list).enumerate() {
            let field = format!("{place}.{list}[{nth}]");
            judge_image(ceiling, &field, container, refusals);
            judge_context(ceiling, &field, container.get("securityContext"), refusals);
            judge_ports(ceiling, &field, container, refusals);
        }
    }
    for (nth, volume) in items(spec, "volumes").enumerate() {
        judge_volume(
            ceiling,
            &format!("{place}.volumes[{nth}]"),
            volume,
            refusals,
        );
    }
}

fn judge_host_namespaces(
    ceiling: &Ceiling,
    place: &str,
    spec: &Value,
    refusals: &mut Vec<CeilingRefusal>,
) {
    for (field, permitted) in [
        ("hostNetwork", ceiling.host_network),
        ("hostPID", ceiling.host_pid),
        ("hostIPC", ceiling.host_ipc),
    ] {
        if is_true(spec, field) && !permitted {
            refusals.push(CeilingRefusal {
                remedy: Remedy::Ceiling,
                rule: field,
                field: format!("{place}.{field}"),
                value: "true".to_owned(),
                limit: "false".to_owned(),
            });
        }
    }
}

fn judge_service_account(
    ceiling: &Ceiling,
    place: &str,
    spec: &Value,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let name = text(spec, "serviceAccountName").unwrap_or("default");
    let is_named =
        PatternSet::new(&ceiling.service_accounts).is_ok_and(|patterns| patterns.matches(name));
    let mut refuse = |field: String, value: &str, limit: String| {
        refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "serviceAccounts",
            field,
            value: value.to_owned(),
            limit,
        });
    };
    if name != "default" && !is_named {
        let limit = format!("default, {}", listed(&ceiling.service_accounts));
        refuse(format!("{place}.serviceAccountName"), name, limit);
    }
    if is_named {
        return;
    }
    let limit = "no token of a ServiceAccount that the ceiling does not name".to_owned();
    if spec
        .get("automountServiceAccountToken")
        .and_then(Value::as_bool)
        != Some(false)
    {
        refuse(
            format!("{place}.automountServiceAccountToken"),
            "not false",
            limit.clone(),
        );
    }
    for (nth, volume) in items(spec, "volumes").enumerate() {
        let projects_token = volume
            .get("projected")
            .into_iter()
            .flat_map(|projected| items(projected, "sources"))
            .any(|source| {
                source
                    .get("serviceAccountToken")
                    .is_some_and(|token| !token.is_null())
            });
        if projects_token {
            refuse(
                format!("{place}.volumes[{nth}].projected"),
                "a ServiceAccount token",
                limit.clone(),
            );
        }
    }
}

fn judge_image(
    ceiling: &Ceiling,
    field: &str,
    container: &Value,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let name = text(container, "image").unwrap_or_default();
    if !ceiling
        .images
        .iter()
        .any(|pattern| image::permits(pattern, name))
    {
        refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "images",
            field: format!("{field}.image"),
            value: format!("{name:?}"),
            limit: listed(&ceiling.images),
        });
    }
}

fn judge_context(
    ceiling: &Ceiling,
    field: &str,
    context: Option<&Value>,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let Some(context) = context.and_then(Value::as_object) else {
        return;
    };
    if !ceiling.privileged {
        for (key, value) in as_privileged(context) {
            refusals.push(CeilingRefusal {
                remedy: Remedy::Ceiling,
                rule: "privileged",
                field: format!("{field}.securityContext.{key}"),
                value,
                limit: "nothing that lifts the container's isolation".to_owned(),
            });
        }
    }
    let added = context
        .get("capabilities")
        .into_iter()
        .flat_map(|capabilities| items(capabilities, "add"))
        .filter_map(Value::as_str);
    for capability in added {
        let plain = |name: &str| name.to_uppercase().trim_start_matches("CAP_").to_owned();
        let permitted = ceiling
            .capabilities
            .iter()
            .any(|permitted| plain(permitted) == plain(capability));
        if !permitted {
            refusals.push(CeilingRefusal {
                remedy: Remedy::Ceiling,
                rule: "capabilities",
                field: format!("{field}.securityContext.capabilities.add"),
                value: capability.to_owned(),
                limit: listed(&ceiling.capabilities),
            });
        }
    }
}

/// What comes to the same as `privileged: true`, and that itself.
fn as_privileged(context: &Map<String, Value>) -> Vec<(&'static str, String)> {
    let at = |pointer: &[&str]| {
        let mut value = context.get(*pointer.first()?)?;
        for key in pointer.get(1..)? {
            value = value.get(*key)?;
        }
        Some(value.clone())
    };
    let mut found = Vec::new();
    for (name, pointer, dangerous) in [
        ("privileged", &["privileged"][..], Value::Bool(true)),
        ("procMount", &["procMount"][..], Value::from("Unmasked")),
        (
            "seccompProfile.type",
            &["seccompProfile", "type"][..],
            Value::from("Unconfined"),
        ),
        (
            "appArmorProfile.type",
            &["appArmorProfile", "type"][..],
            Value::from("Unconfined"),
        ),
        (
            "windowsOptions.hostProcess",
            &["windowsOptions", "hostProcess"][..],
            Value::Bool(true),
        ),
    ] {
        if at(pointer).as_ref() == Some(&dangerous) {
            found.push((name, dangerous.to_string()));
        }
    }
    found
}

fn judge_ports(
    ceiling: &Ceiling,
    field: &str,
    container: &Value,
    refusals: &mut Vec<CeilingRefusal>,
) {
    if ceiling.host_network {
        return;
    }
    for port in items(container, "ports").filter_map(|port| port.get("hostPort")) {
        if port.as_i64().is_some_and(|port| port != 0) {
            refusals.push(CeilingRefusal {
                remedy: Remedy::Ceiling,
                rule: "hostNetwork",
                field: format!("{field}.ports[].hostPort"),
                value: port.to_string(),
                limit: "no port on the node".to_owned(),
            });
        }
    }
}

fn judge_volume(
    ceiling: &Ceiling,
    field: &str,
    volume: &Value,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let Some(host_path) = volume.get("hostPath").filter(|source| !source.is_null()) else {
        return;
    };
    let path = text(host_path, "path").unwrap_or_default();
    let permitted = is_plain_path(path)
        && ceiling
            .host_paths
            .iter()
            .any(|permitted| is_below(path, permitted));
    if !permitted {
        refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "hostPaths",
            field: format!("{field}.hostPath.path"),
            value: format!("{path:?}"),
            limit: listed(&ceiling.host_paths),
        });
    }
}

/// Absolute, without `..`, so that a prefix means what it says.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && !path.split('/').any(|part| part == "..")
}

fn is_below(path: &str, permitted: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        path.split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .map(str::to_owned)
            .collect()
    };
    parts(path).starts_with(&parts(permitted))
}

pub(super) fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn is_true(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool) == Some(true)
}
