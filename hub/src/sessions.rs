//! All sessions, as far as lists and jobs need them without reading each one: who sees it, what a line of a list says.
//! One task keeps this up to date from the store's watch. It is a reason to look, never a truth: it is made anew at
//! every start, whoever asks waits until it holds all that was acknowledged before, and what decides about a session
//! reads the session itself.

mod card;
mod index;
mod slots;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use breakglass_hub_core::ledger::Seen;
use breakglass_hub_core::offer::Usage;
use breakglass_hub_core::session::{Session, StateName};
use breakglass_protocol::ids::Revision;
use breakglass_protocol::kinds::debug_session::DebugSession;
use jiff::Timestamp;
use tokio::sync::watch;

use self::card::Mark;
use self::index::Index;
use crate::app::{App, read_session};
use crate::store::{
    Change, Key, ListQuery, Object, ObjectKind, Store, StoreError, Watch, WatchError, WatchFrom,
    typed,
};

pub use self::card::{Card, Place, summary};
pub use self::index::{Counted, Found, FoundSession, Question};

/// Whoever asks waits this long for what was just written; the store's watch takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before the store is read again after it failed.
const RETRY: Duration = Duration::from_secs(1);
/// Sessions that are read in one go where many are read: some megabytes in memory.
const AT_ONCE: usize = 50;
const BEHIND: StoreError = StoreError::Busy {
    attempt: "looking for sessions",
};

/// See the module.
pub struct Sessions {
    index: RwLock<Index>,
    /// Everything up to this was taken in; `None` before everything was read once.
    seen: watch::Sender<Option<Revision>>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            index: RwLock::default(),
            seen: watch::Sender::new(None),
        }
    }
}

impl Sessions {
    /// Answers from all that was acknowledged before it was asked.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if it does not keep up with the store; else what the store says.
    pub async fn find(
        &self,
        store: &dyn Store,
        question: &Question<'_>,
    ) -> Result<Found, StoreError> {
        self.catch_up(store).await?;
        Ok(self.read().find(question))
    }

    /// Reads all sessions in these states: those that were in one when it was asked, or are now.
    ///
    /// # Errors
    /// See [`Sessions::find`]; one that cannot be read is an error too.
    pub async fn in_states(
        &self,
        store: &dyn Store,
        states: &[StateName],
    ) -> Result<Vec<Session>, StoreError> {
        self.catch_up(store).await?;
        let keys = self.read().in_states(states);
        let mut found = Vec::new();
        read_each(store, &keys, |object| {
            found.push(read(object)?);
            Ok(())
        })
        .await?;
        found.retain(|session| states.contains(&session.state.name()));
        Ok(found)
    }

    /// Shows everything that clusters should hold a grant of; the revision after which changes must be followed.
    ///
    /// # Errors
    /// See [`Sessions::find`].
    pub async fn each_granted(
        &self,
        store: &dyn Store,
        mut show: impl FnMut(&Object) + Send,
    ) -> Result<Revision, StoreError> {
        let revision = self.catch_up(store).await?;
        let keys = self.read().granted();
        read_each(store, &keys, |object| {
            show(object);
            Ok(())
        })
        .await?;
        Ok(revision)
    }

    /// The names of sessions that ended no later than `until`, at most `most`, those that ended first coming first; then when
    /// the first after `until` ended.
    pub fn ended_until(&self, until: Timestamp, most: usize) -> (Vec<Arc<str>>, Option<Timestamp>) {
        let index = self.read();
        let over = index.ended().take_while(|(at, _)| *at <= until);
        let names = over.map(|(_, name)| name.clone()).take(most).collect();
        let next = index.ended().map(|(at, _)| at).find(|at| *at > until);
        (names, next)
    }

    /// Up to where everything is taken in that was acknowledged before it was asked: whoever looks at the index after this,
    /// and follows the store from there, misses nothing.
    ///
    /// # Errors
    /// See [`Sessions::find`].
    pub async fn revision(&self, store: &dyn Store) -> Result<Revision, StoreError> {
        self.catch_up(store).await
    }

    /// How many sessions there are, as of when it was asked or later.
    ///
    /// # Errors
    /// See [`Sessions::find`].
    pub async fn census(&self, store: &dyn Store) -> Result<Counted, StoreError> {
        self.catch_up(store).await?;
        Ok(self.read().census())
    }

