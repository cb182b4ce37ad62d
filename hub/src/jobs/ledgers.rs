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

type Open = BTreeMap<Key, BTreeMap<GrantUid, Place>>;

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
    really_open: BTreeMap<GrantUid, Place>,
    settled_before: Timestamp,
) -> Result<(), RepairError> {
    let seen = app.sessions.seen_under(app.store.as_ref(), key).await?;
    let mut added = BTreeMap::new();
    app.update(key, |ledger: Ledger, _| {
        added.clone_from(&really_open);
        added.retain(|uid, _| !ledger.open.contains_key(uid));
        Ok::<_, Infallible>(Change {
            object: ledger
                .repaired(really_open.clone(), settled_before)
                .counting(seen),
            events: Vec::new(),
        })
    })
    .await?;
    take_back_of_ended(app, key, &added).await
}

/// A session may have ended, and given its place back, between the reading of the sessions and the writing of the places.
/// An end after this look gives back what it finds.
async fn take_back_of_ended(
    app: &App,
    key: &Key,
    added: &BTreeMap<GrantUid, Place>,
) -> Result<(), RepairError> {
    for (uid, place) in added {
        let is_open = app
            .session(&place.session)
            .await?
            .is_some_and(|session| session.uid == *uid && !session.state.name().is_terminal());
        if !is_open {
            app.release_in(key, uid, Left::Ended).await?;
        }
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
