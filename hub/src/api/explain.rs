//! `POST /explain`: nothing is made or changed; the rules are asked as if it were.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use breakglass_hub_core::access::{Action, Decision, judge};
use breakglass_hub_core::caller::{Caller, Standing};
use breakglass_hub_core::explain::{self, Outcome};
use breakglass_hub_core::lifecycle::Declined;
use breakglass_hub_core::refusal::{Refusal, Violation};
use breakglass_hub_core::request::resolve;
use breakglass_hub_core::session::Session;
use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::api::explain::{ExplainSession, Explanation};
use breakglass_protocol::person::Identity;

use super::body::EitherBody;
use super::caller::Authenticated;
use super::debug_sessions::create::ids;
use super::error::ApiError;
use crate::app::App;
use crate::catalogue::Entries;

/// A body with `session` asks about that session, any other is a request as it could be made.
pub async fn handle(
    State(app): State<Arc<App>>,
    who: Authenticated,
    body: EitherBody<ExplainSession, CreateDebugSession>,
) -> Result<Json<Explanation>, ApiError> {
    let explanation = match body {
        EitherBody::One(asked) => operation(&app, &who.caller, &asked).await?,
        EitherBody::Other(asked) => request(&app, &who.caller, &asked).await?,
    };
    Ok(Json(explanation))
}

async fn request(
    app: &App,
    caller: &Caller,
    asked: &CreateDebugSession,
) -> Result<Explanation, ApiError> {
    let entries = Entries::load(app, &asked.template_ref, &asked.cluster).await?;
    let resolved = resolve(asked, &entries.as_catalogue(), caller, ids(app), app.now());
    let outcome = match resolved {
        Err(refusal) => Outcome::Refused(refusal),
        Ok(resolved) => match app.look_for_place(&resolved.session).await? {
            Some(violation) => Outcome::NoPlace(Box::new(resolved), violation),
            None => Outcome::Accepted(Box::new(resolved)),
        },
    };
    Ok(explain::request(asked, &outcome))
}

async fn operation(
    app: &App,
    caller: &Caller,
    asked: &ExplainSession,
) -> Result<Explanation, ApiError> {
    let session = app
        .session(&asked.session)
        .await?
        .ok_or(Declined::NotFound)?;
    permitted(Action::See, &session, caller)?;
    let person = match asked
        .user
        .as_deref()
        .filter(|user| *user != caller.identity.name)
    {
        None => caller.clone(),
        Some(user) => {
            permitted(Action::ReadAudit, &session, caller)?;
            if explain::needs_groups(asked.operation) {
                return Err(only_pods(user));
            }
            other(&session, user)
        }
    };
    Ok(explain::operation(
        &session,
        &person,
        asked.operation,
        app.now(),
    ))
}

fn permitted(action: Action, session: &Session, caller: &Caller) -> Result<(), ApiError> {
    match judge(action, session, caller) {
        Decision::Allow => Ok(()),
        Decision::NotFound => Err(Declined::NotFound.into()),
        Decision::Forbidden(why) => Err(Declined::Forbidden(why).into()),
    }
}

fn only_pods(user: &str) -> ApiError {
    let violation = Violation::constraint(
        "user",
        "explain.user",
        format!(
            "what {user:?} may decide depends on their groups, which only their own token tells; ask about exec, attach, logs or portForward, or have them ask"
        ),
    );
    let refusal = Refusal {
        class: violation.class,
        violations: vec![violation],
    };
    ApiError::Refused(refusal)
}

/// Somebody by name: as they stand in the session, if they ever did.
fn other(session: &Session, user: &str) -> Caller {
    let found = session.participants.iter().rev();
    let found = found
        .map(|stay| &stay.identity)
        .find(|identity| identity.name == user);
    let identity = found.cloned().unwrap_or_else(|| Identity {
        issuer: String::new(),
        subject: String::new(),
        name: user.to_owned(),
        email: None,
        email_verified: false,
    });
    Caller {
        identity,
        display_name: None,
        groups: Vec::new(),
        standing: Standing::User,
    }
}
