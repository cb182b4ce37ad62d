//! What follows from a session's record alone.

use jiff::Timestamp;

use crate::access::Action;
use crate::clock::whole_microsecond;
use crate::session::{Clearance, Session, Settled, State};

/// Whether the state alone admits what a caller may do: for the `can…` flags.
#[must_use]
pub fn is_open_to(session: &Session, action: Action) -> bool {
    let waits = session.state == State::PendingApproval || session.has_waiting_invitations();
    let active = matches!(session.state, State::Active(_));
    match action {
        Action::See | Action::ReadAudit => true,
        Action::Approve | Action::Reject => waits,
        Action::Join | Action::Leave | Action::Operate => active,
        Action::Invite => active || session.state.end().is_none(),
        Action::Renew => false,
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
        matches!(self.state, State::Active(_))
            && self
                .invitations
                .iter()
                .any(|i| i.clearance == Clearance::Waiting)
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
        ];
        stays
            .chain(invited)
            .chain(decided)
            .flatten()
            .fold(whole_microsecond(at).max(self.created_at), Timestamp::max)
    }
}
