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

/// The second in which `time` lies: what Kubernetes's `Time` stores.
#[must_use]
pub fn whole_second(time: Timestamp) -> Timestamp {
    let seconds = time.as_nanosecond().div_euclid(1_000_000_000);
    i64::try_from(seconds)
        .ok()
        .and_then(|s| Timestamp::from_second(s).ok())
        .unwrap_or(time)
}

/// The microsecond in which `time` lies: what Kubernetes's `MicroTime` stores.
#[must_use]
pub fn whole_microsecond(time: Timestamp) -> Timestamp {
    let micros = time.as_nanosecond().div_euclid(1_000);
    i64::try_from(micros)
        .ok()
        .and_then(|m| Timestamp::from_microsecond(m).ok())
        .unwrap_or(time)
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

    #[test]
    fn times_are_cut_to_what_is_stored() {
        let t = Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap();
        assert_eq!(whole_second(t).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(
            whole_microsecond(t).to_string(),
            "2023-11-14T22:13:20.123456Z"
        );
        for t in [Timestamp::MIN, Timestamp::MAX] {
            assert!(whole_second(t) <= t && whole_microsecond(t) <= t);
        }
    }
}
