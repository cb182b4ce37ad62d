//! The kind's own JSON → session.

use breakglass_protocol::ids::{GrantUid, RenewalId};
use breakglass_protocol::kinds::debug_session as kind;
use breakglass_protocol::kinds::debug_session::{DebugSession, DebugSessionStatus};

use super::{
    Active, CleanupRequest, Clearance, Decision, End, Impossible, Invitation, Observed,
    Participant, Renewal, RenewalApproval, RenewalStage, Running, Session, Settled, State,
    StateName, Verdict, Withdrawn,
};
use crate::snapshot::{Requirement, Snapshot, Source};

impl TryFrom<&DebugSession> for Session {
    type Error = Impossible;

    fn try_from(object: &DebugSession) -> Result<Self, Impossible> {
        Reader::new(object)?.session()
    }
}

/// Reads one object; every complaint names its session.
struct Reader<'a> {
    object: &'a DebugSession,
    status: &'a DebugSessionStatus,
    name: String,
}

impl<'a> Reader<'a> {
    fn new(object: &'a DebugSession) -> Result<Self, Impossible> {
        let name = object.metadata.name.clone().unwrap_or_default();
        let Some(status) = &object.status else {
            return Err(Impossible::Missing {
                session: name,
                field: "status",
            });
        };
        Ok(Self {
            object,
            status,
            name,
        })
    }

    fn missing(&self, field: &'static str) -> Impossible {
        Impossible::Missing {
            session: self.name.clone(),
            field,
        }
    }

    fn session(&self) -> Result<Session, Impossible> {
        let metadata = &self.object.metadata;
        let status = self.status;
        Ok(Session {
            name: metadata.name.clone().ok_or(self.missing("metadata.name"))?,
            namespace: metadata
                .namespace
                .clone()
                .ok_or(self.missing("metadata.namespace"))?,
            uid: metadata
                .uid
                .clone()
                .map(GrantUid::new)
                .ok_or(self.missing("metadata.uid"))?,
            created_at: metadata
                .creation_timestamp
                .as_ref()
                .map(|t| t.0)
                .ok_or(self.missing("metadata.creationTimestamp"))?,
            spec: self.object.spec.clone(),
            requester: status
                .requester
                .clone()
                .ok_or(self.missing("status.requester"))?,
            snapshot: self.snapshot()?,
            decision: self.decision()?,
            renewal_approvals: status
                .renewal_approvals
                .iter()
                .map(|a| self.renewal_approval(a))
                .collect::<Result<_, _>>()?,
            participants: status
                .participants
                .iter()
                .map(|p| self.participant(p))
                .collect::<Result<_, _>>()?,
            invitations: status
                .invitations
                .iter()
                .map(|i| self.invitation(i))
                .collect::<Result<_, _>>()?,
            recycle: self
                .status
                .pod_replacement
                .and_then(|r| u32::try_from(r.requested).ok())
                .unwrap_or(0),
            observed: self.observed(),
            message: status.message.clone(),
            cleanup_request: self.status.end.as_ref().and_then(|end| {
                let by = end.cleanup_requested_by.clone()?;
                let at = end.cleanup_requested_at.as_ref()?.0;
                Some(CleanupRequest { by, at })
            }),
            state: self.state()?,
        })
    }

    fn snapshot(&self) -> Result<Snapshot, Impossible> {
        let status = self.status;
        let required = status
            .approval
            .as_ref()
            .and_then(|a| a.required)
            .ok_or(self.missing("status.approval.required"))?;
        let source = Source {
            template: status
                .resolved_template
                .clone()
                .ok_or(self.missing("status.resolvedTemplate"))?,
            pod_template: status.resolved_pod_template.clone(),
            resolved: status
                .resolved
                .clone()
                .ok_or(self.missing("status.resolved"))?,
            requirement: if required {
                Requirement::Required
            } else {
                Requirement::NotRequired
            },
            binding: status.resolved_binding.clone(),
        };
        let digest = status.digest.clone().ok_or(self.missing("status.digest"))?;
        Snapshot::restore(&self.object.spec, digest, source).map_err(|error| Impossible::Snapshot {
            session: self.name.clone(),
            error,
        })
    }

