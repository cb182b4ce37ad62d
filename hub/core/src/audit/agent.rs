//! What an agent's webhook decided, as events: marked as the agent's, and only about sessions of its own cluster (S19).
//! Each record counts once, by the agent's start and the record's number, however often it comes.

use std::collections::BTreeMap;

use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::limits::{MAX_AUDIT_BYTES, MAX_AUDIT_RECORDS, MAX_AUDIT_TEXT};
use breakglass_protocol::wire::access::{Access, AccessRecord, Denial, Recorded, SessionRef};
use breakglass_protocol::wire::to_hub::AuditFrame;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Action, Actor, AuditEvent, ObjectRef, Outcome};

/// Starts of one agent whose last number is remembered. An agent sends what it kept of earlier starts before its own, in
/// order: only as many matter as died one after the other without ever reaching the hub.
const MAX_STARTS: usize = 32;
/// Characters of a start's id: a UUID has 36.
const MAX_BOOT: usize = 64;
/// What came later than this after it happened is told with the time at which it came.
const LATE: SignedDuration = SignedDuration::from_secs(120);

/// Which records of one agent the hub has; committed with their events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenRecords {
    /// The one heard last at the end.
    pub starts: Vec<TakenStart>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenStart {
    pub boot: String,
    /// Every record up to this number counts as taken.
    pub through: u64,
}

/// A frame, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditBatch {
    pub boot: String,
    /// In ascending order, at least one.
    pub records: Vec<AccessRecord>,
}

/// What the hub knows of a session that a record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A session of the agent's cluster, in this namespace of the hub.
    Own { namespace: String },
    /// Another cluster's, or another session of that name.
    Foreign,
    /// None, or none any more.
    Unknown,
}

/// What a batch comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    pub events: Vec<AuditEvent>,
    /// Records about sessions that are not this cluster's. They are in no event.
    pub foreign: u64,
}

/// What a batch is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub cluster: &'a ClusterName,
    pub taken: &'a TakenRecords,
    /// Every session that a record of the batch names.
    pub sessions: &'a BTreeMap<SessionRef, Named>,
    pub now: Timestamp,
}

impl TakenRecords {
    /// The last number that was taken of a start; 0 before the first.
    #[must_use]
    pub fn through(&self, boot: &str) -> u64 {
        let start = self.starts.iter().find(|start| start.boot == boot);
        start.map_or(0, |start| start.through)
    }

    /// With a batch.
    #[must_use]
    pub fn with(&self, batch: &AuditBatch) -> Self {
        let through = batch.through().max(self.through(&batch.boot));
        let others = self.starts.iter().filter(|start| start.boot != batch.boot);
        let mut starts: Vec<TakenStart> = others.cloned().collect();
        starts.push(TakenStart {
            boot: batch.boot.clone(),
            through,
        });
        let forgotten = starts.len().saturating_sub(MAX_STARTS);
        starts.drain(..forgotten);
        Self { starts }
    }
}

impl AuditBatch {
    /// Opens a frame.
    ///
    /// # Errors
    /// If it is over a limit, unreadable, empty, or not in order.
    pub fn read(frame: &AuditFrame) -> Result<Self, String> {
        if frame.body.len() > MAX_AUDIT_BYTES {
            return Err(format!(
                "it has {} bytes, over the limit of {MAX_AUDIT_BYTES}",
                frame.body.len()
            ));
        }
        if frame.boot.is_empty() || frame.boot.len() > MAX_BOOT {
            return Err("it names no start of the agent".to_owned());
        }
        let records: Vec<AccessRecord> =
            serde_json::from_slice(&frame.body).map_err(|error| error.to_string())?;
        if records.is_empty() || records.len() > MAX_AUDIT_RECORDS {
            return Err(format!(
                "it has {} records, not 1 to {MAX_AUDIT_RECORDS}",
                records.len()
            ));
        }
        if !records.is_sorted_by(|one, next| one.sequence < next.sequence) {
            return Err("its records are not in order".to_owned());
        }
        Ok(Self {
            boot: frame.boot.clone(),
            records,
        })
    }

    /// The last number.
    #[must_use]
    pub fn through(&self) -> u64 {
        self.records.last().map_or(0, |record| record.sequence)
    }

