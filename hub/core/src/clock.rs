//! Time as an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// One reading of both clocks, taken once per request, frame or job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For what is stored and shown.
    pub wall: Timestamp,
    /// For intervals: never goes back. Its zero is arbitrary (the program's start).
    pub monotonic: Duration,
}

/// `time` + `duration`, staying at the end of time instead of overflowing.
#[must_use]
pub fn later(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|d| time.checked_add(d).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Time from `from` to `to`; zero if `to` is not later.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stays_within_time() {
        let t = Timestamp::UNIX_EPOCH;
        assert_eq!(
            between(t, later(t, Duration::from_secs(5))),
            Duration::from_secs(5)
        );
        assert_eq!(between(later(t, Duration::from_secs(5)), t), Duration::ZERO);
        assert_eq!(later(t, Duration::MAX), Timestamp::MAX);
    }
}
