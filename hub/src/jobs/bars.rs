//! What barring somebody does to sessions (S11): theirs end, and they are removed from all others. Looks at every open session
//! when the list changes, and at each session that changes while somebody is barred: one that was asked for in the very
//! moment is found too.

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::bars::{self, Bars, Effect};
use breakglass_hub_core::clock::Now;
use breakglass_hub_core::session::{Session, StateName};
use breakglass_protocol::ids::Revision;

use super::pause_after;
use crate::app::{App, UpdateError};
use crate::sessions;
use crate::store::{Object, ObjectKind, StoreError, WatchError, WatchFrom};

const JOB: &str = "bars";

enum Ended {
    Closed,
    /// The watch lost its place: look at everything again.
    Resync,
    Failed(BarsError),
}

#[derive(Debug, thiserror::Error)]
enum BarsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("session {session}: {error}")]
    Update {
        session: String,
        error: UpdateError<std::convert::Infallible>,
    },
}

pub(super) async fn run(app: &App) {
    loop {
        match follow(app).await {
            Ended::Closed => return,
            Ended::Resync => {}
            Ended::Failed(error) => pause_after(app, JOB, &error).await,
        }
    }
}

async fn follow(app: &App) -> Ended {
    match watch(app).await {
        Ok(ended) => ended,
        Err(BarsError::Store(StoreError::Closed)) => Ended::Closed,
        Err(error) => Ended::Failed(error),
    }
}

async fn watch(app: &App) -> Result<Ended, BarsError> {
    let mut bars = app.bars().await?;
    let revision = sweep(app, &bars).await?;
    let mut watch = app.store.watch(WatchFrom::After(revision)).await?;
    loop {
        let change = match watch.next().await {
            Ok(change) => change,
            Err(WatchError::Resync { .. }) => return Ok(Ended::Resync),
            Err(WatchError::Closed) => return Ok(Ended::Closed),
            Err(WatchError::Store(error)) => return Err(error.into()),
        };
        if change.key.kind == ObjectKind::Bars {
            bars = app.bars().await?;
            sweep(app, &bars).await?;
        } else if change.key.kind == ObjectKind::DebugSession
            && let Some(object) = &change.object
        {
            apply_to_changed(app, object, &bars).await?;
        }
    }
}

/// Looks at every open session; where the watch goes on.
async fn sweep(app: &App, bars: &Bars) -> Result<Revision, BarsError> {
    let store = app.store.as_ref();
    let revision = app.sessions.revision(store).await?;
    if !bars.people.is_empty() {
        for session in app.sessions.in_states(store, &StateName::OPEN).await? {
            apply(app, &session, bars).await?;
        }
    }
    Ok(revision)
}

/// A session that changed.
async fn apply_to_changed(app: &App, object: &Object, bars: &Bars) -> Result<(), BarsError> {
    if bars.people.is_empty() {
        return Ok(());
    }
    match sessions::read(object) {
        Ok(session) => apply(app, &session, bars).await,
        // It must not stop the others, and nothing becomes of it anyway.
        Err(error) => {
            tracing::error!(job = JOB, %error, "a session cannot be read");
            Ok(())
        }
    }
}

/// Applies the list to one session, as it stands in the store by then.
async fn apply(app: &App, session: &Session, bars: &Bars) -> Result<(), BarsError> {
    if bars::apply(session, bars, app.now()).is_none() {
        return Ok(());
    }
    let applied = app
        .update_session(&session.name, |session, now| {
            let (session, effects) = match bars::apply(&session, bars, now) {
                Some(changed) => changed,
                None => (session, Vec::new()),
            };
            let events = effects.iter().map(|effect| event(&session, effect, now));
            let events = events.collect();
            Ok((session, events))
        })
        .await;
    match applied {
        Ok(_) | Err(UpdateError::NotFound(_)) => Ok(()),
        Err(error) => Err(BarsError::Update {
            session: session.name.clone(),
            error,
        }),
    }
}

fn event(session: &Session, effect: &Effect, now: Now) -> AuditEvent {
    let (action, user) = match effect {
        Effect::Ended { user } => (Action::Terminated, user),
        Effect::Removed { user } => (Action::Removed, user),
    };
    let mut object = ObjectRef::new(
        ObjectKind::DebugSession.as_str(),
        Some(&session.namespace),
        &session.name,
    );
    object.uid = Some(session.uid.to_string());
    let actor = Actor::Hub {
        job: JOB.to_owned(),
    };
    AuditEvent::new(now.wall, actor, action, object, Outcome::Done)
        .with("user", user)
        .with("why", "barred")
}
