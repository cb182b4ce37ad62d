//! A debug session as the rules see it: a common record, and a [`State`] that owns what belongs to that state only
//! (D25). Transitions are in [`crate::lifecycle`]; `session/stored.rs` turns it into the kind's own JSON and back.
//!
//! Times that the kind stores in whole seconds are whole seconds here too, so that what is read is what was written.

use std::time::Duration;

use jiff::Timestamp;

use breakglass_protocol::ids::{ClusterName, GrantUid, RenewalId};
use breakglass_protocol::kinds::debug_session::{
    AllowedPod, AuxiliaryResourceStatus, Cleanup, DebugSessionSpec, DeployedResource,
    PodTemplateResourceStatus,
};
use breakglass_protocol::person::Identity;

use crate::snapshot::Snapshot;

mod read;
mod stored;

pub use breakglass_protocol::kinds::debug_session::{
    EndReason, InvitedRole, Role, SessionState as StateName,
};
pub use stored::Impossible;

/// See the module's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// `debug-session-` + six of `[a-z0-9]`; unique in the hub.
    pub name: String,
    /// Namespace in the hub's store.
    pub namespace: String,
    pub uid: GrantUid,
    pub created_at: Timestamp,
    /// As requested. Immutable.
    pub spec: DebugSessionSpec,
    /// Who asked, from their token (S19).
    pub requester: Identity,
    /// What was resolved at request (S7). Immutable.
    pub snapshot: Snapshot,
    /// The decision on the request itself, once there is one.
    pub decision: Option<Decision>,
    /// Who approved renewals: one entry a person, with the newest.
    pub renewal_approvals: Vec<RenewalApproval>,
    /// Every stay of everybody, oldest first; the owner is first. Who comes back gets a new entry.
    pub participants: Vec<Participant>,
    /// Oldest first; the newest of a person counts.
    pub invitations: Vec<Invitation>,
    /// How often the pods were to be replaced: with each removal of somebody who may have open streams (D7).
    pub recycle: u32,
    pub observed: Observed,
    /// For people: what the session waits for or why it failed.
    pub message: Option<String>,
    /// Who asked, after the end, that the workload that stayed goes (S11).
    pub cleanup_request: Option<CleanupRequest>,
    pub state: State,
}

/// See [`Session::cleanup_request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanupRequest {
    pub by: String,
    /// To the microsecond.
    pub at: Timestamp,
}

/// The states of spec 1 section 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    PendingApproval,
    Active(Active),
    /// Only a session that ran can expire.
    Expired(Running, End),
    Terminated(Option<Running>, End),
    Failed(Option<Running>, End),
}

/// What only an Active session has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    pub running: Running,
    /// One at a time; it lapses with the session's end.
    pub renewal: Option<Renewal>,
}

/// A renewal that was asked for and does not count yet (S12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    pub id: RenewalId,
    /// Whole seconds.
    pub extend_by: Duration,
    pub requested_by: Identity,
    pub requested_at: Timestamp,
    pub stage: RenewalStage,
}

/// How far a renewal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalStage {
    AwaitingApproval,
    /// The agent is told; from its acknowledgement on the session runs until then.
    AwaitingAgent {
        expires_at: Timestamp,
    },
}

impl Active {
    /// From its start, with nothing asked.
    #[must_use]
    pub fn new(running: Running) -> Self {
        Self {
            running,
            renewal: None,
        }
    }

    /// The end that the agent is told, with the number of renewals that leads there.
    #[must_use]
    pub fn promised(&self) -> Running {
        match self.renewal.as_ref().map(|renewal| renewal.stage) {
            Some(RenewalStage::AwaitingAgent { expires_at }) => Running {
                expires_at,
                renewals: self.running.renewals.saturating_add(1),
                ..self.running
            },
            Some(RenewalStage::AwaitingApproval) | None => self.running,
        }
    }
}

/// The time of an Active session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    pub starts_at: Timestamp,
    pub expires_at: Timestamp,
    pub renewals: u32,
}

/// How a session ended (`status.end`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub reason: EndReason,
    /// A person's name, or `agent`; absent where time or the hub ended it.
    pub by: Option<String>,
    /// To the microsecond.
    pub at: Timestamp,
}

