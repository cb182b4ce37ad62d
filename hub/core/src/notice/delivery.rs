//! One notice on its way to one recipient of one channel: kept until it is taken or given up.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Notice;
use crate::clock::later;

/// Tries before a notice is given up: with the pauses below, over three hours of a server's trouble.
pub const MAX_ATTEMPTS: u32 = 13;
/// Pause after the first failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);
/// A notice that is older tells of the past: after a long stop of the hub nobody is flooded with it.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// See the module. Its name in the store orders deliveries by the event that they tell of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub notice: Notice,
    /// A channel of the hub's configuration.
    pub channel: String,
    /// One address for mail, everybody for a webhook.
    pub to: Vec<String>,
    /// Failed tries.
    pub attempts: u32,
    /// Not before this.
    pub due_at: Timestamp,
    /// What the last try said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// What becomes of a delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    Again(Box<Delivery>),
    GivenUp,
}

impl Delivery {
    /// A failed try that may go better later.
    #[must_use]
    pub fn failed(self, error: &str, now: Timestamp) -> AfterFailure {
        let attempts = self.attempts.saturating_add(1);
        if attempts >= MAX_ATTEMPTS {
            return AfterFailure::GivenUp;
        }
        AfterFailure::Again(Box::new(Self {
            attempts,
            due_at: later(now, pause(attempts)),
            last_error: Some(super::legible(error)),
            ..self
        }))
    }
}

fn pause(attempts: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
    doubled.min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Occasion;

    #[test]
    fn a_delivery_is_tried_ever_less_often_and_given_up() {
        let start = Timestamp::UNIX_EPOCH;
        let notice = Notice {
            occasion: Occasion::Request,
            at: start,
            session: "s".into(),
            cluster: "c".into(),
            template: "t".into(),
            namespace: "n".into(),
            requested_by: "alice".into(),
            reason: String::new(),
            by: String::new(),
            decision_reason: String::new(),
            requested_seconds: 3600,
            users: String::new(),
            extend_by_seconds: 0,
            expires_at: None,
        };
        let mut delivery = Delivery {
            notice,
            channel: "mail".into(),
            to: vec!["a@b".into()],
            attempts: 0,
            due_at: start,
            last_error: None,
        };
        let mut waited = Duration::ZERO;
        let mut before = Duration::ZERO;
        for _ in 1..MAX_ATTEMPTS {
            let AfterFailure::Again(next) = delivery.failed("no\r\nroute", start) else {
                panic!("given up too early");
            };
            let pause = crate::clock::between(start, next.due_at);
            assert!(pause >= before && pause <= LONGEST_PAUSE);
            assert_eq!(next.last_error.as_deref(), Some("no route"));
            (before, waited, delivery) = (pause, waited + pause, *next);
        }
        assert!(waited > Duration::from_secs(3 * 3600), "{waited:?}");
        assert_eq!(delivery.failed("x", start), AfterFailure::GivenUp);
    }
}
