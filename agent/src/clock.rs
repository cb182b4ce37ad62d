//! The only file that reads clocks; everything else takes [`Now`] as an argument.

use std::time::{Duration, Instant, SystemTime};

use breakglass_agent_core::clock::Now;
use jiff::Timestamp;

/// Reads the wall clock and a monotonic clock that starts with the process. Cheap to copy; all copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time now. A wall clock outside jiff's range (the years -9999 to 9999) reads as its latest moment, at which
    /// every grant has expired.
    #[must_use]
    pub fn now(&self) -> Now {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the wall clock"
        )]
        let wall = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MAX);
        Now {
            wall,
            monotonic: self.start.elapsed(),
        }
    }

    /// What the monotonic clock showed at `instant`.
    #[must_use]
    pub fn monotonic(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    /// The instant at which the monotonic clock shows `at`, for timers.
    #[must_use]
    pub fn instant(&self, at: Duration) -> Instant {
        self.start.checked_add(at).unwrap_or(self.start)
    }
}