impl State {
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Pending => StateName::Pending,
            Self::PendingApproval => StateName::PendingApproval,
            Self::Active(_) => StateName::Active,
            Self::Expired(..) => StateName::Expired,
            Self::Terminated(..) => StateName::Terminated,
            Self::Failed(..) => StateName::Failed,
        }
    }

    /// When it ran or runs; `None` if it never became Active.
    #[must_use]
    pub fn running(&self) -> Option<&Running> {
        match self {
            Self::Pending | Self::PendingApproval => None,
            Self::Active(active) => Some(&active.running),
            Self::Expired(running, _) => Some(running),
            Self::Terminated(running, _) | Self::Failed(running, _) => running.as_ref(),
        }
    }

    #[must_use]
    pub fn end(&self) -> Option<&End> {
        match self {
            Self::Pending | Self::PendingApproval | Self::Active(_) => None,
            Self::Expired(_, end) | Self::Terminated(_, end) | Self::Failed(_, end) => Some(end),
        }
    }
}

/// An approver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub by: Identity,
    pub at: Timestamp,
    pub reason: Option<String>,
    /// Digest of the snapshot that was decided on (S7).
    pub digest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Approved,
    Rejected,
}

/// An approver's agreement to a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalApproval {
    pub id: RenewalId,
    pub by: Identity,
    pub at: Timestamp,
}

/// One stay of one person in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    pub identity: Identity,
    pub display_name: Option<String>,
    pub role: Role,
    pub joined_at: Timestamp,
    pub left_at: Option<Timestamp>,
    /// Who ended the stay for them, or made sure of its end later.
    pub removed_by: Option<Identity>,
}

/// An invitation; it counts only once that person joins (S5, D12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The name under which they will come.
    pub user: String,
    pub role: InvitedRole,
    pub invited_by: Identity,
    pub invited_at: Timestamp,
    pub clearance: Clearance,
    pub withdrawn: Option<Withdrawn>,
}

impl Invitation {
    /// Whether an approver has not decided on it.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.clearance == Clearance::Waiting && self.withdrawn.is_none()
    }
}

/// An invitation that lets nobody in any more: its person was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    pub by: Identity,
    pub at: Timestamp,
}

/// Whether an invitation as participant may be used already (S5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clearance {
    /// It stood in what was approved, or nobody has to approve.
    NotNeeded,
    /// Made after the approval: an approver must agree; until then it lets in as viewer.
    Waiting,
    Approved {
        by: Identity,
        at: Timestamp,
    },
    Rejected {
        by: Identity,
        at: Timestamp,
    },
}

/// What the agent told. Written by [`crate::observed`] alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The agent's time of the newest report taken in; older ones are ignored.
    pub reported_at: Option<Timestamp>,
    /// The renewal that the agent has taken in (S12).
    pub renewal: u32,
    /// Of the replacements of pods, those that are done.
    pub recycled: u32,
    pub pods: Vec<AllowedPod>,
    pub deployed: Vec<DeployedResource>,
    /// One for each auxiliary resource, in the template's order.
    pub auxiliary: Vec<AuxiliaryResourceStatus>,
    /// One for each later document of the pod template.
    pub pod_documents: Vec<PodTemplateResourceStatus>,
    pub cleanup: Option<Cleanup>,
    pub settled: Settled,
}

/// Whether the agent's final report of an ended session is stored: nothing more will come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Settled {
    #[default]
    No,
    Yes,
}

/// Whether a role covers another: an invitation as participant covers joining as viewer.
#[must_use]
pub fn covers(has: InvitedRole, wanted: InvitedRole) -> bool {
    match (has, wanted) {
        (InvitedRole::Participant, InvitedRole::Participant | InvitedRole::Viewer)
        | (InvitedRole::Viewer, InvitedRole::Viewer) => true,
        (InvitedRole::Viewer, InvitedRole::Participant) => false,
    }
}

impl Session {
    #[must_use]
    pub fn cluster(&self) -> ClusterName {
        ClusterName::new(&self.spec.cluster)
    }

    /// Those who joined and have not left.
    pub fn present(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|p| p.left_at.is_none())
    }

    /// A person's present stay, by account.
    #[must_use]
    pub fn present_entry(&self, identity: &Identity) -> Option<&Participant> {
        self.present()
            .find(|p| p.identity.is_same_account(identity))
    }

    /// The newest invitation in a person's name, byte for byte: what permits compares nothing looser. None once it is
    /// withdrawn: a removal withdraws all older ones too.
    #[must_use]
    pub fn invitation_of(&self, identity: &Identity) -> Option<&Invitation> {
        self.invitations
            .iter()
            .rev()
            .find(|i| i.user == identity.name)
            .filter(|i| i.withdrawn.is_none())
    }
}
