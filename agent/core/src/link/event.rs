//! What the conversation tells the program.

use std::collections::BTreeSet;

use breakglass_protocol::ids::{ClusterName, GrantUid, Revision};
use breakglass_protocol::wire::close::Close;
use breakglass_protocol::wire::hello::Welcome;
use breakglass_protocol::wire::to_agent::{AuditAccepted, Call, Certificate};

use crate::holdings::Received;
use crate::policies::ReceivedPolicies;

/// What the agent says of itself in Hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    pub cluster: ClusterName,
    pub program_version: String,
    /// This process's id (a UUID).
    pub instance: String,
    /// What it can do ([`breakglass_protocol::wire::grant::feature`]).
    pub features: Vec<String>,
}

/// Where the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// No connection. What is held goes on.
    Offline,
    /// Hello is said, Welcome not yet heard.
    Greeting,
    Online,
}

/// What the program is to do about the conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// The hub greeted; for the log, and for the difference of the clocks.
    Online(Welcome),
    /// Give it to [`crate::holdings::Holdings::receive`]; once the journal holds the result (or it changed nothing),
    /// call [`super::Link::handle_journaled`] with the same revision.
    Grant {
        received: Box<Received>,
        revision: Revision,
    },
    /// A grant's frame that cannot be read: give it to [`crate::holdings::Holdings::refuse_unreadable`].
    Unreadable {
        uid: GrantUid,
        why: String,
    },
    /// Give it to [`crate::holdings::Holdings::withdraw_absent`].
    SnapshotComplete {
        present: BTreeSet<GrantUid>,
    },
    /// Give it to [`crate::holdings::Holdings::settle`].
    Settled(GrantUid),
    /// Give it to [`crate::policies::Policies::receive`].
    Policies(ReceivedPolicies),
    /// Give it to [`crate::policies::Policies::refuse`].
    UnreadablePolicies {
        why: String,
    },
    /// A question; answer with [`super::Link::handle_answer`].
    Call(Call),
    Certificate(Certificate),
    /// Give it to [`crate::recorder::Recorder::handle_accepted`].
    AuditAccepted(AuditAccepted),
    /// Send a WebSocket ping.
    Ping,
    /// Close the socket (after [`super::Link::poll_frame`] is drained), then call [`super::Link::handle_disconnected`].
    Disconnect(Disconnect),
}

/// Why the conversation is over and how long to wait before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The hub said so; its `retry_after_ms` wins over the program's backoff, `Superseded` and refusals wait 60 s.
    ByHub(Close),
    /// Silence, or the hub broke the protocol. Ordinary backoff.
    ByAgent { why: String },
}
