//! `/debug-sessions`: what all its endpoints share is how a session is shown.

pub mod create;
pub mod filters;
pub mod get;
pub mod history;
pub mod list;
pub mod verbs;

use breakglass_hub_core::access::flags;
use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::session::Session;
use breakglass_protocol::api::debug_session::{Can, DebugSessionView};
use breakglass_protocol::kinds::debug_session::DebugSession;

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
fn view(session: &Session, caller: &Caller, warnings: Vec<String>) -> DebugSessionView {
    DebugSessionView {
        session: DebugSession::from(session),
        warnings,
        can: can(session, caller),
    }
}

/// What a caller should know of a session whose cluster cannot act on it now (D19).
fn link_warning(app: &crate::app::App, session: &Session) -> Option<String> {
    let cluster = session.cluster();
    (!app.agents.registry.is_connected(&cluster)).then(|| {
        format!("cluster {cluster} is not connected to the hub now; what was asked happens there once it is")
    })
}
