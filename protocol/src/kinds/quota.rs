//! What one session may use, and how its pods are protected.

use std::collections::BTreeMap;

use super::check::Checks;
use super::debug_session_template::WorkloadType;
use crate::quantity::Quantity;
use crate::wire::grant::Quota;
use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `resourceQuota`: totals of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionQuota {
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pods: Option<i32>,
    /// A quantity such as `500m`.
    #[serde(default, rename = "maxCPU", skip_serializing_if = "Option::is_none")]
    pub max_cpu: Option<String>,
    /// A quantity such as `2Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<String>,
    /// A quantity such as `5Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_storage: Option<String>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce_resource_requests: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce_resource_limits: Option<bool>,
}

/// `podDisruptionBudget`: one of `minAvailable` and `maxUnavailable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionDisruptionBudget {
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_available: Option<i32>,
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<i32>,
}

/// Something that a container has to say where `enforceResourceRequests` or `enforceResourceLimits` holds, and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaid {
    pub container: String,
    /// The field below `resources`.
    pub amount: &'static str,
    pub resource: &'static str,
    /// The rule, as `resourceQuota` has it.
    pub rule: &'static str,
}

/// What every container has to say.
const ENFORCED: [&str; 2] = ["cpu", "memory"];

/// What of it a pod's containers do not say. A limit is a request too: Kubernetes takes it where no request is given.
#[must_use]
pub fn unsaid(quota: &Quota, pod: &PodSpec) -> Vec<Unsaid> {
    let init = pod.init_containers.iter().flatten();
    let containers = init.chain(&pod.containers);
    let of = |amount, rule, is_said: fn(&ResourceRequirements, &str) -> bool| {
        containers.clone().flat_map(move |container| {
            let said = container.resources.clone().unwrap_or_default();
            let missing = ENFORCED
                .into_iter()
                .filter(move |resource| !is_said(&said, resource));
            missing.map(move |resource| Unsaid {
                container: container.name.clone(),
                amount,
                resource,
                rule,
            })
        })
    };
    let requests = of("requests", "enforceResourceRequests", |said, resource| {
        has(&said.requests, resource) || has(&said.limits, resource)
    });
    let limits = of("limits", "enforceResourceLimits", |said, resource| {
        has(&said.limits, resource)
    });
    let requests = requests.filter(|_| quota.enforce_requests);
    requests
        .chain(limits.filter(|_| quota.enforce_limits))
        .collect()
}

fn has<V>(said: &Option<BTreeMap<String, V>>, resource: &str) -> bool {
    said.as_ref()
        .is_some_and(|amounts| amounts.contains_key(resource))
}

impl SessionQuota {
    pub(super) fn check(&self, checks: &mut Checks) {
        for (field, text) in [
            ("maxCPU", &self.max_cpu),
            ("maxMemory", &self.max_memory),
            ("maxStorage", &self.max_storage),
        ] {
            match text.as_deref().map(Quantity::parse) {
                Some(Err(error)) => checks.refuse(field, error),
                Some(Ok(quantity)) if quantity.nanos() <= 0 => {
                    checks.refuse(field, "must be more than zero")
                }
                Some(Ok(_)) | None => {}
            }
        }
    }
}

impl SessionDisruptionBudget {
    /// The disruption controller knows no scale of a DaemonSet, so `maxUnavailable` would never be met there (D9).
    pub(super) fn check(&self, workload: WorkloadType, checks: &mut Checks) {
        match (self.min_available, self.max_unavailable, workload) {
            (Some(_), Some(_), _) => {
                checks.refuse_here("has both minAvailable and maxUnavailable; keep one of them")
            }
            (None, None, _) if self.enabled == Some(true) => {
                checks.refuse_here(
                    "is enabled but has neither minAvailable nor maxUnavailable; add one of them",
                );
            }
            (None, Some(_), WorkloadType::DaemonSet) => checks.refuse(
                "maxUnavailable",
                "does not work for a DaemonSet, which has no scale; use minAvailable",
            ),
            (_, _, WorkloadType::DaemonSet | WorkloadType::Deployment) => {}
        }
    }
}
