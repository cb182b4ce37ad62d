//! The first frames of a connection.

use serde::{Deserialize, Serialize};

/// The agent's first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The agent's program version, for display.
    pub program_version: String,
    /// Range of protocol versions the agent speaks.
    pub version_min: u32,
    pub version_max: u32,
    /// What the agent can do; a grant that requires more is not sent but failed at once.
    pub features: Vec<String>,
    /// This process's id (a UUID): two connections with the same one are the same agent coming back.
    pub instance: String,
    /// The cluster the agent believes it serves. Only compared with the certificate, never believed (invariant 6).
    pub cluster: String,
}

/// The hub's first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The hub's program version, for display.
    pub program_version: String,
    /// The version that both speak from here on.
    pub version: u32,
    /// What the hub understands in reports.
    pub features: Vec<String>,
    /// The hub's wall clock, milliseconds since 1970, so that a large difference can be told to people.
    pub now_ms: i64,
}
