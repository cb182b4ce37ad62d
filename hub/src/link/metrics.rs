//! What `/metrics` shows of the agents' side.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry::Metrics;

/// See the module. Clones count together.
#[derive(Clone, Default)]
pub struct LinkMetrics {
    /// Agents whose handshake is done.
    pub(super) connected: Gauge,
    /// Connections and requests that were turned away, by reason.
    pub(super) refused: Family<RefusedLabels, Counter>,
    /// Agents that said what they may not say; each is audited and closed.
    pub(super) misbehaved: Counter,
    /// Reports stored.
    pub(super) reports: Counter,
    /// Events made of agents' audit records.
    pub(super) audit_records: Counter,
    /// Records about sessions of other clusters.
    pub(super) audit_refused: Counter,
    /// Certificates issued at enrolment and renewal.
    pub(super) certificates: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefusedLabels {
    pub(super) reason: Refused,
}

/// Why a peer was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Refused {
    /// TLS failed or took too long.
    Handshake,
    /// As many connections as the hub takes are open.
    Full,
    /// The client certificate does not speak for a cluster now.
    Certificate,
    /// The join token does not work.
    Token,
    /// Not a request that this listener knows.
    Request,
}

impl LinkMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let own = Self::default();
        metrics.register(|registry| {
            registry.register(
                "hub_agents_connected",
                "Agents connected now",
                own.connected.clone(),
            );
            registry.register(
                "hub_agent_refusals",
                "Agents' connections and requests turned away",
                own.refused.clone(),
            );
            registry.register(
                "hub_agent_misbehaviours",
                "Agents that said what they may not say",
                own.misbehaved.clone(),
            );
            registry.register("hub_agent_reports", "Reports stored", own.reports.clone());
            registry.register(
                "hub_agent_audit_records",
                "Events made of what agents' webhooks decided",
                own.audit_records.clone(),
            );
            registry.register(
                "hub_agent_audit_refused",
                "Agents' audit records about sessions that are not their cluster's",
                own.audit_refused.clone(),
            );
            registry.register(
                "hub_agent_certificates",
                "Certificates issued to agents",
                own.certificates.clone(),
            );
        });
        own
    }

    pub(super) fn refuse(&self, reason: Refused) {
        self.refused.get_or_create(&RefusedLabels { reason }).inc();
    }
}
