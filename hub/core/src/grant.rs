//! Active session → grant: what the cluster's agent needs to deploy and to judge with no further question.

use jiff::Timestamp;

use breakglass_protocol::ids::{GrantUid, Revision};
use breakglass_protocol::limits::MAX_GRANT_BYTES;
use breakglass_protocol::person::Identity;
use breakglass_protocol::wire::grant::{
    self as wire, AtExpiry, Desired, Grant, GrantContext, GrantedPerson, PodSource, Work, feature,
};

use crate::clock::later;
use crate::session::{EndReason, Participant, Role, Running, Session, Settled, State, Verdict};
use crate::snapshot::Renewals;

/// How people of the hub read in one cluster (`Cluster.spec.userNames`; only admins set it, S19).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserNames {
    pub prefix: String,
    pub claim: Claim,
}

/// Which of a person's names the cluster knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    #[default]
    Name,
    /// The verified e-mail address.
    Email,
    Sub,
}

impl UserNames {
    /// The person's name in the cluster; `None` if they have none there (no verified e-mail).
    #[must_use]
    pub fn of(&self, person: &Identity) -> Option<String> {
        let name = match self.claim {
            Claim::Name => person.name.as_str(),
            Claim::Email => person
                .email
                .as_deref()
                .filter(|m| person.email_verified && !m.is_empty())?,
            Claim::Sub => person.subject.as_str(),
        };
        Some(format!("{}{name}", self.prefix))
    }
}

/// A grant ready for the wire; `remaining` is computed when it is sent (S12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub uid: GrantUid,
    pub revision: Revision,
    pub requires: Vec<String>,
    pub expires_at: Timestamp,
    pub ended: Ended,
    /// JSON, at most [`MAX_GRANT_BYTES`].
    pub body: Vec<u8>,
}

/// Whether the grant is there to end something. Such a one is sent whatever the agent lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    No,
    Yes,
}

/// Why a session cannot become a grant.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error(
        "the grant of session {session} has {bytes} bytes, over the limit of {MAX_GRANT_BYTES}; make its templates or values smaller"
    )]
    TooLarge { session: String, bytes: usize },
    #[error("the grant of session {session} cannot be written: {error}")]
    Encode {
        session: String,
        error: serde_json::Error,
    },
}

/// Whether this session's cluster should hold a grant of it: it runs, or it ran and the agent's final report is not
/// stored yet.
#[must_use]
pub fn is_wanted(session: &Session) -> bool {
    let ran = session.state.running().is_some();
    let ended = session.state.end().is_some();
    ran && !(ended && session.observed.settled == Settled::Yes)
}

/// The grant of a session; `None` if its cluster should hold none.
#[must_use]
pub fn of(session: &Session, names: &UserNames) -> Option<Grant> {
    if !is_wanted(session) {
        return None;
    }
    let running = promised(session)?;
    let terms = &session.snapshot.terms;
    let desired = match session.state.end() {
        None => Desired::Running {},
        Some(end) => Desired::Ended {
            reason: end_reason(end.reason),
            by: end.by.clone(),
            at: end.at,
        },
    };
    Some(Grant {
        uid: session.uid.clone(),
        session: session.name.clone(),
        namespace: session.namespace.clone(),
        cluster: session.cluster(),
        desired,
        starts_at: running.starts_at,
        expires_at: running.expires_at,
        last_end: later(running.starts_at, last_span(session)),
        renewal: running.renewals,
        digest: session.snapshot.digest.clone(),
        people: people(session, names),
        operations: terms.operations,
        context: context(session),
        target_namespace: terms.target_namespace.clone(),
        namespace_rule: terms.namespace_rule.clone(),
        impersonate: terms.deployer.clone(),
        work: terms.work.clone(),
        labels: terms.labels.clone(),
        annotations: terms.annotations.clone(),
        values: terms.values.clone(),
        auxiliary: terms.auxiliary.clone(),
        recycle: session.recycle,
        at_expiry: at_expiry(session),
    })
}

/// What the agent is told of the session's time: an agreed renewal included, which counts once it has taken it in (S12).
fn promised(session: &Session) -> Option<Running> {
    match &session.state {
        State::Active(active) => Some(active.promised()),
        State::Pending
        | State::PendingApproval
        | State::Expired(..)
        | State::Terminated(..)
        | State::Failed(..) => session.state.running().copied(),
    }
}

/// What is to become of the workload at the end of its time; once somebody asked for its removal, that (S11).
fn at_expiry(session: &Session) -> AtExpiry {
    match (&session.state, &session.cleanup_request) {
        (State::Active(_) | State::Expired(..), None) => session.snapshot.terms.at_expiry,
        (State::Active(_) | State::Expired(..), Some(_))
        | (
            State::Pending | State::PendingApproval | State::Terminated(..) | State::Failed(..),
            _,
        ) => AtExpiry::RemoveAll,
    }
}

