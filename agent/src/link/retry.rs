//! How long to wait before the next attempt at the hub. (The loop and the watches have pauses of their own.)

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use breakglass_protocol::limits::{RECONNECT_MAX, RECONNECT_MIN, RECONNECT_REFUSED};

/// When an attempt that failed is worth repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It may pass by itself: soon, and less often each time.
    Soon,
    /// The hub said how long, or the protocol does.
    After(Duration),
    /// Only a person can mend it: slowly, so that the log stays readable and the hub is left in peace.
    AfterAPerson,
}

/// The pauses between attempts: full jitter between nothing and a bound that doubles from [`RECONNECT_MIN`] to
/// [`RECONNECT_MAX`], for ever.
#[derive(Debug)]
pub struct Pauses(ExponentialBackoff);

impl Default for Pauses {
    fn default() -> Self {
        // `backoff` draws from interval × (1 ± factor). Half of each bound and a factor of one is 0 … bound: full jitter.
        // Without `max_elapsed_time: None` it would give up after 15 minutes.
        Self(ExponentialBackoff {
            current_interval: RECONNECT_MIN / 2,
            initial_interval: RECONNECT_MIN / 2,
            max_interval: RECONNECT_MAX / 2,
            multiplier: 2.0,
            randomization_factor: 1.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }
}

impl Pauses {
    /// The pause before the next attempt. A time that was asked for is a lower bound; jitter comes on top, so that
    /// agents which were told the same do not come back as one.
    pub fn next(&mut self, retry: Retry) -> Duration {
        match retry {
            Retry::Soon => self.jitter(),
            Retry::After(at_least) => at_least + self.jitter(),
            Retry::AfterAPerson => RECONNECT_REFUSED + self.jitter(),
        }
    }

    /// Start over: the last attempt was a success that lasted.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    fn jitter(&mut self) -> Duration {
        self.0
            .next_backoff()
            .unwrap_or(RECONNECT_MAX)
            .min(RECONNECT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_never_end() {
        let mut pauses = Pauses::default();
        assert!(pauses.next(Retry::Soon) <= RECONNECT_MIN);
        let mut longest = Duration::ZERO;
        for _ in 0..10_000 {
            let pause = pauses.next(Retry::Soon);
            assert!(pause <= RECONNECT_MAX, "{pause:?}");
            longest = longest.max(pause);
        }
        assert!(longest > RECONNECT_MAX / 2, "{longest:?}");
        assert!(pauses.next(Retry::AfterAPerson) >= RECONNECT_REFUSED);
        pauses.reset();
        assert!(pauses.next(Retry::Soon) <= RECONNECT_MIN);
        let told = Duration::from_secs(300);
        assert!(pauses.next(Retry::After(told)) >= told);
    }
}