    /// The sessions that it names, each once.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionRef> {
        let named: std::collections::BTreeSet<&SessionRef> = self
            .records
            .iter()
            .filter_map(|record| match &record.what {
                Recorded::Allowed { access, .. } | Recorded::Denied { access, .. } => {
                    access.session.as_ref()
                }
                Recorded::Gap { .. } | Recorded::Restart => None,
            })
            .collect();
        named.into_iter()
    }
}

/// The events of what a batch tells anew.
#[must_use]
pub fn judge(batch: &AuditBatch, facts: Facts<'_>) -> Judged {
    let through = facts.taken.through(&batch.boot);
    let mut judged = Judged::default();
    let mut unknown = Gone::default();
    let news = batch.records.iter().filter(|it| it.sequence > through);
    for record in news {
        let access = match &record.what {
            Recorded::Allowed { access, .. } | Recorded::Denied { access, .. } => access,
            Recorded::Gap { allows, denials } => {
                judged.events.push(gap(record, *allows, *denials, facts));
                continue;
            }
            Recorded::Restart => {
                judged.events.push(restart(record, facts));
                continue;
            }
        };
        let named = access.session.as_ref().map(|session| {
            let named = facts.sessions.get(session);
            (session, named.unwrap_or(&Named::Unknown))
        });
        let object = match named {
            None => cluster_of(facts),
            Some((session, Named::Own { namespace })) => {
                let mut object = ObjectRef::new("DebugSession", Some(namespace), &session.name);
                object.uid = Some(session.uid.to_string());
                object
            }
            Some((_, Named::Foreign)) => {
                judged.foreign += 1;
                continue;
            }
            Some((_, Named::Unknown)) => {
                unknown.count(&record.what);
                continue;
            }
        };
        judged.events.push(event_of(record, access, object, facts));
    }
    judged.events.extend(unknown.event(facts));
    judged
}

/// That an agent told of sessions that are not its cluster's.
#[must_use]
pub fn refused(cluster: &ClusterName, foreign: u64, now: Timestamp) -> AuditEvent {
    let object = ObjectRef::new("Cluster", None, cluster.as_str());
    let actor = Actor::Agent {
        cluster: cluster.clone(),
    };
    AuditEvent::new(now, actor, Action::AgentRefused, object, Outcome::Refused)
        .with(
            "message",
            "audit records about sessions that are not this cluster's; later ones of this connection are only counted",
        )
        .with("records", foreign.to_string())
}

/// Decisions about sessions that the hub has removed, or never had.
#[derive(Default)]
struct Gone {
    allows: u64,
    denials: u64,
}

impl Gone {
    fn count(&mut self, what: &Recorded) {
        match what {
            Recorded::Allowed { count, .. } => self.allows = self.allows.saturating_add(*count),
            Recorded::Denied { count, .. } => self.denials = self.denials.saturating_add(*count),
            Recorded::Gap { .. } | Recorded::Restart => {}
        }
    }

    fn event(&self, facts: Facts<'_>) -> Option<AuditEvent> {
        (self.allows + self.denials > 0).then(|| {
            event(
                facts,
                facts.now,
                Action::Gap,
                cluster_of(facts),
                Outcome::Done,
            )
            .with("allows", self.allows.to_string())
            .with("denials", self.denials.to_string())
            .with("message", "about sessions that the hub does not have")
        })
    }
}

fn gap(record: &AccessRecord, allows: u64, denials: u64, facts: Facts<'_>) -> AuditEvent {
    let at = record.first_at.min(facts.now);
    event(facts, at, Action::Gap, cluster_of(facts), Outcome::Done)
        .with("allows", allows.to_string())
        .with("denials", denials.to_string())
        .with("lastAt", record.last_at.to_string())
}

fn restart(record: &AccessRecord, facts: Facts<'_>) -> AuditEvent {
    let at = record.first_at.min(facts.now);
    event(facts, at, Action::Gap, cluster_of(facts), Outcome::Done)
        .with("lastAt", record.last_at.to_string())
        .with(
            "message",
            "the agent started anew while sessions ran; what it decided just before and had not told is not in the record",
        )
}

