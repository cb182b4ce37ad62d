//! A debug session as the rules see it: a common record, and a [`State`] that owns what belongs to that state only
//! (D25). Transitions are in [`crate::lifecycle`]; `session/stored.rs` turns it into the kind's own JSON and back.
//!
//! Times that the kind stores in whole seconds are whole seconds here too, so that what is read is what was written.

use jiff::Timestamp;

use breakglass_protocol::ids::{ClusterName, GrantUid};
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
    /// Every stay of everybody, oldest first; the owner is first. Who comes back gets a new entry.
    pub participants: Vec<Participant>,
    /// Oldest first; the newest of a person counts.
    pub invitations: Vec<Invitation>,
    pub observed: Observed,
    /// For people: what the session waits for or why it failed.
    pub message: Option<String>,
    pub state: State,
}

/// The states of spec 1 section 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    PendingApproval,
    Active(Running),
    /// Only a session that ran can expire.
    Expired(Running, End),
    Terminated(Option<Running>, End),
    Failed(Option<Running>, End),
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
            Self::Active(running) | Self::Expired(running, _) => Some(running),
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

/// One stay of one person in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    pub identity: Identity,
    pub display_name: Option<String>,
    pub role: Role,
    pub joined_at: Timestamp,
    pub left_at: Option<Timestamp>,
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

    /// The newest invitation in a person's name, byte for byte: what permits compares nothing looser.
    #[must_use]
    pub fn invitation_of(&self, identity: &Identity) -> Option<&Invitation> {
        self.invitations
            .iter()
            .rev()
            .find(|i| i.user == identity.name)
    }
}
