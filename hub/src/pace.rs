//! How fast people and strangers may ask this hub; the rule is `hub_core::pace`. In memory: a restart forgets it.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use breakglass_hub_core::pace::{Buckets, Rate, TooFast};
use breakglass_protocol::person::Identity;
use sha2::{Digest, Sha256};

/// People at a time: an organisation's on-call, many times over. Some 100 bytes each.
const MOST_PEOPLE: usize = 10_000;
/// Addresses at a time from which requests come without a good token.
const MOST_ADDRESSES: usize = 10_000;
/// Good tokens that are remembered: one a person, and as many again for tokens that were renewed.
const MOST_TOKENS: usize = 20_000;
/// Without a good token. A person mistypes a few times; a script with an old token tries once a second.
const STRANGERS: Rate = Rate {
    burst: 30,
    per_second: 2,
};

/// Person: issuer and subject (S6).
type Account = (String, String);

/// See the module.
pub struct Pace {
    people: Mutex<Buckets<Account>>,
    strangers: Mutex<Buckets<IpAddr>>,
    known: Mutex<Known>,
}

/// Digests of tokens that were good, the newest last.
#[derive(Default)]
struct Known {
    digests: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Pace {
    #[must_use]
    pub fn new(people: Rate) -> Self {
        Self {
            people: Mutex::new(Buckets::new(people, MOST_PEOPLE)),
            strangers: Mutex::new(Buckets::new(STRANGERS, MOST_ADDRESSES)),
            known: Mutex::default(),
        }
    }

    /// Whether a token from this address is looked at: not where too many bad ones came from, so that none is found by
    /// trying, except one that was good before: who shares an address with a broken script goes on.
    ///
    /// # Errors
    /// [`TooFast`] if it is not.
    pub fn admit(
        &self,
        address: Option<IpAddr>,
        token: &str,
        now: Duration,
    ) -> Result<(), TooFast> {
        let Some(address) = address else {
            return Ok(());
        };
        match lock(&self.strangers).look(&network(address), now) {
            Err(_) if lock(&self.known).digests.contains(&digest(token)) => Ok(()),
            looked => looked,
        }
    }

    /// A request without a good token came from this address.
    ///
    /// # Errors
    /// [`TooFast`] if it was one too many.
    pub fn stranger(&self, address: Option<IpAddr>, now: Duration) -> Result<(), TooFast> {
        match address {
            Some(address) => lock(&self.strangers).take(network(address), now),
            None => Ok(()),
        }
    }

    /// A request of this person, by a token that is good.
    ///
    /// # Errors
    /// [`TooFast`] if it was one too many.
    pub fn person(&self, who: &Identity, token: &str, now: Duration) -> Result<(), TooFast> {
        lock(&self.known).remember(digest(token));
        let account = (who.issuer.clone(), who.subject.clone());
        lock(&self.people).take(account, now)
    }
}

impl Known {
    fn remember(&mut self, digest: [u8; 32]) {
        if !self.digests.insert(digest) {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > MOST_TOKENS
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
    }
}

/// One bucket for all addresses that one machine can have.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is whole before anything can panic.
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