fn event_of(
    record: &AccessRecord,
    access: &Access,
    object: ObjectRef,
    facts: Facts<'_>,
) -> AuditEvent {
    let (action, outcome, count, why) = match &record.what {
        Recorded::Denied { why, count, .. } => {
            (Action::AccessDenied, Outcome::Refused, *count, Some(why))
        }
        Recorded::Allowed { count, .. } => (Action::AccessAllowed, Outcome::Done, *count, None),
        Recorded::Gap { .. } | Recorded::Restart => (Action::Gap, Outcome::Done, 0, None),
    };
    // Nothing has happened after now, whatever the agent's clock says.
    let at = record.first_at.min(facts.now);
    let name = if access.session.is_some() {
        "pod"
    } else {
        "name"
    };
    let mut event = event(facts, at, action, object, outcome)
        .with("user", cut(&access.user))
        .with("operation", cut(&access.operation))
        .with("namespace", cut(&access.namespace))
        .with(name, cut(&access.name));
    if let Some(why) = why {
        event = event.with("why", why_of(why));
    }
    if let Some(Denial::Policy { name }) = why {
        event = event.with("policy", cut(name));
    }
    if count > 1 {
        event = event
            .with("times", count.to_string())
            .with("lastAt", record.last_at.to_string());
    }
    if facts.now.duration_since(record.last_at) > LATE {
        event = event.with("receivedAt", facts.now.to_string());
    }
    event
}

fn event(
    facts: Facts<'_>,
    at: Timestamp,
    action: Action,
    object: ObjectRef,
    outcome: Outcome,
) -> AuditEvent {
    let actor = Actor::Agent {
        cluster: facts.cluster.clone(),
    };
    AuditEvent::new(at, actor, action, object, outcome)
}

fn cluster_of(facts: Facts<'_>) -> ObjectRef {
    ObjectRef::new("Cluster", None, facts.cluster.as_str())
}

fn why_of(why: &Denial) -> &'static str {
    match why {
        Denial::NotInSession => "notInSession",
        Denial::NotAllowed => "notAllowed",
        Denial::Ended => "ended",
        Denial::Unseen => "unseen",
        Denial::Strict => "strict",
        Denial::Policy { .. } => "policy",
    }
}

