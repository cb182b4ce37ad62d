//! People whom an admin barred everywhere (S11): one list for the hub, and what it does to a session. Barring ends what
//! is open and refuses what is asked; who they are is still proved by their token.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use breakglass_protocol::person::{Identity, check_person_name};

use crate::access::may_mean;
use crate::caller::Caller;
use crate::clock::{Now, whole_second};
use crate::lifecycle::{cut_off, terminate};
use crate::refusal::{Class, Refusal, Violation};
use crate::session::{Session, State};

/// People barred at once. Each is looked for in every request; a list this long is no longer made by hand.
const MAX_BARS: usize = 1_000;
/// Length of a reason, in characters.
const MAX_REASON: usize = 1_000;

/// The list, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bars {
    #[serde(default)]
    pub people: Vec<Bar>,
}

/// One barred person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bar {
    /// A name, a verified e-mail address or a subject: whoever may be meant is barred.
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub by: Identity,
    pub at: Timestamp,
}

/// What barring did to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was the barred person's: it ended.
    Ended {
        user: String,
    },
    Removed {
        user: String,
    },
}

impl Bar {
    /// Compared loosely: it forbids (S6).
    fn means(&self, person: &Identity) -> bool {
        may_mean(&self.user, person) || self.user == person.subject
    }

    fn means_name(&self, name: &str) -> bool {
        self.user.to_lowercase() == name.to_lowercase()
    }
}

impl Bars {
    /// The bar that this person stands under.
    #[must_use]
    pub fn find(&self, person: &Identity) -> Option<&Bar> {
        self.people.iter().find(|bar| bar.means(person))
    }

    /// Bars somebody; the same person again changes nothing.
    ///
    /// # Errors
    /// If it is no person's name, the caller's own, or one too many.
    pub fn bar(
        mut self,
        user: &str,
        reason: Option<&str>,
        by: &Caller,
        now: Now,
    ) -> Result<Self, Refusal> {
        let bar = Bar {
            user: user.to_owned(),
            reason: reason.map(str::to_owned),
            by: by.identity.clone(),
            at: whole_second(now.wall),
        };
        let violations = check(&bar, by);
        if let Some(refusal) = Refusal::from_violations(violations) {
            return Err(refusal);
        }
        if self.people.iter().any(|known| known.user == bar.user) {
            return Ok(self);
        }
        if self.people.len() >= MAX_BARS {
            let message =
                format!("{MAX_BARS} people are barred, which is the limit; unbar somebody");
            return Err(one(Class::Conflict, "person.limit", message));
        }
        self.people.push(bar);
        Ok(self)
    }

    /// Lets somebody in again. What was ended stays ended; who was removed needs a new invitation.
    ///
    /// # Errors
    /// If nobody is barred by this very name.
    pub fn unbar(mut self, user: &str) -> Result<Self, Refusal> {
        let before = self.people.len();
        self.people.retain(|bar| bar.user != user);
        if self.people.len() == before {
            let message = "nobody is barred by this name; the list has the names".to_owned();
            return Err(one(Class::NotFound, "person.barred", message));
        }
        Ok(self)
    }
}

fn check(bar: &Bar, by: &Caller) -> Vec<Violation> {
    let mut violations = Vec::new();
    if let Err(error) = check_person_name(&bar.user) {
        let message = format!("the name {error}");
        violations.push(Violation::constraint("user", "person.name", message));
    }
    if bar.means(&by.identity) {
        let message = "is yourself; ask another admin";
        violations.push(Violation::new(
            Class::Conflict,
            "user",
            "person.own",
            message,
        ));
    }
    let length = bar.reason.as_deref().map_or(0, |r| r.chars().count());
    if length > MAX_REASON {
        let message = format!("has {length} characters; write at most {MAX_REASON}");
        violations.push(Violation::constraint("reason", "person.reason", message));
    }
    violations
}

fn one(class: Class, rule: &'static str, message: String) -> Refusal {
    Refusal {
        class,
        violations: vec![Violation::new(class, "user", rule, message)],
    }
}

/// What the list makes of a session: `None` where it changes nothing. Applied again it changes nothing.
#[must_use]
pub fn apply(session: &Session, bars: &Bars, now: Now) -> Option<(Session, Vec<Effect>)> {
    match session.state {
        State::Pending | State::PendingApproval | State::Active(_) => {}
        State::Expired(..) | State::Terminated(..) | State::Failed(..) => return None,
    }
    let moment = session.not_before(now.wall);
    if let Some(bar) = bars.find(&session.requester) {
        let user = session.requester.name.clone();
        let ended = terminate(session.clone(), &bar.by.name, moment).ok()?;
        let message = Some(format!(
            "{} barred its owner from debug sessions",
            bar.by.name
        ));
        return Some((Session { message, ..ended }, vec![Effect::Ended { user }]));
    }
    let at = whole_second(moment);
    let mut after = session.clone();
    let mut effects = Vec::new();
    for (user, bar) in barred_in(session, bars) {
        let before = after.clone();
        after = cut_off(after, &user, &bar.by, at);
        if after != before {
            effects.push(Effect::Removed { user });
        }
    }
    (!effects.is_empty()).then_some((after, effects))
}

/// Everybody in or invited to a session who is barred, with the bar.
fn barred_in<'a>(session: &Session, bars: &'a Bars) -> Vec<(String, &'a Bar)> {
    let stays = session.participants.iter().filter_map(|stay| {
        let bar = bars.find(&stay.identity)?;
        Some((stay.identity.name.clone(), bar))
    });
    let invited = session.invitations.iter().filter_map(|invitation| {
        let bar = bars
            .people
            .iter()
            .find(|b| b.means_name(&invitation.user))?;
        Some((invitation.user.clone(), bar))
    });
    stays.chain(invited).collect()
}
