//! `GET /debug-session-templates`

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use breakglass_hub_core::offer::{Wanted, is_listed};
use breakglass_protocol::api::template::{Template, TemplateList};
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;

use crate::api::caller::Authenticated;
use crate::api::endpoint::{Query, QueryKind};
use crate::api::error::ApiError;
use crate::app::App;
use crate::catalogue::Offering;
use crate::store::typed;

/// What the query may say.
pub const QUERY: &[Query] = &[
    Query {
        name: "includeUnavailable",
        kind: QueryKind::YesNo,
        about: "Also templates that the caller can request on no cluster now",
    },
    Query {
        name: "includeHidden",
        kind: QueryKind::YesNo,
        about: "Also hidden templates; admins only",
    },
];

/// Higher priority first, then by name.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<TemplateList>, ApiError> {
    let wanted = wanted(query.as_deref().unwrap_or_default())?;
    let (templates, _) = typed::list_all::<DebugSessionTemplate>(app.store.as_ref()).await?;
    let offering = Offering::load(&app).await?;
    let supply = offering.as_supply();
    let (pods, _) = typed::list_all::<DebugPodTemplate>(app.store.as_ref()).await?;
    let pods: BTreeMap<String, DebugPodTemplate> = pods
        .into_iter()
        .filter_map(|found| Some((found.object.metadata.name.clone()?, found.object)))
        .collect();
    let mut templates: Vec<Template> = templates
        .iter()
        .filter(|found| is_listed(&found.object, supply, &caller, wanted))
        .map(|found| {
            let reference = found.object.spec.pod_template_ref.as_ref();
            let pod = reference.and_then(|reference| pods.get(&reference.name));
            super::shown(&found.object, pod, supply, &caller)
        })
        .collect();
    templates.sort_by(|a, b| {
        (Reverse(a.priority.unwrap_or(0)), &a.name)
            .cmp(&(Reverse(b.priority.unwrap_or(0)), &b.name))
    });
    let total = templates.len();
    Ok(Json(TemplateList { templates, total }))
}

fn wanted(query: &str) -> Result<Wanted, ApiError> {
    let mut wanted = Wanted::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "includeUnavailable" => wanted.unavailable = yes_no("includeUnavailable", &value)?,
            "includeHidden" => wanted.hidden = yes_no("includeHidden", &value)?,
            _unknown_is_ignored => {}
        }
    }
    Ok(wanted)
}

fn yes_no(field: &str, value: &str) -> Result<bool, ApiError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(ApiError::malformed(
            field,
            format!("{other:?} is neither true nor false"),
        )),
    }
}