    /// How a binding is used, by the sessions that are stored.
    ///
    /// # Errors
    /// See [`Sessions::find`].
    pub async fn usage(
        &self,
        store: &dyn Store,
        namespace: &str,
        binding: &str,
    ) -> Result<Usage, StoreError> {
        self.catch_up(store).await?;
        Ok(self.read().usage(Mark::binding(namespace, binding)))
    }

    /// How what a ledger counts was used, by the sessions that are stored.
    ///
    /// # Errors
    /// See [`Sessions::find`].
    pub async fn seen_under(&self, store: &dyn Store, ledger: &Key) -> Result<Seen, StoreError> {
        self.catch_up(store).await?;
        // Templates have no namespace.
        let mark = if ledger.namespace.is_empty() {
            Mark::Template(ledger.name.as_str().into())
        } else {
            Mark::binding(&ledger.namespace, &ledger.name)
        };
        Ok(self.read().usage(mark).seen)
    }

    /// Waits until everything that the store has acknowledged is taken in.
    async fn catch_up(&self, store: &dyn Store) -> Result<Revision, StoreError> {
        let newest = store.head().await?;
        let mut seen = self.seen.subscribe();
        let reached = seen.wait_for(|seen| seen.is_some_and(|seen| seen >= newest));
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(Ok(seen)) => Ok(seen.unwrap_or(newest)),
            Ok(Err(_)) | Err(_) => Err(BEHIND),
        }
    }

    /// Reads every session, and says from where to follow the store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn load(&self, store: &dyn Store) -> Result<Watch, StoreError> {
        let mut fresh = Index::default();
        let mut query = ListQuery::all_sessions();
        let mut first = None;
        loop {
            let page = store.list(query.clone()).await?;
            first.get_or_insert(page.revision);
            for session in page.objects.iter().filter_map(readable) {
                fresh.insert(session);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        let revision = first.unwrap_or_default();
        let watch = store.watch(WatchFrom::After(revision)).await?;
        *self.write() = fresh;
        self.seen.send_replace(Some(revision));
        Ok(watch)
    }

    /// Follows the store until the hub stops.
    pub async fn follow(app: Arc<App>, mut watch: Watch) {
        loop {
            let change = tokio::select! {
                () = app.shutdown.cancelled() => return,
                change = watch.next() => change,
            };
            match change {
                Ok(change) => app.sessions.take_in_change(change),
                Err(WatchError::Closed) => return,
                Err(error @ (WatchError::Resync { .. } | WatchError::Store(_))) => {
                    tracing::warn!(%error, "the index of sessions reads the store anew");
                    let Some(fresh) = Self::load_until_it_works(&app).await else {
                        return;
                    };
                    watch = fresh;
                }
            }
        }
    }

    /// `None` when the hub stops first.
    async fn load_until_it_works(app: &App) -> Option<Watch> {
        loop {
            match app.sessions.load(app.store.as_ref()).await {
                Ok(watch) => return Some(watch),
                Err(error) => tracing::warn!(%error, "cannot read the sessions; trying again"),
            }
            tokio::select! {
                () = app.shutdown.cancelled() => return None,
                () = app.clock.sleep(RETRY) => {}
            }
        }
    }

    fn take_in_change(&self, change: Change) {
        if change.key.kind == ObjectKind::DebugSession {
            match change.object {
                // Read before the lock is taken: lists do not wait for it.
                Some(object) => match readable(&object) {
                    Some(session) => self.write().insert(session),
                    None => self.write().remove(&change.key.name),
                },
                None => self.write().remove(&change.key.name),
            }
        }
        self.seen.send_replace(Some(change.revision));
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what is still there of these, some at a time.
async fn read_each(
    store: &dyn Store,
    keys: &[Key],
    mut show: impl FnMut(&Object) -> Result<(), StoreError> + Send,
) -> Result<(), StoreError> {
    for some in keys.chunks(AT_ONCE) {
        let found = store.get_many(some.to_vec()).await?;
        found.iter().flatten().try_for_each(&mut show)?;
    }
    Ok(())
}

/// A session that cannot be read is in no list, loudly: who asks for it by name gets the fault.
fn readable(object: &Object) -> Option<Session> {
    read(object)
        .inspect_err(|error| tracing::error!(%error, "a stored session cannot be listed"))
        .ok()
}

/// A stored session as the rules see it.
///
/// # Errors
/// [`StoreError::Unreadable`] if what is stored is no session.
pub fn read(object: &Object) -> Result<Session, StoreError> {
    read_session(&object.key, &typed::decode::<DebugSession>(object)?.object)
}
