//! The record as people may read it. Who sees a session reads what happened to it; addresses, request ids and accounts
//! are only for those who may read its record (S20, [`crate::access::Action::ReadAudit`]).

use breakglass_protocol::api::history::{AuditRecord, SessionEvent, Who, WhoKind};
use serde::Serialize;

use crate::audit::{Action, Actor, AuditEvent};

/// Details that everybody who sees a session may read: they stand in the session itself, or say what was done in it.
const OPEN_DETAILS: [&str; 15] = [
    "cluster",
    "container",
    "extendBy",
    "image",
    "message",
    "namespace",
    "node",
    "operation",
    "pod",
    "reason",
    "role",
    "template",
    "times",
    "user",
    "users",
];

/// An event as everybody who sees the session may read it; `None` for what is only in the record.
#[must_use]
pub fn event_of(recorded: &AuditEvent) -> Option<SessionEvent> {
    let only_recorded = matches!(
        recorded.action,
        Action::AuditRead
            | Action::AgentRefused
            | Action::Login
            | Action::RequestRefused
            | Action::AccessDenied
            | Action::NotificationFailed
    );
    if only_recorded {
        return None;
    }
    let mut event = whole(recorded);
    event
        .detail
        .retain(|name, _| OPEN_DETAILS.contains(&name.as_str()));
    Some(event)
}

/// A line of the record, for those who may read it.
#[must_use]
pub fn record_of(sequence: u64, recorded: &AuditEvent) -> AuditRecord {
    let person = match &recorded.actor {
        Actor::Person(person) => Some(person),
        Actor::Agent { .. } | Actor::Hub { .. } | Actor::Unknown => None,
    };
    AuditRecord {
        sequence,
        event: whole(recorded),
        issuer: person.map(|person| person.issuer.clone()),
        subject: person.map(|person| person.subject.clone()),
        request_id: recorded.request_id.clone(),
        source: recorded.source.clone(),
    }
}

fn whole(recorded: &AuditEvent) -> SessionEvent {
    SessionEvent {
        at: recorded.at.to_string(),
        event: word(&recorded.action),
        by: who(&recorded.actor),
        outcome: word(&recorded.outcome),
        detail: recorded.detail.clone(),
    }
}

fn who(actor: &Actor) -> Who {
    let (kind, name) = match actor {
        Actor::Person(person) => (WhoKind::Person, Some(person.name.clone())),
        Actor::Agent { cluster } => (WhoKind::Agent, Some(cluster.to_string())),
        Actor::Hub { job } => (WhoKind::Hub, Some(job.clone())),
        Actor::Unknown => (WhoKind::Unknown, None),
    };
    Who { kind, name }
}

/// The stable word under which a value is recorded.
fn word<T: Serialize>(value: &T) -> String {
    // Plain words of our own enums: they go into JSON as texts.
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use breakglass_protocol::person::Identity;

    use super::*;
    use crate::audit::{ObjectRef, Outcome};

    fn approved() -> AuditEvent {
        let carol = Identity {
            issuer: "https://issuer.example.com".to_owned(),
            subject: "4711".to_owned(),
            name: "carol@example.com".to_owned(),
            email: None,
            email_verified: false,
        };
        let object = ObjectRef::new("DebugSession", Some("breakglass"), "debug-session-abc123");
        let at = "2026-01-02T10:00:00Z".parse().unwrap();
        AuditEvent::new(
            at,
            Actor::Person(carol),
            Action::Approved,
            object,
            Outcome::Done,
        )
        .with("reason", "go")
        .with("serial", "for the record only")
        .from(Some("r-1".to_owned()), Some("192.0.2.1".to_owned()))
    }

    #[test]
    fn s20_events_tell_no_addresses_and_no_accounts() {
        let told = event_of(&approved()).unwrap();
        assert_eq!(
            (told.event.as_str(), told.outcome.as_str()),
            ("approved", "done")
        );
        assert_eq!(told.by.name.as_deref(), Some("carol@example.com"));
        let text = serde_json::to_string(&told).unwrap();
        for secret in [
            "192.0.2.1",
            "4711",
            "issuer.example.com",
            "r-1",
            "record only",
        ] {
            assert!(!text.contains(secret), "{text}");
        }
        let read = AuditEvent {
            action: Action::AuditRead,
            ..approved()
        };
        assert_eq!(event_of(&read), None);
    }

    #[test]
    fn s20_who_was_let_in_is_for_all_who_see_the_session_and_who_was_not_is_for_the_record() {
        let allowed = AuditEvent {
            action: Action::AccessAllowed,
            ..approved()
        };
        let allowed = allowed.with("operation", "exec").with("user", "alice");
        let told = event_of(&allowed).unwrap();
        assert_eq!(told.event, "accessAllowed");
        assert_eq!(told.detail["operation"], "exec");
        let denied = AuditEvent {
            action: Action::AccessDenied,
            ..allowed
        };
        assert_eq!(event_of(&denied), None);
        assert_eq!(record_of(1, &denied).event.event, "accessDenied");
    }

    #[test]
    fn the_record_tells_all() {
        let told = record_of(7, &approved());
        assert_eq!((told.sequence, told.subject.as_deref()), (7, Some("4711")));
        assert_eq!(
            (told.source.as_deref(), told.request_id.as_deref()),
            (Some("192.0.2.1"), Some("r-1"))
        );
        assert_eq!(told.event.detail.len(), 2);
    }
}
