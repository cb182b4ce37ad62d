//! Who is told of what happens to a session.

use super::check::Checks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is told of what happens to a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notification {
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_on_request: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_on_approval: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_on_expiry: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_on_termination: Option<bool>,
    /// E-mail addresses told beside those whom the session concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_recipients: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_recipients: Option<ExcludedRecipients>,
}

/// People who are not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExcludedRecipients {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
}

impl Notification {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.addresses("additionalRecipients", &self.additional_recipients);
        checks.within_some(
            "excludedRecipients",
            self.excluded_recipients.as_ref(),
            |excluded, checks| {
                checks.groups("groups", &excluded.groups);
                checks.people("users", &excluded.users);
            },
        );
    }
}
