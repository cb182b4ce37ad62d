//! Reports of an agent → session. Only observed fields are written, and the end, if the agent saw it first (S12).

use breakglass_protocol::ids::{ClusterName, GrantUid};
use breakglass_protocol::wire::grant::EndReason as SaidReason;
use breakglass_protocol::wire::report::{EndRecord, Phase, Report};

use crate::clock::{Now, whole_microsecond, whole_second};
use crate::session::{Active, End, EndReason, Observed, Running, Session, Settled, State};

mod resources;
mod translate;

/// What came of a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// Nothing new: do not write.
    Unchanged(Session),
    /// Write it.
    Changed(Session),
}

/// Why a report is not believed. To be audited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBelieved {
    #[error(
        "cluster {said_by} reports on session {session}, which belongs to cluster {belongs_to}"
    )]
    ForeignSession {
        said_by: ClusterName,
        session: String,
        belongs_to: ClusterName,
    },
    #[error("the report is about grant {reported}, session {session} has grant {has}")]
    OtherGrant {
        reported: GrantUid,
        session: String,
        has: GrantUid,
    },
    #[error("cluster {said_by} reports on session {session}, which was never granted")]
    NeverGranted {
        said_by: ClusterName,
        session: String,
    },
}

/// See the module's text. `cluster` is the one that the connection's certificate names.
///
/// # Errors
/// If the agent may not say this; nothing is changed then.
pub fn observe(
    session: Session,
    cluster: &ClusterName,
    report: &Report,
    now: Now,
) -> Result<Observation, NotBelieved> {
    check_source(&session, cluster, report)?;
    if session
        .observed
        .reported_at
        .is_some_and(|newest| whole_microsecond(report.at) < newest)
    {
        return Ok(Observation::Unchanged(session));
    }
    // Settled is settled: the proof that was stored with the final report stays.
    if session.observed.settled == Settled::Yes {
        return Ok(Observation::Unchanged(session));
    }
    let before = session.clone();
    let observed = taken_in(&session.observed, report);
    let session = Session {
        observed,
        ..session
    };
    let session = renewed(session, report);
    let session = match (&session.state, &report.end) {
        (State::Active(active), Some(end)) => {
            let running = active.running;
            ended_by_agent(session, running, end, report.message.as_deref(), now)
        }
        (State::Active(_), None) => Session {
            message: report.message.clone(),
            ..session
        },
        // It ended here first; the agent's end is only the echo, but for what it had to leave.
        (
            State::Pending
            | State::PendingApproval
            | State::Expired(..)
            | State::Terminated(..)
            | State::Failed(..),
            Some(_) | None,
        ) => tell_what_is_kept(session, report),
    };
    let session = settle(session, report);
    if same_but_time(&before, &session) {
        Ok(Observation::Unchanged(before))
    } else {
        Ok(Observation::Changed(session))
    }
}

fn check_source(
    session: &Session,
    cluster: &ClusterName,
    report: &Report,
) -> Result<(), NotBelieved> {
    if session.cluster() != *cluster {
        return Err(NotBelieved::ForeignSession {
            said_by: cluster.clone(),
            session: session.name.clone(),
            belongs_to: session.cluster(),
        });
    }
    if session.uid != report.uid {
        return Err(NotBelieved::OtherGrant {
            reported: report.uid.clone(),
            session: session.name.clone(),
            has: session.uid.clone(),
        });
    }
    if session.state.running().is_none() {
        return Err(NotBelieved::NeverGranted {
            said_by: cluster.clone(),
            session: session.name.clone(),
        });
    }
    Ok(())
}

/// The newest report is whole and replaces everything, but for what must not go back: the renewal, and a proof once there.
fn taken_in(old: &Observed, report: &Report) -> Observed {
    Observed {
        reported_at: Some(whole_microsecond(report.at)),
        renewal: old.renewal.max(report.renewal),
        recycled: old.recycled.max(report.recycled),
        pods: report.pods.iter().map(translate::pod).collect(),
        deployed: report.deployed.iter().map(translate::deployed).collect(),
        auxiliary: resources::auxiliary(&report.resources),
        pod_documents: resources::of_pod_template(&report.resources),
        cleanup: report
            .cleanup
            .as_ref()
            .map(translate::cleanup)
            .or_else(|| old.cleanup.clone()),
        settled: old.settled,
    }
}

/// A renewal counts from the agent's acknowledgement (S12), until the end that the agent tells: its ceiling may be nearer.
fn renewed(session: Session, report: &Report) -> Session {
    let State::Active(active) = &session.state else {
        return session;
    };
    let promised = active.promised();
    if promised.renewals == active.running.renewals || report.renewal < promised.renewals {
        return session;
    }
    let said = report.expires_at.map_or(promised.expires_at, whole_second);
    let running = Running {
        // Never nearer than it was: times of a session do not move backwards.
        expires_at: said.min(promised.expires_at).max(active.running.expires_at),
        ..promised
    };
    Session {
        state: State::Active(Active::new(running)),
        ..session
    }
}

/// If the agent said *ended* first, it ended (S12), whatever the hub's clock says.
fn ended_by_agent(
    session: Session,
    running: Running,
    said: &EndRecord,
    said_message: Option<&str>,
    now: Now,
) -> Session {
    let at = session.not_before(said.at.min(now.wall));
    let end = |reason| End {
        reason,
        by: Some("agent".to_owned()),
        at,
    };
    let message = said.message.as_deref().or(said_message).map(str::to_owned);
    let (state, message) = match said.reason {
        SaidReason::Expired => (State::Expired(running, end(EndReason::Expired)), message),
        SaidReason::Terminated => (
            State::Terminated(Some(running), end(EndReason::Terminated)),
            message,
        ),
        SaidReason::Failed => (
            State::Failed(Some(running), end(EndReason::Failed)),
            message,
        ),
        SaidReason::Withdrawn => {
            let why = "the agent ended it because the hub did not list it; request a new session";
            (
                State::Failed(Some(running), end(EndReason::Withdrawn)),
                Some(why.to_owned()),
            )
        }
    };
    Session {
        state,
        message,
        ..session
    }
}

/// The agent's last word is stored with this write; the hub may say `Settled`.
fn settle(session: Session, report: &Report) -> Session {
    let ended = session.state.end().is_some();
    let last = match report.phase {
        Phase::Ended => ended,
        Phase::Deploying | Phase::Running | Phase::Ending => false,
    };
    let settled = if last {
        Settled::Yes
    } else {
        session.observed.settled
    };
    let observed = Observed {
        settled,
        ..session.observed
    };
    Session {
        observed,
        ..session
    }
}

/// Why a namespace that was made for the session stays is only in the agent's words.
fn tell_what_is_kept(session: Session, report: &Report) -> Session {
    let is_namespace_kept = report
        .cleanup
        .iter()
        .flat_map(|cleanup| &cleanup.kept)
        .any(|kept| kept.kind == "Namespace");
    match &report.message {
        Some(message) if is_namespace_kept => Session {
            message: Some(message.clone()),
            ..session
        },
        Some(_) | None => session,
    }
}

/// A report that differs in nothing but its time is not worth a write.
fn same_but_time(a: &Session, b: &Session) -> bool {
    let timeless = |s: &Session| Observed {
        reported_at: None,
        ..s.observed.clone()
    };
    a.state == b.state && a.message == b.message && timeless(a) == timeless(b)
}
