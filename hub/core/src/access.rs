//! Who may do what (spec 1 section 4), as a readable list of small rules. State is [`crate::lifecycle`]'s business: a
//! caller who may approve may still come too late.
//!
//! What forbids compares people loosely (subject, name, verified e-mail: [`Identity::is_same_person`]); what permits
//! compares accounts, and names in lists byte for byte.

use breakglass_protocol::person::Identity;

use crate::caller::{Caller, Standing};
use crate::session::{Role, Session};

mod flags;
mod relation;
mod sight;
pub use flags::{Flag, Flags, Openness, flags, openness};
pub use relation::Relation;
pub use sight::{SeenBy, Sight, seen_by, sight};

/// What a caller may want of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    See,
    Approve,
    Reject,
    Join,
    Leave,
    Renew,
    Invite,
    Remove,
    Terminate,
    /// kubectl-debug operations; exec and friends are judged by the agent from the grant.
    Operate,
    /// Reading the record of it, with addresses and accounts (S20).
    ReadAudit,
}

impl Action {
    pub const ALL: [Self; 11] = [
        Self::See,
        Self::Approve,
        Self::Reject,
        Self::Join,
        Self::Leave,
        Self::Renew,
        Self::Invite,
        Self::Remove,
        Self::Terminate,
        Self::Operate,
        Self::ReadAudit,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Renew => "renew",
            Self::Invite => "invite",
            Self::Remove => "remove",
            Self::Terminate => "terminate",
            Self::Operate => "operate",
            Self::ReadAudit => "readAudit",
        }
    }
}

/// The answer to "may they".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// 404: the caller may not know that the session exists.
    NotFound,
    /// 403, with why.
    Forbidden(Forbidden),
}

/// Which rule forbade it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    pub rule: &'static str,
    pub message: String,
}

impl Decision {
    fn forbid(rule: &'static str, message: impl Into<String>) -> Self {
        Self::Forbidden(Forbidden {
            rule,
            message: message.into(),
        })
    }
}

/// The rule that keeps a barred person out of everything, and what they are told (S11).
pub(crate) const BARRED: &str = "person.barred";
pub(crate) const BARRED_MESSAGE: &str =
    "an admin barred you from debug sessions; ask an admin of this hub";

/// Whether an invitation under `name` may mean this person: for what forbids.
pub(crate) fn may_mean(name: &str, person: &Identity) -> bool {
    let mail = person
        .email
        .as_deref()
        .filter(|m| person.email_verified && !m.is_empty());
    name == person.name || mail.is_some_and(|m| m.to_lowercase() == name.to_lowercase())
}

/// Judges one action of one caller. Who may not see a session is told that it does not exist, but for those who may
/// join it.
#[must_use]
pub fn judge(action: Action, session: &Session, caller: &Caller) -> Decision {
    let relation = Relation::of(session, caller);
    let decision = match (caller.standing, action) {
        (Standing::Barred, Action::See | Action::Leave) => None,
        (
            Standing::Barred,
            Action::Approve
            | Action::Reject
            | Action::Join
            | Action::Renew
            | Action::Invite
            | Action::Remove
            | Action::Terminate
            | Action::Operate
            | Action::ReadAudit,
        ) => Some(Decision::forbid(BARRED, BARRED_MESSAGE)),
        (Standing::User | Standing::Admin, _) => None,
    };
    let decision = decision.unwrap_or_else(|| judge_relation(action, &relation));
    match (decision, judge_see(&relation)) {
        (Decision::Forbidden(_), Decision::NotFound) => Decision::NotFound,
        (decision, _) => decision,
    }
}

fn judge_relation(action: Action, relation: &Relation<'_>) -> Decision {
    match action {
        Action::See => judge_see(relation),
        Action::Approve | Action::Reject => judge_approve(relation),
        Action::Join => judge_join(relation),
        Action::Leave => judge_leave(relation),
        Action::Renew => judge_renew(relation),
        Action::Invite => judge_owner_only(relation),
        Action::Remove => judge_remove(relation),
        Action::Terminate => judge_terminate(relation),
        Action::Operate => judge_operate(relation),
        Action::ReadAudit => judge_read_audit(relation),
    }
}

