//! What is written down: who did what to what, when, from where, with what outcome. Append-only; committed together with
//! the object that it is about (D18).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::person::Identity;

use crate::snapshot::canonical;

pub mod agent;
pub mod chain;
pub mod restored;
pub mod tally;

/// One line of the record. Values are data: nothing here is ever printed unescaped (S20).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    pub at: Timestamp,
    pub actor: Actor,
    pub action: Action,
    pub object: ObjectRef,
    pub outcome: Outcome,
    /// More about it, by name. Never a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
    /// The request's id, where a request caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where the request came from: an address, or a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Actor {
    Person(Identity),
    /// Marked as such: an agent speaks only of its own cluster (S19).
    Agent {
        cluster: ClusterName,
    },
    /// The hub itself: a job by this name.
    Hub {
        job: String,
    },
    /// Nobody who could be told: a request without a good token or certificate.
    Unknown,
}

/// What was done. The words are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Requested,
    Activated,
    Approved,
    Rejected,
    Invited,
    Joined,
    Left,
    Removed,
    /// Asked for; it may wait for an approver, and waits for the agent.
    RenewalRequested,
    /// The agent has taken it in: it counts (S12).
    Renewed,
    Terminated,
    Expired,
    /// The approval timeout passed.
    TimedOut,
    Failed,
    /// The agent confirmed what was removed.
    CleanedUp,
    TemplateLoaded,
    TemplateRefused,
    TemplateRemoved,
    /// An admin wrote an object of a kind through the API.
    ManifestApplied,
    /// An admin deleted one.
    ManifestDeleted,
    /// Somebody read the record of this session.
    AuditRead,
    ClusterRegistered,
    ClusterAccepted,
    ClusterRevoked,
    ClusterConnected,
    ClusterDisconnected,
    Enrolled,
    CertificateRenewed,
    WebhookClientSigned,
    /// An agent said something it may not say.
    AgentRefused,
    Login,
    /// A session's people are told that it ends soon.
    ExpiryNear,
    /// A person asked for what a rule forbids; `verb` and `rules` are in the detail.
    RequestRefused,
    /// A notification was given up.
    NotificationFailed,
    /// Events of this kind were more than are recorded; how many is in the detail.
    Gap,
    PersonBarred,
    PersonUnbarred,
    /// The record was replaced by an older one: a backup was restored. Which is in the detail.
    Restored,
    /// A cluster's webhook let somebody into a session's pod.
    AccessAllowed,
    /// It did not: the person is not in the session, the session does not allow it, or a deny policy refuses it.
    AccessDenied,
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Done,
    /// A rule forbade it.
    Refused,
    /// It was tried and did not work.
    Failed,
}

/// How far one reader of the record came: everything up to here is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    pub sequence: u64,
}

impl AuditEvent {
    /// An event with nothing but the necessary.
    #[must_use]
    pub fn new(
        at: Timestamp,
        actor: Actor,
        action: Action,
        object: ObjectRef,
        outcome: Outcome,
    ) -> Self {
        Self {
            at,
            actor,
            action,
            object,
            outcome,
            detail: BTreeMap::new(),
            request_id: None,
            source: None,
        }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn from(mut self, request_id: Option<String>, source: Option<String>) -> Self {
        self.request_id = request_id;
        self.source = source;
        self
    }

    /// As it is stored and as the [`chain`] hashes it.
    ///
    /// # Errors
    /// If it does not go into JSON.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_value(self).map(|event| canonical(&event))
    }
}

impl ObjectRef {
    #[must_use]
    pub fn new(kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            uid: None,
        }
    }
}
