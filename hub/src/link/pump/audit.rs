//! What the agent's webhook decided, into the audit log: a batch is one commit with the mark of what was taken, so that a
//! batch that comes again changes nothing (D18). At a bounded rate: an agent cannot fill the log faster.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use breakglass_hub_core::audit::agent::{self, AuditBatch, Facts, Judged, Named, TakenRecords};
use breakglass_hub_core::session::Session;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::wire::access::SessionRef;

use super::Pump;
use crate::app::{App, Change, UpdateError, read_session};
use crate::store::{CommitError, Expected, Key, ObjectKind, Owner, StoreError, typed};

/// Between two batches of one agent: 50 records a second are more than people make, and let a thousand that waited for the
/// hub in within half a minute.
const INTERVAL: Duration = Duration::from_secs(1);

/// The batch that is to be stored, and what was said of others on this connection.
#[derive(Default)]
pub(super) struct AuditIntake {
    batch: Option<Box<AuditBatch>>,
    /// Not before this (monotonic).
    from: Duration,
    foreign: Foreign,
}

/// Whether it was recorded that the agent told of other clusters' sessions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Foreign {
    #[default]
    Unrecorded,
    Recorded,
}

impl AuditIntake {
    pub(super) fn wait_with(&mut self, batch: Box<AuditBatch>) {
        self.batch = Some(batch);
    }

    /// When there is something to store (monotonic).
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.batch.as_ref().map(|_| self.from)
    }
}

impl Pump<'_> {
    pub(super) async fn store_audit_if_due(&mut self) {
        let now = self.app.now().monotonic;
        if self.audit.due_at().is_none_or(|at| at > now) {
            return;
        }
        let Some(batch) = self.audit.batch.take() else {
            return;
        };
        self.audit.from = now + INTERVAL;
        let stored = match self.sessions_of(&batch).await {
            Ok(sessions) => self.commit_audit(&batch, &sessions).await,
            Err(error) => Err(UpdateError::Store(error)),
        };
        match stored {
            Ok(judged) => {
                let metrics = &self.app.agents.metrics;
                let told = u64::try_from(judged.events.len()).unwrap_or(u64::MAX);
                metrics.audit_records.inc_by(told);
                if judged.foreign > 0 {
                    metrics.audit_refused.inc_by(judged.foreign);
                    self.audit.foreign = Foreign::Recorded;
                    tracing::warn!(cluster = %self.cluster, records = judged.foreign, "an agent told of sessions that are not its cluster's");
                }
                self.link.accept_audit();
            }
            Err(error) => self.store_failed("an agent's audit records", &error),
        }
    }

    /// What the store knows of the sessions that the records name.
    async fn sessions_of(
        &self,
        batch: &AuditBatch,
    ) -> Result<BTreeMap<SessionRef, Named>, StoreError> {
        let named: Vec<&SessionRef> = batch.sessions().collect();
        if named.is_empty() {
            return Ok(BTreeMap::new());
        }
        let keys: Vec<Key> = named
            .iter()
            .map(|session| self.app.session_key(&session.name))
            .collect();
        let found = self.app.store.get_many(keys.clone()).await?;
        let mut sessions = BTreeMap::new();
        for ((session, key), object) in named.into_iter().zip(&keys).zip(found) {
            let known = object.map_or(Ok(Named::Unknown), |object| {
                let stored = typed::decode::<DebugSession>(&object)?;
                read_session(key, &stored.object).map(|known| self.named(session, known))
            });
            let known = match known {
                Ok(known) => known,
                // It would end this connection again and again; what cannot be read cannot be vouched for.
                Err(error @ StoreError::Unreadable { .. }) => {
                    tracing::error!(cluster = %self.cluster, %error, "audit records about a session are counted only");
                    Named::Unknown
                }
                Err(error) => return Err(error),
            };
            sessions.insert(session.clone(), known);
        }
        Ok(sessions)
    }

    fn named(&self, session: &SessionRef, known: Session) -> Named {
        if known.uid == session.uid && known.cluster() == self.cluster {
            Named::Own {
                namespace: known.namespace,
            }
        } else {
            Named::Foreign
        }
    }

    async fn commit_audit(
        &self,
        batch: &AuditBatch,
        sessions: &BTreeMap<SessionRef, Named>,
    ) -> Result<Judged, UpdateError<Infallible>> {
        let key = key_of(&self.cluster);
        let mut judged = Judged::default();
        let written = self
            .app
            .update(&key, |taken: TakenRecords, now| {
                judged = self.judge_audit(batch, &taken, sessions, now.wall);
                Ok(Change {
                    object: taken.with(batch),
                    events: judged.events.clone(),
                })
            })
            .await;
        match written {
            Ok(_) => Ok(judged),
            Err(UpdateError::NotFound(key)) => {
                let taken = TakenRecords::default();
                let now = self.app.now().wall;
                let judged = self.judge_audit(batch, &taken, sessions, now);
                let change = Change {
                    object: taken.with(batch),
                    events: judged.events.clone(),
                };
                create(self.app, key, change).await?;
                Ok(judged)
            }
            Err(error) => Err(error),
        }
    }

    /// The events of a batch; that it tells of others' sessions once for each connection.
    fn judge_audit(
        &self,
        batch: &AuditBatch,
        taken: &TakenRecords,
        sessions: &BTreeMap<SessionRef, Named>,
        now: jiff::Timestamp,
    ) -> Judged {
        let facts = Facts {
            cluster: &self.cluster,
            taken,
            sessions,
            now,
        };
        let mut judged = agent::judge(batch, facts);
        if judged.foreign > 0 && self.audit.foreign == Foreign::Unrecorded {
            let refused = agent::refused(&self.cluster, judged.foreign, now);
            judged.events.push(refused);
        }
        let from = self.from.to_string();
        for event in &mut judged.events {
            event.source = Some(from.clone());
        }
        judged
    }
}

async fn create(
    app: &App,
    key: Key,
    change: Change<TakenRecords>,
) -> Result<(), UpdateError<Infallible>> {
    let made = app.commit(key, change, Owner::Hub, Expected::Absent).await;
    made.map(|_| ())
        .map_err(|error: CommitError| UpdateError::Commit(error))
}

fn key_of(cluster: &ClusterName) -> Key {
    Key::cluster_scoped(ObjectKind::AgentRecords, cluster.as_str())
}
