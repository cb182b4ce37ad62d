//! What must be said when a session is asked for or decided on. No block = no rule (D13).

use super::check::Checks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a requester must say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestReason {
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandatory: Option<bool>,
    /// Of a reason that is given or mandatory. Absent: 10.
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<i32>,
    /// Absent: 1000.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<i32>,
    /// Shown to the requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Offered to the requester.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggested_reasons: Vec<String>,
}

/// What an approver must say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalReason {
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandatory: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandatory_for_rejection: Option<bool>,
    /// Absent: 10.
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<i32>,
    /// Absent: 1000.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<i32>,
    /// Shown to the approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Offered to the approver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggested_reasons: Vec<String>,
}

impl RequestReason {
    pub(super) fn check(&self, checks: &mut Checks) {
        check_lengths(self.min_length, self.max_length, checks);
    }
}

impl ApprovalReason {
    pub(super) fn check(&self, checks: &mut Checks) {
        check_lengths(self.min_length, self.max_length, checks);
    }
}

fn check_lengths(min: Option<i32>, max: Option<i32>, checks: &mut Checks) {
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        checks.refuse(
            "minLength",
            format_args!("{min} is more than maxLength {max}; no reason could be given"),
        );
    }
}
