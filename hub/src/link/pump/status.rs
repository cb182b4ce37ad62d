//! What the cluster's status shows of its agent. Written seldom: at once when the agent arrives or leaves, soon when
//! what it says changes, and otherwise every half minute for `lastSeen`.

use std::convert::Infallible;
use std::time::Duration;

use breakglass_hub_core::audit::{Action, Outcome};
use breakglass_protocol::kinds::cluster::{AgentIdentity, Cluster, ClusterStatus};
use breakglass_protocol::wire::report::{
    AgentStatus, DenyPolicyReport, StrictEnforcement, WebhookOrder,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Pump;
use crate::app::{App, Change};
use crate::link::standing::cluster_key;
use crate::store::StoreError;
use crate::store::typed::{self, Versioned};

/// `lastSeen` is for people: half a minute is exact enough, and one small write per cluster.
const SEEN_INTERVAL: Duration = Duration::from_secs(30);
/// A change in what the agent says of itself is shown after at most this, however often it changes.
const CHANGE_INTERVAL: Duration = Duration::from_secs(2);
/// A ceiling is a page of YAML. Larger ones are not shown; they hold all the same.
const MAX_CEILING_BYTES: usize = 64 * 1024;
/// Versions and capabilities are words.
const MAX_WORD_CHARS: usize = 128;
/// An agent has about five.
const MAX_CAPABILITIES: usize = 64;

/// What is to be shown, and when it was last.
#[derive(Default)]
pub(super) struct Shown {
    agent_version: Option<String>,
    agent: Option<AgentStatus>,
    freshness: Freshness,
    /// Monotonic.
    written_at: Duration,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Freshness {
    #[default]
    Written,
    Changed,
}

impl Shown {
    pub(super) fn hello(&mut self, agent_version: &str) {
        self.agent_version = Some(word(agent_version));
        self.changed();
    }

    pub(super) fn agent_said(&mut self, status: AgentStatus) {
        if self.agent.as_ref() != Some(&status) {
            self.agent = Some(bounded(status));
            self.changed();
        }
    }

    pub(super) fn changed(&mut self) {
        self.freshness = Freshness::Changed;
    }

    /// When it is to be written next (monotonic).
    pub(super) fn due_at(&self) -> Duration {
        self.written_at
            + match self.freshness {
                Freshness::Written => SEEN_INTERVAL,
                Freshness::Changed => CHANGE_INTERVAL,
            }
    }

    /// What the agent said last of deny policies.
    pub(super) fn policies(&self) -> Option<&DenyPolicyReport> {
        self.agent.as_ref()?.deny_policies.as_ref()
    }

    /// What the agent proved of the API server's order.
    pub(super) fn webhook_order(&self) -> Option<WebhookOrder> {
        self.agent.as_ref()?.webhook_order
    }

    pub(super) fn enforcement(&self) -> Option<StrictEnforcement> {
        self.agent.as_ref()?.enforcement
    }

    fn apply(&self, status: &mut ClusterStatus) {
        if self.agent_version.is_some() {
            status.agent_version.clone_from(&self.agent_version);
        }
        let Some(agent) = &self.agent else { return };
        status.kubernetes_version = Some(agent.kubernetes_version.clone());
        status.capabilities.clone_from(&agent.capabilities);
        status.ceiling = Some(agent.ceiling.clone());
        status.webhook_client_expires_at = agent.webhook_client_expires_at.map(Time);
        status.webhook_called_at = agent.webhook_called_at.map(Time);
    }
}

/// How a connection stood when it ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// It was the cluster's one connection.
    Current,
    /// A newer one had taken over.
    Superseded,
}

/// Whether the agent's arrival is told in the record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Arrival,
    Routine,
}

