//! Ledgers as they should be, given the sessions that are really open: at start and every few minutes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use breakglass_hub_core::ledger::{Holder, Ledger, Left, Place};
use breakglass_hub_core::session::StateName;
use breakglass_protocol::ids::GrantUid;
use jiff::{SignedDuration, Timestamp};

use super::pause_after;
use crate::app::{App, Change, UpdateError, ledger_keys};
use crate::store::{CommitError, Key, ListQuery, ObjectKind, StoreError};

const JOB: &str = "ledgers";
/// A place too many costs its owner one session until the next round; a round reads every open session.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// A place younger than this may belong to a session that is being created.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

type Places = BTreeMap<GrantUid, Place>;
type Open = BTreeMap<Key, Places>;

pub(super) async fn run(app: &App) {
    loop {
        match repair(app).await {
            Ok(()) => app.clock.sleep(EVERY).await,
            Err(error) => pause_after(app, JOB, &error).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RepairError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Update(#[from] UpdateError<Infallible>),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

async fn repair(app: &App) -> Result<(), RepairError> {
    // Before the sessions are read: one that is created meanwhile took its place after this.
    let settled_before = app.now().wall.checked_sub(YOUNG).unwrap_or(Timestamp::MIN);
    let mut open = open_sessions(app).await?;
    for ledger in ledgers(app).await? {
        let really_open = open.remove(&ledger).unwrap_or_default();
        repair_one(app, &ledger, really_open, settled_before).await?;
    }
    for (key, really_open) in open {
        match app.create(key.clone(), Ledger::default(), Vec::new()).await {
            Ok(_) | Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        repair_one(app, &key, really_open, settled_before).await?;
    }
    Ok(())
}

async fn repair_one(
    app: &App,
    key: &Key,
    really_open: Places,
    settled_before: Timestamp,
) -> Result<(), RepairError> {
    let seen = app.sessions.seen_under(app.store.as_ref(), key).await?;
    let (mut missing, mut abandoned) = <(Places, Places)>::default();
    app.update(key, |ledger: Ledger, _| {
        missing = ledger.missing(really_open.clone());
        abandoned = ledger.abandoned(&really_open, settled_before);
        Ok::<_, Infallible>(Change {
            object: ledger.adding(missing.clone()).counting(seen),
            events: Vec::new(),
        })
    })
    .await?;
    release_unless_open(app, key, &abandoned, Left::NotMade).await?;
    // A session may have ended, and given its place back, between the reading of the sessions and the writing of the places.
    // An end after this look gives back what it finds.
    release_unless_open(app, key, &missing, Left::Ended).await
}

/// Gives back the places whose session is not open; how it left if there is none any more is for the caller to say.
async fn release_unless_open(
    app: &App,
    key: &Key,
    places: &Places,
    without_session: Left,
) -> Result<(), RepairError> {
    for (uid, place) in places {
        let session = app.session(&place.session).await?;
        let left = match session.filter(|session| session.uid == *uid) {
            Some(session) if !session.state.name().is_terminal() => continue,
            Some(_) => Left::Ended,
            None => without_session,
        };
        app.release_in(key, uid, left).await?;
    }
    Ok(())
}

async fn ledgers(app: &App) -> Result<Vec<Key>, StoreError> {
    let mut keys = Vec::new();
    let mut query = ListQuery::all(ObjectKind::Ledger);
    loop {
        let page = app.store.list(query.clone()).await?;
        keys.extend(page.objects.into_iter().map(|object| object.key));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(keys),
        }
    }
}

/// Places of sessions that are open (Pending, PendingApproval, Active), by ledger.
async fn open_sessions(app: &App) -> Result<Open, StoreError> {
    let mut open = Open::new();
    let store = app.store.as_ref();
    for session in app.sessions.in_states(store, &StateName::OPEN).await? {
        let place = Place {
            session: session.name.clone(),
            holder: Arc::new(Holder::of(&session.requester)),
            taken_at: session.created_at,
        };
        for ledger in ledger_keys(&session.spec) {
            let places = open.entry(ledger).or_default();
            places.insert(session.uid.clone(), place.clone());
        }
    }
    Ok(open)
}
