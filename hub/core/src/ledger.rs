//! Limits on how many sessions may be open at once. One record per template and one per binding hold who has
//! which session open; the shell takes a place by compare-and-set on that record *before* it creates the session, so
//! that the limit holds on a store without transactions (D18). A job repairs what a crash in between leaves.

mod written;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::person::Identity;

use self::written::Written;
use crate::refusal::Violation;

/// Places in one ledger, over all people: bounds the record's size (about 100 bytes each).
pub const MAX_ENTRIES: usize = 2_000;

/// Who holds which places under one template, or through one binding. The stored object's name is theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Ledger {
    /// By session UID.
    pub open: BTreeMap<GrantUid, Place>,
    /// Sessions that were ever made, as far as this hub counted. What a crash in the middle of a request counts too many is
    /// taken back with its place.
    pub made: u64,
    /// When the newest of them was.
    pub last_made_at: Option<Timestamp>,
}

/// Why a place is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Ended,
    /// The session was not made after all.
    NotMade,
}

/// What the stored sessions of a ledger say of how it was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many there are, ended ones that are still kept too.
    pub sessions: u64,
    /// When the newest was made.
    pub newest: Option<Timestamp>,
}

/// One open session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub session: String,
    /// Who has it.
    pub holder: Arc<Holder>,
    /// When it was taken: the repairing job leaves young places alone, whose session is about to be created.
    pub taken_at: Timestamp,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    pub issuer: String,
    pub subject: String,
}

impl Holder {
    #[must_use]
    pub fn of(person: &Identity) -> Self {
        Self {
            issuer: person.issuer.clone(),
            subject: person.subject.clone(),
        }
    }

    fn is(&self, person: &Identity) -> bool {
        self.issuer == person.issuer && self.subject == person.subject
    }
}

/// A limit of one ledger: what it is called where it is refused, and what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: u32,
    pub of: LimitOf,
}

/// The settings that limit open sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitOf {
    /// `constraints.maxConcurrentSessions`: of one person, under the template.
    PersonAndTemplate,
    /// `maxActiveSessionsPerUser`: of one person, through the binding.
    PersonAndBinding,
    /// `maxActiveSessionsTotal`: of everybody, through the binding.
    Binding,
}

impl LimitOf {
    fn field(self) -> &'static str {
        match self {
            Self::PersonAndTemplate => "templateRef",
            Self::PersonAndBinding | Self::Binding => "bindingRef",
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::PersonAndTemplate => "constraints.maxConcurrentSessions",
            Self::PersonAndBinding => "maxActiveSessionsPerUser",
            Self::Binding => "maxActiveSessionsTotal",
        }
    }
}

/// One session that wants a place.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub uid: &'a GrantUid,
    pub session: &'a str,
    pub person: &'a Identity,
}

impl Ledger {
    /// Takes a place for one more session, if every limit leaves one. Taking the same UID twice changes nothing.
    ///
    /// # Errors
    /// The first violated limit; one of a person's own names the sessions that they have open, nobody else's.
    pub fn take(
        mut self,
        wanted: Wanted<'_>,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<Self, Violation> {
        if self.open.contains_key(wanted.uid) {
            return Ok(self);
        }
        for limit in limits {
            self.check(wanted.person, *limit)?;
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
            session: wanted.session.to_owned(),
            holder: Arc::new(Holder::of(wanted.person)),
            taken_at: now,
        };
        self.open.insert(wanted.uid.clone(), place);
        self.made = self.made.saturating_add(1);
        self.last_made_at = self.last_made_at.max(Some(now));
        Ok(self)
    }

    fn check(&self, person: &Identity, Limit { count, of }: Limit) -> Result<(), Violation> {
        let is_full = |held: usize| held >= usize::try_from(count).unwrap_or(usize::MAX);
        let message = match of {
            LimitOf::PersonAndTemplate | LimitOf::PersonAndBinding => {
                let held: Vec<&str> = self.held_by(person).map(|p| p.session.as_str()).collect();
                if !is_full(held.len()) {
                    return Ok(());
                }
                let whose = match of {
                    LimitOf::PersonAndTemplate => "of this template",
                    LimitOf::PersonAndBinding | LimitOf::Binding => "through this binding",
                };
                format!(
                    "you may have {count} open sessions {whose} and have {}: {}; terminate one first",
                    held.len(),
                    held.join(", ")
                )
            }
            LimitOf::Binding => {
                if !is_full(self.open.len()) {
                    return Ok(());
                }
                format!(
                    "all {count} sessions that this binding allows at once are open; wait until one ends, or ask for one of yours to be terminated"
                )
            }
        };
        Err(Violation::constraint(of.field(), of.rule(), message))
    }

    /// Gives a place back. One that is not there changes nothing.
    #[must_use]
    pub fn release(mut self, uid: &GrantUid, left: Left) -> Self {
        if self.open.remove(uid).is_some() {
            match left {
                Left::Ended => {}
                Left::NotMade => self.made = self.made.saturating_sub(1),
            }
        }
        self
    }

    /// Counts what a hub made that did not count yet: never less than the sessions that are there.
    #[must_use]
    pub fn counting(mut self, seen: Seen) -> Self {
        self.made = self.made.max(seen.sessions);
        self.last_made_at = self.last_made_at.max(seen.newest);
        self
    }

