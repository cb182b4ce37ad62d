//! The states of a session and what moves it (spec 1 section 3). Every transition consumes the session and gives the
//! next one, or says by name why not. Terminal states never change; times never move backwards and are never cleared.
//!
//! People's verbs come through [`perform`], which judges access first; the hub's own ([`submit`], [`expire`],
//! [`time_out`], [`fail`]) are for creation and jobs, the agent's are in [`crate::observed`].

use std::time::Duration;

use jiff::Timestamp;

use breakglass_protocol::ids::RenewalId;
use breakglass_protocol::wire::grant::AtExpiry;

use crate::access::{self, Action, Forbidden};
use crate::caller::Caller;
use crate::clock::{Now, between, later, whole_second};
use crate::refusal::Refusal;
use crate::session::{
    Active, CleanupRequest, End, EndReason, InvitedRole, Running, Session, State, StateName,
};
use crate::snapshot::Requirement;

mod approval;
mod facts;
mod people;
mod renewal;

use approval::Asked;
pub use approval::StillOffered;
pub use facts::is_open_to;
pub(crate) use people::cut_off;

/// What people are told of a session whose workload outlives its time (S11).
const KEPT: &str = "access has ended; the workload stays, for nobody's use, until the session is terminated or for a day";

/// What a person asks of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// With a renewal's id: decides that one and nothing else.
    Approve {
        reason: Option<String>,
        renewal: Option<RenewalId>,
    },
    Reject {
        reason: Option<String>,
        renewal: Option<RenewalId>,
    },
    /// Without a role: the most that was granted.
    Join {
        role: Option<InvitedRole>,
    },
    Leave,
    /// Without a role: viewer.
    Invite {
        users: Vec<String>,
        role: Option<InvitedRole>,
    },
    /// Somebody who is or was in it, or is invited.
    Remove {
        user: String,
    },
    /// Withdraws a session that is not Active yet.
    Terminate,
    Renew {
        /// As it was typed.
        extend_by: String,
        /// The id that this renewal gets.
        id: RenewalId,
    },
}

impl Command {
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Approve { .. } => Verb::Approve,
            Self::Reject { .. } => Verb::Reject,
            Self::Join { .. } => Verb::Join,
            Self::Leave => Verb::Leave,
            Self::Invite { .. } => Verb::Invite,
            Self::Remove { .. } => Verb::Remove,
            Self::Terminate => Verb::Terminate,
            Self::Renew { .. } => Verb::Renew,
        }
    }

    fn action(&self) -> Action {
        match self {
            Self::Approve { .. } => Action::Approve,
            Self::Reject { .. } => Action::Reject,
            Self::Join { .. } => Action::Join,
            Self::Leave => Action::Leave,
            Self::Invite { .. } => Action::Invite,
            Self::Remove { .. } => Action::Remove,
            Self::Terminate => Action::Terminate,
            Self::Renew { .. } => Action::Renew,
        }
    }
}

/// Everything that can move a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Submit,
    Approve,
    Reject,
    Join,
    Leave,
    Invite,
    Remove,
    Renew,
    Terminate,
    Expire,
    TimeOut,
    Fail,
}

impl Verb {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Invite => "invite",
            Self::Remove => "remove somebody from",
            Self::Renew => "renew",
            Self::Terminate => "terminate",
            Self::Expire => "expire",
            Self::TimeOut => "time out",
            Self::Fail => "fail",
        }
    }
}

/// The session's state does not admit the verb (409).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {} a session that is {from}: {message}", verb.as_str())]
pub struct NotAllowed {
    pub from: StateName,
    pub verb: Verb,
    pub message: String,
}

/// Why a command was not performed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// 404: the caller may not know that the session exists.
    #[error("there is no such session")]
    NotFound,
    /// 403.
    #[error("{}", .0.message)]
    Forbidden(Forbidden),
    /// 409.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// 409 or 422, by its class.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Performs what a person asks: access, then state, then the verb's own rules. `offer` is what the catalogue says now
/// (S7); only approvals look at it.
///
/// # Errors
/// Which of the three refused, and why.
pub fn perform(
    session: Session,
    command: &Command,
    caller: &Caller,
    offer: &StillOffered,
    now: Now,
) -> Result<Session, Declined> {
    match access::judge(command.action(), &session, caller) {
        access::Decision::Allow => {}
        access::Decision::NotFound => return Err(Declined::NotFound),
        access::Decision::Forbidden(why) => return Err(Declined::Forbidden(why)),
    }
    let moment = session.not_before(now.wall);
    let at = whole_second(moment);
    match command {
        Command::Approve { reason, renewal } => {
            let asked = Asked::new(reason.as_deref(), renewal.as_ref());
            approval::approve(session, asked, caller, offer, moment)
        }
        Command::Reject { reason, renewal } => {
            let asked = Asked::new(reason.as_deref(), renewal.as_ref());
            approval::reject(session, asked, caller, moment)
        }
        Command::Join { role } => people::join(session, *role, caller, at),
        Command::Leave => people::leave(session, caller, at),
        Command::Invite { users, role } => people::invite(session, users, *role, caller, at),
        Command::Remove { user } => people::remove(session, user, caller, at),
        Command::Terminate => Ok(terminate(session, &caller.identity.name, moment)?),
        Command::Renew { extend_by, id } => {
            renewal::renew(session, extend_by, id, caller, offer, moment)
        }
    }
}

