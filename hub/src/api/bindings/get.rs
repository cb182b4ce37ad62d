//! `GET /cluster-bindings/{namespace}/{name}`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use breakglass_hub_core::offer::Knows;
use breakglass_hub_core::request::full_name;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;

use super::Look;
use crate::api::caller::Authenticated;
use crate::api::error::ApiError;
use crate::app::App;

/// One binding, to those whom it concerns; to others it does not exist.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<DebugSessionClusterBinding>, ApiError> {
    let wanted = format!("{namespace}/{name}");
    let missing = || ApiError::NotFound(format!("cluster binding {wanted:?}"));
    let look = Look::load(&app).await?;
    let mut bindings = look.offering.bindings.iter();
    let found = bindings
        .find(|binding| full_name(binding) == wanted)
        .ok_or_else(missing)?;
    match look.known_of(found, &caller) {
        Knows::Nothing => Err(missing()),
        knows @ (Knows::IfNamed | Knows::It | Knows::Everything) => {
            Ok(Json(look.shown(&app, found, knows).await?))
        }
    }
}
