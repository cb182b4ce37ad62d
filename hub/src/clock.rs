//! The one place of the hub that reads a clock. Everything else takes `Now` as an argument or asks a [`Clock`].

use std::sync::Mutex;
use std::time::{Duration, Instant};

use breakglass_hub_core::clock::{Now, later};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks, read once.
    fn now(&self) -> Now;
    /// Resolves when [`Now::monotonic`] is `at` or later. For who reckoned with a reading: time may have passed since.
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()>;
    /// Resolves when [`Now::monotonic`] has advanced by `pause`.
    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now().monotonic.saturating_add(pause))
    }
}

/// The machine's clocks.
pub struct RealClock {
    started: Instant,
}

impl RealClock {
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Now {
        Now {
            wall: Timestamp::now(),
            monotonic: self.started.elapsed(),
        }
    }

    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        let pause = at.saturating_sub(self.started.elapsed());
        Box::pin(tokio::time::sleep(pause))
    }
}

/// A clock that stands still until it is moved: time in tests is an input like any other.
pub struct MovableClock {
    now: Mutex<Now>,
    moved: watch::Sender<Duration>,
}

impl MovableClock {
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self {
            now: Mutex::new(Now {
                wall,
                monotonic: Duration::ZERO,
            }),
            moved: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Moves both clocks on, and wakes what slept for no longer than that.
    pub fn advance(&self, by: Duration) {
        let monotonic = {
            let mut now = self.lock();
            now.wall = later(now.wall, by);
            now.monotonic = now.monotonic.saturating_add(by);
            now.monotonic
        };
        self.moved.send_replace(monotonic);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        // A reading is two plain values; a panic elsewhere cannot have left it half written.
        self.now
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Now {
        *self.lock()
    }

    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        let mut moved = self.moved.subscribe();
        Box::pin(async move {
            // The clock is gone only when the test is over: then nothing sleeps any more, and nothing wakes either.
            if moved.wait_for(|now| *now >= at).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_far_enough() {
        let clock = MovableClock::at(Timestamp::UNIX_EPOCH);
        let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(clock.now().wall.as_second(), 10);
        let reckoned = clock.now().monotonic + Duration::from_secs(5);
        clock.advance(Duration::from_secs(5));
        clock.sleep_until(reckoned).await;
    }
}
