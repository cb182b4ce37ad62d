//! How a conversation ends, so that the other end knows what to do next.

use serde::{Deserialize, Serialize};

/// The last frame before the socket closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    pub code: CloseCode,
    /// For people: what happened and what to do.
    pub message: String,
    /// The agent waits at least this long before it dials again.
    pub retry_after_ms: Option<u64>,
}

/// Why a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseCode {
    /// This end is going down in good order.
    GoingAway,
    /// A newer connection for the same cluster took over (D8).
    Superseded,
    /// The cluster's certificate was revoked.
    Revoked,
    /// No common protocol version.
    VersionMismatch,
    /// The peer broke the protocol: an unreadable, unknown or unexpected frame.
    ProtocolError,
    /// The peer named a cluster that its certificate does not name.
    WrongCluster,
    /// The peer reads too slowly; its queue here is full.
    Overloaded,
}
