//! How fast somebody may ask: token buckets in a table of bounded size. Time is an argument, monotonic.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// How often a full table is looked through for buckets that nobody needs.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// So many at once, and so many more each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub burst: u32,
    pub per_second: u32,
}

/// A bucket for each who asks. When the table is full of buckets in use, all others share one: nobody is let through
/// unbounded, and nobody can make the table grow.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    most: usize,
    table: HashMap<K, Bucket>,
    others: Bucket,
    swept: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In thousandths of a request.
    held: u64,
    at: Duration,
}

/// Too fast: nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFast {
    /// After that time there is one again.
    pub retry_after: Duration,
}

impl<K: Eq + Hash> Buckets<K> {
    /// An empty table for at most `most` at a time.
    #[must_use]
    pub fn new(rate: Rate, most: usize) -> Self {
        Self {
            rate,
            most,
            table: HashMap::new(),
            others: Bucket::full(rate, Duration::ZERO),
            swept: Duration::ZERO,
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// [`TooFast`] if there is none; nothing is taken then.
    pub fn take(&mut self, who: K, now: Duration) -> Result<(), TooFast> {
        let rate = self.rate;
        self.bucket(who, now).take(rate, now)
    }

    /// Whether there is one to take.
    ///
    /// # Errors
    /// [`TooFast`] if there is none.
    pub fn look(&self, who: &K, now: Duration) -> Result<(), TooFast> {
        match self.table.get(who) {
            Some(bucket) => bucket.refilled(self.rate, now).look(self.rate),
            None => Ok(()),
        }
    }

    fn bucket(&mut self, who: K, now: Duration) -> &mut Bucket {
        let is_full = self.table.len() >= self.most && !self.table.contains_key(&who);
        if is_full && now >= self.swept + SWEEP_EVERY {
            self.swept = now;
            let rate = self.rate;
            // A full bucket is as good as none.
            self.table
                .retain(|_, bucket| bucket.refilled(rate, now).held < rate.whole());
        }
        if self.table.len() >= self.most && !self.table.contains_key(&who) {
            return &mut self.others;
        }
        let rate = self.rate;
        self.table
            .entry(who)
            .or_insert_with(|| Bucket::full(rate, now))
    }
}

impl Rate {
    fn whole(self) -> u64 {
        u64::from(self.burst.max(1)) * 1000
    }

    /// Time until `missing` thousandths are there.
    fn time_for(self, missing: u64) -> Duration {
        Duration::from_millis(missing.div_ceil(u64::from(self.per_second.max(1))))
    }
}

impl Bucket {
    fn full(rate: Rate, at: Duration) -> Self {
        Self {
            held: rate.whole(),
            at,
        }
    }

    fn refilled(self, rate: Rate, now: Duration) -> Self {
        let passed = now.saturating_sub(self.at).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(u64::from(rate.per_second));
        Self {
            held: self.held.saturating_add(gained).min(rate.whole()),
            at: self.at.max(now),
        }
    }

    fn look(self, rate: Rate) -> Result<(), TooFast> {
        match 1000_u64.checked_sub(self.held) {
            None | Some(0) => Ok(()),
            Some(missing) => Err(TooFast {
                retry_after: rate.time_for(missing),
            }),
        }
    }

    fn take(&mut self, rate: Rate, now: Duration) -> Result<(), TooFast> {
        *self = self.refilled(rate, now);
        self.look(rate)?;
        self.held -= 1000;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        burst: 3,
        per_second: 2,
    };

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut buckets = Buckets::new(RATE, 10);
        for _ in 0..3 {
            buckets.take("a", at(0)).unwrap();
        }
        let refused = buckets.take("a", at(0)).unwrap_err();
        assert_eq!(refused.retry_after, at(500));
        assert_eq!(
            buckets.look(&"a", at(499)),
            Err(TooFast { retry_after: at(1) })
        );
        buckets.take("a", at(500)).unwrap();
        assert!(buckets.take("a", at(500)).is_err());
        buckets.take("b", at(500)).unwrap();
        for _ in 0..3 {
            buckets.take("a", at(100_000)).unwrap();
        }
        assert!(
            buckets.take("a", at(100_000)).is_err(),
            "it holds no more than a burst"
        );
        assert!(
            buckets.take("a", at(0)).is_err(),
            "a clock that was set back gives nothing"
        );
    }

    #[test]
    fn the_table_stays_bounded_and_nobody_is_let_through_unbounded() {
        let mut buckets = Buckets::new(RATE, 10);
        for who in 0..10 {
            buckets.take(who, at(2000)).unwrap();
        }
        let let_through = (10..1000)
            .filter(|who| buckets.take(*who, at(2000)).is_ok())
            .count();
        assert_eq!(let_through, 3, "all others share one bucket");
        assert_eq!(buckets.table.len(), 10);
        // Idle ones give their places away.
        buckets.take(1000, at(60_000)).unwrap();
        assert_eq!(buckets.table.len(), 1);
    }
}
