//! `POST /explain`: why something would be allowed or refused, rule by rule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::debug_session::CreateDebugSession;

/// What to explain: a request that could be made, or an operation in a session.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Explain {
    Session(ExplainSession),
    /// The body of `POST /debug-sessions`; nothing is made.
    Request(Box<CreateDebugSession>),
}

/// Why somebody may or may not do something in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExplainSession {
    /// Name of the session.
    pub session: String,
    /// Somebody else, by name: for the owner, approvers and admins, and only about operations on pods, since the groups
    /// of others are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub operation: Operation,
}

/// What somebody may want to do in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    See,
    Approve,
    Reject,
    Join,
    Leave,
    Renew,
    Invite,
    Terminate,
    ReadAudit,
    Exec,
    Attach,
    Logs,
    PortForward,
}

impl Operation {
    pub const ALL: [Self; 13] = [
        Self::See,
        Self::Approve,
        Self::Reject,
        Self::Join,
        Self::Leave,
        Self::Renew,
        Self::Invite,
        Self::Terminate,
        Self::ReadAudit,
        Self::Exec,
        Self::Attach,
        Self::Logs,
        Self::PortForward,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Renew => "renew",
            Self::Invite => "invite",
            Self::Terminate => "terminate",
            Self::ReadAudit => "readAudit",
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::Logs => "logs",
            Self::PortForward => "portForward",
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub allowed: bool,
    /// In one sentence.
    pub message: String,
    /// Every rule that was looked at, in order.
    pub rules: Vec<RuleVerdict>,
    /// Of a request that would be accepted: who would have to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ExplainedApproval>,
    /// Of a request that would be accepted: what would run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_be: Option<WouldBe>,
    /// What the caller should know though nothing forbids it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One rule and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleVerdict {
    /// Of a request the field, or the rule that refused it; of an operation the rule.
    pub rule: String,
    pub verdict: RuleWord,
    /// Why, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What would be allowed, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RuleWord {
    Passed,
    Refused,
    /// An earlier rule refused, so this one was not asked.
    NotLookedAt,
}

impl RuleWord {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::NotLookedAt => "notLookedAt",
        }
    }
}

/// Who would have to agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedApproval {
    pub required: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approver_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approver_users: Vec<String>,
}

/// What a request would become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WouldBe {
    pub template_ref: String,
    /// `namespace/name` of the binding it would be made through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_ref: Option<String>,
    pub cluster: String,
    pub target_namespace: String,
    /// Such as `1h`.
    pub duration: String,
}
