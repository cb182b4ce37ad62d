//! What the loop hands to the webhook's thread: one immutable index and the age of what it was made from. Writing swaps a
//! pointer, reading copies one; neither waits for anything but that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use breakglass_agent_core::authorize::Freshness;
use breakglass_agent_core::grants::GrantIndex;

/// Shared between the loop (which publishes) and the webhook (which reads).
#[derive(Debug, Default)]
pub struct Published {
    index: RwLock<Arc<GrantIndex>>,
    /// Milliseconds of the monotonic clock, plus one; zero = the journal is not loaded or the watch has not synced.
    progress: AtomicU64,
}

impl Published {
    /// The index and how fresh it is. Until everything is loaded, an empty one that counts as stale.
    #[must_use]
    pub fn snapshot(&self) -> (Arc<GrantIndex>, Freshness) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let freshness = Freshness {
            last_progress: match self.progress.load(Ordering::Acquire) {
                0 => None,
                millis => Some(Duration::from_millis(millis - 1)),
            },
        };
        (Arc::clone(&index), freshness)
    }

    /// Replaces the index; whoever asks from now on gets this one.
    pub fn publish(&self, index: Arc<GrantIndex>) {
        let old = std::mem::replace(
            &mut *self.index.write().unwrap_or_else(PoisonError::into_inner),
            index,
        );
        // Freed after the lock: a reader must not wait for that.
        drop(old);
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
        assert_eq!(published.snapshot().1.last_progress, None);
        published.record_progress(Duration::ZERO);
        assert_eq!(published.snapshot().1.last_progress, Some(Duration::ZERO));
        published.record_progress(Duration::from_millis(1500));
        assert_eq!(
            published.snapshot().1.last_progress,
            Some(Duration::from_millis(1500))
        );
    }
}
