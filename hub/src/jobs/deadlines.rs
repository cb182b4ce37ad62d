//! Sessions to which something is due at a time. Keeps the time of each open one in memory, and asks the index of sessions
//! which of the ended ones are kept long enough; both are only a reason to look: what is really due is decided on the stored
//! session, again at each try.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::clock::{Now, later};
use breakglass_hub_core::lifecycle::{self, NotAllowed};
use breakglass_hub_core::session::{Session, State, StateName};
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::limits::CLEANUP_RETENTION;
use breakglass_protocol::wire::grant::AtExpiry;
use jiff::Timestamp;

use super::pause_after;
use crate::app::{App, Settings, UpdateError, read_session};
use crate::sessions;
use crate::store::typed::{self, Versioned};
use crate::store::{CommitError, Object, ObjectKind, StoreError, Watch, WatchError, WatchFrom};

const JOB: &str = "deadlines";
/// The wall clock may be set: nobody sleeps longer than this without looking at it.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// Creating a session takes milliseconds; one that is still Pending after this was left by a crash.
const HALF_MADE_AFTER: Duration = Duration::from_secs(60);

/// Ended sessions that are noted for removal in one go.
const REMOVED_AT_ONCE: usize = 1_000;

/// What is due to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    HalfMade,
    ApprovalTimeout,
    Expiry,
    Removal,
}

/// When, and what.
fn due(session: &Session, settings: &Settings) -> (Timestamp, Due) {
    match &session.state {
        State::Pending => (later(session.created_at, HALF_MADE_AFTER), Due::HalfMade),
        State::PendingApproval => (
            later(session.created_at, settings.approval_timeout),
            Due::ApprovalTimeout,
        ),
        State::Active(active) => (active.running.expires_at, Due::Expiry),
        State::Expired(_, end) | State::Terminated(_, end) | State::Failed(_, end) => {
            let kept = kept(settings, session.snapshot.terms.at_expiry);
            (later(end.at, kept), Due::Removal)
        }
    }
}

/// How long an ended session is kept: not before the agent gave up on leftovers, until then the session tells what is left.
fn kept(settings: &Settings, at_expiry: AtExpiry) -> Duration {
    let stays = match at_expiry {
        AtExpiry::RemoveAll => Duration::ZERO,
        AtExpiry::KeepWorkload => CLEANUP_RETENTION,
    };
    settings.session_retention.max(CLEANUP_RETENTION + stays)
}

/// The sessions by when they are next due.
#[derive(Default)]
struct Agenda {
    by_time: BTreeSet<(Timestamp, Arc<str>)>,
    by_name: HashMap<Arc<str>, Timestamp>,
}

impl Agenda {
    fn set(&mut self, name: &str, at: Timestamp) {
        self.remove(name);
        let name: Arc<str> = name.into();
        self.by_time.insert((at, name.clone()));
        self.by_name.insert(name, at);
    }

