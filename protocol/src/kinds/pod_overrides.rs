//! What a session template changes on its pod template.

use super::check::Checks;
use k8s_openapi::api::core::v1::{EnvVar, PodSpec, ResourceRequirements, SecurityContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is changed on the pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodOverrides {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<PodSpecOverrides>,
}

/// The fields of a pod that can be changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSpecOverrides {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    #[serde(default, rename = "hostPID", skip_serializing_if = "Option::is_none")]
    pub host_pid: Option<bool>,
    #[serde(default, rename = "hostIPC", skip_serializing_if = "Option::is_none")]
    pub host_ipc: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerOverride>,
}

/// The fields of a container that can be changed; found by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerOverride {
    #[schemars(length(min = 1))]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
}

impl PodOverrides {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.within_some("spec", self.spec.as_ref(), |spec, checks| {
            checks.unique(
                "containers",
                "name",
                spec.containers.iter().map(|c| c.name.as_str()),
            );
        });
    }
}

impl PodOverrides {
    /// The pod with the requests and limits that its containers have then; nothing else is changed.
    #[must_use]
    pub fn with_resources(&self, pod: &PodSpec) -> PodSpec {
        let mut pod = pod.clone();
        let overrides = self.spec.iter().flat_map(|spec| &spec.containers);
        for wanted in overrides {
            let init = pod.init_containers.iter_mut().flatten();
            let mut containers = init.chain(&mut pod.containers);
            let found = containers.find(|container| container.name == wanted.name);
            let (Some(container), Some(more)) = (found, wanted.resources.clone()) else {
                continue;
            };
            let held = container.resources.get_or_insert_default();
            held.requests
                .get_or_insert_default()
                .extend(more.requests.unwrap_or_default());
            held.limits
                .get_or_insert_default()
                .extend(more.limits.unwrap_or_default());
        }
        pod
    }
}
