//! `GET /debug-session-templates/{name}/clusters`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use breakglass_hub_core::offer::{Sought, is_known_to, template_clusters};
use breakglass_protocol::api::offer::TemplateClusters;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;

use crate::api::caller::Authenticated;
use crate::api::endpoint::{Query, QueryKind};
use crate::api::error::ApiError;
use crate::app::App;
use crate::catalogue::Offering;
use crate::store::{Key, ObjectKind, typed};

/// What the query may say.
pub const QUERY: &[Query] = &[
    Query {
        name: "environment",
        kind: QueryKind::Text,
        about: "Only clusters of this environment",
    },
    Query {
        name: "location",
        kind: QueryKind::Text,
        about: "Only clusters at this location",
    },
    Query {
        name: "bindingName",
        kind: QueryKind::Text,
        about: "Only what this binding gives, as namespace/name or name; hidden ones too",
    },
];

/// Where the caller may request the template now, and what they get there; to those who may not know it, it does not exist.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<TemplateClusters>, ApiError> {
    let missing = || ApiError::NotFound(format!("debug session template {name:?}"));
    let key = Key::cluster_scoped(ObjectKind::DebugSessionTemplate, &name);
    let found = typed::get::<DebugSessionTemplate>(app.store.as_ref(), key)
        .await?
        .ok_or_else(missing)?;
    let offering = Offering::load(&app).await?;
    let supply = offering.as_supply();
    if !is_known_to(&found.object, supply.bindings, &caller) {
        return Err(missing());
    }
    let sought = sought(query.as_deref().unwrap_or_default());
    Ok(Json(template_clusters(
        &found.object,
        supply,
        &caller,
        &sought,
    )))
}

fn sought(query: &str) -> Sought {
    let mut sought = Sought::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // An empty one is a form's field that was not filled in.
        let value = Some(value.into_owned()).filter(|value| !value.is_empty());
        match name.as_ref() {
            "environment" => sought.environment = value,
            "location" => sought.location = value,
            "bindingName" => sought.binding = value,
            _unknown_is_ignored => {}
        }
    }
    sought
}