    fn remove(&mut self, name: &str) {
        if let Some((name, at)) = self.by_name.remove_entry(name) {
            self.by_time.remove(&(at, name));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn first(&self) -> Option<(Timestamp, &str)> {
        self.by_time.first().map(|(at, name)| (*at, &**name))
    }
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

enum Ended {
    Closed,
    /// The watch lost its place: list again.
    Resync,
    Failed(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            error @ (StoreError::Busy { .. }
            | StoreError::NotWritable { .. }
            | StoreError::Failed { .. }
            | StoreError::Unreadable { .. }) => Self::Failed(error),
        }
    }
}

async fn follow(app: &App) -> Ended {
    let (mut agenda, mut watch) = match load(app).await {
        Ok(loaded) => loaded,
        Err(error) => return error.into(),
    };
    loop {
        let next_removal = note_kept_long_enough(app, &mut agenda);
        perform_due(app, &mut agenda).await;
        tokio::select! {
            () = app.clock.sleep_until(wake_at(&agenda, next_removal, app.now())) => {}
            change = watch.next() => match change {
                Ok(change) if change.key.kind == ObjectKind::DebugSession => {
                    match &change.object {
                        Some(object) => note(app, &mut agenda, object),
                        None => agenda.remove(&change.key.name),
                    }
                }
                Ok(_) => {}
                Err(WatchError::Resync { .. }) => return Ended::Resync,
                Err(WatchError::Closed) => return Ended::Closed,
                Err(WatchError::Store(error)) => return error.into(),
            },
        }
    }
}

/// Every open session's next time, and the watch of what changes after.
async fn load(app: &App) -> Result<(Agenda, Watch), StoreError> {
    let store = app.store.as_ref();
    let revision = app.sessions.revision(store).await?;
    let mut agenda = Agenda::default();
    for session in app.sessions.in_states(store, &StateName::OPEN).await? {
        agenda.set(&session.name, due(&session, &app.settings).0);
    }
    let watch = store.watch(WatchFrom::After(revision)).await?;
    Ok((agenda, watch))
}

/// Notes when a session is next due. One that cannot be read is told of and left: it must not stop the others.
fn note(app: &App, agenda: &mut Agenda, object: &Object) {
    match sessions::read(object) {
        Ok(session) if session.state.name().is_terminal() => agenda.remove(&session.name),
        Ok(session) => agenda.set(&session.name, due(&session, &app.settings).0),
        Err(error) => {
            agenda.remove(&object.key.name);
            tracing::error!(job = JOB, %error, "nothing will become of this session by itself");
        }
    }
}

/// Notes ended sessions whose time may be over; when that of the next may be.
fn note_kept_long_enough(app: &App, agenda: &mut Agenda) -> Option<Timestamp> {
    let kept = kept(&app.settings, AtExpiry::RemoveAll);
    let now = app.now().wall;
    let until = now.checked_sub(kept).ok()?;
    let (over, next) = app.sessions.ended_until(until, REMOVED_AT_ONCE);
    let mut noted = 0;
    for name in &over {
        if !agenda.has(name) {
            agenda.set(name, now);
            noted += 1;
        }
    }
    if over.len() < REMOVED_AT_ONCE {
        next.map(|ended| later(ended, kept))
    } else {
        // There are more. Where all of these wait already, the agenda says until when.
        (noted > 0).then_some(now)
    }
}

/// When something is to be done although nothing happens (monotonic).
fn wake_at(agenda: &Agenda, next_removal: Option<Timestamp>, now: Now) -> Duration {
    let next = agenda
        .first()
        .map(|(at, _)| at)
        .into_iter()
        .chain(next_removal)
        .min();
    let pause = next.map_or(LONGEST_SLEEP, |at| {
        breakglass_hub_core::clock::between(now.wall, at).min(LONGEST_SLEEP)
    });
    now.monotonic.saturating_add(pause)
}

/// Performs everything that is due now.
async fn perform_due(app: &App, agenda: &mut Agenda) {
    let now = app.now().wall;
    while let Some((at, name)) = agenda.first()
        && at <= now
    {
        let name = name.to_owned();
        match perform(app, &name).await {
            Ok(Some(next)) => agenda.set(&name, next),
            Ok(None) => agenda.remove(&name),
            Err(error) => {
                app.metrics.job_failures.inc();
                tracing::warn!(job = JOB, session = %name, %error, "what is due could not be done; trying again");
                agenda.set(&name, later(now, super::AFTER_FAILURE));
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum PerformError {
    #[error(transparent)]
    Update(#[from] UpdateError<NotAllowed>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(CommitError),
}

/// Does what is due to one session now; when something is next due to it, `None` if never.
async fn perform(app: &App, name: &str) -> Result<Option<Timestamp>, PerformError> {
    let Some(session) = app.session(name).await? else {
        return Ok(None);
    };
    let (at, what) = due(&session, &app.settings);
    if app.now().wall < at {
        return Ok(Some(at));
    }
    if what == Due::Removal {
        return remove(app, name).await.map(|()| None);
    }
    let timeout = app.settings.approval_timeout;
    let performed = app
        .update_session(name, |session, now| transition(session, what, timeout, now))
        .await;
    match performed {
        Ok(session) => Ok(Some(due(&session, &app.settings).0)),
        Err(UpdateError::NotFound(_)) => Ok(None),
        // Somebody else moved it meanwhile: look again at what is due now.
        Err(UpdateError::Refused(_)) => {
            let session = app.session(name).await?;
            Ok(session.map(|session| due(&session, &app.settings).0))
        }
        Err(error) => Err(error.into()),
    }
}

fn transition(
    session: Session,
    what: Due,
    timeout: Duration,
    now: Now,
) -> Result<(Session, Vec<AuditEvent>), NotAllowed> {
    let (session, action) = match what {
        Due::Expiry => (lifecycle::expire(session, now)?, Action::Expired),
        Due::ApprovalTimeout => (
            lifecycle::time_out(session, timeout, now)?,
            Action::TimedOut,
        ),
        Due::HalfMade => {
            let message = "the hub was interrupted while it made this session; request a new one";
            (lifecycle::fail(session, message, now)?, Action::Failed)
        }
        // Removal is no transition.
        Due::Removal => return Ok((session, Vec::new())),
    };
    let object = ObjectRef {
        uid: Some(session.uid.to_string()),
        ..ObjectRef::new(
            ObjectKind::DebugSession.as_str(),
            Some(&session.namespace),
            &session.name,
        )
    };
    let actor = Actor::Hub {
        job: JOB.to_owned(),
    };
    let event = AuditEvent::new(now.wall, actor, action, object, Outcome::Done);
    Ok((session, vec![event]))
}

/// Removes a session whose retention is over; its audit events stay.
async fn remove(app: &App, name: &str) -> Result<(), PerformError> {
    let key = app.session_key(name);
    let stored: Option<Versioned<DebugSession>> =
        typed::get(app.store.as_ref(), key.clone()).await?;
    let Some(stored) = stored else {
        return Ok(());
    };
    let session = read_session(&key, &stored.object)?;
    let (at, what) = due(&session, &app.settings);
    if what != Due::Removal || app.now().wall < at {
        return Ok(());
    }
    let commit = typed::delete(key, stored.version, Vec::new());
    match app.store.commit(commit).await {
        Ok(_) => {
            tracing::info!(session = %name, "removed after the retention of ended sessions");
            Ok(())
        }
        Err(error) => Err(PerformError::Commit(error)),
    }
}
