//! What the loop hands to the webhook's thread: immutable indexes and the age of what they were made from. Writing swaps
//! a pointer, reading copies a few; neither waits for anything but that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use breakglass_agent_core::authorize::{DenyIndex, Enforcement, Freshness, Known, NamespaceLabels};
use breakglass_agent_core::grants::GrantIndex;
use breakglass_agent_core::session_pods::SessionPods;

/// Shared between the loop (which publishes) and the webhook (which reads).
#[derive(Debug, Default)]
pub struct Published {
    indexes: RwLock<Indexes>,
    /// Milliseconds of the monotonic clock, plus one; zero = the journal is not loaded or the watch has not synced.
    progress: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Indexes {
    grants: Arc<GrantIndex>,
    denied: Arc<DenyIndex>,
    namespaces: Arc<NamespaceLabels>,
    session_pods: Arc<SessionPods>,
}

/// One moment's state. Until everything is loaded: empty, and it counts as stale.
#[derive(Clone, Debug)]
pub struct Snapshot {
    indexes: Indexes,
    pub freshness: Freshness,
}

impl Snapshot {
    /// As the rules take it. `agent` is the agent's own name in the cluster.
    #[must_use]
    pub fn known<'a>(&'a self, agent: &'a str, enforcement: Enforcement) -> Known<'a> {
        Known {
            grants: &self.indexes.grants,
            freshness: self.freshness,
            denied: &self.indexes.denied,
            namespaces: &self.indexes.namespaces,
            enforcement,
            session_pods: &self.indexes.session_pods,
            agent,
        }
    }
}

impl Published {
    /// The newest of everything, and how fresh it is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let indexes = self.indexes.read().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            indexes: indexes.clone(),
            freshness: self.freshness(),
        }
    }

    /// When the pod watch last made progress.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        Freshness {
            last_progress: match self.progress.load(Ordering::Acquire) {
                0 => None,
                millis => Some(Duration::from_millis(millis - 1)),
            },
        }
    }

    /// Replaces the index of grants; whoever asks from now on gets this one.
    pub fn publish(&self, index: Arc<GrantIndex>) {
        // Freed after the lock: a reader must not wait for that.
        drop(self.change(|indexes| std::mem::replace(&mut indexes.grants, index)));
    }

    /// Replaces the deny policies.
    pub fn publish_denied(&self, index: Arc<DenyIndex>) {
        drop(self.change(|indexes| std::mem::replace(&mut indexes.denied, index)));
    }

    /// Replaces the labels of namespaces.
    pub fn publish_namespaces(&self, labels: Arc<NamespaceLabels>) {
        drop(self.change(|indexes| std::mem::replace(&mut indexes.namespaces, labels)));
    }

    /// Replaces the pods with our label.
    pub fn publish_session_pods(&self, pods: Arc<SessionPods>) {
        drop(self.change(|indexes| std::mem::replace(&mut indexes.session_pods, pods)));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Indexes) -> T) -> T {
        change(&mut self.indexes.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The pod watch made progress at this monotonic instant, and all is loaded.
    pub fn record_progress(&self, at: Duration) {
        let millis = u64::try_from(at.as_millis()).unwrap_or(u64::MAX - 1);
        self.progress
            .store(millis.saturating_add(1), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s03_nothing_counts_as_fresh_before_the_first_progress() {
        let published = Published::default();
        assert_eq!(published.snapshot().freshness.last_progress, None);
        published.record_progress(Duration::ZERO);
        assert_eq!(published.freshness().last_progress, Some(Duration::ZERO));
        published.record_progress(Duration::from_millis(1500));
        assert_eq!(
            published.freshness().last_progress,
            Some(Duration::from_millis(1500))
        );
    }
}
