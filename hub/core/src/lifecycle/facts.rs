//! What follows from a session's record alone.

use jiff::Timestamp;

use crate::access::Action;
use crate::clock::{later, whole_microsecond};
use crate::session::{Invitation, Renewal, RenewalStage, Session, Settled, State};
use crate::snapshot::Renewals;

/// Whether the state alone admits what a caller may do: for the `can…` flags.
#[must_use]
pub fn is_open_to(session: &Session, action: Action) -> bool {
    let waits = session.state == State::PendingApproval
        || session.has_waiting_invitations()
        || session.has_waiting_renewal();
    let active = matches!(session.state, State::Active(_));
    match action {
        Action::See | Action::ReadAudit => true,
        Action::Approve | Action::Reject => waits,
        Action::Join | Action::Leave | Action::Operate => active,
        Action::Invite | Action::Remove => active || session.state.end().is_none(),
        Action::Renew => session.could_be_renewed(),
        Action::Terminate => session.state.end().is_none() || session.has_leftovers(),
    }
}

impl Session {
    /// Whether the cluster may still hold something of this ended session.
    #[must_use]
    pub fn has_leftovers(&self) -> bool {
        let ran = self.state.running().is_some();
        let remaining = self
            .observed
            .cleanup
            .as_ref()
            .is_some_and(|c| !c.remaining.is_empty());
        self.state.end().is_some() && ran && (self.observed.settled == Settled::No || remaining)
    }

    /// Whether an approver has something to decide on an Active session (S5).
    #[must_use]
    pub fn has_waiting_invitations(&self) -> bool {
        self.waiting_invitations().next().is_some()
    }

    /// Of an Active session those that an approver decides on (S5).
    pub fn waiting_invitations(&self) -> impl Iterator<Item = &Invitation> {
        let is_active = matches!(self.state, State::Active(_));
        let invitations = self.invitations.iter();
        invitations.filter(move |invitation| is_active && invitation.is_waiting())
    }

    /// Whether an approver has a renewal to decide (S7).
    #[must_use]
    pub fn has_waiting_renewal(&self) -> bool {
        self.renewal()
            .is_some_and(|renewal| renewal.stage == RenewalStage::AwaitingApproval)
    }

    /// The renewal that does not count yet.
    #[must_use]
    pub fn renewal(&self) -> Option<&Renewal> {
        match &self.state {
            State::Active(active) => active.renewal.as_ref(),
            State::Pending
            | State::PendingApproval
            | State::Expired(..)
            | State::Terminated(..)
            | State::Failed(..) => None,
        }
    }

    /// Whether its terms leave something to ask for. The time left is judged when it is asked.
    fn could_be_renewed(&self) -> bool {
        let State::Active(active) = &self.state else {
            return false;
        };
        let terms = &self.snapshot.terms;
        let last = later(active.running.starts_at, terms.max_duration);
        let has_one_left = match terms.renewals {
            Renewals::None => false,
            Renewals::UpTo { times, .. } => active.running.renewals < times,
        };
        active.renewal.is_none() && has_one_left && active.running.expires_at < last
    }

    /// `at`, but never before anything that this session recorded: a clock that was set back moves nothing backwards.
    /// To the microsecond, as ends are stored.
    pub(crate) fn not_before(&self, at: Timestamp) -> Timestamp {
        let stays = self
            .participants
            .iter()
            .flat_map(|p| [Some(p.joined_at), p.left_at]);
        let invited = self.invitations.iter().map(|i| Some(i.invited_at));
        let decided = [
            self.decision.as_ref().map(|d| d.at),
            self.state.running().map(|r| r.starts_at),
            self.renewal().map(|r| r.requested_at),
        ];
        let withdrawn = self
            .invitations
            .iter()
            .map(|i| Some(i.withdrawn.as_ref()?.at));
        let agreed = self.renewal_approvals.iter().map(|a| Some(a.at));
        stays
            .chain(invited)
            .chain(decided)
            .chain(agreed)
            .chain(withdrawn)
            .chain([self.cleanup_request.as_ref().map(|r| r.at)])
            .flatten()
            .fold(whole_microsecond(at).max(self.created_at), Timestamp::max)
    }
}