/// Moves a new session on: to its approvers, or straight to Active.
///
/// # Errors
/// If it is not Pending.
pub fn submit(session: Session, now: Now) -> Result<Session, NotAllowed> {
    if session.state != State::Pending {
        return Err(not_allowed(
            &session,
            Verb::Submit,
            "it was submitted already",
        ));
    }
    match session.snapshot.terms.approval.requirement {
        Requirement::Required => Ok(Session {
            state: State::PendingApproval,
            ..session
        }),
        Requirement::NotRequired => {
            let at = whole_second(session.not_before(now.wall));
            Ok(activate(session, at))
        }
    }
}

/// Ends an Active session whose time is over. The end is dated at `expiresAt`, when access ended.
///
/// # Errors
/// If it is not Active, or has time left.
pub fn expire(session: Session, now: Now) -> Result<Session, NotAllowed> {
    let State::Active(Active { running, .. }) = session.state else {
        return Err(not_allowed(
            &session,
            Verb::Expire,
            "only Active sessions expire",
        ));
    };
    if now.wall < running.expires_at {
        return Err(not_allowed(
            &session,
            Verb::Expire,
            &format!("it runs until {}", running.expires_at),
        ));
    }
    let end = End {
        reason: EndReason::Expired,
        by: None,
        at: session.not_before(running.expires_at),
    };
    let message = match session.snapshot.terms.at_expiry {
        AtExpiry::RemoveAll => session.message,
        AtExpiry::KeepWorkload => Some(KEPT.to_owned()),
    };
    Ok(Session {
        state: State::Expired(running, end),
        message,
        ..session
    })
}

/// When the approval timeout of a waiting session passes; `None` if it does not wait.
#[must_use]
pub fn approval_deadline(session: &Session, timeout: Duration) -> Option<Timestamp> {
    (session.state == State::PendingApproval).then(|| later(session.created_at, timeout))
}

/// Fails a session on which nobody decided in time.
///
/// # Errors
/// If it does not wait for approval, or has time left.
pub fn time_out(session: Session, timeout: Duration, now: Now) -> Result<Session, NotAllowed> {
    let Some(deadline) = approval_deadline(&session, timeout) else {
        return Err(not_allowed(
            &session,
            Verb::TimeOut,
            "it does not wait for approval",
        ));
    };
    if now.wall < deadline {
        return Err(not_allowed(
            &session,
            Verb::TimeOut,
            &format!("approvers have until {deadline}"),
        ));
    }
    let waited = between(session.created_at, deadline).as_secs();
    let message = format!("nobody approved within {waited} s; request again and tell an approver");
    let at = session.not_before(now.wall);
    let end = End {
        reason: EndReason::ApprovalTimeout,
        by: None,
        at,
    };
    Ok(end_failed(session, end, message))
}

/// Fails a session that cannot be set up or deployed.
///
/// # Errors
/// If it has ended already.
pub fn fail(session: Session, message: impl Into<String>, now: Now) -> Result<Session, NotAllowed> {
    match session.state {
        State::Pending | State::PendingApproval | State::Active(_) => {
            let at = session.not_before(now.wall);
            let end = End {
                reason: EndReason::Failed,
                by: None,
                at,
            };
            Ok(end_failed(session, end, message.into()))
        }
        State::Expired(..) | State::Terminated(..) | State::Failed(..) => Err(not_allowed(
            &session,
            Verb::Fail,
            "it has ended, and ended sessions never change",
        )),
    }
}

pub(crate) fn terminate(session: Session, by: &str, at: Timestamp) -> Result<Session, NotAllowed> {
    let end = || End {
        reason: EndReason::Terminated,
        by: Some(by.to_owned()),
        at,
    };
    match session.state {
        State::Pending | State::PendingApproval => Ok(Session {
            state: State::Terminated(None, end()),
            ..session
        }),
        State::Active(active) => Ok(Session {
            state: State::Terminated(Some(active.running), end()),
            ..session
        }),
        // S11: a workload that outlives its session goes now; the state stays.
        State::Expired(..)
            if session.has_leftovers()
                && session.snapshot.terms.at_expiry == AtExpiry::KeepWorkload =>
        {
            let by = by.to_owned();
            let first = session.cleanup_request;
            Ok(Session {
                cleanup_request: first.or(Some(CleanupRequest { by, at })),
                ..session
            })
        }
        // S11: asking again for the end of something that left traces cleans up and changes no state.
        State::Expired(..) | State::Terminated(..) | State::Failed(..)
            if session.has_leftovers() =>
        {
            Ok(session)
        }
        State::Expired(..) | State::Terminated(..) | State::Failed(..) => Err(not_allowed(
            &session,
            Verb::Terminate,
            "it has ended, and nothing of it is left",
        )),
    }
}

fn activate(session: Session, at: Timestamp) -> Session {
    let expires_at = later(at, session.snapshot.terms.duration);
    Session {
        state: State::Active(Active::new(Running {
            starts_at: at,
            expires_at,
            renewals: 0,
        })),
        ..session
    }
}

fn end_failed(session: Session, end: End, message: String) -> Session {
    let running = session.state.running().copied();
    Session {
        state: State::Failed(running, end),
        message: Some(message),
        ..session
    }
}

fn not_allowed(session: &Session, verb: Verb, message: &str) -> NotAllowed {
    NotAllowed {
        from: session.state.name(),
        verb,
        message: message.to_owned(),
    }
}