/// What an agent says is data of bounded size.
fn cut(text: &str) -> String {
    text.chars().take(MAX_AUDIT_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use breakglass_protocol::ids::GrantUid;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn session(name: &str) -> SessionRef {
        SessionRef {
            uid: GrantUid::new(format!("uid-{name}")),
            name: name.to_owned(),
        }
    }

    fn access(session: Option<SessionRef>) -> Access {
        Access {
            session,
            user: "alice".into(),
            operation: "exec".into(),
            namespace: "breakglass-debug".into(),
            name: "p-1".into(),
        }
    }

    fn record(sequence: u64, what: Recorded) -> AccessRecord {
        AccessRecord {
            sequence,
            first_at: at(0),
            last_at: at(50),
            what,
        }
    }

    fn allowed(sequence: u64, name: &str) -> AccessRecord {
        let access = access(Some(session(name)));
        record(sequence, Recorded::Allowed { access, count: 2 })
    }

    fn batch(records: Vec<AccessRecord>) -> AuditBatch {
        let boot = "start".to_owned();
        AuditBatch { boot, records }
    }

    fn judged(batch: &AuditBatch, taken: &TakenRecords, now: Timestamp) -> Judged {
        let cluster = ClusterName::new("west");
        let sessions = BTreeMap::from([
            (
                session("own"),
                Named::Own {
                    namespace: "breakglass".to_owned(),
                },
            ),
            (session("foreign"), Named::Foreign),
            (session("gone"), Named::Unknown),
        ]);
        let facts = Facts {
            cluster: &cluster,
            taken,
            sessions: &sessions,
            now,
        };
        judge(batch, facts)
    }

    #[test]
    fn s20_a_record_counts_once_by_start_and_number() {
        let none = TakenRecords::default();
        let first = batch(vec![allowed(3, "own"), allowed(5, "own")]);
        assert_eq!(judged(&first, &none, at(60)).events.len(), 2);
        let taken = none.with(&first);
        assert_eq!(judged(&first, &taken, at(60)), Judged::default());
        assert_eq!(taken.with(&first), taken, "nothing is to be written");
        let older = batch(vec![allowed(1, "own")]);
        assert_eq!(taken.with(&older), taken);
        let more = batch(vec![allowed(5, "own"), allowed(6, "own")]);
        assert_eq!(judged(&more, &taken, at(60)).events.len(), 1);
        let mut other = more.clone();
        other.boot = "another".into();
        assert_eq!(judged(&other, &taken, at(60)).events.len(), 2);
        let mut starts = taken;
        for number in 0..100 {
            other.boot = format!("start-{number}");
            starts = starts.with(&other);
        }
        assert_eq!(starts.starts.len(), MAX_STARTS);
        assert_eq!(starts.through("start-99"), 6);
        assert_eq!(starts.through("start"), 0);
    }

    #[test]
    fn s19_an_agent_speaks_only_of_its_own_clusters_sessions() {
        let denied = Recorded::Denied {
            access: access(Some(session("gone"))),
            why: Denial::Strict,
            count: 7,
        };
        let told = batch(vec![
            allowed(1, "own"),
            allowed(2, "foreign"),
            allowed(3, "gone"),
            record(4, denied),
        ]);
        let judged = judged(&told, &TakenRecords::default(), at(60));
        assert_eq!(judged.foreign, 1);
        let objects: Vec<&str> = judged
            .events
            .iter()
            .map(|event| event.object.name.as_str())
            .collect();
        assert_eq!(objects, ["own", "west"]);
        for event in &judged.events {
            assert!(matches!(&event.actor, Actor::Agent { cluster } if cluster.as_str() == "west"));
        }
        let gap = &judged.events[1];
        assert_eq!(
            (
                gap.action,
                gap.detail["allows"].as_str(),
                gap.detail["denials"].as_str()
            ),
            (Action::Gap, "2", "7")
        );
    }

    #[test]
    fn an_event_tells_who_what_and_when() {
        let told = batch(vec![
            allowed(1, "own"),
            record(
                2,
                Recorded::Denied {
                    access: access(None),
                    why: Denial::Policy {
                        name: "no-secrets".into(),
                    },
                    count: 1,
                },
            ),
            record(
                3,
                Recorded::Gap {
                    allows: 0,
                    denials: 9,
                },
            ),
            record(4, Recorded::Restart),
        ]);
        let late = judged(&told, &TakenRecords::default(), at(3600)).events;
        let detail = |event: &AuditEvent| {
            let detail = event.detail.iter();
            let lines = detail.map(|(name, value)| format!("{name}={value}"));
            lines.collect::<Vec<_>>().join(" ")
        };
        assert_eq!((late[0].at, late[0].action), (at(0), Action::AccessAllowed));
        assert_eq!(
            detail(&late[0]),
            format!(
                "lastAt={} namespace=breakglass-debug operation=exec pod=p-1 receivedAt={} times=2 user=alice",
                at(50),
                at(3600)
            )
        );
        assert_eq!(
            detail(&late[1]),
            format!(
                "name=p-1 namespace=breakglass-debug operation=exec policy=no-secrets receivedAt={} user=alice why=policy",
                at(3600)
            )
        );
        assert_eq!(late[1].outcome, Outcome::Refused);
        assert_eq!(
            (late[2].action, late[2].object.kind.as_str()),
            (Action::Gap, "Cluster")
        );
        assert_eq!((late[3].at, late[3].action), (at(0), Action::Gap));
        assert!(detail(&late[3]).starts_with(&format!(
            "lastAt={} message=the agent started anew while sessions ran",
            at(50)
        )));
        // A clock ahead of the hub's puts nothing into the future.
        let early = judged(&told, &TakenRecords::default(), at(-10)).events;
        assert_eq!(early[0].at, at(-10));
    }

    #[test]
    fn s20_a_batch_that_is_none_is_refused() {
        let frame = |boot: &str, records: &[AccessRecord]| AuditFrame {
            boot: boot.into(),
            body: serde_json::to_vec(records).unwrap(),
        };
        assert!(AuditBatch::read(&frame("b", &[allowed(1, "own")])).is_ok());
        let many: Vec<_> = (0..51).map(|number| allowed(number, "own")).collect();
        for strange in [
            frame("b", &[]),
            frame("", &[allowed(1, "own")]),
            frame(&"b".repeat(65), &[allowed(1, "own")]),
            frame("b", &[allowed(2, "own"), allowed(1, "own")]),
            frame("b", &[allowed(1, "own"), allowed(1, "own")]),
            frame("b", &many),
            AuditFrame {
                boot: "b".into(),
                body: vec![b' '; MAX_AUDIT_BYTES + 1],
            },
        ] {
            AuditBatch::read(&strange).unwrap_err();
        }
    }
}
