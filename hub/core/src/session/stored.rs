//! Session → the kind's own JSON, and why some JSON is no session: impossible combinations of fields are refused, not
//! repaired (D25). Reading is in `read.rs`.

use jiff::Timestamp;

use breakglass_protocol::duration::DurationText;
use breakglass_protocol::kinds::debug_session as kind;
use breakglass_protocol::kinds::debug_session::{DebugSession, DebugSessionStatus};
use breakglass_protocol::kinds::{MicroTime, ObjectMeta, Time};
use breakglass_protocol::person::Identity;

use super::{
    Clearance, Invitation, Observed, Participant, Renewal, RenewalApproval, RenewalStage, Session,
    Settled, State, StateName, Verdict,
};
use crate::clock::{whole_microsecond, whole_second};
use crate::snapshot::{Requirement, SnapshotError, Source};

/// Why a stored object is no session. Means a damaged or hand-edited record.
#[derive(Debug, thiserror::Error)]
pub enum Impossible {
    #[error("session {session} lacks {field}")]
    Missing {
        session: String,
        field: &'static str,
    },
    #[error("session {session} is {state} and yet has {field}")]
    Contradiction {
        session: String,
        state: StateName,
        field: &'static str,
    },
    #[error("session {session} has a snapshot that cannot be read: {error}")]
    Snapshot {
        session: String,
        error: SnapshotError,
    },
}

impl From<&Session> for DebugSession {
    fn from(session: &Session) -> Self {
        DebugSession {
            metadata: ObjectMeta {
                name: Some(session.name.clone()),
                namespace: Some(session.namespace.clone()),
                uid: Some(session.uid.to_string()),
                creation_timestamp: Some(Time(whole_second(session.created_at))),
                ..ObjectMeta::default()
            },
            spec: session.spec.clone(),
            status: Some(status_of(session)),
        }
    }
}

fn status_of(session: &Session) -> DebugSessionStatus {
    let running = session.state.running();
    let Source {
        template,
        pod_template,
        resolved,
        binding,
        ..
    } = &session.snapshot.source;
    DebugSessionStatus {
        state: Some(session.state.name()),
        message: session.message.clone(),
        starts_at: running.map(|r| Time(r.starts_at)),
        expires_at: running.map(|r| Time(r.expires_at)),
        renewal_count: running.map(|r| i32::try_from(r.renewals).unwrap_or(i32::MAX)),
        requester: Some(session.requester.clone()),
        approval: Some(approval_of(session)),
        pending_renewal: match &session.state {
            State::Active(active) => active.renewal.as_ref().map(renewal_of),
            State::Pending
            | State::PendingApproval
            | State::Expired(..)
            | State::Terminated(..)
            | State::Failed(..) => None,
        },
        renewal_approvals: session.renewal_approvals.iter().map(agreement_of).collect(),
        participants: session.participants.iter().map(participant_of).collect(),
        invitations: session.invitations.iter().map(invitation_of).collect(),
        pod_replacement: replacement_of(session),
        allowed_pods: session.observed.pods.clone(),
        allowed_pod_operations: resolved.operations,
        deployed_resources: session.observed.deployed.clone(),
        auxiliary_resource_statuses: session.observed.auxiliary.clone(),
        pod_template_resource_statuses: session.observed.pod_documents.clone(),
        resolved_template: Some(template.clone()),
        resolved_pod_template: pod_template.clone(),
        resolved_binding: binding.clone(),
        resolved: Some(resolved.clone()),
        digest: Some(session.snapshot.digest.clone()),
        agent: agent_of(&session.observed),
        end: session.state.end().map(|end| kind::End {
            reason: end.reason,
            by: end.by.clone(),
            at: MicroTime(whole_microsecond(end.at)),
            cleanup_requested_by: session.cleanup_request.as_ref().map(|r| r.by.clone()),
            cleanup_requested_at: session
                .cleanup_request
                .as_ref()
                .map(|r| MicroTime(whole_microsecond(r.at))),
        }),
        cleanup: session.observed.cleanup.clone(),
        ..DebugSessionStatus::default()
    }
}

