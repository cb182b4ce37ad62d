//! Gauges that are read when they are asked for: what is in the store and who is connected.

use std::sync::atomic::AtomicU64;

use breakglass_hub_core::clock::between;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::Cluster;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::store::{StoreError, typed};

/// See the module.
#[derive(Default)]
pub struct Census {
    sessions: Family<StateLabels, Gauge>,
    waiting_seconds: Gauge<f64, AtomicU64>,
    connected: Family<ClusterLabels, Gauge>,
    audit_events: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: String,
}

/// Bounded: clusters are registered by admins.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabels {
    cluster: String,
}

impl Census {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let own = Self::default();
        registry.register(
            "hub_sessions",
            "Sessions in the store, by state",
            own.sessions.clone(),
        );
        registry.register(
            "hub_approval_waiting_seconds",
            "How long the oldest request that waits for approval has waited",
            own.waiting_seconds.clone(),
        );
        registry.register(
            "hub_cluster_connected",
            "1 while the cluster's agent is connected",
            own.connected.clone(),
        );
        registry.register(
            "hub_audit_events",
            "Events in the audit log",
            own.audit_events.clone(),
        );
        own
    }

    /// Counts anew.
    ///
    /// # Errors
    /// What the store says; the gauges keep what they showed.
    pub async fn take(&self, app: &App) -> Result<(), StoreError> {
        let counted = app.sessions.census(app.store.as_ref()).await?;
        for (state, count) in counted.by_state {
            let state = StateLabels {
                state: state.to_string(),
            };
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.sessions.get_or_create(&state).set(count);
        }
        let now = app.now().wall;
        let waited = counted
            .oldest_waiting
            .map_or(0.0, |since| between(since, now).as_secs_f64());
        self.waiting_seconds.set(waited);
        let (clusters, _) = typed::list_all::<Cluster>(app.store.as_ref()).await?;
        self.connected.clear();
        for cluster in clusters {
            let Some(cluster) = cluster.object.metadata.name else {
                continue;
            };
            let name = ClusterName::new(&cluster);
            let connected = app.agents.registry.is_connected(&name);
            self.connected
                .get_or_create(&ClusterLabels { cluster })
                .set(i64::from(connected));
        }
        let head = app.store.audit_head().await?;
        self.audit_events
            .set(i64::try_from(head.sequence).unwrap_or(i64::MAX));
        Ok(())
    }
}
