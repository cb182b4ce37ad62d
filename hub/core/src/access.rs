//! Who may do what (spec 1 section 4), as a readable list of small rules. State is [`crate::lifecycle`]'s business: a
//! caller who may approve may still come too late.
//!
//! What forbids compares people loosely (subject, name, verified e-mail: [`Identity::is_same_person`]); what permits
//! compares accounts, and names in lists byte for byte.

use breakglass_protocol::person::Identity;

use crate::caller::{Caller, Standing};
use crate::session::{Clearance, Invitation, InvitedRole, Role, Session, Verdict};

mod flags;
mod sight;
pub use flags::{Flag, Flags, Openness, flags, openness};
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
    Terminate,
    /// kubectl-debug operations; exec and friends are judged by the agent from the grant.
    Operate,
    /// Reading the record of it, with addresses and accounts (S20).
    ReadAudit,
}

impl Action {
    pub const ALL: [Self; 10] = [
        Self::See,
        Self::Approve,
        Self::Reject,
        Self::Join,
        Self::Leave,
        Self::Renew,
        Self::Invite,
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

/// What a caller is to a session. Gathered once, then judged.
#[derive(Clone, Debug)]
pub struct Relation<'a> {
    session: &'a Session,
    caller: &'a Caller,
}

impl<'a> Relation<'a> {
    #[must_use]
    pub fn of(session: &'a Session, caller: &'a Caller) -> Self {
        Self { session, caller }
    }

    /// The account that made the request.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.session
            .requester
            .is_same_account(&self.caller.identity)
    }

    /// Anybody who may be the requester under another name.
    #[must_use]
    pub fn may_be_requester(&self) -> bool {
        self.session.requester.is_same_person(&self.caller.identity)
    }

    /// The role of the caller's present stay.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.session
            .present_entry(&self.caller.identity)
            .map(|p| p.role)
    }

    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.caller.standing == Standing::Admin
    }

    /// Named by the approvers of the snapshot, with the caller's groups of now (S6).
    #[must_use]
    pub fn is_approver(&self) -> bool {
        let terms = &self.session.snapshot.terms.approval;
        self.caller.is_named_in(&terms.users) || self.caller.is_in_any(&terms.groups)
    }

    /// Admitted by `allowed`, with the caller's groups of now (S5, S6).
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.session.snapshot.terms.admitted.holds(self.caller)
    }

    #[must_use]
    pub fn invitation(&self) -> Option<&'a Invitation> {
        self.session.invitation_of(&self.caller.identity)
    }

    /// Anybody who may be a participant, past ones too, or an invited person (S5).
    fn may_be_in_it(&self) -> bool {
        let me = &self.caller.identity;
        self.session
            .participants
            .iter()
            .any(|p| p.identity.is_same_person(me))
            || self
                .session
                .invitations
                .iter()
                .any(|i| may_mean(&i.user, me))
    }

    /// Approved the request or an invitation.
    fn approved(&self) -> bool {
        let me = &self.caller.identity;
        let request = self
            .session
            .decision
            .as_ref()
            .is_some_and(|d| d.verdict == Verdict::Approved && d.by.is_same_person(me));
        request
            || self.session.invitations.iter().any(|i| match &i.clearance {
                Clearance::Approved { by, .. } => by.is_same_person(me),
                Clearance::NotNeeded | Clearance::Waiting | Clearance::Rejected { .. } => false,
            })
    }

    /// Whether the caller could join as participant, and if not, why (S5).
    ///
    /// # Errors
    /// The rule that stands against it.
    pub fn may_participate(&self) -> Result<(), Forbidden> {
        let refuse = |rule, message: &str| {
            Err(Forbidden {
                rule,
                message: message.to_owned(),
            })
        };
        let Some(invitation) = self
            .invitation()
            .filter(|i| i.role == InvitedRole::Participant)
        else {
            return refuse(
                "join.role",
                "you are not invited as participant; join as viewer, or ask the owner to invite you",
            );
        };
        if self.approved() {
            return refuse(
                "join.approver",
                "you approved this session, so you can only be a viewer in it",
            );
        }
        match invitation.clearance {
            Clearance::NotNeeded | Clearance::Approved { .. } => {}
            Clearance::Waiting => {
                return refuse(
                    "join.clearance",
                    "your invitation was made after the approval and waits for an approver; until then join as viewer",
                );
            }
            Clearance::Rejected { .. } => {
                return refuse(
                    "join.clearance",
                    "an approver refused your invitation; you can join as viewer",
                );
            }
        }
        if self.is_admitted() {
            Ok(())
        } else {
            refuse(
                "join.allowed",
                "the template's `allowed` names neither you nor one of your groups; join as viewer",
            )
        }
    }
}

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
    let decision = match action {
        Action::See => judge_see(&relation),
        Action::Approve | Action::Reject => judge_approve(&relation),
        Action::Join => judge_join(&relation),
        Action::Leave => judge_leave(&relation),
        Action::Renew | Action::Invite => judge_owner_only(&relation),
        Action::Terminate => judge_terminate(&relation),
        Action::Operate => judge_operate(&relation),
        Action::ReadAudit => judge_read_audit(&relation),
    };
    match (decision, judge_see(&relation)) {
        (Decision::Forbidden(_), Decision::NotFound) => Decision::NotFound,
        (decision, _) => decision,
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
    } else if r.invitation().is_some() || r.is_admitted() {
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
