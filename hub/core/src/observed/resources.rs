//! Reported resources beside the workload → the statuses of the kind (spec 4).

use jiff::Timestamp;

use breakglass_protocol::kinds::debug_session::{
    AdditionalResourceStatus, AuxiliaryResourceStatus, PodTemplateResourceStatus,
};
use breakglass_protocol::wire::report::{Readiness, ResourceOrigin, ResourceStatus};

use crate::clock::whole_microsecond;

/// One status for each auxiliary resource: its first object, with the others below.
pub(super) fn auxiliary(from: &[ResourceStatus]) -> Vec<AuxiliaryResourceStatus> {
    let mut statuses: Vec<AuxiliaryResourceStatus> = Vec::new();
    for resource in from {
        let ResourceOrigin::Auxiliary { name, category } = &resource.origin else {
            continue;
        };
        match statuses.iter_mut().find(|status| status.name == *name) {
            Some(status) => status.additional_resources.push(additional(resource)),
            None => statuses.push(first(name, category.as_ref(), resource)),
        }
    }
    statuses
}

/// One status for each later document of the pod template.
pub(super) fn of_pod_template(from: &[ResourceStatus]) -> Vec<PodTemplateResourceStatus> {
    from.iter()
        .filter(|resource| match resource.origin {
            ResourceOrigin::PodTemplate {} => true,
            ResourceOrigin::Auxiliary { .. } => false,
        })
        .map(|resource| PodTemplateResourceStatus {
            source: Some(resource.source.clone()),
            api_version: Some(resource.api_version.clone()),
            kind: Some(resource.kind.clone()),
            resource_name: Some(resource.name.clone()),
            namespace: resource.namespace.clone(),
            created: Some(resource.created_at.is_some()),
            created_at: time(resource.created_at),
            ready: ready(resource),
            ready_at: time(resource.ready_at),
            readiness_status: word(resource),
            deleted: Some(resource.deleted_at.is_some()),
            deleted_at: time(resource.deleted_at),
            error: resource.error.clone(),
        })
        .collect()
}

fn first(
    name: &str,
    category: Option<&String>,
    resource: &ResourceStatus,
) -> AuxiliaryResourceStatus {
    AuxiliaryResourceStatus {
        name: name.to_owned(),
        category: category.cloned(),
        api_version: Some(resource.api_version.clone()),
        kind: Some(resource.kind.clone()),
        resource_name: Some(resource.name.clone()),
        namespace: resource.namespace.clone(),
        created: Some(resource.created_at.is_some()),
        created_at: time(resource.created_at),
        ready: ready(resource),
        ready_at: time(resource.ready_at),
        readiness_status: word(resource),
        deleted: Some(resource.deleted_at.is_some()),
        deleted_at: time(resource.deleted_at),
        error: resource.error.clone(),
        additional_resources: Vec::new(),
    }
}

fn additional(resource: &ResourceStatus) -> AdditionalResourceStatus {
    AdditionalResourceStatus {
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
        resource_name: resource.name.clone(),
        namespace: resource.namespace.clone(),
        ready: ready(resource),
        readiness_status: word(resource),
        deleted: Some(resource.deleted_at.is_some()),
        error: resource.error.clone(),
    }
}

/// A text here, as existing clients expect; cut to what other times of a session have.
fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| whole_microsecond(at).to_string())
}

/// Absent before it was looked at.
fn ready(resource: &ResourceStatus) -> Option<bool> {
    resource.readiness.map(|readiness| match readiness {
        Readiness::Current => true,
        Readiness::InProgress
        | Readiness::Failed
        | Readiness::Terminating
        | Readiness::NotFound
        | Readiness::Unknown => false,
    })
}

fn word(resource: &ResourceStatus) -> Option<String> {
    let word = match resource.readiness? {
        Readiness::InProgress => "InProgress",
        Readiness::Failed => "Failed",
        Readiness::Current => "Current",
        Readiness::Terminating => "Terminating",
        Readiness::NotFound => "NotFound",
        Readiness::Unknown => "Unknown",
    };
    Some(word.to_owned())
}
