//! The one error body.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every refusal of the API, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The message as one sentence, for clients that show only this.
    pub error: String,
    /// What kind of problem, for programs: one word in camel case that never changes once released.
    pub code: String,
    /// What happened and what to do about it.
    pub message: String,
    /// One entry per violated rule or wrong field; empty where the message says all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// The id under which the hub's log and audit know this request.
    pub request_id: String,
}

/// One violated rule or wrong field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    /// Path of the field in the request or manifest, such as `requestedDuration` or `spec.allowed.groups[0]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The name of the rule, where a rule of the product refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What is wrong and what would be accepted.
    pub message: String,
    /// What would be allowed, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
}
