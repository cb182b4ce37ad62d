//! `/debug-sessions`: what all its endpoints share is how a session is shown.

pub mod create;
pub mod filters;
pub mod get;
pub mod history;
pub mod list;
pub mod verbs;

use breakglass_hub_core::access::flags;
use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::reach::{self, Reach, Unreachable};
use breakglass_hub_core::session::Session;
use breakglass_protocol::api::debug_session::{Can, DebugSessionView};
use breakglass_protocol::kinds::debug_session::DebugSession;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::error::ApiError;
use crate::app::App;
use crate::clusters::{self, ClusterError};

/// What the caller may do with it now, as the API says it.
fn can(session: &Session, caller: &Caller) -> Can {
    let flags = flags(session, caller);
    Can {
        can_approve: flags.approve.is_set(),
        can_reject: flags.reject.is_set(),
        can_join: flags.join.is_set(),
        can_renew: flags.renew.is_set(),
        can_terminate: flags.terminate.is_set(),
    }
}

/// The whole object with what the caller may do.
fn view(session: &Session, caller: &Caller, reach: Reach) -> DebugSessionView {
    let mut object = DebugSession::from(session);
    let status = object.status.get_or_insert_default();
    let unreachable = reach::unreachable(session, reach);
    status.conditions.extend(unreachable.map(condition));
    DebugSessionView {
        session: object,
        warnings: reach::warning(session, reach).into_iter().collect(),
        can: can(session, caller),
    }
}

fn condition(unreachable: Unreachable) -> Condition {
    Condition {
        type_: reach::CLUSTER_REACHABLE.to_owned(),
        status: "False".to_owned(),
        reason: reach::CLUSTER_REVOKED.to_owned(),
        message: unreachable.message,
        last_transition_time: Time(unreachable.since),
        observed_generation: None,
    }
}

/// How the hub stands with the session's cluster now.
async fn reach_of(app: &App, session: &Session) -> Result<Reach, ApiError> {
    let cluster = session.cluster();
    if app.agents.registry.is_connected(&cluster) {
        return Ok(Reach::Connected);
    }
    let status = match clusters::get(app, &cluster).await {
        Ok(found) => found.status,
        Err(ClusterError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let revoked_at = status.and_then(|status| status.revoked_at);
    Ok(revoked_at.map_or(Reach::Away, |at| Reach::Revoked(at.0)))
}
