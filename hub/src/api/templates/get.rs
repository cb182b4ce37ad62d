//! `GET /debug-session-templates/{name}`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use breakglass_hub_core::offer::is_known_to;
use breakglass_protocol::api::template::Template;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;

use crate::api::caller::Authenticated;
use crate::api::error::ApiError;
use crate::app::App;
use crate::catalogue::Offering;
use crate::store::{Key, ObjectKind, typed};

/// One template, to those who may request it; to others it does not exist.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    Path(name): Path<String>,
) -> Result<Json<Template>, ApiError> {
    let missing = || ApiError::NotFound(format!("debug session template {name:?}"));
    let key = Key::cluster_scoped(ObjectKind::DebugSessionTemplate, &name);
    let found = typed::get::<DebugSessionTemplate>(app.store.as_ref(), key)
        .await?
        .ok_or_else(missing)?;
    let offering = Offering::load(&app).await?;
    let supply = offering.as_supply();
    if is_known_to(&found.object, supply.bindings, &caller) {
        let reference = found.object.spec.pod_template_ref.as_ref();
        let pod = match reference {
            Some(reference) => {
                let key = Key::cluster_scoped(ObjectKind::DebugPodTemplate, &reference.name);
                typed::get::<DebugPodTemplate>(app.store.as_ref(), key).await?
            }
            None => None,
        };
        let pod = pod.as_ref().map(|pod| &pod.object);
        Ok(Json(super::shown(&found.object, pod, supply, &caller)))
    } else {
        Err(missing())
    }
}
