//! What a cluster's webhook decided, as its agent tells the hub for the audit log. JSON inside a frame.
//!
//! Told at least once, taken once: each record has a number that grows within one start of the agent
//! ([`super::to_hub::AuditFrame::boot`]), a record that may have been sent never changes, and the hub remembers the last
//! number that it took of each start.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::GrantUid;

/// Of a hub that takes records (`Welcome`), and of an agent that makes them (`Hello`).
pub const FEATURE: &str = "audit.v1";

/// One line for the audit log: a decision with its repeats, or that decisions were not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessRecord {
    /// Grows from record to record of one start; numbers may be left out.
    pub sequence: u64,
    /// By the agent's clock.
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub what: Recorded,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Recorded {
    /// The webhook let somebody in, so many times.
    Allowed { access: Access, count: u64 },
    /// It did not, so many times.
    Denied {
        access: Access,
        why: Denial,
        count: u64,
    },
    /// At most so many decisions are not in the record: there was no room for them.
    Gap { allows: u64, denials: u64 },
    /// The agent started anew, at `lastAt`, while sessions ran: what it decided after `firstAt` and had neither told nor
    /// written is not in the record. Nobody knows how much that is; after an end in good order next to nothing.
    Restart,
}

/// Who asked for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Whose pod it is; `None` for what no session holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRef>,
    /// As the API server names the person.
    pub user: String,
    /// `exec`, `attach`, `logs`, `port-forward`, `get`; of other requests verb and resource.
    pub operation: String,
    pub namespace: String,
    /// Of the pod, or of the object.
    pub name: String,
}

/// A session as its agent knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRef {
    pub uid: GrantUid,
    pub name: String,
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Denial {
    /// The pod is a session's that the person is not in; RBAC decides.
    NotInSession,
    /// The person's own session does not allow this to their role; RBAC decides.
    NotAllowed,
    /// The person's own session has ended; RBAC decides.
    Ended,
    /// The agent did not see the cluster's pods at that moment.
    Unseen,
    /// Strict enforcement refused it.
    Strict,
    /// A deny policy refused it.
    Policy { name: String },
}
