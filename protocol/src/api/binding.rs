//! Bodies of `/cluster-bindings`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;

/// `GET /cluster-bindings`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterBindingList {
    pub bindings: Vec<DebugSessionClusterBinding>,
    pub total: usize,
}
