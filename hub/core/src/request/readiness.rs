//! Whether a template can be used at all: what no single document shows (references), what is not built, and what a
//! workload's pod may not say (D2). The loader puts it into the `Ready` condition; a request looks again.

use breakglass_protocol::kinds::debug_pod_template::{DebugPodTemplate, PodTemplate};
use breakglass_protocol::kinds::debug_session_template::{
    DebugSessionTemplate, DebugSessionTemplateSpec,
};
use breakglass_protocol::kinds::quota::{Unsaid, unsaid};

use super::layers::Layers;
use super::{auxiliary, defaults};
use crate::outward::DESTINATIONS_NOT_CONFIGURED;
use crate::refusal::Violation;
use crate::texts::TEXTS_DO_NOT_RENDER;
use crate::unbuilt::{self, Document};

/// Every reason why the template cannot be used; none = ready. `pod_template` is the one that it names. Of its texts it
/// repeats what the loader put into the template's condition.
#[must_use]
pub fn readiness(
    template: &DebugSessionTemplate,
    pod_template: Option<&DebugPodTemplate>,
) -> Vec<Violation> {
    let name = template.metadata.name.as_deref().unwrap_or_default();
    let mut violations: Vec<Violation> = unbuilt::of(Document::Template(&template.spec))
        .into_iter()
        .map(|u| {
            not_ready(
                "unbuilt",
                format!("session template {name}: {}: {}", u.field, u.message),
            )
        })
        .collect();
    if !violations.is_empty() {
        return violations;
    }
    violations.extend(names_people(name, &template.spec));
    violations.extend(categories_are_there(name, &template.spec));
    match pod_of(name, &template.spec, pod_template) {
        Ok(Pod::Structured(pod)) => {
            violations.extend(pod_of_workload(pod));
            violations.extend(overrides_fit(name, &template.spec, pod));
            violations.extend(amounts_are_said(name, &template.spec, pod));
        }
        // What it renders to is the agent's to judge.
        Ok(Pod::Text) => {}
        Err(violation) => violations.push(violation),
    }
    violations.extend(texts_render(template));
    violations.extend(destinations_are_configured(template));
    violations
}

/// What the loader found when it rendered the texts. A request does not render them again: that costs up to a second of
/// processor time for a template that is made to be slow.
fn texts_render(template: &DebugSessionTemplate) -> Option<Violation> {
    found_by_loader(template, TEXTS_DO_NOT_RENDER)
        .map(|message| not_ready("templates", message.to_owned()))
}

/// What the loader found when it compared with the hub's configuration (S20).
fn destinations_are_configured(template: &DebugSessionTemplate) -> Option<Violation> {
    found_by_loader(template, DESTINATIONS_NOT_CONFIGURED)
        .map(|message| not_ready("audit.destinations", message.to_owned()))
}

/// The message of `Ready=False` with this reason.
fn found_by_loader<'a>(template: &'a DebugSessionTemplate, reason: &str) -> Option<&'a str> {
    let mut conditions = template.status.iter().flat_map(|status| &status.conditions);
    let found = conditions.find(|condition| {
        condition.type_ == "Ready" && condition.status == "False" && condition.reason == reason
    })?;
    Some(&found.message)
}

fn not_ready(rule: &'static str, message: String) -> Violation {
    Violation::constraint("templateRef", rule, message)
}

/// S1: an approver set that names nobody would be taken for "no approval needed".
fn names_people(name: &str, spec: &DebugSessionTemplateSpec) -> Option<Violation> {
    let nobody = spec
        .approvers
        .as_ref()
        .is_some_and(|a| a.groups.is_empty() && a.users.is_empty());
    nobody.then(|| {
        let message = format!("session template {name}: spec.approvers names no group and no user; name one, or remove the block");
        not_ready("approvers", message)
    })
}

/// Each required category needs a resource, or every request would be refused.
fn categories_are_there(name: &str, spec: &DebugSessionTemplateSpec) -> Option<Violation> {
    let missing = auxiliary::missing_categories(Layers::of_template(spec));
    (!missing.is_empty()).then(|| {
        let missing = missing.join(", ");
        let message = format!(
            "session template {name}: spec.requiredAuxiliaryResourceCategories names {missing}, of which it has no auxiliary resource"
        );
        not_ready("requiredAuxiliaryResourceCategories", message)
    })
}

/// Where a session's pod comes from.
enum Pod<'a> {
    Structured(StructuredPod<'a>),
    Text,
}

