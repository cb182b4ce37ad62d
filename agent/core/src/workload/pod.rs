//! The pod of a grant: template + overrides + labels → DaemonSet or Deployment.

use breakglass_protocol::labels;
use breakglass_protocol::limits::POD_GRACE_SECONDS;
use breakglass_protocol::wire::grant::{Grant, PodOverrides, Work, Workload, WorkloadKind};
use breakglass_render::grant::Pod;
use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Map, Value, json};

use super::{WorkloadError, merged, object, overrides, own_annotations, own_labels, scheduling};

/// The DaemonSet or Deployment of a grant around its pod.
///
/// # Errors
/// What in the grant cannot be deployed, by field.
pub(super) fn render_workload(
    grant: &Grant,
    pod: &Pod,
    rendered_overrides: Option<&PodOverrides>,
) -> Result<Value, WorkloadError> {
    let Work::Workload(workload) = &grant.work;
    let mut spec = pod.spec.clone();
    object::spell_quantities(&mut spec);
    let mut pod_spec = checked_spec(&spec, workload.kind)?;
    overrides::apply(&mut pod_spec, &workload.overrides)?;
    if let Some(overrides) = rendered_overrides {
        overrides::apply(&mut pod_spec, overrides)?;
    }
    overrides::place(&mut pod_spec, workload)?;
    scheduling::lay(&mut pod_spec, &workload.scheduling)?;
    finish_spec(&mut pod_spec);
    let own_labels = own_labels(grant);
    let template = json!({
        "metadata": {
            "labels": merged([("the pod template's labels", &pod.labels), ("the session's labels", &grant.labels)], &own_labels)?,
            "annotations": merged(
                [("the pod template's annotations", &pod.annotations), ("the session's annotations", &grant.annotations)],
                &own_annotations(grant),
            )?,
        },
        "spec": pod_spec,
    });
    let metadata = json!({
        "name": workload_name(&grant.session, workload.kind),
        "namespace": grant.target_namespace,
        "labels": merged([("the session's labels", &grant.labels)], &own_labels)?,
        "annotations": merged([("the session's annotations", &grant.annotations)], &own_annotations(grant))?,
    });
    Ok(wrap(workload, metadata, template, &grant.session))
}

/// D16.
fn workload_name(session: &str, kind: WorkloadKind) -> String {
    match kind {
        WorkloadKind::DaemonSet => format!("{session}-ds"),
        WorkloadKind::Deployment => format!("{session}-deploy"),
    }
}

fn kind_name(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::DaemonSet => "DaemonSet",
        WorkloadKind::Deployment => "Deployment",
    }
}

/// The selector names only keys of ours, which no template may set: no Service of somebody else matches by it, and no
/// other session's workload.
fn wrap(workload: &Workload, metadata: Value, template: Value, session: &str) -> Value {
    let mut spec = json!({
        "selector": { "matchLabels": {
            labels::SESSION: session,
            labels::SESSION_TYPE: labels::SESSION_TYPE_DEBUG,
        } },
        "template": template,
    });
    match workload.kind {
        // An edit of the template by somebody never replaces running pods by itself (D4).
        WorkloadKind::DaemonSet => spec["updateStrategy"] = json!({ "type": "OnDelete" }),
        WorkloadKind::Deployment => {
            spec["replicas"] = json!(workload.replicas);
            if workload.quota.is_some() {
                // A new template (D4) makes no pods beside the old ones: they would be more than the session may have.
                spec["strategy"] = json!({ "type": "Recreate" });
            }
        }
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": kind_name(workload.kind),
        "metadata": metadata,
        "spec": spec,
    })
}

/// The template's spec, if it is one that a workload takes (D2).
fn checked_spec(spec: &Value, kind: WorkloadKind) -> Result<Map<String, Value>, WorkloadError> {
    let typed: PodSpec = serde_json::from_value(spec.clone())
        .map_err(|e| WorkloadError::NotAPodSpec(e.to_string()))?;
    let refuse = |field, why| {
        Err(WorkloadError::NotInWorkload {
            field,
            kind: kind_name(kind),
            why,
        })
    };
    if typed.containers.is_empty() {
        return Err(WorkloadError::NoContainers);
    }
    if typed.active_deadline_seconds.is_some() {
        return refuse(
            "activeDeadlineSeconds",
            "the agent sets it on each pod to the session's last possible end",
        );
    }
    if typed
        .restart_policy
        .as_deref()
        .is_some_and(|policy| policy != "Always")
    {
        return refuse("restartPolicy", "only Always is possible");
    }
    if typed
        .ephemeral_containers
        .as_ref()
        .is_some_and(|list| !list.is_empty())
    {
        return refuse(
            "ephemeralContainers",
            "they can only be added to a running pod",
        );
    }
    spec.as_object()
        .cloned()
        .ok_or_else(|| WorkloadError::NotAPodSpec("it is not an object".to_owned()))
}

/// What the agent adds to every session pod.
fn finish_spec(spec: &mut Map<String, Value>) {
    spec.insert(
        "terminationGracePeriodSeconds".to_owned(),
        json!(POD_GRACE_SECONDS),
    );
    settle_account(spec);
    // D1: with a shared process namespace the container's `sleep` is not process 1 and heeds SIGTERM. The API server
    // refuses it together with hostPID.
    let host_pid = spec.get("hostPID").and_then(Value::as_bool) == Some(true);
    if !host_pid && spec.get("shareProcessNamespace").is_none_or(Value::is_null) {
        spec.insert("shareProcessNamespace".to_owned(), json!(true));
    }
}

/// S9: `default` without a token, unless the template names another and the ceiling permits it.
pub(super) fn settle_account(spec: &mut Map<String, Value>) {
    // `serviceAccount` is the old spelling; two spellings that differ would let one be judged and the other be used.
    let old = spec.remove("serviceAccount");
    let account = spec
        .remove("serviceAccountName")
        .or(old)
        .filter(|name| name.as_str().is_some_and(|name| !name.is_empty()));
    spec.insert(
        "serviceAccountName".to_owned(),
        account.unwrap_or_else(|| json!("default")),
    );
    if spec
        .get("automountServiceAccountToken")
        .is_none_or(Value::is_null)
    {
        spec.insert("automountServiceAccountToken".to_owned(), json!(false));
    }
}
