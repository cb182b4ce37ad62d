//! Limits on how many sessions may be open at once. One record per template (later also per binding) holds who has
//! which session open; the shell takes a place by compare-and-set on that record *before* it creates the session, so
//! that the limit holds on a store without transactions (D18). A job repairs what a crash in between leaves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::person::Identity;

use crate::refusal::Violation;

/// Places in one ledger, over all people: bounds the record's size (about 300 bytes each).
pub const MAX_ENTRIES: usize = 2_000;

/// Who holds which places under one template. The stored object's name is the template's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    /// By session UID.
    #[serde(default)]
    pub open: BTreeMap<GrantUid, Place>,
}

/// One open session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    pub session: String,
    pub issuer: String,
    pub subject: String,
    /// When it was taken: the repairing job leaves young places alone, whose session is about to be created.
    pub taken_at: Timestamp,
}

impl Ledger {
    /// Takes a place for one more session of `person`. Taking the same UID twice changes nothing.
    ///
    /// # Errors
    /// `constraints.maxConcurrentSessions`, naming the sessions that the person has open.
    pub fn take(
        mut self,
        uid: &GrantUid,
        session: &str,
        person: &Identity,
        limit: u32,
        now: Timestamp,
    ) -> Result<Self, Violation> {
        if self.open.contains_key(uid) {
            return Ok(self);
        }
        let held: Vec<String> = self
            .held_by(person)
            .map(|place| place.session.clone())
            .collect();
        if held.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(Violation::constraint(
                "templateRef",
                "constraints.maxConcurrentSessions",
                format!(
                    "you may have {limit} open sessions of this template and have {}: {}; terminate one first",
                    held.len(),
                    held.join(", ")
                ),
            ));
        }
        if self.open.len() >= MAX_ENTRIES {
            return Err(Violation::constraint(
                "templateRef",
                "maxOpenSessions",
                format!(
                    "this template has {MAX_ENTRIES} open sessions, the most the hub counts; terminate some first"
                ),
            ));
        }
        let place = Place {
            session: session.to_owned(),
            issuer: person.issuer.clone(),
            subject: person.subject.clone(),
            taken_at: now,
        };
        self.open.insert(uid.clone(), place);
        Ok(self)
    }

    /// Gives the place of an ended session back. One that is not there changes nothing.
    #[must_use]
    pub fn release(mut self, uid: &GrantUid) -> Self {
        self.open.remove(uid);
        self
    }

    /// What the record should be, given the sessions that are really open: missing places are added, places without a
    /// session are dropped if they were taken before `settled_before` (a younger one may be in the middle of a create).
    #[must_use]
    pub fn repaired(
        mut self,
        really_open: BTreeMap<GrantUid, Place>,
        settled_before: Timestamp,
    ) -> Self {
        self.open
            .retain(|uid, place| really_open.contains_key(uid) || place.taken_at >= settled_before);
        for (uid, place) in really_open {
            self.open.entry(uid).or_insert(place);
        }
        self
    }

    fn held_by<'a>(&'a self, person: &'a Identity) -> impl Iterator<Item = &'a Place> {
        self.open
            .values()
            .filter(|p| p.issuer == person.issuer && p.subject == person.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(subject: &str) -> Identity {
        Identity {
            issuer: "dev-users".into(),
            subject: subject.into(),
            name: subject.into(),
            email: None,
            email_verified: false,
        }
    }

    fn uid(n: u32) -> GrantUid {
        GrantUid::new(n.to_string())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn take(ledger: Ledger, n: u32, who: &str) -> Result<Ledger, Violation> {
        ledger.take(
            &uid(n),
            &format!("session-{n}"),
            &person(who),
            2,
            at(i64::from(n)),
        )
    }

    #[test]
    fn d13_places_are_per_person_and_the_refusal_names_what_holds_them() {
        let ledger = take(Ledger::default(), 1, "alice")
            .and_then(|l| take(l, 2, "alice"))
            .unwrap();
        let refusal = take(ledger.clone(), 3, "alice").unwrap_err();
        assert_eq!(refusal.rule, "constraints.maxConcurrentSessions");
        assert!(
            refusal.message.contains("session-1, session-2"),
            "{}",
            refusal.message
        );
        assert!(take(ledger.clone(), 3, "bob").is_ok());
        assert!(take(ledger.release(&uid(1)), 3, "alice").is_ok());
    }

    #[test]
    fn d18_taking_twice_and_releasing_twice_change_nothing() {
        let once = take(Ledger::default(), 1, "alice").unwrap();
        assert_eq!(take(once.clone(), 1, "alice").unwrap(), once);
        let released = once.release(&uid(1));
        assert_eq!(released.clone().release(&uid(1)), released);
        assert_eq!(released, Ledger::default());
    }

    #[test]
    fn d18_the_repair_keeps_young_places_and_adds_missing_ones() {
        let ledger = [1, 2, 3].into_iter().fold(Ledger::default(), |l, n| {
            l.take(&uid(n), "s", &person("alice"), 9, at(i64::from(n)))
                .unwrap()
        });
        let place = |n: i64| Place {
            session: "s".into(),
            issuer: "dev-users".into(),
            subject: "alice".into(),
            taken_at: at(n),
        };
        let really = BTreeMap::from([(uid(2), place(2)), (uid(7), place(7))]);
        let repaired = ledger.repaired(really, at(3));
        let uids: Vec<String> = repaired.open.keys().map(ToString::to_string).collect();
        assert_eq!(
            uids,
            ["2", "3", "7"],
            "1 is old and has no session, 3 may be in the middle of a create"
        );
    }

    #[test]
    fn a_ledger_is_bounded() {
        let full = (0..2_000_u32).fold(Ledger::default(), |l, n| {
            l.take(&uid(n), "s", &person(&n.to_string()), 1, at(0))
                .unwrap()
        });
        assert_eq!(
            take(full, 5_000, "late").unwrap_err().rule,
            "maxOpenSessions"
        );
    }
}
