//! What a caller is to a session: facts for the rules.

use super::{Forbidden, may_mean};
use crate::caller::{Caller, Standing};
use crate::session::{Clearance, Invitation, InvitedRole, Role, Session, Verdict};

/// What a caller is to a session. Gathered once, then judged.
#[derive(Clone, Debug)]
pub struct Relation<'a> {
    pub(super) session: &'a Session,
    pub(super) caller: &'a Caller,
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
    pub(super) fn may_be_in_it(&self) -> bool {
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

    /// Removed, by whatever name they come now.
    pub(super) fn was_removed(&self) -> bool {
        let me = &self.caller.identity;
        let mut stays = self.session.participants.iter();
        let mut invitations = self.session.invitations.iter();
        stays.any(|p| p.removed_by.is_some() && p.identity.is_same_person(me))
            || invitations.any(|i| i.withdrawn.is_some() && may_mean(&i.user, me))
    }

    /// Approved the request, a renewal or an invitation.
    fn approved(&self) -> bool {
        let me = &self.caller.identity;
        let request = self
            .session
            .decision
            .as_ref()
            .is_some_and(|d| d.verdict == Verdict::Approved && d.by.is_same_person(me));
        let renewal = self.session.renewal_approvals.iter();
        request
            || renewal.into_iter().any(|a| a.by.is_same_person(me))
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
