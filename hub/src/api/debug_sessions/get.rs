//! `GET /debug-sessions/{name}`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use breakglass_hub_core::access::{Action, Decision, judge};
use breakglass_hub_core::lifecycle::Declined;
use breakglass_protocol::api::debug_session::DebugSessionView;

use crate::api::caller::Authenticated;
use crate::api::error::ApiError;
use crate::app::App;

/// The session, to those who may see it; to others it does not exist.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    Path(name): Path<String>,
) -> Result<Json<DebugSessionView>, ApiError> {
    let session = app.session(&name).await?.ok_or(Declined::NotFound)?;
    match judge(Action::See, &session, &caller) {
        Decision::Allow => {
            let reach = super::reach_of(&app, &session).await?;
            Ok(Json(super::view(&session, &caller, reach)))
        }
        Decision::NotFound => Err(Declined::NotFound.into()),
        Decision::Forbidden(why) => Err(Declined::Forbidden(why).into()),
    }
}
