//! Approve and reject: of the request, of a renewal, and of invitations made after the approval (S5, S7).

use jiff::Timestamp;

use breakglass_protocol::ids::RenewalId;

use super::{Declined, Verb, activate, end_failed, not_allowed, renewal};
use crate::caller::Caller;
use crate::clock::whole_second;
use crate::refusal::{Class, Refusal, Violation};
use crate::request::defaults::REASON_MAX;
use crate::session::{Clearance, Decision, End, EndReason, Session, State, Verdict};

/// Whether the catalogue of now still offers the session to its requester (S7). Made by
/// [`crate::request::still_offered`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StillOffered {
    Yes,
    /// Why an approval comes too late.
    No {
        reason: String,
    },
}

/// What an approver says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    reason: Option<&'a str>,
    /// Only this renewal.
    renewal: Option<&'a RenewalId>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(reason: Option<&'a str>, renewal: Option<&'a RenewalId>) -> Self {
        Self { reason, renewal }
    }
}

/// What waits for an approver. One thing is decided at a time: what an approver was shown first.
enum Waiting {
    Request,
    /// Before the invitations (D19).
    Renewal,
    /// All that were made after the approval.
    Invitations,
}

fn waiting(session: &Session, asked: Asked<'_>, verb: Verb) -> Result<Waiting, Declined> {
    let waiting = match &session.state {
        State::PendingApproval => Waiting::Request,
        State::Active(_) if session.has_waiting_renewal() => Waiting::Renewal,
        State::Active(_) if asked.renewal.is_none() && session.has_waiting_invitations() => {
            Waiting::Invitations
        }
        State::Active(_) => {
            return Err(not_allowed(session, verb, "nothing in it waits for approval").into());
        }
        State::Pending | State::Expired(..) | State::Terminated(..) | State::Failed(..) => {
            return Err(not_allowed(session, verb, "it does not wait for approval").into());
        }
    };
    let waits = session.renewal().map(|renewal| &renewal.id);
    if asked.renewal.is_some_and(|id| waits != Some(id)) {
        let message = "is not the renewal that waits; look at the session again".to_owned();
        return Err(conflict("renewalId", "approve.renewalId", message));
    }
    Ok(waiting)
}

pub(super) fn approve(
    session: Session,
    asked: Asked<'_>,
    caller: &Caller,
    offer: &StillOffered,
    moment: Timestamp,
) -> Result<Session, Declined> {
    let waiting = waiting(&session, asked, Verb::Approve)?;
    check_reason(&session, asked.reason, Verdict::Approved)?;
    if let StillOffered::No { reason } = offer {
        let message = format!(
            "what was requested is no longer offered: {reason}; reject it and let it be requested anew"
        );
        return Err(conflict(
            "resolvedTemplate",
            "approve.stillOffered",
            message,
        ));
    }
    let at = whole_second(moment);
    match waiting {
        Waiting::Request => {
            let decision = decision(&session, Verdict::Approved, asked.reason, caller, at);
            let decision = Some(decision);
            Ok(activate(
                Session {
                    decision,
                    ..session
                },
                at,
            ))
        }
        Waiting::Renewal => renewal::agree(session, caller, moment),
        Waiting::Invitations => {
            let by = caller.identity.clone();
            Ok(clear(session, &Clearance::Approved { by, at }))
        }
    }
}

pub(super) fn reject(
    session: Session,
    asked: Asked<'_>,
    caller: &Caller,
    moment: Timestamp,
) -> Result<Session, Declined> {
    let waiting = waiting(&session, asked, Verb::Reject)?;
    check_reason(&session, asked.reason, Verdict::Rejected)?;
    let at = whole_second(moment);
    match waiting {
        Waiting::Request => Ok(reject_request(session, asked.reason, caller, moment)),
        Waiting::Renewal => renewal::refuse(session, moment),
        Waiting::Invitations => {
            let by = caller.identity.clone();
            Ok(clear(session, &Clearance::Rejected { by, at }))
        }
    }
}

fn reject_request(
    session: Session,
    reason: Option<&str>,
    caller: &Caller,
    moment: Timestamp,
) -> Session {
    let at = whole_second(moment);
    let decision = decision(&session, Verdict::Rejected, reason, caller, at);
    let by = caller.identity.name.clone();
    let message = match reason {
        Some(reason) => format!("rejected by {by}: {reason}"),
        None => format!("rejected by {by}"),
    };
    let end = End {
        reason: EndReason::Rejected,
        by: Some(by),
        at: moment,
    };
    let decision = Some(decision);
    end_failed(
        Session {
            decision,
            ..session
        },
        end,
        message,
    )
}

fn decision(
    session: &Session,
    verdict: Verdict,
    reason: Option<&str>,
    caller: &Caller,
    at: Timestamp,
) -> Decision {
    Decision {
        verdict,
        by: caller.identity.clone(),
        at,
        reason: reason.map(str::to_owned),
        digest: session.snapshot.digest.clone(),
    }
}

fn clear(mut session: Session, clearance: &Clearance) -> Session {
    for invitation in session
        .invitations
        .iter_mut()
        .filter(|invitation| invitation.is_waiting())
    {
        invitation.clearance = clearance.clone();
    }
    session
}

/// No `approvalReason` block = no rule but a bound; `minLength` applies to a reason that is given or mandatory (D13).
fn check_reason(session: &Session, reason: Option<&str>, verdict: Verdict) -> Result<(), Declined> {
    let length = reason.map_or(0, |r| r.trim().chars().count());
    let rule = session.snapshot.terms.approval_reason.as_ref();
    let max = rule.map_or(REASON_MAX, |r| r.max_length);
    if length > max {
        let message = format!("has {length} characters; write at most {max}");
        return Err(constraint("reason", "approvalReason.maxLength", message));
    }
    let Some(rule) = rule else { return Ok(()) };
    let (mandatory, name) = match verdict {
        Verdict::Approved => (rule.mandatory, "approvalReason.mandatory"),
        Verdict::Rejected => (
            rule.mandatory_for_rejection,
            "approvalReason.mandatoryForRejection",
        ),
    };
    if length == 0 && mandatory {
        let message = format!(
            "a reason of at least {} characters is needed",
            rule.min_length.max(1)
        );
        return Err(constraint("reason", name, message));
    }
    if length > 0 && length < rule.min_length {
        let message = format!(
            "has {length} characters; write at least {}",
            rule.min_length
        );
        return Err(constraint("reason", "approvalReason.minLength", message));
    }
    Ok(())
}

fn constraint(field: &str, rule: &'static str, message: String) -> Declined {
    refused(Violation::constraint(field, rule, message))
}

pub(super) fn conflict(field: &str, rule: &'static str, message: String) -> Declined {
    refused(Violation::new(Class::Conflict, field, rule, message))
}

pub(super) fn refused(violation: Violation) -> Declined {
    Declined::Refused(Refusal {
        class: violation.class,
        violations: vec![violation],
    })
}
