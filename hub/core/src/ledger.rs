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
