//! Events of things that change no object: what was refused, and that somebody is here. They are committed with a counter
//! of their own, many at once, and are the first to be dropped, with a record of how many (S20).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, Actor, AuditEvent, ObjectRef, Outcome};

/// The counter that such events are committed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Events committed with it, the gaps' records included.
    pub events: u64,
}

/// Events that say the same become one that says how often; the first one's time and request stand.
#[must_use]
pub fn merged(events: Vec<AuditEvent>) -> Vec<AuditEvent> {
    let mut merged: Vec<(AuditEvent, u64)> = Vec::new();
    for event in events {
        match merged
            .iter_mut()
            .find(|(first, _)| is_repeat(first, &event))
        {
            Some((_, times)) => *times = times.saturating_add(1),
            None => merged.push((event, 1)),
        }
    }
    merged
        .into_iter()
        .map(|(event, times)| match times {
            1 => event,
            _ => event.with("times", times.to_string()),
        })
        .collect()
}

fn is_repeat(one: &AuditEvent, other: &AuditEvent) -> bool {
    one.actor == other.actor
        && one.action == other.action
        && one.object == other.object
        && one.outcome == other.outcome
        && one.detail == other.detail
        && one.source == other.source
}

/// That so many events were dropped.
#[must_use]
pub fn gap(at: Timestamp, dropped: u64) -> AuditEvent {
    let actor = Actor::Hub {
        job: "audit".to_owned(),
    };
    let object = ObjectRef::new("Tally", None, "refusals");
    AuditEvent::new(at, actor, Action::Gap, object, Outcome::Done)
        .with("dropped", dropped.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_repeats_are_counted_and_what_differs_stays_apart() {
        let event = |name: &str, second| {
            let at = Timestamp::from_second(second).unwrap();
            let object = ObjectRef::new("DebugSession", Some("n"), name);
            AuditEvent::new(
                at,
                Actor::Unknown,
                Action::Approved,
                object,
                Outcome::Refused,
            )
            .from(Some(format!("request-{second}")), Some("10.0.0.1".into()))
        };
        let told = merged(vec![
            event("a", 1),
            event("b", 2),
            event("a", 3),
            event("a", 4),
        ]);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].detail["times"], "3");
        assert_eq!(told[0].request_id.as_deref(), Some("request-1"));
        assert_eq!(told[1], event("b", 2));
        assert_eq!(gap(Timestamp::UNIX_EPOCH, 7).detail["dropped"], "7");
    }
}
