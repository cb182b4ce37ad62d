//! Which grant belongs to which session and cluster. One task follows the store for all connections: it keeps this
//! directory and wakes the connection of the cluster whose session, certificate or settings have changed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use breakglass_hub_core::grant::is_wanted;
use breakglass_protocol::ids::{ClusterName, GrantUid, Revision};

use tokio::sync::watch;

use super::registry::Registry;
use crate::app::App;
use crate::sessions;
use crate::store::{Change, Key, Object, ObjectKind, StoreError, Watch, WatchError, WatchFrom};

/// A connection waits this long for the directory; the store's watch takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before the store is read again after it failed.
const RETRY: Duration = Duration::from_secs(1);

/// See the module. Shared by all connections.
pub(super) struct Directory {
    inner: RwLock<Inner>,
    /// Everything up to this was taken in.
    seen: watch::Sender<Revision>,
}

/// The directory does not keep up with the store.
#[derive(Debug, thiserror::Error)]
pub(super) enum Behind {
    #[error("the directory of sessions is {} s behind the store", PATIENCE.as_secs())]
    TooLong,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Default)]
struct Inner {
    by_uid: HashMap<GrantUid, Entry>,
    /// Where a session's entry is found when it is deleted.
    by_key: HashMap<Key, GrantUid>,
}

/// Where a grant comes from that its cluster should hold now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) session: String,
    pub(super) cluster: ClusterName,
}

impl Directory {
    /// Reads the sessions that clusters should hold, and says from where to follow the store.
    pub(super) async fn load(app: &App) -> Result<(Arc<Self>, Watch), StoreError> {
        let directory = Arc::new(Self {
            inner: RwLock::default(),
            seen: watch::Sender::new(Revision(0)),
        });
        let watch = directory.reload(app).await?;
        Ok((directory, watch))
    }

    async fn reload(&self, app: &App) -> Result<Watch, StoreError> {
        let mut fresh = Inner::default();
        let store = app.store.as_ref();
        let take_in = |object: &Object| {
            fresh.take_in(object);
        };
        let revision = app.sessions.each_granted(store, take_in).await?;
        let watch = store.watch(WatchFrom::After(revision)).await?;
        *self.write() = fresh;
        self.seen.send_replace(revision);
        Ok(watch)
    }

    /// Whose grant this is.
    pub(super) fn entry(&self, uid: &GrantUid) -> Option<Entry> {
        self.read().by_uid.get(uid).cloned()
    }

    /// Waits until everything that the store holds now is taken in. What an agent gets as whole must be whole: it ends
    /// for good what is missing.
    pub(super) async fn catch_up(&self, app: &App) -> Result<(), Behind> {
        let newest = app.store.head().await?;
        let mut seen = self.seen.subscribe();
        match tokio::time::timeout(PATIENCE, seen.wait_for(|seen| *seen >= newest)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Behind::TooLong),
        }
    }

    /// What a cluster should hold, and as of when.
    pub(super) fn wanted(&self, cluster: &ClusterName) -> (Revision, Vec<GrantUid>) {
        let inner = self.read();
        let uids = inner
            .by_uid
            .iter()
            .filter(|(_, entry)| entry.cluster == *cluster)
            .map(|(uid, _)| uid.clone())
            .collect();
        (*self.seen.borrow(), uids)
    }

    /// Follows the store until the hub stops.
    pub(super) async fn follow(self: Arc<Self>, app: Arc<App>, registry: Registry, watch: Watch) {
        let mut watch = watch;
        loop {
            let change = tokio::select! {
                () = app.shutdown.cancelled() => return,
                change = watch.next() => change,
            };
            match change {
                Ok(change) => self.handle_change(&registry, change),
                Err(WatchError::Closed) => return,
                Err(error @ (WatchError::Resync { .. } | WatchError::Store(_))) => {
                    tracing::warn!(%error, "the agents' side reads the store anew");
                    let Some(fresh) = self.reload_until_it_works(&app).await else {
                        return;
                    };
                    watch = fresh;
                    registry.everything_changed();
                }
            }
        }
    }

    /// `None` when the hub stops first.
    async fn reload_until_it_works(&self, app: &App) -> Option<Watch> {
        loop {
            match self.reload(app).await {
                Ok(watch) => return Some(watch),
                Err(error) => tracing::warn!(%error, "cannot read the sessions; trying again"),
            }
            tokio::select! {
                () = app.shutdown.cancelled() => return None,
                () = app.clock.sleep(RETRY) => {}
            }
        }
    }

    fn handle_change(&self, registry: &Registry, change: Change) {
        let revision = change.revision;
        match change.key.kind {
            ObjectKind::DebugSession => {
                let told = self.write().change(change);
                for (cluster, uid) in told {
                    registry.session_changed(&cluster, &uid);
                }
            }
            ObjectKind::Enrolment | ObjectKind::Cluster => {
                registry.cluster_changed(&ClusterName::new(change.key.name));
            }
            ObjectKind::DebugPodTemplate
            | ObjectKind::DebugSessionClusterBinding
            | ObjectKind::DebugSessionTemplate
            | ObjectKind::AgentRecords
            | ObjectKind::Bars
            | ObjectKind::Ledger
            | ObjectKind::Cursor
            | ObjectKind::Delivery
            | ObjectKind::Tally
            | ObjectKind::Warning => {}
            ObjectKind::DenyPolicy => registry.policies_changed(),
        }
        self.seen.send_replace(revision);
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes in a change; answers who is to be told of which grant.
    fn change(&mut self, change: Change) -> Vec<(ClusterName, GrantUid)> {
        let before = self.by_key.get(&change.key).cloned();
        let told = match change.object {
            Some(object) => self.take_in(&object),
            None => None,
        };
        // Deleted, or (never seen, but cheap to hold) recreated under its old name with another UID.
        let gone = before.filter(|uid| told.as_ref().is_none_or(|(_, now)| now != uid));
        let gone = gone.and_then(|uid| {
            let entry = self.by_uid.remove(&uid)?;
            if told.is_none() {
                self.by_key.remove(&change.key);
            }
            Some((entry.cluster, uid))
        });
        told.into_iter().chain(gone).collect()
    }

    /// A session that cannot be read is left out, loudly: its cluster then ends it, which is the closed side.
    fn take_in(&mut self, object: &Object) -> Option<(ClusterName, GrantUid)> {
        let session = match sessions::read(object) {
            Ok(session) => session,
            Err(error) => {
                tracing::error!(%error, "a stored session cannot be granted");
                return None;
            }
        };
        let (uid, cluster) = (session.uid.clone(), session.cluster());
        if is_wanted(&session) {
            let entry = Entry {
                session: session.name,
                cluster: cluster.clone(),
            };
            self.by_key.insert(object.key.clone(), uid.clone());
            self.by_uid.insert(uid.clone(), entry);
        } else {
            // Most stored sessions are over: what no agent holds is not remembered.
            self.by_key.remove(&object.key);
            self.by_uid.remove(&uid);
        }
        Some((cluster, uid))
    }
}
