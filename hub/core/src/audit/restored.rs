//! What the record says of its own replacement by a backup: from here on it goes on from an older event than it had come
//! to. Who did it cannot be known: somebody who could write the state folder.

use jiff::Timestamp;

use super::chain::Head;
use super::{Action, Actor, AuditEvent, ObjectRef, Outcome};

/// What was put in place of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The newest event of the backup.
    pub backup: Head,
    /// When the backup says it was made; a bare database does not say.
    pub made_at: Option<String>,
    pub replaced: Replaced,
}

/// The record that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    Nothing,
    /// It ended so.
    Record(Head),
    /// It could not be read: that may be why the backup was restored.
    Unreadable,
}

/// The event with which the record goes on.
#[must_use]
pub fn event(at: Timestamp, restore: &Restore) -> AuditEvent {
    let actor = Actor::Hub {
        job: "restore".to_owned(),
    };
    let object = ObjectRef::new("AuditLog", None, "hub");
    let event = AuditEvent::new(at, actor, Action::Restored, object, Outcome::Done)
        .with("backupSequence", restore.backup.sequence.to_string())
        .with("backupHash", restore.backup.hash.to_string());
    let event = match &restore.made_at {
        Some(made_at) => event.with("backupMadeAt", made_at),
        None => event,
    };
    match restore.replaced {
        Replaced::Nothing => event.with("replaced", "nothing"),
        Replaced::Unreadable => event.with("replaced", "unreadable"),
        Replaced::Record(head) => event
            .with("replaced", "record")
            .with("replacedSequence", head.sequence.to_string())
            .with("replacedHash", head.hash.to_string()),
    }
}
