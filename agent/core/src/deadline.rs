//! When a grant ends (S12): at whichever comes first of the wall clock's `expiresAt` and the smallest time that the
//! hub said was left, counted by the monotonic clock. Every reading of the clocks may bring the end nearer, none moves
//! it away: setting the wall clock back lengthens nothing, also across a restart.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;

/// The end of one grant. Only a higher renewal number moves it later.
///
/// Written to the journal; the monotonic part has no meaning there, so one that was just read is passed until
/// [`Deadline::resume`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deadline {
    renewal: u32,
    expires_at: Timestamp,
    /// What no renewal passes: first receipt + the ceiling's longest duration.
    limit: Timestamp,
    /// The latest wall clock reading while this grant was held.
    seen: Timestamp,
    /// Monotonic time left at `seen`, milliseconds.
    remaining_ms: u64,
    /// Monotonic instant of the end, in this process.
    #[serde(skip)]
    ends: Duration,
}

/// Whole milliseconds from `from` to `to`, zero if `to` is not later.
pub(crate) fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0)
}

impl Deadline {
    /// The deadline of a grant received for the first time. `limit` is the latest end that the ceiling permits.
    #[must_use]
    pub fn received(
        renewal: u32,
        expires_at: Timestamp,
        remaining: Duration,
        limit: Timestamp,
        now: Now,
    ) -> Self {
        let mut deadline = Self {
            renewal,
            expires_at: expires_at.min(limit),
            limit,
            seen: now.wall,
            remaining_ms: 0,
            ends: now.monotonic.saturating_add(remaining),
        };
        deadline.observe(now);
        deadline
    }

    /// Takes in what a later frame says: a higher renewal replaces, the same one can only shorten, a lower one is stale.
    pub fn receive(&mut self, renewal: u32, expires_at: Timestamp, remaining: Duration, now: Now) {
        self.observe(now);
        let expires_at = expires_at.min(self.limit);
        let ends = now.monotonic.saturating_add(remaining);
        match renewal.cmp(&self.renewal) {
            std::cmp::Ordering::Greater => {
                self.renewal = renewal;
                self.expires_at = expires_at;
                self.ends = ends;
            }
            std::cmp::Ordering::Equal => {
                self.expires_at = self.expires_at.min(expires_at);
                self.ends = self.ends.min(ends);
            }
            std::cmp::Ordering::Less => {}
        }
        self.observe(now);
    }

    /// The latest wall clock reading that is known to it.
    #[must_use]
    pub(crate) fn seen(&self) -> Timestamp {
        self.seen
    }

    /// After a restart: goes on from what the journal says. `high_water` is the latest wall clock reading that the
    /// agent wrote down anywhere.
    pub fn resume(&mut self, high_water: Timestamp, now: Now) {
        let wall = now.wall.max(high_water).max(self.seen);
        let left = self
            .remaining_ms
            .saturating_sub(millis_between(self.seen, wall));
        self.ends = now.monotonic.saturating_add(Duration::from_millis(left));
        self.seen = wall;
        self.observe(now);
    }

    /// Takes in a reading of the clocks; to be called at every turn of the loop and before the journal is written.
    pub fn observe(&mut self, now: Now) {
        self.seen = self.seen.max(now.wall);
        // By the mark, not by the clock: a clock that was set back does not give time back.
        let by_wall = Duration::from_millis(millis_between(self.seen, self.expires_at));
        self.ends = self.ends.min(now.monotonic.saturating_add(by_wall));
        let left = self.ends.saturating_sub(now.monotonic);
        self.remaining_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    }

    #[must_use]
    pub fn has_passed(&self, now: Now) -> bool {
        now.wall >= self.expires_at || now.monotonic >= self.ends
    }

    /// The monotonic instant at which the grant ends at the latest.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.ends
    }

    /// The wall clock time at which the grant ends at the latest.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// What no renewal passes in this cluster.
    #[must_use]
    pub fn limit(&self) -> Timestamp {
        self.limit
    }

    /// The newest renewal taken in.
    #[must_use]
    pub fn renewal(&self) -> u32 {
        self.renewal
    }
}