fn judge_see(r: &Relation<'_>) -> Decision {
    if sight(r.caller).reaches(r.session) {
        Decision::Allow
    } else {
        Decision::NotFound
    }
}

fn judge_approve(r: &Relation<'_>) -> Decision {
    if r.may_be_requester() {
        return Decision::forbid(
            "approve.own",
            "nobody decides on their own session, by whatever name; ask another approver",
        );
    }
    if r.may_be_in_it() {
        return Decision::forbid(
            "approve.involved",
            "you take part in this session or are invited to it; an approver who is not must decide",
        );
    }
    if r.is_approver() {
        Decision::Allow
    } else {
        Decision::forbid(
            "approve.approvers",
            "you are not among this session's approvers",
        )
    }
}

fn judge_join(r: &Relation<'_>) -> Decision {
    if r.is_owner() {
        Decision::forbid("join.owner", "you are the owner and in the session already")
    } else if r.invitation().is_some() {
        Decision::Allow
    } else if r.was_removed() {
        Decision::forbid(
            "join.removed",
            "you were removed from this session; only a new invitation of its owner lets you in",
        )
    } else if r.is_admitted() {
        Decision::Allow
    } else {
        Decision::forbid(
            "join.allowed",
            "you are not invited, and the template's `allowed` names neither you nor one of your groups; ask the owner",
        )
    }
}

fn judge_leave(r: &Relation<'_>) -> Decision {
    match (r.is_owner(), r.role()) {
        (true, _) => Decision::forbid(
            "leave.owner",
            "the owner cannot leave; terminate the session instead",
        ),
        (false, Some(Role::Owner | Role::Participant | Role::Viewer)) => Decision::Allow,
        (false, None) => Decision::forbid("leave.participants", "you are not in this session"),
    }
}

fn judge_owner_only(r: &Relation<'_>) -> Decision {
    if r.is_owner() {
        Decision::Allow
    } else {
        Decision::forbid("owner", "only the owner of the session may do this")
    }
}

/// S6: with the groups of now. Who is no longer admitted keeps what they have until it ends, and gets no more.
fn judge_renew(r: &Relation<'_>) -> Decision {
    match judge_owner_only(r) {
        Decision::Allow if !r.is_admitted() => Decision::forbid(
            "renew.allowed",
            "the template's `allowed` no longer names you or one of your groups; the session ends at its time",
        ),
        decision @ (Decision::Allow | Decision::NotFound | Decision::Forbidden(_)) => decision,
    }
}

fn judge_remove(r: &Relation<'_>) -> Decision {
    if r.is_owner() || r.is_admin() {
        Decision::Allow
    } else {
        Decision::forbid(
            "remove.owner",
            "only the owner of the session or an admin may remove somebody from it",
        )
    }
}

fn judge_terminate(r: &Relation<'_>) -> Decision {
    if r.is_owner() || r.is_admin() {
        Decision::Allow
    } else {
        Decision::forbid(
            "terminate.owner",
            "only the owner of the session or an admin may end it",
        )
    }
}

fn judge_operate(r: &Relation<'_>) -> Decision {
    match r.role() {
        Some(Role::Owner | Role::Participant) => Decision::Allow,
        Some(Role::Viewer) => Decision::forbid(
            "operate.role",
            "viewers watch; ask the owner to invite you as participant",
        ),
        None => Decision::forbid(
            "operate.participants",
            "you are not in this session; join it first",
        ),
    }
}

fn judge_read_audit(r: &Relation<'_>) -> Decision {
    if r.is_owner() || r.is_approver() || r.is_admin() {
        Decision::Allow
    } else {
        Decision::forbid(
            "audit.readers",
            "only the owner of the session, its approvers and admins may read its record; its events are for everybody in it",
        )
    }
}
