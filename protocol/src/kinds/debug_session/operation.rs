//! What kubectl-debug operations did in a session.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kubectl-debug operations did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubectlDebugStatus {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ephemeral_containers_injected: Vec<InjectedContainer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copied_pods: Vec<CopiedPod>,
}

/// A debug container in a pod that already ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InjectedContainer {
    pub namespace: String,
    pub pod_name: String,
    pub container_name: String,
    pub image: String,
    pub injected_by: String,
    pub injected_at: Time,
}

/// A copy of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopiedPod {
    pub original_namespace: String,
    pub original_pod: String,
    pub copy_namespace: String,
    pub copy_name: String,
    pub created_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// A pod on a named node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeDebugPod {
    pub namespace: String,
    pub name: String,
    pub node_name: String,
    pub created_at: Time,
}
