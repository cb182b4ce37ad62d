//! Tells the people of a session that it ends soon: once for each end that is set for it. Level-triggered: every round
//! looks at all Active sessions; a mark in the store, committed with the event that tells, makes it once.

use std::collections::BTreeSet;
use std::time::Duration;

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::notice::{Warned, warning_at};
use breakglass_hub_core::session::{Session, StateName};

use super::pause_after;
use crate::app::{App, Change};
use crate::store::{CommitError, Expected, Key, ListQuery, ObjectKind, Owner, StoreError, typed};

const JOB: &str = "warnings";
/// A warning is minutes before the end; some seconds later is the same to people.
const EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(app: &App) {
    loop {
        match round(app).await {
            Ok(()) => app.clock.sleep(EVERY).await,
            Err(error) => pause_after(app, JOB, &error).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum WarnError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

async fn round(app: &App) -> Result<(), WarnError> {
    let active = app
        .sessions
        .in_states(app.store.as_ref(), &[StateName::Active])
        .await?;
    let mut live = BTreeSet::new();
    for session in active {
        live.insert(session.uid.to_string());
        if warning_at(&session).is_some_and(|at| at <= app.now().wall) {
            warn(app, &session).await?;
        }
    }
    forget_ended(app, &live).await
}

/// Marks and tells in one commit; whoever loses the race has nothing to do.
async fn warn(app: &App, session: &Session) -> Result<(), WarnError> {
    let Some(running) = session.state.running() else {
        return Ok(());
    };
    let key = Key::cluster_scoped(ObjectKind::Warning, session.uid.to_string());
    let mark = Warned {
        renewals: running.renewals,
    };
    let stored = typed::get::<Warned>(app.store.as_ref(), key.clone()).await?;
    let expected = match stored {
        Some(found) if found.object.renewals >= mark.renewals => return Ok(()),
        Some(found) => Expected::At(found.version),
        None => Expected::Absent,
    };
    let change = Change {
        object: mark,
        events: vec![event(app, session)],
    };
    match app.commit(key, change, Owner::Hub, expected).await {
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn event(app: &App, session: &Session) -> AuditEvent {
    let object = ObjectRef {
        uid: Some(session.uid.to_string()),
        ..ObjectRef::new("DebugSession", Some(&session.namespace), &session.name)
    };
    let actor = Actor::Hub {
        job: JOB.to_owned(),
    };
    let end = session.state.running().map(|running| running.expires_at);
    AuditEvent::new(
        app.now().wall,
        actor,
        Action::ExpiryNear,
        object,
        Outcome::Done,
    )
    .with(
        "expiresAt",
        end.map(|end| end.to_string()).unwrap_or_default(),
    )
}

/// Marks of sessions that are not Active any more.
async fn forget_ended(app: &App, live: &BTreeSet<String>) -> Result<(), WarnError> {
    let mut query = ListQuery::all(ObjectKind::Warning);
    loop {
        let page = app.store.list(query.clone()).await?;
        for object in page.objects {
            if live.contains(&object.key.name) {
                continue;
            }
            let commit = typed::delete(object.key, object.version, Vec::new());
            match app.store.commit(commit).await {
                Ok(_) | Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(()),
        }
    }
}
