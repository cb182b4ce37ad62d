//! Reports of the agent into the store: observed fields only, and only about this cluster's own sessions (invariant 6).

use breakglass_hub_core::audit::{Action, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::clock::Now;
use breakglass_hub_core::lifecycle;
use breakglass_hub_core::observed::{self, NotBelieved, Observation};
use breakglass_hub_core::session::{Session, Settled, StateName};
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::report::{Phase, Report};

use super::Pump;
use crate::app::UpdateError;

/// What the record needs to know of a session before a report.
struct Before {
    state: StateName,
    settled: Settled,
    renewals: u32,
}

impl Before {
    fn of(session: &Session) -> Self {
        Self {
            state: session.state.name(),
            settled: session.observed.settled,
            renewals: session
                .state
                .running()
                .map_or(0, |running| running.renewals),
        }
    }
}

impl Pump<'_> {
    /// Stores a report; a grant whose final report is stored is settled.
    pub(super) async fn store_report(&mut self, report: Report) {
        let Some(entry) = self.directory.entry(&report.uid) else {
            return self.handle_forgotten(&report);
        };
        let cluster = self.cluster.clone();
        let stored = self
            .app
            .update_session(&entry.session, |session, now| {
                let before = Before::of(&session);
                let session = match observed::observe(session, &cluster, &report, now)? {
                    Observation::Changed(session) | Observation::Unchanged(session) => session,
                };
                let events = self.report_events(&before, &session, now);
                Ok::<_, NotBelieved>((session, events))
            })
            .await;
        match stored {
            Ok(session) => {
                self.app.agents.metrics.reports.inc();
                if session.observed.settled == Settled::Yes {
                    self.link.settle(report.uid);
                }
            }
            Err(UpdateError::Refused(NotBelieved::NeverGranted { .. })) => {
                // A session that is granted but not yet so in the directory's eyes, or a restored store: not a crime.
                tracing::warn!(cluster = %self.cluster, session = entry.session, "a report on a session that was never granted is ignored");
            }
            Err(UpdateError::Refused(
                refused @ (NotBelieved::ForeignSession { .. } | NotBelieved::OtherGrant { .. }),
            )) => {
                let message = refused.to_string();
                self.record_misbehaviour(CloseCode::WrongCluster, message)
                    .await;
                // The message names another cluster's session: that is for the record, not for the agent.
                let told = "a report on a session that is not this cluster's".to_owned();
                self.link.close(CloseCode::WrongCluster, told, None);
            }
            Err(UpdateError::NotFound(_)) => self.handle_forgotten(&report),
            Err(
                error @ (UpdateError::Contended { .. }
                | UpdateError::Commit(_)
                | UpdateError::Store(_)),
            ) => self.store_failed("a report", &error),
        }
    }

    /// The hub does not know the session (any more). The snapshot did not hold it, so the agent ends it; once it has,
    /// there is nothing to wait for.
    fn handle_forgotten(&mut self, report: &Report) {
        match report.phase {
            Phase::Ended => self.link.settle(report.uid.clone()),
            Phase::Deploying | Phase::Running | Phase::Ending => {
                tracing::debug!(cluster = %self.cluster, uid = %report.uid, "a report on an unknown session");
            }
        }
    }

    /// The agent lacks a feature that the grant requires; an ignored restriction would fail open, so the session fails.
    pub(super) async fn fail_unsupported(&mut self, uid: &GrantUid, missing: &[String]) {
        let Some(entry) = self.directory.entry(uid) else {
            return;
        };
        let message = format!(
            "the agent of cluster {} is too old for this session (it lacks {}); upgrade it",
            self.cluster,
            missing.join(", ")
        );
        let failed = self
            .app
            .update_session(&entry.session, |session, now| {
                let session = lifecycle::fail(session, message.as_str(), now)?;
                let event = self.session_event(&session, Action::Failed, now);
                let events = vec![event.with("message", message.clone())];
                Ok::<_, lifecycle::NotAllowed>((session, events))
            })
            .await;
        match failed {
            // A refusal means that it has ended already.
            Ok(_) | Err(UpdateError::Refused(_) | UpdateError::NotFound(_)) => {}
            Err(
                error @ (UpdateError::Contended { .. }
                | UpdateError::Commit(_)
                | UpdateError::Store(_)),
            ) => self.store_failed("a failed session", &error),
        }
    }

    /// What the record says of a report: a renewal that counts from now on, ends and the proof.
    fn report_events(&self, before: &Before, session: &Session, now: Now) -> Vec<AuditEvent> {
        let ended = match session.state.name() {
            same if same == before.state => None,
            StateName::Pending | StateName::PendingApproval | StateName::Active => None,
            StateName::Expired => Some(Action::Expired),
            StateName::Terminated => Some(Action::Terminated),
            StateName::Failed => Some(Action::Failed),
        };
        let is_settled = session.observed.settled == Settled::Yes;
        let proved = (before.settled == Settled::No && is_settled).then_some(Action::CleanedUp);
        let event = |action| self.session_event(session, action, now);
        let running = session.state.running();
        let renewed = running
            .filter(|running| running.renewals > before.renewals)
            .map(|running| {
                event(Action::Renewed)
                    .with("renewals", running.renewals.to_string())
                    .with("expiresAt", running.expires_at.to_string())
            });
        renewed
            .into_iter()
            .chain(ended.into_iter().chain(proved).map(event))
            .collect()
    }

    fn session_event(&self, session: &Session, action: Action, now: Now) -> AuditEvent {
        let mut event = self.event(now, action, Outcome::Done);
        event.object = ObjectRef::new("DebugSession", Some(&session.namespace), &session.name);
        event.object.uid = Some(session.uid.to_string());
        event
    }
}