    fn decision(&self) -> Result<Option<Decision>, Impossible> {
        let Some(approval) = &self.status.approval else {
            return Ok(None);
        };
        let approved = approval
            .approved_by_identity
            .as_ref()
            .zip(approval.approved_at.as_ref());
        let rejected = approval
            .rejected_by_identity
            .as_ref()
            .zip(approval.rejected_at.as_ref());
        let (verdict, (by, at)) = match (approved, rejected) {
            (None, None) => return Ok(None),
            (Some(decided), None) => (Verdict::Approved, decided),
            (None, Some(decided)) => (Verdict::Rejected, decided),
            (Some(_), Some(_)) => {
                return Err(self.contradiction("status.approval.approvedBy and rejectedBy"));
            }
        };
        let digest = approval
            .digest
            .clone()
            .ok_or(self.missing("status.approval.digest"))?;
        Ok(Some(Decision {
            verdict,
            by: by.clone(),
            at: at.0,
            reason: approval.reason.clone(),
            digest,
        }))
    }

    fn participant(&self, from: &kind::Participant) -> Result<Participant, Impossible> {
        Ok(Participant {
            identity: from
                .identity
                .clone()
                .ok_or(self.missing("status.participants[].identity"))?,
            display_name: from.display_name.clone(),
            role: from.role,
            joined_at: from.joined_at.0,
            left_at: from.left_at.as_ref().map(|t| t.0),
            removed_by: from.removed_by_identity.clone(),
        })
    }

    fn invitation(&self, from: &kind::Invitation) -> Result<Invitation, Impossible> {
        let invited_by = from
            .invited_by_identity
            .clone()
            .ok_or(self.missing("status.invitations[].invitedByIdentity"))?;
        let clearance = match &from.approval {
            None => Clearance::NotNeeded,
            Some(approval) => {
                let decided = || {
                    let by = approval.decided_by_identity.clone();
                    let by =
                        by.ok_or(self.missing("status.invitations[].approval.decidedByIdentity"))?;
                    let at = approval.decided_at.as_ref().map(|t| t.0);
                    Ok((
                        by,
                        at.ok_or(self.missing("status.invitations[].approval.decidedAt"))?,
                    ))
                };
                match approval.state {
                    kind::InvitationApprovalState::Waiting => Clearance::Waiting,
                    kind::InvitationApprovalState::Approved => {
                        decided().map(|(by, at)| Clearance::Approved { by, at })?
                    }
                    kind::InvitationApprovalState::Rejected => {
                        decided().map(|(by, at)| Clearance::Rejected { by, at })?
                    }
                }
            }
        };
        Ok(Invitation {
            user: from.user.clone(),
            role: from.role,
            invited_by,
            invited_at: from.invited_at.0,
            clearance,
            withdrawn: self.withdrawn(from)?,
        })
    }

    fn withdrawn(&self, from: &kind::Invitation) -> Result<Option<Withdrawn>, Impossible> {
        let Some(at) = &from.withdrawn_at else {
            return Ok(None);
        };
        let by = from.withdrawn_by_identity.clone();
        let by = by.ok_or(self.missing("status.invitations[].withdrawnByIdentity"))?;
        Ok(Some(Withdrawn { by, at: at.0 }))
    }

    fn observed(&self) -> Observed {
        let status = self.status;
        let replacement = status.pod_replacement.unwrap_or_default();
        let agent = status.agent.clone().unwrap_or_default();
        Observed {
            reported_at: agent.reported_at.map(|t| t.0),
            renewal: agent
                .acknowledged_renewal
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(0),
            recycled: u32::try_from(replacement.completed).unwrap_or(0),
            pods: status.allowed_pods.clone(),
            deployed: status.deployed_resources.clone(),
            auxiliary: status.auxiliary_resource_statuses.clone(),
            pod_documents: status.pod_template_resource_statuses.clone(),
            cleanup: status.cleanup.clone(),
            settled: if agent.settled_at.is_some() {
                Settled::Yes
            } else {
                Settled::No
            },
        }
    }