impl Pump<'_> {
    pub(super) async fn show_arrival(&mut self) {
        self.save_status(Occasion::Arrival).await;
    }

    pub(super) async fn save_status_if_due(&mut self) {
        if self.place.is_some() && self.shown.due_at() <= self.app.now().monotonic {
            self.save_status(Occasion::Routine).await;
        }
    }

    async fn save_status(&mut self, occasion: Occasion) {
        let key = cluster_key(&self.cluster);
        let saved = self
            .app
            .update(&key, |mut object: Cluster, now| {
                let status = object.status.get_or_insert_default();
                status.connected = Some(true);
                status.last_seen = Some(Time(now.wall));
                status.certificate_expires_at = Some(Time(self.expires_at));
                status.revoked_at = None;
                show_key(status, &self.certificate.key_fingerprint);
                self.shown.apply(status);
                self.show_policies(status, now.wall);
                let events = match occasion {
                    Occasion::Arrival => {
                        vec![self.event(now, Action::ClusterConnected, Outcome::Done)]
                    }
                    Occasion::Routine => Vec::new(),
                };
                Ok::<_, Infallible>(Change { object, events })
            })
            .await;
        self.shown.written_at = self.app.now().monotonic;
        self.shown.freshness = Freshness::Written;
        if let Err(error) = saved {
            // For display only: the next one shows it.
            tracing::warn!(cluster = %self.cluster, %error, "cannot show the agent in the cluster's status");
        }
    }

    /// The connection is over.
    pub(super) async fn show_departure(&self, left: Left) {
        self.app.agents.metrics.connected.dec();
        let registry = &self.app.agents.registry;
        let saved = self
            .app
            .update(&cluster_key(&self.cluster), |mut object: Cluster, now| {
                // Looked at here, since a newer connection may show itself while this one tries.
                if left == Left::Superseded || registry.is_connected(&self.cluster) {
                    return Ok::<_, Infallible>(Change {
                        object,
                        events: Vec::new(),
                    });
                }
                let status = object.status.get_or_insert_default();
                status.connected = Some(false);
                status.last_seen = Some(Time(now.wall));
                Ok(Change {
                    object,
                    events: vec![self.event(now, Action::ClusterDisconnected, Outcome::Done)],
                })
            })
            .await;
        if let Err(error) = saved {
            tracing::warn!(cluster = %self.cluster, %error, "cannot show that the agent has left");
        }
    }
}

/// After a crash the store still says of some clusters that they are connected; nobody is at start.
pub(in crate::link) async fn show_nobody_connected(app: &App) -> Result<(), StoreError> {
    let (clusters, _) = typed::list_all::<Cluster>(app.store.as_ref()).await?;
    for Versioned { object, .. } in clusters {
        let connected = object.status.as_ref().and_then(|s| s.connected);
        let Some(name) = object.metadata.name.filter(|_| connected == Some(true)) else {
            continue;
        };
        let key = cluster_key(&breakglass_protocol::ids::ClusterName::new(name));
        let saved = app
            .update(&key, |mut object: Cluster, _| {
                object.status.get_or_insert_default().connected = Some(false);
                Ok::<_, Infallible>(Change {
                    object,
                    events: Vec::new(),
                })
            })
            .await;
        if let Err(error) = saved {
            tracing::warn!(%error, "cannot show that no agent is connected yet");
        }
    }
    Ok(())
}

fn show_key(status: &mut ClusterStatus, fingerprint: &str) {
    let shown = status.agent_identity.get_or_insert_default();
    if shown.fingerprint != fingerprint {
        *shown = AgentIdentity {
            fingerprint: fingerprint.to_owned(),
            enrolled_at: shown.enrolled_at.clone(),
        };
    }
}

/// What an agent says is data of bounded size.
fn bounded(mut status: AgentStatus) -> AgentStatus {
    status.agent_version = word(&status.agent_version);
    status.kubernetes_version = word(&status.kubernetes_version);
    status.capabilities.truncate(MAX_CAPABILITIES);
    for capability in &mut status.capabilities {
        *capability = word(capability);
    }
    if status.ceiling.to_string().len() > MAX_CEILING_BYTES {
        status.ceiling = serde_json::Value::Null;
    }
    status
}

fn word(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_WORD_CHARS)
        .collect()
}