/// Time from the start to the end of the last possible renewal (D2).
fn last_span(session: &Session) -> std::time::Duration {
    let terms = &session.snapshot.terms;
    match terms.renewals {
        Renewals::None => terms.duration,
        Renewals::UpTo { .. } => terms.max_duration.max(terms.duration),
    }
}

/// Those who joined and have not left, as the cluster knows them (S5, S6). Nobody else is named to the agent.
fn people(session: &Session, names: &UserNames) -> Vec<GrantedPerson> {
    match session.state {
        State::Active(_) => session
            .present()
            .filter_map(|Participant { identity, role, .. }| {
                Some(GrantedPerson {
                    user: names.of(identity)?,
                    role: wire_role(*role),
                })
            })
            .collect(),
        State::Pending
        | State::PendingApproval
        | State::Expired(..)
        | State::Terminated(..)
        | State::Failed(..) => Vec::new(),
    }
}

pub(crate) fn wire_role(role: Role) -> wire::Role {
    match role {
        Role::Owner => wire::Role::Owner,
        Role::Participant => wire::Role::Participant,
        Role::Viewer => wire::Role::Viewer,
    }
}

/// Ends before a session ran never reach an agent; for it they would be failures like others.
fn end_reason(reason: EndReason) -> wire::EndReason {
    match reason {
        EndReason::Expired => wire::EndReason::Expired,
        EndReason::Terminated => wire::EndReason::Terminated,
        EndReason::Failed | EndReason::Rejected | EndReason::ApprovalTimeout => {
            wire::EndReason::Failed
        }
        EndReason::Withdrawn => wire::EndReason::Withdrawn,
    }
}

fn context(session: &Session) -> GrantContext {
    let approved = session
        .decision
        .as_ref()
        .filter(|d| d.verdict == Verdict::Approved);
    GrantContext {
        requested_by: session.requester.name.clone(),
        approved_by: approved.map(|d| d.by.name.clone()),
        reason: session.spec.reason.clone(),
        template: session.spec.template_ref.clone(),
        binding: session
            .spec
            .binding_ref
            .as_ref()
            .map(|binding| format!("{}/{}", binding.namespace, binding.name)),
    }
}

/// The grant of a session, ready for [`crate::link::HubLink::provide`].
///
/// # Errors
/// If it is too large to be held by an agent.
pub fn prepare(
    session: &Session,
    names: &UserNames,
    revision: Revision,
) -> Result<Option<Prepared>, GrantError> {
    let Some(grant) = of(session, names) else {
        return Ok(None);
    };
    let body = serde_json::to_vec(&grant).map_err(|error| GrantError::Encode {
        session: session.name.clone(),
        error,
    })?;
    if body.len() > MAX_GRANT_BYTES {
        return Err(GrantError::TooLarge {
            session: session.name.clone(),
            bytes: body.len(),
        });
    }
    let ended = if session.state.end().is_some() {
        Ended::Yes
    } else {
        Ended::No
    };
    let requires = requires(&grant);
    Ok(Some(Prepared {
        uid: grant.uid,
        revision,
        requires,
        expires_at: grant.expires_at,
        ended,
        body,
    }))
}

/// What an agent must have for this grant (D17): one that would ignore a text, a value or a resource must not take it.
fn requires(grant: &Grant) -> Vec<String> {
    let Work::Workload(workload) = &grant.work;
    let is_text = match &workload.pod {
        PodSource::Text(_) => true,
        PodSource::Structured { .. } => workload.overrides_template.is_some(),
    };
    let mut features = vec![feature::WORKLOAD.to_owned()];
    if is_text || !grant.values.is_empty() || !grant.auxiliary.is_empty() {
        features.push(feature::TEMPLATES.to_owned());
    }
    let needed = [
        (grant.namespace_rule.is_some(), feature::NAMESPACES),
        (grant.impersonate.is_some(), feature::IMPERSONATION),
        (!workload.scheduling.is_empty(), feature::SCHEDULING),
        (workload.quota.is_some(), feature::QUOTA),
        (
            workload.disruption_budget.is_some(),
            feature::DISRUPTION_BUDGET,
        ),
        (grant.recycle > 0, feature::RECYCLE),
        (
            grant.at_expiry == AtExpiry::KeepWorkload,
            feature::NOTIFY_ONLY,
        ),
    ];
    let needed = needed.into_iter().filter(|(is_needed, _)| *is_needed);
    features.extend(needed.map(|(_, name)| name.to_owned()));
    features
}
