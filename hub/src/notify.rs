//! Telling people. Nothing here stands in a request's way:
//!
//! 1. `follow` reads the audit log from where it stopped (a cursor in the store), lets `hub_core::notice` say who is told
//!    what, and puts one delivery per recipient into the store.
//! 2. `deliver` takes deliveries that are due, sends each through its channel, and forgets it, puts it off, or gives it up
//!    with an audit event.
//!
//! A hub that dies anywhere in between does the step again: whoever is told is told at least once, and a mail that comes
//! twice has one Message-ID.

mod deliver;
mod follow;
mod text;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

pub use text::{Text, Texts};

pub(crate) use deliver::run as deliver;
pub(crate) use follow::{prepare, run as follow};

use crate::telemetry::Metrics;

/// Deliveries that may wait. Beyond it the follower stops reading: the audit log keeps what it has not read.
const MAX_WAITING: usize = 10_000;

/// What is counted.
pub struct NotifyMetrics {
    outcomes: Family<OutcomeLabels, Counter>,
    waiting: Gauge,
}

/// Both are words of the configuration or of an enum, never of a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    channel: String,
    outcome: &'static str,
}

impl NotifyMetrics {
    /// Makes the metrics known to `/metrics`.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let own = Self {
            outcomes: Family::default(),
            waiting: Gauge::default(),
        };
        metrics.register(|registry| {
            registry.register(
                "hub_notifications",
                "Tries to tell somebody, by channel and outcome: sent, failed (tried again), given-up",
                own.outcomes.clone(),
            );
            registry.register(
                "hub_notifications_waiting",
                "Notifications that are not taken yet",
                own.waiting.clone(),
            );
        });
        own
    }

    fn waiting(&self) -> usize {
        usize::try_from(self.waiting.get()).unwrap_or(0)
    }

    fn set_waiting(&self, deliveries: usize) {
        self.waiting
            .set(i64::try_from(deliveries).unwrap_or(i64::MAX));
    }

    fn one_more(&self) {
        self.waiting.inc();
    }

    fn one_less(&self) {
        self.waiting.dec();
    }

    fn count(&self, channel: &str, outcome: &'static str) {
        let labels = OutcomeLabels {
            channel: channel.to_owned(),
            outcome,
        };
        self.outcomes.get_or_create(&labels).inc();
    }
}