    fn state(&self) -> Result<State, Impossible> {
        let name = self.status.state.ok_or(self.missing("status.state"))?;
        let running = self.running()?;
        let end = self.status.end.as_ref().map(|end| End {
            reason: end.reason,
            by: end.by.clone(),
            at: end.at.0,
        });
        let ran = || running.ok_or(self.missing("status.startsAt"));
        let ended = || end.clone().ok_or(self.missing("status.end"));
        if !name.is_terminal() && end.is_some() {
            return Err(self.contradiction("status.end"));
        }
        if name != StateName::Active && self.status.pending_renewal.is_some() {
            return Err(self.contradiction("status.pendingRenewal"));
        }
        Ok(match name {
            StateName::Pending | StateName::PendingApproval if running.is_some() => {
                return Err(self.contradiction("status.startsAt"));
            }
            StateName::Pending => State::Pending,
            StateName::PendingApproval => State::PendingApproval,
            StateName::Active => State::Active(Active {
                running: ran()?,
                renewal: self.renewal()?,
            }),
            StateName::Expired => State::Expired(ran()?, ended()?),
            StateName::Terminated => State::Terminated(running, ended()?),
            StateName::Failed => State::Failed(running, ended()?),
        })
    }

    fn renewal(&self) -> Result<Option<Renewal>, Impossible> {
        let Some(from) = &self.status.pending_renewal else {
            return Ok(None);
        };
        let stage = match (from.waits_for, &from.expires_at) {
            (kind::RenewalWait::Approval, None) => RenewalStage::AwaitingApproval,
            (kind::RenewalWait::Agent, Some(expires_at)) => RenewalStage::AwaitingAgent {
                expires_at: expires_at.0,
            },
            (kind::RenewalWait::Approval, Some(_)) => {
                return Err(self.contradiction("status.pendingRenewal.expiresAt"));
            }
            (kind::RenewalWait::Agent, None) => {
                return Err(self.missing("status.pendingRenewal.expiresAt"));
            }
        };
        let requested_by = from
            .requested_by_identity
            .clone()
            .ok_or(self.missing("status.pendingRenewal.requestedByIdentity"))?;
        Ok(Some(Renewal {
            id: RenewalId::new(&from.id),
            extend_by: from.extend_by.duration(),
            requested_by,
            requested_at: from.requested_at.0,
            stage,
        }))
    }

    fn renewal_approval(
        &self,
        from: &kind::RenewalApproval,
    ) -> Result<RenewalApproval, Impossible> {
        let by = from.approved_by_identity.clone();
        Ok(RenewalApproval {
            id: RenewalId::new(&from.id),
            by: by.ok_or(self.missing("status.renewalApprovals[].approvedByIdentity"))?,
            at: from.approved_at.0,
        })
    }

    fn running(&self) -> Result<Option<Running>, Impossible> {
        match (&self.status.starts_at, &self.status.expires_at) {
            (None, None) => Ok(None),
            (Some(starts_at), Some(expires_at)) => Ok(Some(Running {
                starts_at: starts_at.0,
                expires_at: expires_at.0,
                renewals: self
                    .status
                    .renewal_count
                    .and_then(|n| u32::try_from(n).ok())
                    .unwrap_or(0),
            })),
            (Some(_), None) => Err(self.missing("status.expiresAt")),
            (None, Some(_)) => Err(self.missing("status.startsAt")),
        }
    }

    fn contradiction(&self, field: &'static str) -> Impossible {
        let state = self.status.state.unwrap_or(StateName::Pending);
        Impossible::Contradiction {
            session: self.name.clone(),
            state,
            field,
        }
    }
}