fn approval_of(session: &Session) -> kind::Approval {
    let required = session.snapshot.source.requirement == Requirement::Required;
    let base = kind::Approval {
        required: Some(required),
        ..kind::Approval::default()
    };
    let Some(decision) = &session.decision else {
        return base;
    };
    let (name, at) = (Some(decision.by.name.clone()), Some(Time(decision.at)));
    let (reason, digest) = (decision.reason.clone(), Some(decision.digest.clone()));
    let by = Some(decision.by.clone());
    match decision.verdict {
        Verdict::Approved => kind::Approval {
            approved_by: name,
            approved_at: at,
            approved_by_identity: by,
            reason,
            digest,
            ..base
        },
        Verdict::Rejected => kind::Approval {
            rejected_by: name,
            rejected_at: at,
            rejected_by_identity: by,
            reason,
            digest,
            ..base
        },
    }
}

fn replacement_of(session: &Session) -> Option<kind::PodReplacement> {
    let count = |number| i32::try_from(number).unwrap_or(i32::MAX);
    (session.recycle > 0).then(|| kind::PodReplacement {
        requested: count(session.recycle),
        completed: count(session.observed.recycled),
    })
}

fn renewal_of(renewal: &Renewal) -> kind::PendingRenewal {
    let (waits_for, expires_at) = match renewal.stage {
        RenewalStage::AwaitingApproval => (kind::RenewalWait::Approval, None),
        RenewalStage::AwaitingAgent { expires_at } => (kind::RenewalWait::Agent, Some(expires_at)),
    };
    kind::PendingRenewal {
        id: renewal.id.to_string(),
        extend_by: DurationText::from(renewal.extend_by),
        requested_by: renewal.requested_by.name.clone(),
        requested_at: Time(renewal.requested_at),
        requested_by_identity: Some(renewal.requested_by.clone()),
        waits_for,
        expires_at: expires_at.map(Time),
    }
}

fn agreement_of(approval: &RenewalApproval) -> kind::RenewalApproval {
    kind::RenewalApproval {
        id: approval.id.to_string(),
        approved_by: approval.by.name.clone(),
        approved_at: Time(approval.at),
        approved_by_identity: Some(approval.by.clone()),
    }
}

fn participant_of(participant: &Participant) -> kind::Participant {
    kind::Participant {
        user: participant.identity.name.clone(),
        role: participant.role,
        email: participant.identity.email.clone(),
        display_name: participant.display_name.clone(),
        joined_at: Time(participant.joined_at),
        left_at: participant.left_at.map(Time),
        removed_by: participant.removed_by.as_ref().map(|by| by.name.clone()),
        removed_by_identity: participant.removed_by.clone(),
        identity: Some(participant.identity.clone()),
    }
}

fn invitation_of(invitation: &Invitation) -> kind::Invitation {
    let approval = |state, decided: Option<(&Identity, Timestamp)>| {
        Some(kind::InvitationApproval {
            state,
            decided_by: decided.map(|(by, _)| by.name.clone()),
            decided_at: decided.map(|(_, at)| Time(at)),
            decided_by_identity: decided.map(|(by, _)| by.clone()),
        })
    };
    let withdrawn = invitation.withdrawn.as_ref();
    kind::Invitation {
        user: invitation.user.clone(),
        role: invitation.role,
        invited_by: invitation.invited_by.name.clone(),
        invited_at: Time(invitation.invited_at),
        invited_by_identity: Some(invitation.invited_by.clone()),
        withdrawn_by: withdrawn.map(|w| w.by.name.clone()),
        withdrawn_at: withdrawn.map(|w| Time(w.at)),
        withdrawn_by_identity: withdrawn.map(|w| w.by.clone()),
        approval: match &invitation.clearance {
            Clearance::NotNeeded => None,
            Clearance::Waiting => approval(kind::InvitationApprovalState::Waiting, None),
            Clearance::Approved { by, at } => {
                approval(kind::InvitationApprovalState::Approved, Some((by, *at)))
            }
            Clearance::Rejected { by, at } => {
                approval(kind::InvitationApprovalState::Rejected, Some((by, *at)))
            }
        },
    }
}

fn agent_of(observed: &Observed) -> Option<kind::AgentReport> {
    let reported_at = observed.reported_at?;
    Some(kind::AgentReport {
        acknowledged_renewal: Some(i32::try_from(observed.renewal).unwrap_or(i32::MAX)),
        reported_at: Some(MicroTime(reported_at)),
        settled_at: (observed.settled == Settled::Yes).then_some(MicroTime(reported_at)),
    })
}
