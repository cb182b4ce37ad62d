//! The agents' side of the hub. The path of a cluster through it:
//!
//! 1. `crate::clusters::register` makes a join token; the agent brings it to [`listener`], where `enrol` redeems it for
//!    a certificate that names exactly one cluster.
//! 2. With that certificate the agent connects: TLS proves the key (`identity`), HTTP judges whether it speaks for its
//!    cluster now (`standing`), and the connection becomes a WebSocket (`request`).
//! 3. `pump` runs the conversation of `breakglass_hub_core::link` on it: grants out, reports in.
//! 4. `directory` follows the store and wakes the pump of the cluster whose sessions, certificates or settings changed.
//! 5. [`registry`] knows which clusters are connected and carries questions to them.

mod directory;
mod enrol;
mod identity;
mod listener;
mod metrics;
mod pump;
pub mod registry;
mod request;
mod standing;

use std::sync::Arc;

pub use identity::VerifierError;
pub use listener::{ListenerError, serve};
pub use metrics::LinkMetrics;
pub use registry::{CallError, Registry};
pub(crate) use standing::{cluster_key, enrolment_key};

use crate::ca::Authority;
use crate::telemetry::Metrics;

/// What the rest of the hub has of the agents' side.
pub struct Agents {
    /// Vouches for agents, and for the hub to them.
    pub authority: Arc<Authority>,
    pub registry: Registry,
    pub metrics: LinkMetrics,
}

impl Agents {
    #[must_use]
    pub fn new(authority: Arc<Authority>, metrics: &Metrics) -> Self {
        Self {
            authority,
            registry: Registry::new(),
            metrics: LinkMetrics::register(metrics),
        }
    }
}
