//! Everything that the agent counts, as `/metrics` tells it.

use prometheus_client::registry::Registry;

use crate::link::LinkMetrics;
use crate::telemetry::Metrics;
use crate::webhook::WebhookMetrics;

/// One for each part of the program.
pub struct Counters {
    /// The loop's.
    pub own: Metrics,
    pub link: LinkMetrics,
    pub webhook: WebhookMetrics,
}

impl Counters {
    /// Makes them all and puts them into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            own: Metrics::register(registry),
            link: LinkMetrics::register(registry),
            webhook: WebhookMetrics::register(registry),
        }
    }
}