    /// Places whose session is not open: it ended, or was never made. One that was not taken before `settled_before` may
    /// belong to a session that is in the middle of a create, and is left out.
    pub fn abandoned(
        &self,
        really_open: &BTreeMap<GrantUid, Place>,
        settled_before: Timestamp,
    ) -> BTreeMap<GrantUid, Place> {
        let is_abandoned = |uid: &GrantUid, place: &Place| {
            place.taken_at < settled_before && !really_open.contains_key(uid)
        };
        let places = self.open.iter();
        places
            .filter(|(uid, place)| is_abandoned(uid, place))
            .map(|(uid, place)| (uid.clone(), place.clone()))
            .collect()
    }

    /// Places of open sessions that have none here.
    #[must_use]
    pub fn missing(&self, mut really_open: BTreeMap<GrantUid, Place>) -> BTreeMap<GrantUid, Place> {
        really_open.retain(|uid, _| !self.open.contains_key(uid));
        really_open
    }

    /// Adds [`missing`](Self::missing) places: their sessions are there, whatever the limits say.
    #[must_use]
    pub fn adding(mut self, missing: BTreeMap<GrantUid, Place>) -> Self {
        self.open.extend(missing);
        self
    }

    fn held_by<'a>(&'a self, person: &'a Identity) -> impl Iterator<Item = &'a Place> {
        self.open.values().filter(|place| place.holder.is(person))
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
        take_under(ledger, n, who, &[own(2)])
    }

    fn own(count: u32) -> Limit {
        let of = LimitOf::PersonAndTemplate;
        Limit { count, of }
    }

    fn take_under(
        ledger: Ledger,
        n: u32,
        who: &str,
        limits: &[Limit],
    ) -> Result<Ledger, Violation> {
        let (uid, session, person) = (uid(n), format!("session-{n}"), person(who));
        let wanted = Wanted {
            uid: &uid,
            session: &session,
            person: &person,
        };
        ledger.take(wanted, limits, at(i64::from(n)))
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
        assert!(take(ledger.release(&uid(1), Left::Ended), 3, "alice").is_ok());
    }

    #[test]
    fn d18_a_binding_counts_each_person_and_everybody() {
        let limit = |count, of| Limit { count, of };
        let limits = [
            limit(2, LimitOf::PersonAndBinding),
            limit(3, LimitOf::Binding),
        ];
        let take = |ledger, n, who| take_under(ledger, n, who, &limits);
        let two = take(Ledger::default(), 1, "alice")
            .and_then(|l| take(l, 2, "alice"))
            .unwrap();
        let refusal = take(two.clone(), 3, "alice").unwrap_err();
        assert_eq!(refusal.rule, "maxActiveSessionsPerUser");
        let full = take(two, 3, "bob").unwrap();
        let refusal = take(full.clone(), 4, "carol").unwrap_err();
        assert_eq!(refusal.rule, "maxActiveSessionsTotal");
        assert!(
            !refusal.message.contains("session-"),
            "other people's sessions are not named: {}",
            refusal.message
        );
        assert!(take(full.release(&uid(1), Left::Ended), 4, "carol").is_ok());
    }

    #[test]
    fn d18_taking_twice_and_releasing_twice_change_nothing() {
        let once = take(Ledger::default(), 1, "alice").unwrap();
        assert_eq!(take(once.clone(), 1, "alice").unwrap(), once);
        let released = once.release(&uid(1), Left::Ended);
        assert_eq!(released.clone().release(&uid(1), Left::Ended), released);
        assert_eq!(released.open, BTreeMap::new());
        assert_eq!((released.made, released.last_made_at), (1, Some(at(1))));
    }

    #[test]
    fn what_was_made_is_counted_once_and_what_was_not_made_is_not() {
        let two = take(Ledger::default(), 1, "alice")
            .and_then(|l| take(l, 2, "alice"))
            .unwrap();
        let one = two.release(&uid(2), Left::NotMade);
        assert_eq!(one.made, 1);
        let one = one.release(&uid(2), Left::NotMade);
        assert_eq!(one.made, 1, "it is not there any more");
        let seen = |sessions, newest| Seen {
            sessions,
            newest: Some(at(newest)),
        };
        let older = one.clone().counting(seen(7, 0));
        assert_eq!((older.made, older.last_made_at), (7, Some(at(2))));
        let fewer = older.counting(seen(3, 9));
        assert_eq!((fewer.made, fewer.last_made_at), (7, Some(at(9))));
    }

    #[test]
    fn d18_the_repair_leaves_young_places_and_adds_missing_ones() {
        let ledger = [1, 2, 3].into_iter().fold(Ledger::default(), |l, n| {
            take_under(l, n, "alice", &[own(9)]).unwrap()
        });
        let place = |n: i64| Place {
            session: "s".into(),
            holder: Arc::new(Holder::of(&person("alice"))),
            taken_at: at(n),
        };
        let really = BTreeMap::from([(uid(2), place(2)), (uid(7), place(7))]);
        let uids = |places: &BTreeMap<GrantUid, Place>| {
            let uids: Vec<String> = places.keys().map(ToString::to_string).collect();
            uids.join(" ")
        };
        let abandoned = ledger.abandoned(&really, at(3));
        assert_eq!(uids(&abandoned), "1", "3 may be in the middle of a create");
        let missing = ledger.missing(really);
        assert_eq!(uids(&missing), "7");
        assert_eq!(uids(&ledger.adding(missing).open), "1 2 3 7");
    }

    #[test]
    fn a_ledger_is_bounded() {
        let full = (0..2_000_u32).fold(Ledger::default(), |l, n| {
            take_under(l, n, &n.to_string(), &[own(1)]).unwrap()
        });
        assert_eq!(
            take(full, 5_000, "late").unwrap_err().rule,
            "maxOpenSessions"
        );
    }
}
