//! What the link tells its shell.

use breakglass_protocol::ids::{CallId, GrantUid, Revision};
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::hello::Hello;
use breakglass_protocol::wire::report::{AgentStatus, Report};
use breakglass_protocol::wire::to_agent::ToAgent;
use breakglass_protocol::wire::to_hub::{Answered, Declined};

use super::MAX_CALLS;
use crate::audit::agent::AuditBatch;

/// What the shell puts on the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    Frame(ToAgent),
    /// A WebSocket ping.
    Ping,
    /// The socket is to be closed now; nothing follows.
    Hangup,
}

/// What the shell has to do or know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is done: register the connection, then call [`HubLink::snapshot`].
    Connected(Hello),
    /// Store it; after a final one call [`HubLink::settle`].
    StoreReport(Box<Report>),
    StoreStatus(Box<AgentStatus>),
    /// Store it, then call [`HubLink::accept_audit`]; until then no other comes.
    StoreAudit(Box<AuditBatch>),
    /// The agent has taken in everything up to here.
    Acknowledged(Revision),
    /// The agent lacks what this grant requires: fail the session.
    Unsupported {
        uid: GrantUid,
        missing: Vec<String>,
    },
    /// Sign this (PKCS#10, DER) for this cluster and call [`HubLink::certificate`].
    RenewCertificate {
        csr_der: Vec<u8>,
    },
    Answered {
        id: CallId,
        result: Result<Answered, CallFailure>,
    },
    /// The peer did what it may not; for the audit record. The connection is being closed.
    Misbehaved {
        code: CloseCode,
        message: String,
    },
    /// The conversation is over.
    Closed {
        message: String,
    },
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    #[error("{}", .0.message)]
    Declined(Declined),
    #[error("the cluster's agent did not answer in time")]
    TimedOut,
    #[error("the connection to the cluster's agent ended before it answered")]
    Disconnected,
}

/// Why a question was not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("the cluster's agent is not connected")]
    NotConnected,
    #[error("{MAX_CALLS} questions to this agent are open already; try again shortly")]
    Busy,
}
