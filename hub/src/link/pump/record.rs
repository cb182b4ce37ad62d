//! What is written down about a connection.

use std::convert::Infallible;

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::clock::Now;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::wire::close::CloseCode;

use super::Pump;
use crate::app::{Change, UpdateError};
use crate::link::standing::cluster_key;

impl Pump<'_> {
    /// The agent said what it may not say; its connection is being closed.
    pub(super) async fn record_misbehaviour(&mut self, code: CloseCode, message: String) {
        self.app.agents.metrics.misbehaved.inc();
        tracing::warn!(cluster = %self.cluster, from = %self.from, ?code, message, "an agent misbehaved");
        let recorded = self
            .record(Action::AgentRefused, Outcome::Refused, |event| {
                event
                    .with("code", format!("{code:?}"))
                    .with("message", message.clone())
            })
            .await;
        if let Err(error) = recorded {
            tracing::error!(cluster = %self.cluster, %error, "cannot record an agent's misbehaviour");
        }
    }

    /// Writes an audit event about this cluster.
    async fn record(
        &self,
        action: Action,
        outcome: Outcome,
        more: impl Fn(AuditEvent) -> AuditEvent + Send + Sync,
    ) -> Result<(), UpdateError<Infallible>> {
        self.app
            .update(&cluster_key(&self.cluster), |object: Cluster, now| {
                Ok(Change {
                    object,
                    events: vec![more(self.event(now, action, outcome))],
                })
            })
            .await
            .map(|_| ())
    }

    pub(super) fn event(&self, now: Now, action: Action, outcome: Outcome) -> AuditEvent {
        let actor = Actor::Agent {
            cluster: self.cluster.clone(),
        };
        let object = ObjectRef::new("Cluster", None, self.cluster.as_str());
        AuditEvent::new(now.wall, actor, action, object, outcome)
            .from(None, Some(self.from.to_string()))
    }
}
