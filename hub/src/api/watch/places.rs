//! How many watches one person and all people together may hold open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use breakglass_protocol::person::Identity;

use crate::api::error::ApiError;

/// A browser's few tabs and a terminal or two.
const PER_PERSON: usize = 10;
/// Half of the listener's connections: the other half is for requests.
const ALTOGETHER: usize = 1024;
/// A closed tab's connection is noticed at the next heartbeat.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// Person: issuer and subject (S6).
type Account = (String, String);

/// Who holds how many open.
#[derive(Clone, Default)]
pub struct Watchers {
    open: Arc<Mutex<HashMap<Account, usize>>>,
}

/// A place, given back when dropped.
pub(super) struct Place {
    watchers: Watchers,
    account: Account,
}

impl Watchers {
    pub(super) fn take(&self, who: &Identity) -> Result<Place, ApiError> {
        let account = (who.issuer.clone(), who.subject.clone());
        let refused = |what| {
            Err(ApiError::TooMany {
                what,
                retry_after: RETRY_AFTER,
            })
        };
        let mut open = self.lock();
        if open.values().sum::<usize>() >= ALTOGETHER {
            return refused("this hub holds as many watches open as it can");
        }
        let held = open.entry(account.clone()).or_default();
        if *held >= PER_PERSON {
            return refused("you hold 10 watches open already; close one");
        }
        *held += 1;
        Ok(Place {
            watchers: self.clone(),
            account,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, usize>> {
        // A count is changed in one step.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.watchers.lock();
        if let Some(held) = open.get_mut(&self.account) {
            *held -= 1;
            if *held == 0 {
                open.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Identity {
        Identity {
            issuer: "test".to_owned(),
            subject: name.to_owned(),
            name: name.to_owned(),
            email: None,
            email_verified: false,
        }
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let watchers = Watchers::default();
        let held: Vec<Place> = (0..PER_PERSON)
            .map(|_| watchers.take(&person("a")).ok().unwrap())
            .collect();
        assert!(watchers.take(&person("a")).is_err());
        assert!(watchers.take(&person("b")).is_ok());
        drop(held);
        assert!(watchers.take(&person("a")).is_ok());
        assert!(watchers.lock().is_empty());
    }
}