fn pod_of<'a>(
    name: &str,
    spec: &DebugSessionTemplateSpec,
    pod_template: Option<&'a DebugPodTemplate>,
) -> Result<Pod<'a>, Violation> {
    if spec.pod_template_string.is_some() {
        return Ok(Pod::Text);
    }
    let Some(reference) = &spec.pod_template_ref else {
        let message = format!(
            "session template {name}: spec.podTemplateRef is missing; workload mode needs a pod"
        );
        return Err(not_ready("podTemplateRef", message));
    };
    let pod_name = &reference.name;
    let Some(found) = pod_template else {
        let message = format!(
            "session template {name}: spec.podTemplateRef names {pod_name}, and there is no such pod template"
        );
        return Err(not_ready("podTemplateRef", message));
    };
    if let Some(unbuilt) = unbuilt::of(Document::PodTemplate(&found.spec)).first() {
        let message = format!(
            "pod template {pod_name}: {}: {}",
            unbuilt.field, unbuilt.message
        );
        return Err(not_ready("unbuilt", message));
    }
    match (&found.spec.template, &found.spec.template_string) {
        (Some(template), _) => Ok(Pod::Structured(StructuredPod {
            name: found.metadata.name.as_deref().unwrap_or_default(),
            template,
        })),
        (None, Some(_)) => Ok(Pod::Text),
        (None, None) => Err(not_ready(
            "podTemplateRef",
            format!("pod template {pod_name}: spec has neither template nor templateString"),
        )),
    }
}

/// A structured pod with its template's name.
#[derive(Clone, Copy)]
struct StructuredPod<'a> {
    name: &'a str,
    template: &'a PodTemplate,
}

/// D2: what a DaemonSet's or Deployment's pod template may not set.
fn pod_of_workload(pod: StructuredPod<'_>) -> Vec<Violation> {
    let spec = &pod.template.spec;
    let wrong = |field: &str, message: &str| {
        not_ready(
            "podTemplate",
            format!(
                "pod template {}: spec.template.spec.{field} {message}",
                pod.name
            ),
        )
    };
    let mut violations = Vec::new();
    if spec.active_deadline_seconds.is_some() {
        violations.push(wrong(
            "activeDeadlineSeconds",
            "cannot be set; the session's end sets it on each pod",
        ));
    }
    if spec
        .restart_policy
        .as_deref()
        .is_some_and(|policy| policy != "Always")
    {
        violations.push(wrong(
            "restartPolicy",
            "must be Always in workload mode; remove it",
        ));
    }
    if spec.containers.is_empty() {
        violations.push(wrong("containers", "is empty; name at least one container"));
    }
    violations
}

/// An override of a container that the pod lacks would be ignored, so it is refused.
fn overrides_fit(
    name: &str,
    spec: &DebugSessionTemplateSpec,
    pod: StructuredPod<'_>,
) -> Vec<Violation> {
    let containers = spec
        .pod_overrides
        .iter()
        .flat_map(|o| &o.spec)
        .flat_map(|s| &s.containers);
    let inner = &pod.template.spec;
    let known: Vec<&str> = inner
        .containers
        .iter()
        .chain(inner.init_containers.iter().flatten())
        .map(|c| c.name.as_str())
        .collect();
    containers
        .enumerate()
        .filter(|(_, container)| !known.contains(&container.name.as_str()))
        .map(|(i, container)| {
            let message = format!(
                "session template {name}: spec.podOverrides.spec.containers[{i}] names {:?}, which pod template {} lacks",
                container.name, pod.name
            );
            not_ready("podOverrides", message).allowing(known.iter().copied())
        })
        .collect()
}

/// D9: where a quota enforces it, every container says how much it uses, or every session would fail in the cluster. What an
/// overrides template adds is the agent's to judge.
fn amounts_are_said(
    name: &str,
    spec: &DebugSessionTemplateSpec,
    pod: StructuredPod<'_>,
) -> Vec<Violation> {
    let Some(quota) = spec.resource_quota.as_ref().map(defaults::quota) else {
        return Vec::new();
    };
    if spec.pod_overrides_template.is_some() {
        return Vec::new();
    }
    let own = &pod.template.spec;
    let with_overrides = match &spec.pod_overrides {
        Some(overrides) => overrides.with_resources(own),
        None => own.clone(),
    };
    unsaid(&quota, &with_overrides)
        .into_iter()
        .map(|Unsaid { container, amount, resource, rule }| {
            let message = format!(
                "session template {name}: spec.resourceQuota.{rule} asks for resources.{amount}.{resource} of \
                 every container, and container {container:?} of pod template {} has none; add it there or to podOverrides",
                pod.name
            );
            not_ready("resourceQuota", message)
        })
        .collect()
}
