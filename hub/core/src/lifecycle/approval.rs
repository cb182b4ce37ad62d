//! Approve and reject: of the request, and of invitations made after it was approved (S5, S7).

use jiff::Timestamp;

use super::{Declined, Verb, activate, end_failed, not_allowed};
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

pub(super) fn approve(
    session: Session,
    reason: Option<&str>,
    caller: &Caller,
    offer: &StillOffered,
    at: Timestamp,
) -> Result<Session, Declined> {
    let decides_request = match session.state {
        State::PendingApproval => true,
        State::Active(_) if session.has_waiting_invitations() => false,
        State::Active(_) => {
            return Err(
                not_allowed(&session, Verb::Approve, "nothing in it waits for approval").into(),
            );
        }
        State::Pending | State::Expired(..) | State::Terminated(..) | State::Failed(..) => {
            return Err(
                not_allowed(&session, Verb::Approve, "it does not wait for approval").into(),
            );
        }
    };
    check_reason(&session, reason, Verdict::Approved)?;
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
    if decides_request {
        let decision = decision(&session, Verdict::Approved, reason, caller, at);
        return Ok(activate(
            Session {
                decision: Some(decision),
                ..session
            },
            at,
        ));
    }
    Ok(clear(
        session,
        &Clearance::Approved {
            by: caller.identity.clone(),
            at,
        },
    ))
}

pub(super) fn reject(
    session: Session,
    reason: Option<&str>,
    caller: &Caller,
    moment: Timestamp,
) -> Result<Session, Declined> {
    let at = whole_second(moment);
    match session.state {
        State::PendingApproval => {
            check_reason(&session, reason, Verdict::Rejected)?;
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
            Ok(end_failed(
                Session {
                    decision: Some(decision),
                    ..session
                },
                end,
                message,
            ))
        }
        State::Active(_) if session.has_waiting_invitations() => {
            check_reason(&session, reason, Verdict::Rejected)?;
            Ok(clear(
                session,
                &Clearance::Rejected {
                    by: caller.identity.clone(),
                    at,
                },
            ))
        }
        State::Active(_) => {
            Err(not_allowed(&session, Verb::Reject, "nothing in it waits for approval").into())
        }
        State::Pending | State::Expired(..) | State::Terminated(..) | State::Failed(..) => {
            Err(not_allowed(&session, Verb::Reject, "it does not wait for approval").into())
        }
    }
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
        .filter(|i| i.clearance == Clearance::Waiting)
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

fn conflict(field: &str, rule: &'static str, message: String) -> Declined {
    refused(Violation::new(Class::Conflict, field, rule, message))
}

pub(super) fn refused(violation: Violation) -> Declined {
    Declined::Refused(Refusal {
        class: violation.class,
        violations: vec![violation],
    })
}
