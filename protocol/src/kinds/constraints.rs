//! How long a session lasts, how often it is renewed, how many there may be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Checks;
use crate::duration::DurationText;

/// How long sessions last, how often they are renewed, how many one person may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Constraints {
    /// Longest life of a session, renewals included. Absent: 4h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<DurationText>,
    /// Life of a session whose requester asked for none. Absent: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_duration: Option<DurationText>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_renewal: Option<bool>,
    /// How often a session may be renewed. Absent: 3.
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_renewals: Option<i32>,
    /// Another spelling of `maxRenewals`; both must agree.
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_limit: Option<i32>,
    /// Whether an approver must agree to each renewal. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval_for_renewal: Option<bool>,
    /// Open sessions of one person from this template. Absent: 2.
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_sessions: Option<i32>,
}

impl Constraints {
    /// `maxRenewals` in either spelling.
    #[must_use]
    pub fn renewals(&self) -> Option<i32> {
        self.max_renewals.or(self.renewal_limit)
    }
}

impl Constraints {
    pub(super) fn check(&self, checks: &mut Checks) {
        for (field, duration) in [
            ("maxDuration", &self.max_duration),
            ("defaultDuration", &self.default_duration),
        ] {
            if duration.as_ref().is_some_and(|d| d.duration().is_zero()) {
                checks.refuse(field, "is zero; a session needs some time");
            }
        }
        if let (Some(default), Some(max)) = (&self.default_duration, &self.max_duration)
            && default.duration() > max.duration()
        {
            checks.refuse(
                "defaultDuration",
                format_args!("{default} is longer than maxDuration {max}"),
            );
        }
        checks.spellings(
            ("maxRenewals", self.max_renewals.as_ref()),
            ("renewalLimit", self.renewal_limit.as_ref()),
        );
    }
}
