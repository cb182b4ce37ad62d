//! What every part of the program shares: the store, the clock, the settings, and the one way to change an object.

mod places;
mod session;
mod update;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use breakglass_hub_core::clock::Now;
use tokio_util::sync::CancellationToken;

use crate::api::watch::Watchers;
use crate::clock::Clock;
use crate::intake::Intake;
use crate::link::Agents;
use crate::notify::NotifyMetrics;
use crate::outward::Outward;
use crate::pace::Pace;
use crate::sessions::Sessions;
use crate::ship::{InCluster, ShipMetrics};
use crate::store::{Key, ObjectKind, Store};
use crate::telemetry::Metrics;
use crate::templates::refusals::{TemplateRefusal, TemplateRefusals};
use crate::users::Users;

pub use places::Turns;
pub(crate) use places::ledger_keys;
pub use session::read_session;
pub use update::{Change, UpdateError};

/// What the command line said, as the parts need it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of everything that must outlive a restart.
    pub state: PathBuf,
    /// The one namespace that sessions live in.
    pub namespace: String,
    /// Members of any of these are admins.
    pub admin_groups: Vec<String>,
    /// `host:port` of the agents' listener as agents reach it; the first one stands in join tokens. Never empty.
    pub agent_addresses: Vec<String>,
    /// Names in the users' certificate that the hub makes itself.
    pub public_addresses: Vec<String>,
    /// After this time without a decision a request for approval fails.
    pub approval_timeout: Duration,
    /// Ended sessions are removed this long after their end.
    pub session_retention: Duration,
    /// How long a watch is kept open.
    pub watch_longest: Duration,
}

/// See the module. Shared as `Arc<App>`.
pub struct App {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// What lists and jobs look sessions up in.
    pub sessions: Sessions,
    pub settings: Settings,
    pub metrics: Metrics,
    /// The agents' side: who is connected, and the authority that vouches for agents.
    pub agents: Agents,
    /// Who a bearer token is.
    pub users: Users,
    /// How fast people and strangers may ask.
    pub pace: Pace,
    /// Who holds `/watch` open.
    pub watchers: Watchers,
    /// Where the hub calls by itself.
    pub outward: Outward,
    pub notify_metrics: NotifyMetrics,
    /// Events that change no object.
    pub intake: Intake,
    pub ship_metrics: ShipMetrics,
    /// The cluster that the hub runs in, where a destination needs it.
    pub in_cluster: Option<InCluster>,
    /// Whose turn it is at a ledger.
    pub ledger_turns: Turns,
    /// What is wrong with files in the templates folder now.
    pub template_refusals: TemplateRefusals,
    /// Cancelled when the hub is to stop: every task that lives long waits for it too.
    pub shutdown: CancellationToken,
}

impl App {
    /// Both clocks, read once: take it once per request, frame or job.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// What is wrong with files in the templates folder now, by file and line.
    #[must_use]
    pub fn template_errors(&self) -> Vec<TemplateRefusal> {
        self.template_refusals.list()
    }

    /// The key of a session of this hub.
    #[must_use]
    pub fn session_key(&self, name: &str) -> Key {
        Key::namespaced(ObjectKind::DebugSession, &self.settings.namespace, name)
    }
}
