//! `GET /debug-pod-templates/{name}`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;

use crate::api::caller::Authenticated;
use crate::api::error::ApiError;
use crate::app::App;
use crate::store::{Key, ObjectKind, typed};

/// The whole object.
pub async fn handle(
    State(app): State<Arc<App>>,
    _caller: Authenticated,
    Path(name): Path<String>,
) -> Result<Json<DebugPodTemplate>, ApiError> {
    let key = Key::cluster_scoped(ObjectKind::DebugPodTemplate, &name);
    match typed::get::<DebugPodTemplate>(&*app.store, key).await? {
        Some(found) => Ok(Json(found.object)),
        None => Err(ApiError::NotFound(format!("debug pod template {name:?}"))),
    }
}
