//! The audit log → deliveries in the store.

use std::time::Duration;

use breakglass_hub_core::clock::between;
use breakglass_hub_core::notice::delivery::{Delivery, MAX_AGE};
use breakglass_hub_core::notice::{self, Addressed};

use super::MAX_WAITING;
use crate::app::App;
use crate::jobs::pause_after;
use crate::outward::{Channel, Way};
use crate::progress::{self, Begin, ProgressError};
use crate::store::{
    AuditQuery, AuditRecord, CommitError, Key, ObjectKind, StoreError, WatchError, WatchFrom,
};

const JOB: &str = "notices";
/// The cursor's name; destinations' begin with `audit-`.
const CURSOR: &str = "notices";
/// Events read at once.
const PAGE: usize = 100;
/// Wake-ups may be lost: nothing waits longer than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Sets the place of a hub that told nobody before, so that nothing is missed from the first request on.
///
/// # Errors
/// What the store says.
pub(crate) async fn prepare(app: &App) -> Result<(), ProgressError> {
    progress::load(app, CURSOR, Begin::Now).await.map(|_| ())
}

pub(crate) async fn run(app: &App) {
    loop {
        match follow(app).await {
            Err(FollowError::Store(StoreError::Closed)) => return,
            Ok(()) => {}
            Err(error) => pause_after(app, JOB, &error).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Progress(#[from] ProgressError),
}

/// Until the watch loses its place.
async fn follow(app: &App) -> Result<(), FollowError> {
    let mut watch = app.store.watch(WatchFrom::Now).await?;
    loop {
        take_in(app).await?;
        let mut timer = app.clock.sleep(LONGEST_SLEEP);
        loop {
            tokio::select! {
                () = &mut timer => break,
                change = watch.next() => match change {
                    // What people are told of is committed with one of these.
                    Ok(change) => match change.key.kind {
                        ObjectKind::DebugSession | ObjectKind::Warning => break,
                        ObjectKind::AgentRecords
                        | ObjectKind::Bars
                        | ObjectKind::Cluster
                        | ObjectKind::Cursor
                        | ObjectKind::DebugPodTemplate
                        | ObjectKind::DebugSessionClusterBinding
                        | ObjectKind::DebugSessionTemplate
                        | ObjectKind::Delivery
                        | ObjectKind::DenyPolicy
                        | ObjectKind::Enrolment
                        | ObjectKind::Ledger
                        | ObjectKind::Tally => {}
                    },
                    Err(WatchError::Closed) => return Err(StoreError::Closed.into()),
                    Err(WatchError::Resync { .. }) => return Ok(()),
                    Err(WatchError::Store(error)) => return Err(error.into()),
                },
            }
        }
    }
}

/// Everything recorded since the cursor.
async fn take_in(app: &App) -> Result<(), FollowError> {
    loop {
        let cursor = progress::load(app, CURSOR, Begin::Now).await?;
        let query = AuditQuery {
            of: None,
            after: cursor.sequence,
            limit: PAGE,
        };
        let page = app.store.audit(query).await?;
        let Some(last) = page.last().map(|record| record.sequence) else {
            return Ok(());
        };
        for record in &page {
            if app.notify_metrics.waiting() >= MAX_WAITING {
                tracing::warn!(
                    job = JOB,
                    "{MAX_WAITING} notifications wait; later ones stay in the audit log until these are taken"
                );
                return Ok(());
            }
            if put(app, record).await? == Put::Some {
                // A page may hold notices for many people: after a crash none of them is put again.
                progress::advance(app, CURSOR, record.sequence).await?;
            }
        }
        progress::advance(app, CURSOR, last).await?;
    }
}

/// Whether an event made deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Some,
    None,
}

/// Puts the deliveries of one event into the store. One that is there already was put before, by whomever.
async fn put(app: &App, record: &AuditRecord) -> Result<Put, FollowError> {
    let event = &record.event;
    let now = app.now().wall;
    if event.object.kind != ObjectKind::DebugSession.as_str() || between(event.at, now) > MAX_AGE {
        return Ok(Put::None);
    }
    let Some(session) = app.session(&event.object.name).await? else {
        return Ok(Put::None);
    };
    let Some(addressed) = notice::of(event, &session, &app.outward.addresses) else {
        return Ok(Put::None);
    };
    for channel in &app.outward.channels {
        for (index, to) in recipients(channel, &addressed).into_iter().enumerate() {
            let delivery = Delivery {
                notice: addressed.notice.clone(),
                channel: channel.name.clone(),
                to,
                attempts: 0,
                due_at: now,
                last_error: None,
            };
            // Ordered by event, and the same whoever makes it.
            let name = format!("{:020}-{}-{index:03}", record.sequence, channel.name);
            let key = Key::cluster_scoped(ObjectKind::Delivery, name);
            match app.create(key, delivery, Vec::new()).await {
                Ok(_) => app.notify_metrics.one_more(),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(Put::Some)
}

/// Mail: each their own, so that nobody reads who else is told. A webhook: one call with all, also with nobody.
fn recipients(channel: &Channel, addressed: &Addressed) -> Vec<Vec<String>> {
    match &channel.way {
        Way::Mail(_) => addressed
            .recipients
            .iter()
            .map(|address| vec![address.clone()])
            .collect(),
        Way::Webhook(_) => vec![addressed.recipients.clone()],
    }
}
