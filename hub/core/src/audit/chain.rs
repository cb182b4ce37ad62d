//! The record's chain: each event carries the SHA-256 of the hash before it and of its own canonical JSON, so that an
//! event that was changed, left out, moved or put in breaks every hash after it. What a chain alone cannot show is a tail
//! that was cut off, or a record that was written anew from some event on: a hash that was told elsewhere can (S20).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::snapshot::canonical;

/// The hash of an event in its chain. Written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainHash([u8; 32]);

/// The text is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a hash of 64 hex digits")]
pub struct NotAHash;

impl ChainHash {
    /// What the first event follows.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash of an event that follows the event of this hash.
    #[must_use]
    pub fn followed_by(&self, canonical_event: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(canonical_event.as_bytes());
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

impl FromStr for ChainHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let bytes = hex::decode(text).map_err(|_| NotAHash)?;
        bytes.try_into().map(Self).map_err(|_| NotAHash)
    }
}

impl TryFrom<String> for ChainHash {
    type Error = NotAHash;

    fn try_from(text: String) -> Result<Self, NotAHash> {
        text.parse()
    }
}

impl From<ChainHash> for String {
    fn from(hash: ChainHash) -> Self {
        hash.to_string()
    }
}

/// An event as the chain hashes it: keys sorted, no white space.
///
/// # Errors
/// If the text is no JSON.
pub fn canonical_text(event: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str::<Value>(event).map(|event| canonical(&event))
}

/// The newest event of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// 0: nothing is recorded yet.
    pub sequence: u64,
    pub hash: ChainHash,
}

impl Head {
    /// Of an empty record.
    pub const START: Self = Self {
        sequence: 0,
        hash: ChainHash::GENESIS,
    };
}

/// One stored event, as its place in the store gives it.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    pub sequence: u64,
    /// The event's JSON.
    pub event: &'a str,
    pub hash: &'a str,
    /// Kind, namespace (empty: none) and name under which the store finds it.
    pub filed_under: [&'a str; 3],
}

/// The first event at which a record is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("event {expected} is missing: {found} follows {}", expected.saturating_sub(1))]
    Gap { expected: u64, found: u64 },
    #[error("event {sequence} cannot be read: {message}")]
    Unreadable { sequence: u64, message: String },
    #[error(
        "event {sequence} was changed, or one before it: its hash is not what the record gives"
    )]
    Hash { sequence: u64 },
    #[error("event {sequence} is filed under another object than it tells of")]
    Misfiled { sequence: u64 },
    /// Against a hash that was told elsewhere.
    #[error(
        "event {sequence} is not the one that was told elsewhere: the record was written anew from it or before it"
    )]
    Rewritten { sequence: u64 },
    #[error(
        "the record ends at event {end}, but event {sequence} was told elsewhere: its end was cut off"
    )]
    Cut { sequence: u64, end: u64 },
}

/// Walks a record from its start.
#[derive(Debug)]
pub struct Verifier {
    head: Head,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { head: Head::START }
    }
}

impl Verifier {
    /// Takes the next event.
    ///
    /// # Errors
    /// What is wrong with it; the walk is over then.
    pub fn take(&mut self, stored: Stored<'_>) -> Result<(), Broken> {
        let sequence = stored.sequence;
        let expected = self.head.sequence.saturating_add(1);
        if sequence != expected {
            return Err(Broken::Gap {
                expected,
                found: sequence,
            });
        }
        let unreadable = |error: serde_json::Error| Broken::Unreadable {
            sequence,
            message: error.to_string(),
        };
        let event: Value = serde_json::from_str(stored.event).map_err(unreadable)?;
        let hash = self.head.hash.followed_by(&canonical(&event));
        if stored.hash.parse() != Ok(hash) {
            return Err(Broken::Hash { sequence });
        }
        if stored.filed_under != object_of(&event) {
            return Err(Broken::Misfiled { sequence });
        }
        self.head = Head { sequence, hash };
        Ok(())
    }

    /// The newest event taken.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }
}

fn object_of(event: &Value) -> [&str; 3] {
    let text = |name: &str| {
        let field = event.get("object").and_then(|object| object.get(name));
        field.and_then(Value::as_str).unwrap_or_default()
    };
    [text("kind"), text("namespace"), text("name")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> String {
        format!(
            r#"{{"action":"left","object":{{"kind":"DebugSession","name":"{name}","namespace":"n"}}}}"#
        )
    }

    fn record() -> Vec<(u64, String, String)> {
        let mut head = Head::START;
        let mut record = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let text = event(name);
            head.hash = head.hash.followed_by(&canonical_text(&text).unwrap());
            head.sequence += 1;
            record.push((head.sequence, text, head.hash.to_string()));
        }
        record
    }

    fn verify(record: &[(u64, String, String)]) -> Result<Head, Broken> {
        let mut verifier = Verifier::default();
        for (sequence, event, hash) in record {
            let value: Value = serde_json::from_str(event).unwrap_or_default();
            verifier.take(Stored {
                sequence: *sequence,
                event,
                hash,
                filed_under: object_of(&value),
            })?;
        }
        Ok(verifier.head())
    }

    #[test]
    fn s20_every_way_to_edit_a_record_is_found_at_its_place() {
        assert_eq!(verify(&record()).unwrap().sequence, 4);
        let mut changed = record();
        changed[1].1 = event("x");
        assert_eq!(verify(&changed), Err(Broken::Hash { sequence: 2 }));
        let mut left_out = record();
        left_out.remove(2);
        assert_eq!(
            verify(&left_out),
            Err(Broken::Gap {
                expected: 3,
                found: 4
            })
        );
        left_out[2].0 = 3;
        assert_eq!(verify(&left_out), Err(Broken::Hash { sequence: 3 }));
        let mut swapped = record();
        swapped.swap(0, 1);
        (swapped[0].0, swapped[1].0) = (1, 2);
        assert_eq!(verify(&swapped), Err(Broken::Hash { sequence: 1 }));
        let mut unreadable = record();
        unreadable[3].1 = "{".to_owned();
        assert!(matches!(
            verify(&unreadable),
            Err(Broken::Unreadable { sequence: 4, .. })
        ));
    }

    #[test]
    fn s20_an_event_hidden_under_another_name_is_found() {
        let (sequence, text, hash) = record().remove(0);
        let stored = |name| Stored {
            sequence,
            event: &text,
            hash: &hash,
            filed_under: ["DebugSession", "n", name],
        };
        assert_eq!(Verifier::default().take(stored("a")), Ok(()));
        assert_eq!(
            Verifier::default().take(stored("z")),
            Err(Broken::Misfiled { sequence })
        );
    }

    #[test]
    fn the_hash_is_of_the_meaning_not_of_the_spelling() {
        let spelled = r#"{ "b": 1, "a": [true, null] }"#;
        assert_eq!(
            canonical_text(spelled).unwrap(),
            r#"{"a":[true,null],"b":1}"#
        );
        // Fixed for ever: a record that was written by an older hub must verify.
        assert_eq!(
            ChainHash::GENESIS.followed_by("{}").to_string(),
            "fb1634c4e6cd4b1f1afe3ce2d6ef080f7ac5d1f357d723ad4dfca782733b62db"
        );
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = ChainHash::GENESIS.followed_by("x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "00", "zz", &hash.to_string()[1..]] {
            assert_eq!(bad.parse::<ChainHash>(), Err(NotAHash));
        }
    }
}
