//! The audit log → destinations beside the store. Each destination has a task and a cursor of its own and reads the log
//! in order: nothing is lost while it is away or the hub is down, an event may come twice, and nothing that writes an
//! event ever waits for it. Every line carries the event's sequence and hash, so each destination holds the chain's head
//! as of the last event it was sent (S20): `breakglass-hub audit verify --against FILE` compares.

mod kubernetes;
mod lines;

use std::time::Duration;

use breakglass_hub_core::audit::AuditEvent;
use breakglass_hub_core::audit::chain::ChainHash;
use breakglass_hub_core::notice::legible;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;

use crate::app::App;
use crate::jobs::pause_after;
use crate::outward::{Destination, Place, Receives, SendError};
use crate::progress::{self, Begin, ProgressError};
use crate::store::{AuditQuery, AuditRecord, ObjectKind, StoreError, WatchError, WatchFrom};
use crate::telemetry::Metrics;

pub use self::kubernetes::{InCluster, NotInCluster};

/// Events in one call of a webhook or one write of a file: a few hundred KiB.
const BATCH: usize = 100;
/// Wake-ups may be lost: nothing waits longer than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// Pause after a destination did not take something; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause: a destination that is back is served within this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One event as destinations get it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line<'a> {
    sequence: u64,
    hash: ChainHash,
    event: &'a AuditEvent,
}

impl<'a> From<&'a AuditRecord> for Line<'a> {
    fn from(record: &'a AuditRecord) -> Self {
        Self {
            sequence: record.sequence,
            hash: record.hash,
            event: &record.event,
        }
    }
}

/// JSON lines of a batch.
fn lines_of(records: &[AuditRecord]) -> Result<String, SendError> {
    let mut text = String::new();
    for record in records {
        let line = serde_json::to_string(&Line::from(record))
            .map_err(|error| SendError::Permanent(error.to_string()))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// What is counted.
pub struct ShipMetrics {
    events: Family<DestinationLabels, Counter>,
    failures: Family<DestinationLabels, Counter>,
    behind: Family<DestinationLabels, Gauge>,
}

/// A name of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabels {
    destination: String,
}

impl ShipMetrics {
    /// Makes the metrics known to `/metrics`.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let own = Self {
            events: Family::default(),
            failures: Family::default(),
            behind: Family::default(),
        };
        metrics.register(|registry| {
            registry.register(
                "hub_audit_shipped",
                "Audit events that a destination has taken",
                own.events.clone(),
            );
            registry.register(
                "hub_audit_ship_failures",
                "Tries at a destination that failed and are made again",
                own.failures.clone(),
            );
            registry.register(
                "hub_audit_behind",
                "Audit events recorded that a destination has not taken yet",
                own.behind.clone(),
            );
        });
        own
    }
}

/// Serves one destination for ever.
pub(crate) async fn run(app: &App, destination: &Destination) {
    loop {
        match follow(app, destination).await {
            Err(ShipError::Store(StoreError::Closed)) => return,
            Ok(()) => {}
            Err(error) => pause_after(app, "audit-destinations", &error).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Progress(#[from] ProgressError),
}

/// Until the watch loses its place.
async fn follow(app: &App, destination: &Destination) -> Result<(), ShipError> {
    let mut watch = app.store.watch(WatchFrom::Now).await?;
    loop {
        catch_up(app, destination).await?;
        let mut timer = app.clock.sleep(LONGEST_SLEEP);
        loop {
            tokio::select! {
                () = &mut timer => break,
                change = watch.next() => match change {
                    // Its own progress is no news.
                    Ok(change) if change.key.kind == ObjectKind::Cursor => {}
                    Ok(_) => break,
                    Err(WatchError::Closed) => return Err(StoreError::Closed.into()),
                    Err(WatchError::Resync { .. }) => return Ok(()),
                    Err(WatchError::Store(error)) => return Err(error.into()),
                },
            }
        }
    }
}

/// Everything that is recorded and not taken yet, however often it has to be offered.
async fn catch_up(app: &App, destination: &Destination) -> Result<(), ShipError> {
    let reader = format!("audit-{}", destination.name);
    let labels = DestinationLabels {
        destination: destination.name.clone(),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let cursor = progress::load(app, &reader, Begin::AtTheStart).await?;
        let head = app.store.audit_head().await?;
        let behind = head.sequence.saturating_sub(cursor.sequence);
        let gauge = app.ship_metrics.behind.get_or_create(&labels).clone();
        gauge.set(i64::try_from(behind).unwrap_or(i64::MAX));
        let query = AuditQuery {
            of: None,
            after: cursor.sequence,
            limit: BATCH,
        };
        let page = app.store.audit(query).await?;
        let Some(last) = page.last().map(|record| record.sequence) else {
            return Ok(());
        };
        let wanted = wanted(app, destination, page).await?;
        match send(app, destination, &wanted).await {
            Ok(()) => {
                let taken = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
                app.ship_metrics.events.get_or_create(&labels).inc_by(taken);
                progress::advance(app, &reader, last).await?;
                pause = FIRST_PAUSE;
            }
            Err(error) => {
                app.ship_metrics.failures.get_or_create(&labels).inc();
                tracing::warn!(
                    destination = destination.name,
                    behind,
                    error = legible(&error.to_string()),
                    "an audit destination does not take events; they are kept and offered again"
                );
                app.clock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Those that the destination is to have.
async fn wanted(
    app: &App,
    destination: &Destination,
    page: Vec<AuditRecord>,
) -> Result<Vec<AuditRecord>, StoreError> {
    match destination.receives {
        Receives::Everything => Ok(page),
        Receives::Named => {
            let mut wanted = Vec::new();
            for record in page {
                if is_named(app, destination, &record).await? {
                    wanted.push(record);
                }
            }
            Ok(wanted)
        }
    }
}

/// Whether the event is of a session whose template names the destination.
async fn is_named(
    app: &App,
    destination: &Destination,
    record: &AuditRecord,
) -> Result<bool, StoreError> {
    let object = &record.event.object;
    if object.kind != ObjectKind::DebugSession.as_str() {
        return Ok(false);
    }
    let Some(session) = app.session(&object.name).await? else {
        return Ok(false);
    };
    let audit = session.snapshot.source.template.audit.as_ref();
    let known = destination.known();
    Ok(audit.is_some_and(|audit| {
        let mut entries = audit.destinations.iter();
        entries.any(|entry| known.is_meant_by(entry))
    }))
}

async fn send(
    app: &App,
    destination: &Destination,
    records: &[AuditRecord],
) -> Result<(), SendError> {
    if records.is_empty() {
        return Ok(());
    }
    match &destination.place {
        Place::File(path) => lines::append(path.clone(), lines_of(records)?).await,
        Place::StandardOutput => lines::print(lines_of(records)?).await,
        Place::Webhook(webhook) => {
            webhook
                .send(lines_of(records)?, "application/x-ndjson")
                .await
        }
        Place::Kubernetes => kubernetes::send(app, records).await,
    }
}
