//! `GET /debug-pod-templates`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use breakglass_protocol::api::template::{PodTemplateList, PodTemplateSummary};
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;

use crate::api::caller::Authenticated;
use crate::api::error::ApiError;
use crate::app::App;
use crate::store::typed;

/// All of them: they hold no secret, and a session template says who may use one.
pub async fn handle(
    State(app): State<Arc<App>>,
    _caller: Authenticated,
) -> Result<Json<PodTemplateList>, ApiError> {
    let (found, _) = typed::list_all::<DebugPodTemplate>(&*app.store).await?;
    let templates: Vec<PodTemplateSummary> = found.into_iter().map(|t| summary(t.object)).collect();
    let total = templates.len();
    Ok(Json(PodTemplateList { templates, total }))
}

fn summary(template: DebugPodTemplate) -> PodTemplateSummary {
    let name = template.metadata.name.unwrap_or_default();
    PodTemplateSummary {
        display_name: template.spec.display_name.unwrap_or_else(|| name.clone()),
        description: template.spec.description,
        containers: template
            .spec
            .template
            .map_or(0, |pod| pod.spec.containers.len()),
        name,
    }
}
