//! What a caller could do to a session right now: who they are and the session's state together. For `canApprove` and
//! the like in answers; it permits nothing by itself.

use super::{Action, Decision, Relation, judge};
use crate::caller::Caller;
use crate::lifecycle;
use crate::session::Session;

/// The five flags of spec 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    pub approve: Flag,
    pub reject: Flag,
    pub join: Flag,
    pub renew: Flag,
    pub terminate: Flag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    Can,
    Cannot,
}

impl Flag {
    #[must_use]
    pub fn is_set(self) -> bool {
        self == Self::Can
    }
}

/// Whether a session's own record leaves anything to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// Who the caller is decides.
    Open,
    /// No flag is set for anybody, until the session changes.
    Closed,
}

/// What the flags stand for.
const FLAGGED: [Action; 5] = [
    Action::Approve,
    Action::Reject,
    Action::Join,
    Action::Renew,
    Action::Terminate,
];

impl Flags {
    /// Those of everybody on a session that is [`Openness::Closed`].
    pub const NONE: Self = Self {
        approve: Flag::Cannot,
        reject: Flag::Cannot,
        join: Flag::Cannot,
        renew: Flag::Cannot,
        terminate: Flag::Cannot,
    };
}

/// Whether anybody could have a flag set on this session.
#[must_use]
pub fn openness(session: &Session) -> Openness {
    let open = |action: &Action| lifecycle::is_open_to(session, *action);
    if FLAGGED.iter().any(open) {
        Openness::Open
    } else {
        Openness::Closed
    }
}

/// The flags of one caller.
#[must_use]
pub fn flags(session: &Session, caller: &Caller) -> Flags {
    let can = |action| {
        let allowed = judge(action, session, caller) == Decision::Allow;
        if allowed && lifecycle::is_open_to(session, action) {
            Flag::Can
        } else {
            Flag::Cannot
        }
    };
    let joined = Relation::of(session, caller).role().is_some();
    Flags {
        approve: can(Action::Approve),
        reject: can(Action::Reject),
        join: if joined {
            Flag::Cannot
        } else {
            can(Action::Join)
        },
        renew: can(Action::Renew),
        terminate: can(Action::Terminate),
    }
}
