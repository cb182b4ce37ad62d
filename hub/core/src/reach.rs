//! Whether what is asked of a session reaches its cluster, and what its people are told if not (D19). `revoke` cuts the link
//! and changes no session (spec 3 section 2): what runs there goes on until its agent's own clock ends it.

use jiff::Timestamp;

use crate::session::{Session, Settled, State};

/// `type` and `reason` of the condition of a session whose cluster was revoked; its `status` is `False`.
pub const CLUSTER_REACHABLE: &str = "ClusterReachable";
pub const CLUSTER_REVOKED: &str = "ClusterRevoked";

/// How the hub stands with a session's cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Connected,
    /// Its agent is away, and hears everything once it is back.
    Away,
    /// An administrator cut it off, then; it stays so until the cluster is registered and enrolled anew.
    Revoked(Timestamp),
}

/// What a caller should know of a session although the request succeeded.
#[must_use]
pub fn warning(session: &Session, reach: Reach) -> Option<String> {
    let cluster = session.cluster();
    let open = still_open(session)?;
    match reach {
        Reach::Connected => None,
        Reach::Away => Some(format!(
            "cluster {cluster} is not connected to the hub now; what was asked happens there once it is"
        )),
        Reach::Revoked(at) => Some(format!("cluster {cluster} was revoked at {at}: {open}")),
    }
}

/// What a condition of the session says of a cluster that does not come back by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    pub since: Timestamp,
    pub message: String,
}

/// Whether the session has that condition.
#[must_use]
pub fn unreachable(session: &Session, reach: Reach) -> Option<Unreachable> {
    match reach {
        Reach::Connected | Reach::Away => None,
        Reach::Revoked(since) => Some(Unreachable {
            since,
            message: warning(session, reach)?,
        }),
    }
}

/// What a revoked cluster will not do for the session; `None` once nothing is left to be done.
fn still_open(session: &Session) -> Option<String> {
    match &session.state {
        State::Pending | State::PendingApproval => Some(
            "the session cannot start there until an administrator registers the cluster anew"
                .to_owned(),
        ),
        State::Active(active) => {
            let end = active.running.expires_at.max(active.promised().expires_at);
            Some(format!(
                "its agent hears of nothing any more. Pods and access stay as they were until {end} at the latest, when \
                 its own clock ends them; renew, leave, remove and terminate do not reach it. To end it sooner, the \
                 cluster's owner sets the agent's kill switch"
            ))
        }
        State::Expired(..) => unproved(session),
        State::Terminated(running, _) | State::Failed(running, _) => {
            running.as_ref().and_then(|_| unproved(session))
        }
    }
}

fn unproved(session: &Session) -> Option<String> {
    match session.observed.settled {
        Settled::Yes => None,
        Settled::No => Some(
            "whether what the session made is gone is not known here. Its agent ends it by its own clock, when the time \
             is over that it was last told"
                .to_owned(),
        ),
    }
}
