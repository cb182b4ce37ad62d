//! Facts from Kubernetes objects, as the watch hands them out (before anything is dropped from them: `managedFields`
//! are read here).

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use super::{ControllerRef, Deleting, Origin, OwnerFacts, PodFacts, ServiceFacts, WorkloadFacts};

impl PodFacts {
    /// Takes the pod apart; its `managedFields` must still be there.
    #[must_use]
    pub fn of(pod: Pod) -> Self {
        let meta = pod.metadata;
        let controller = controller_of(&meta);
        let origin = controller
            .as_ref()
            .map_or(Origin::Untold, |owner| origin_of(&meta, &owner.uid));
        Self {
            created_at: created_at(&meta),
            deleting: deleting(&meta),
            namespace: meta.namespace.unwrap_or_default(),
            name: meta.name.unwrap_or_default(),
            uid: meta.uid.unwrap_or_default(),
            controller,
            origin,
            spec: Box::new(pod.spec.unwrap_or_default()),
            status: Box::new(pod.status.unwrap_or_default()),
        }
    }
}

impl OwnerFacts {
    #[must_use]
    pub fn of_replica_set(set: &ReplicaSet) -> Self {
        let meta = &set.metadata;
        let failures = set
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten())
            .filter(|condition| is_failure(&condition.type_, &condition.status))
            .filter_map(|condition| condition.message.clone())
            .collect();
        Self {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            controller: controller_of(meta),
            deleting: meta.deletion_timestamp.is_some(),
            failures,
        }
    }
}

impl WorkloadFacts {
    #[must_use]
    pub fn of_daemon_set(set: &DaemonSet) -> Self {
        let status = set.status.as_ref();
        Self {
            desired: status.map_or(0, |status| status.desired_number_scheduled),
            ready: status.map_or(0, |status| status.number_ready),
            observed_generation: status
                .and_then(|status| status.observed_generation)
                .unwrap_or(0),
            failures: Vec::new(),
            ..Self::of_meta(&set.metadata)
        }
    }

    #[must_use]
    pub fn of_deployment(deployment: &Deployment) -> Self {
        let status = deployment.status.as_ref();
        let failures = status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten())
            .filter(|condition| is_failure(&condition.type_, &condition.status))
            .filter_map(|condition| condition.message.clone())
            .collect();
        Self {
            desired: deployment.spec.replicas.unwrap_or(1),
            ready: status.and_then(|status| status.ready_replicas).unwrap_or(0),
            observed_generation: status
                .and_then(|status| status.observed_generation)
                .unwrap_or(0),
            failures,
            ..Self::of_meta(&deployment.metadata)
        }
    }

    fn of_meta(meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or(0),
            deleting: meta.deletion_timestamp.is_some(),
            ..Self::default()
        }
    }
}

impl ServiceFacts {
    /// `None` for a Service that selects nothing by itself.
    #[must_use]
    pub fn of(service: &Service) -> Option<Self> {
        let selector = service.spec.as_ref()?.selector.clone().unwrap_or_default();
        (!selector.is_empty()).then(|| Self {
            uid: service.metadata.uid.clone().unwrap_or_default(),
            name: service.metadata.name.clone().unwrap_or_default(),
            selector,
        })
    }
}

fn is_failure(kind: &Option<String>, status: &Option<String>) -> bool {
    kind.as_deref() == Some("ReplicaFailure") && status.as_deref() == Some("True")
}

fn created_at(meta: &ObjectMeta) -> Option<Timestamp> {
    meta.creation_timestamp.as_ref().map(|time| time.0)
}

fn deleting(meta: &ObjectMeta) -> Option<Deleting> {
    meta.deletion_timestamp.as_ref().map(|_| Deleting {
        grace_seconds: meta.deletion_grace_period_seconds.unwrap_or(0),
    })
}

fn controller_of(meta: &ObjectMeta) -> Option<ControllerRef> {
    meta.owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))
        .map(|owner| ControllerRef {
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        })
}

/// See [`Origin`].
fn origin_of(meta: &ObjectMeta, owner_uid: &str) -> Origin {
    let entries = meta.managed_fields.as_deref().unwrap_or_default();
    let key = format!("k:{{\"uid\":\"{owner_uid}\"}}");
    let mut references = entries
        .iter()
        .filter(|entry| field(entry, &["f:metadata", "f:ownerReferences", &key]))
        .peekable();
    if references.peek().is_none() {
        return Origin::Untold;
    }
    if references.any(|entry| field(entry, &["f:spec", "f:containers"])) {
        Origin::MadeByOwner
    } else {
        Origin::Adopted
    }
}

fn field(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    let Some(fields) = entry.fields_v1.as_ref() else {
        return false;
    };
    let mut at: &Value = &fields.0;
    for key in path {
        let Some(next) = at.get(*key) else {
            return false;
        };
        at = next;
    }
    true
}
