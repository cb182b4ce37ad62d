//! One terminal for several people (spec 1 section 10).

use super::check::Checks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One terminal that several people see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerminalSharing {
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Absent: tmux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<TerminalProvider>,
    /// Another spelling of `provider`; both must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<TerminalProvider>,
    /// Absent: 5.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_participants: Option<i32>,
    /// People who watch and do not type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only_participants: Vec<String>,
}

impl TerminalSharing {
    /// `provider` in either spelling.
    #[must_use]
    pub fn program(&self) -> Option<TerminalProvider> {
        self.provider.or(self.method)
    }
}

/// The program that shares the terminal; the image must hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TerminalProvider {
    #[default]
    Tmux,
    Screen,
}

impl TerminalSharing {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.spellings(
            ("provider", self.provider.as_ref()),
            ("method", self.method.as_ref()),
        );
        checks.people("readOnlyParticipants", &self.read_only_participants);
    }
}
