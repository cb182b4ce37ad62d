//! Where events go that change no object of their own: refused requests, and the first sight of a person in an hour. The
//! request that makes one does not wait for it: it is offered to a bounded queue, and a job commits what is there, repeats
//! as one. What finds the queue full is counted, and the count is recorded (S20).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use breakglass_hub_core::audit::tally::{Tally, gap, merged};
use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::clock::between;
use breakglass_protocol::person::Identity;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use crate::app::{App, Change, UpdateError};
use crate::jobs::pause_after;
use crate::store::{Expected, Key, MAX_EVENTS_PER_COMMIT, ObjectKind, Owner};
use crate::telemetry::Metrics;

/// Events that may wait: some seconds of the fastest stream of refusals that the hub's pace lets through.
const QUEUE: usize = 1_024;
/// People remembered as seen. More than that at once are forgotten, and their next request is recorded again.
const MAX_SEEN: usize = 10_000;
/// A person is recorded once in this time, not at every request.
const SEEN_FOR: Duration = Duration::from_secs(3600);
const TALLY: &str = "refusals";

/// See the module.
pub struct Intake {
    queue: mpsc::Sender<AuditEvent>,
    /// Taken by the job that commits.
    waiting: Mutex<Option<mpsc::Receiver<AuditEvent>>>,
    dropped: AtomicU64,
    dropped_in_all: Counter,
    /// When each person was recorded last, by issuer and subject.
    seen: Mutex<HashMap<(String, String), Timestamp>>,
}

impl Intake {
    /// Makes its counter known to `/metrics`.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let dropped_in_all = Counter::default();
        metrics.register(|registry| {
            registry.register(
                "hub_audit_dropped",
                "Refusals that were not recorded one by one because too many came at once; their number is",
                dropped_in_all.clone(),
            );
        });
        Self {
            queue,
            waiting: Mutex::new(Some(waiting)),
            dropped: AtomicU64::new(0),
            dropped_in_all,
            seen: Mutex::default(),
        }
    }

    /// Takes an event, or counts it. Never waits.
    pub fn offer(&self, event: AuditEvent) {
        if self.queue.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.dropped_in_all.inc();
        }
    }

    /// Somebody proved who they are. Recorded once in an hour.
    pub fn saw(&self, who: &Identity, at: Timestamp, request_id: &str, address: Option<&str>) {
        if !self.is_news(who, at) {
            return;
        }
        let object = ObjectRef::new("Person", None, &who.name);
        let actor = Actor::Person(who.clone());
        let event = AuditEvent::new(at, actor, Action::Login, object, Outcome::Done);
        self.offer(event.from(Some(request_id.to_owned()), address.map(str::to_owned)));
    }

    fn is_news(&self, who: &Identity, at: Timestamp) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (who.issuer.clone(), who.subject.clone());
        let is_recent = |since: &Timestamp| between(*since, at) < SEEN_FOR;
        if seen.get(&key).is_some_and(is_recent) {
            return false;
        }
        if seen.len() >= MAX_SEEN {
            seen.retain(|_, since| is_recent(since));
        }
        if seen.len() >= MAX_SEEN {
            seen.clear();
        }
        seen.insert(key, at);
        true
    }

    fn take_waiting(&self) -> Option<mpsc::Receiver<AuditEvent>> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Commits what was offered. Only the first that runs has something to do.
pub(crate) async fn run(app: &App) {
    let Some(mut waiting) = app.intake.take_waiting() else {
        app.shutdown.cancelled().await;
        return;
    };
    let mut batch = Vec::new();
    loop {
        // One place is kept for the gap's record.
        let room = MAX_EVENTS_PER_COMMIT - 1;
        if waiting.recv_many(&mut batch, room).await == 0 {
            return;
        }
        let dropped = app.intake.dropped.swap(0, Ordering::Relaxed);
        let mut events = merged(std::mem::take(&mut batch));
        if dropped > 0 {
            events.push(gap(app.now().wall, dropped));
        }
        while let Err(error) = commit(app, &events).await {
            pause_after(app, "audit-intake", &error).await;
        }
    }
}

async fn commit(app: &App, events: &[AuditEvent]) -> Result<(), UpdateError<Infallible>> {
    let key = Key::cluster_scoped(ObjectKind::Tally, TALLY);
    let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
    let written = app
        .update(&key, |tally: Tally, _| {
            Ok(Change {
                object: Tally {
                    events: tally.events.saturating_add(count),
                },
                events: events.to_vec(),
            })
        })
        .await;
    match written {
        Err(UpdateError::NotFound(key)) => {
            let change = Change {
                object: Tally { events: count },
                events: events.to_vec(),
            };
            let made = app.commit(key, change, Owner::Hub, Expected::Absent).await;
            made.map(|_| ()).map_err(UpdateError::Commit)
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}
