//! `POST /debug-sessions`: resolve → take a place under the limit → create → submit.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::ledger::Left;
use breakglass_hub_core::lifecycle::{NotAllowed, submit};
use breakglass_hub_core::notice::legible;
use breakglass_hub_core::refusal::{Refusal, Violation};
use breakglass_hub_core::request::{Ids, Resolved, resolve};
use breakglass_hub_core::session::{Session, StateName};
use breakglass_protocol::api::debug_session::{CreateDebugSession, DebugSessionView};
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::kinds::debug_session::DebugSession;
use http::StatusCode;
use rand::RngExt;
use uuid::Uuid;

use crate::api::body::JsonBody;
use crate::api::caller::Authenticated;
use crate::api::error::ApiError;
use crate::app::App;
use crate::catalogue::Entries;
use crate::store::CommitError;

/// Names tried before the hub gives up: with 36⁶ of them even a million sessions make a second try rare.
const NAME_TRIES: usize = 8;

/// Makes the session, whole or not at all: a place that a crash leaves taken is given back by a job.
pub async fn handle(
    State(app): State<Arc<App>>,
    who: Authenticated,
    JsonBody(asked): JsonBody<CreateDebugSession>,
) -> Result<(StatusCode, Json<DebugSessionView>), ApiError> {
    let entries = Entries::load(&app, &asked.template_ref, &asked.cluster).await?;
    for _ in 0..NAME_TRIES {
        let resolved = resolve(
            &asked,
            &entries.as_catalogue(),
            &who.caller,
            ids(&app),
            app.now(),
        );
        let Resolved { session, warnings } =
            resolved.inspect_err(|refusal| record_refusal(&app, &who, &asked, refusal))?;
        app.take_place(&session).await?;
        match create(&app, session, &who).await? {
            Created::Yes(session) => {
                let reach = super::reach_of(&app, &session).await?;
                let mut view = super::view(&session, &who.caller, reach);
                view.warnings.splice(0..0, warnings);
                return Ok((StatusCode::CREATED, Json(view)));
            }
            Created::NameTaken => {}
        }
    }
    Err(ApiError::Contended)
}

/// What was asked for in vain, and which rules forbade it: never the values, which may be secret.
fn record_refusal(app: &App, who: &Authenticated, asked: &CreateDebugSession, refusal: &Refusal) {
    let rules: Vec<&str> = refusal.violations.iter().map(|v| v.rule).collect();
    let object = ObjectRef::new("DebugSessionTemplate", None, &legible(&asked.template_ref));
    let event = AuditEvent::new(
        app.now().wall,
        Actor::Person(who.caller.identity.clone()),
        Action::RequestRefused,
        object,
        Outcome::Refused,
    )
    .with("verb", "request")
    .with("cluster", legible(&asked.cluster))
    .with("rules", rules.join(","));
    app.intake.offer(event.from(
        Some(who.origin.request_id.clone()),
        who.origin.address.clone(),
    ));
}

enum Created {
    Yes(Box<Session>),
    NameTaken,
}

async fn create(app: &App, session: Session, who: &Authenticated) -> Result<Created, ApiError> {
    let now = app.now();
    let submitted = submit(session, now).map_err(|error: NotAllowed| ApiError::from(error))?;
    let key = app.session_key(&submitted.name);
    match app
        .create(
            key,
            DebugSession::from(&submitted),
            events(&submitted, who, now.wall),
        )
        .await
    {
        Ok(_) => Ok(Created::Yes(Box::new(submitted))),
        Err(error) => {
            release(app, &submitted).await;
            if matches!(error, CommitError::Conflict { .. }) {
                Ok(Created::NameTaken)
            } else {
                Err(error.into())
            }
        }
    }
}

/// The place of a session that was not made after all. What fails here is repaired by the job `ledgers`.
async fn release(app: &App, session: &Session) {
    if let Err(error) = app.release_place(session, Left::NotMade).await {
        tracing::warn!(session = %session.name, %error, "the place of a session that was not made could not be given back yet");
    }
}

/// A fresh name and UID.
pub(in crate::api) fn ids(app: &App) -> Ids {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    let suffix: String = (0..6)
        .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
        .collect();
    Ids {
        name: format!("debug-session-{suffix}"),
        namespace: app.settings.namespace.clone(),
        uid: GrantUid::new(Uuid::new_v4().to_string()),
    }
}

fn events(session: &Session, who: &Authenticated, at: jiff::Timestamp) -> Vec<AuditEvent> {
    let event = |action| {
        let object = ObjectRef::new("DebugSession", Some(&session.namespace), &session.name);
        AuditEvent::new(
            at,
            Actor::Person(who.caller.identity.clone()),
            action,
            object,
            Outcome::Done,
        )
        .with("template", &session.spec.template_ref)
        .with("cluster", &session.spec.cluster)
        .with("digest", &session.snapshot.digest)
        .from(
            Some(who.origin.request_id.clone()),
            who.origin.address.clone(),
        )
    };
    let mut events = vec![event(Action::Requested)];
    if session.state.name() == StateName::Active {
        events.push(event(Action::Activated));
    }
    events
}

impl From<NotAllowed> for ApiError {
    fn from(why: NotAllowed) -> Self {
        Self::Declined(why.into())
    }
}

impl From<Violation> for ApiError {
    fn from(violation: Violation) -> Self {
        Self::Refused(Refusal {
            class: violation.class,
            violations: vec![violation],
        })
    }
}
