//! Renewal (spec 1 section 3, S7, S12): asked by the owner, agreed by an approver where the template wants one, counted
//! once the agent has taken it in. Until then the old end holds; what has not counted by then lapses with it.

use std::time::Duration;

use jiff::Timestamp;

use breakglass_protocol::duration;
use breakglass_protocol::ids::RenewalId;
use breakglass_protocol::limits::{MAX_PEOPLE_PER_SESSION, RENEWAL_MARGIN};

use super::approval::conflict;
use super::{Declined, StillOffered, Verb, not_allowed};
use crate::caller::Caller;
use crate::clock::{between, later, whole_second};
use crate::refusal::{Class, Refusal, Violation};
use crate::session::{Active, Renewal, RenewalApproval, RenewalStage, Running, Session, State};
use crate::snapshot::{Renewals, Requirement, Terms};

/// Times of a session are whole seconds.
const MIN_EXTENSION: Duration = Duration::from_secs(1);

/// What the rules look at.
struct Facts<'a> {
    terms: &'a Terms,
    running: &'a Running,
    renewal: Option<&'a Renewal>,
    offer: &'a StillOffered,
    /// Whole seconds; `None` where it could not be read.
    extend_by: Option<Duration>,
    now: Timestamp,
}

/// In the order in which they are told. All are asked.
const RULES: [fn(&Facts<'_>) -> Option<Violation>; 7] = [
    one_at_a_time,
    still_offered,
    allowed,
    times_left,
    time_left,
    somebody_can_approve,
    within_max_duration,
];

/// The owner asks.
pub(super) fn renew(
    session: Session,
    extend_by: &str,
    id: &RenewalId,
    caller: &Caller,
    offer: &StillOffered,
    now: Timestamp,
) -> Result<Session, Declined> {
    let active = running_now(&session, Verb::Renew, now)?;
    let (extend_by, unreadable) = match read(extend_by) {
        Ok(extend_by) => (Some(extend_by), None),
        Err(violation) => (None, Some(violation)),
    };
    let facts = Facts {
        terms: &session.snapshot.terms,
        running: &active.running,
        renewal: active.renewal.as_ref(),
        offer,
        extend_by,
        now,
    };
    let violations = unreadable
        .into_iter()
        .chain(RULES.iter().filter_map(|rule| rule(&facts)))
        .collect();
    if let Some(refusal) = Refusal::from_violations(violations) {
        return Err(refusal.into());
    }
    let extend_by = extend_by.unwrap_or_default();
    let stage = match session.snapshot.terms.renewals {
        Renewals::UpTo {
            requirement: Requirement::Required,
            ..
        } => RenewalStage::AwaitingApproval,
        Renewals::UpTo {
            requirement: Requirement::NotRequired,
            ..
        }
        | Renewals::None => awaiting_agent(&active.running, extend_by),
    };
    let renewal = Renewal {
        id: id.clone(),
        extend_by,
        requested_by: caller.identity.clone(),
        requested_at: whole_second(now),
        stage,
    };
    let running = active.running;
    Ok(with_renewal(session, running, Some(renewal)))
}

/// An approver agrees to the renewal that waits.
pub(super) fn agree(
    session: Session,
    caller: &Caller,
    now: Timestamp,
) -> Result<Session, Declined> {
    let active = running_now(&session, Verb::Approve, now)?;
    let (running, Some(renewal)) = (active.running, active.renewal.clone()) else {
        return Err(nothing_waits(&session, Verb::Approve));
    };
    if let Some(violation) = margin(&running, now) {
        return Err(super::approval::refused(violation));
    }
    let mut session = session;
    let by = &caller.identity;
    session
        .renewal_approvals
        .retain(|approval| !approval.by.is_same_account(by));
    if session.renewal_approvals.len() >= MAX_PEOPLE_PER_SESSION {
        let message = format!(
            "{MAX_PEOPLE_PER_SESSION} people have approved renewals of this session; let it be requested anew"
        );
        return Err(conflict("pendingRenewal", "approve.limit", message));
    }
    session.renewal_approvals.push(RenewalApproval {
        id: renewal.id.clone(),
        by: by.clone(),
        at: whole_second(now),
    });
    let stage = awaiting_agent(&running, renewal.extend_by);
    Ok(with_renewal(
        session,
        running,
        Some(Renewal { stage, ..renewal }),
    ))
}

/// An approver refuses the renewal that waits; the session runs on until its end.
pub(super) fn refuse(session: Session, now: Timestamp) -> Result<Session, Declined> {
    let running = running_now(&session, Verb::Reject, now)?.running;
    Ok(with_renewal(session, running, None))
}

fn with_renewal(session: Session, running: Running, renewal: Option<Renewal>) -> Session {
    Session {
        state: State::Active(Active { running, renewal }),
        ..session
    }
}

fn awaiting_agent(running: &Running, extend_by: Duration) -> RenewalStage {
    RenewalStage::AwaitingAgent {
        expires_at: later(running.expires_at, extend_by),
    }
}

/// No renewal after `expiresAt` (S11), whether or not a job has noticed it yet.
fn running_now(session: &Session, verb: Verb, now: Timestamp) -> Result<&Active, Declined> {
    match &session.state {
        State::Active(active) if now < active.running.expires_at => Ok(active),
        State::Active(_) => {
            Err(not_allowed(session, verb, "its time is over; request a new session").into())
        }
        State::Pending
        | State::PendingApproval
        | State::Expired(..)
        | State::Terminated(..)
        | State::Failed(..) => {
            Err(not_allowed(session, verb, "only an Active session can be renewed").into())
        }
    }
}

fn nothing_waits(session: &Session, verb: Verb) -> Declined {
    not_allowed(session, verb, "nothing in it waits for approval").into()
}

fn read(text: &str) -> Result<Duration, Violation> {
    let wrong = |message| Violation::constraint("extendBy", "extendBy", message);
    let asked = duration::parse(text).map_err(|error| wrong(error.to_string()))?;
    let asked = Duration::from_secs(asked.as_secs());
    if asked < MIN_EXTENSION {
        return Err(wrong(
            "is less than a second; ask for at least 1s".to_owned(),
        ));
    }
    Ok(asked)
}

fn one_at_a_time(facts: &Facts<'_>) -> Option<Violation> {
    let renewal = facts.renewal?;
    let waits_for = match renewal.stage {
        RenewalStage::AwaitingApproval => "an approver",
        RenewalStage::AwaitingAgent { .. } => "the cluster's agent",
    };
    let message = format!(
        "a renewal by {} waits for {waits_for} already",
        duration::format(renewal.extend_by)
    );
    Some(Violation::new(
        Class::Conflict,
        "pendingRenewal",
        "renew.pendingRenewal",
        message,
    ))
}

fn still_offered(facts: &Facts<'_>) -> Option<Violation> {
    let StillOffered::No { reason } = facts.offer else {
        return None;
    };
    let message = format!(
        "what the session was made from is no longer offered: {reason}; the session ends at its time"
    );
    Some(Violation::new(
        Class::Conflict,
        "resolvedTemplate",
        "renew.stillOffered",
        message,
    ))
}

fn allowed(facts: &Facts<'_>) -> Option<Violation> {
    match facts.terms.renewals {
        Renewals::UpTo { .. } => None,
        Renewals::None => Some(Violation::constraint(
            "extendBy",
            "constraints.allowRenewal",
            "sessions from this template are not renewed; request a new session",
        )),
    }
}

fn times_left(facts: &Facts<'_>) -> Option<Violation> {
    let Renewals::UpTo { times, .. } = facts.terms.renewals else {
        return None;
    };
    (facts.running.renewals >= times).then(|| {
        Violation::constraint(
            "extendBy",
            "constraints.maxRenewals",
            format!(
                "the session was renewed {times} times, which is the limit; request a new session"
            ),
        )
    })
}

fn time_left(facts: &Facts<'_>) -> Option<Violation> {
    margin(facts.running, facts.now)
}

/// S12: the agent must have time to take it in before the old end.
fn margin(running: &Running, now: Timestamp) -> Option<Violation> {
    let left = between(now, running.expires_at);
    (left < RENEWAL_MARGIN).then(|| {
        let message = format!(
            "{} s are left, and a renewal needs {}; request a new session",
            left.as_secs(),
            RENEWAL_MARGIN.as_secs()
        );
        Violation::new(Class::Conflict, "expiresAt", "renewal.margin", message)
    })
}

fn somebody_can_approve(facts: &Facts<'_>) -> Option<Violation> {
    let approval = &facts.terms.approval;
    let named = !approval.groups.is_empty() || !approval.users.is_empty();
    match facts.terms.renewals {
        Renewals::UpTo {
            requirement: Requirement::Required,
            ..
        } if !named => Some(Violation::constraint(
            "extendBy",
            "constraints.requireApprovalForRenewal",
            "an approver must agree to renewals, and this session has none; request a new session",
        )),
        Renewals::UpTo { .. } | Renewals::None => None,
    }
}

fn within_max_duration(facts: &Facts<'_>) -> Option<Violation> {
    let asked = facts.extend_by?;
    let longest = facts.terms.max_duration;
    let last = later(facts.running.starts_at, longest);
    let most = between(facts.running.expires_at, last);
    if asked <= most {
        return None;
    }
    let longest = duration::format(longest);
    let rule = "constraints.maxDuration";
    if most < MIN_EXTENSION {
        let message = format!(
            "the session runs to its longest already, {longest} from its start; request a new session"
        );
        return Some(Violation::constraint("extendBy", rule, message));
    }
    let most = duration::format(most);
    let message = format!(
        "is {}, and at most {most} can be added: sessions from this template last at most {longest}",
        duration::format(asked)
    );
    Some(Violation::constraint("extendBy", rule, message).allowing([most]))
}
