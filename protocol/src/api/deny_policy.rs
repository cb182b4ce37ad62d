//! Bodies of `/deny-policies`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::deny_policy::DenyPolicy;

/// `GET /deny-policies`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DenyPolicyList {
    /// Whole, by name.
    pub policies: Vec<DenyPolicy>,
    pub total: usize,
}
