//! Frozen templates → what an agent deploys: the pod's source, the changes to it, and the auxiliary resources.

use breakglass_protocol::kinds::auxiliary::AuxiliaryResource;
use breakglass_protocol::kinds::debug_pod_template::{DebugPodTemplateSpec, PodTemplate};
use breakglass_protocol::kinds::debug_session::DebugSessionSpec;
use breakglass_protocol::kinds::debug_session_template::{DebugSessionTemplateSpec, WorkloadType};
use breakglass_protocol::kinds::pod_overrides;
use breakglass_protocol::kinds::quota::SessionDisruptionBudget;
use breakglass_protocol::wire::grant::{
    AtEnd, Auxiliary, AuxiliaryOrder, AuxiliarySource, ContainerOverride, DisruptionBudget,
    PodOverrides, PodSource, TemplateText, Work, Workload, WorkloadKind,
};

use super::{SnapshotError, Source};
use crate::placement;
use crate::request::defaults;

pub(super) fn work(spec: &DebugSessionSpec, source: &Source) -> Result<Work, SnapshotError> {
    let Source {
        template, resolved, ..
    } = source;
    let kind = match resolved.workload_type.unwrap_or_default() {
        WorkloadType::DaemonSet => WorkloadKind::DaemonSet,
        WorkloadType::Deployment => WorkloadKind::Deployment,
    };
    let overrides_template = template
        .pod_overrides_template
        .as_ref()
        .map(|text| session_text(spec, template, text, "spec.podOverridesTemplate"));
    Ok(Work::Workload(Box::new(Workload {
        kind,
        replicas: super::count(resolved.replicas),
        pod: pod(spec, source)?,
        overrides: template
            .pod_overrides
            .as_ref()
            .map(overrides)
            .unwrap_or_default(),
        overrides_template,
        affinity: template.affinity_overrides.clone(),
        tolerations: template.additional_tolerations.clone(),
        scheduling: placement::layers(
            &placement::speakers(
                source.layers(),
                &spec.template_ref,
                spec.binding_ref.as_ref(),
            ),
            resolved.scheduling_option.as_deref(),
            &resolved.node_selector,
        ),
        quota: template.resource_quota.as_ref().map(defaults::quota),
        disruption_budget: template
            .pod_disruption_budget
            .as_ref()
            .and_then(disruption_budget),
    })))
}

fn pod(spec: &DebugSessionSpec, source: &Source) -> Result<PodSource, SnapshotError> {
    let template = &source.template;
    if let Some(text) = &template.pod_template_string {
        let text = session_text(spec, template, text, "spec.podTemplateString");
        return Ok(PodSource::Text(text));
    }
    let missing = SnapshotError::Missing;
    let pod = source
        .pod_template
        .as_deref()
        .ok_or(missing("resolvedPodTemplate"))?;
    let DebugPodTemplateSpec {
        template: structured,
        template_string,
        template_engine,
        ..
    } = pod;
    match (structured, template_string) {
        (Some(structured), _) => structured_pod(structured),
        (None, Some(text)) => {
            let reference = template.pod_template_ref.as_ref();
            let name = reference.map(|r| r.name.as_str()).unwrap_or_default();
            Ok(PodSource::Text(TemplateText {
                engine: template_engine.unwrap_or_default(),
                text: text.clone(),
                place: format!("DebugPodTemplate {name} spec.templateString"),
            }))
        }
        (None, None) => Err(missing("resolvedPodTemplate.template")),
    }
}

fn structured_pod(pod: &PodTemplate) -> Result<PodSource, SnapshotError> {
    let metadata = pod.metadata.clone().unwrap_or_default();
    Ok(PodSource::Structured {
        labels: metadata.labels,
        annotations: metadata.annotations,
        spec: serde_json::to_value(&pod.spec)?,
    })
}

/// A text of the session template.
fn session_text(
    spec: &DebugSessionSpec,
    template: &DebugSessionTemplateSpec,
    text: &str,
    field: &str,
) -> TemplateText {
    TemplateText {
        engine: template.template_engine.unwrap_or_default(),
        text: text.to_owned(),
        place: place(spec, field),
    }
}

fn place(spec: &DebugSessionSpec, field: &str) -> String {
    format!("DebugSessionTemplate {} {field}", spec.template_ref)
}

/// The resources that the session takes, in the template's order.
pub(super) fn auxiliary(
    spec: &DebugSessionSpec,
    source: &Source,
) -> Result<Vec<Auxiliary>, SnapshotError> {
    let template = &source.template;
    let taken = &source.resolved.auxiliary_resources;
    let resources = template.auxiliary_resources.iter().enumerate();
    resources
        .filter(|(_, resource)| taken.contains(&resource.name))
        .map(|(index, resource)| one_auxiliary(spec, template, index, resource))
        .collect()
}

fn one_auxiliary(
    spec: &DebugSessionSpec,
    template: &DebugSessionTemplateSpec,
    index: usize,
    resource: &AuxiliaryResource,
) -> Result<Auxiliary, SnapshotError> {
    let field = format!("spec.auxiliaryResources[{index}]");
    let source = match (&resource.template, &resource.template_string) {
        (Some(object), _) => AuxiliarySource::Structured {
            engine: template.template_engine.unwrap_or_default(),
            template: serde_json::Value::Object(object.clone()),
            place: place(spec, &format!("{field}.template")),
        },
        (None, Some(text)) => {
            let field = format!("{field}.templateString");
            AuxiliarySource::Text(session_text(spec, template, text, &field))
        }
        (None, None) => {
            return Err(SnapshotError::Missing(
                "resolvedTemplate.auxiliaryResources[].template",
            ));
        }
    };
    let order = match resource.create_before {
        None | Some(true) => AuxiliaryOrder::BeforeWorkload,
        Some(false) => AuxiliaryOrder::AfterWorkload,
    };
    let at_end = match resource.delete_after {
        None | Some(true) => AtEnd::Delete,
        Some(false) => AtEnd::Keep,
    };
    Ok(Auxiliary {
        name: resource.name.clone(),
        category: resource.category.clone(),
        source,
        order,
        at_end,
        failure_policy: resource.failure_policy.unwrap_or_default(),
    })
}

/// Both or neither of the two numbers were refused at load.
fn disruption_budget(from: &SessionDisruptionBudget) -> Option<DisruptionBudget> {
    let number = |value: Option<i32>| value.and_then(|v| u32::try_from(v).ok());
    let min = number(from.min_available).map(DisruptionBudget::MinAvailable);
    let max = number(from.max_unavailable).map(DisruptionBudget::MaxUnavailable);
    min.or(max).filter(|_| from.enabled == Some(true))
}

fn overrides(from: &pod_overrides::PodOverrides) -> PodOverrides {
    let Some(spec) = &from.spec else {
        return PodOverrides::default();
    };
    let container = |c: &pod_overrides::ContainerOverride| ContainerOverride {
        name: c.name.clone(),
        env: c.env.clone(),
        resources: c.resources.clone(),
        security_context: c.security_context.clone(),
    };
    PodOverrides {
        host_network: spec.host_network,
        host_pid: spec.host_pid,
        host_ipc: spec.host_ipc,
        containers: spec.containers.iter().map(container).collect(),
    }
}
