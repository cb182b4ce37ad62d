//! `GET /cluster-bindings`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use breakglass_hub_core::offer::Knows;
use breakglass_hub_core::request::full_name;
use breakglass_protocol::api::binding::ClusterBindingList;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBindingStatus;

use super::Look;
use crate::api::caller::Authenticated;
use crate::api::endpoint::{Query, QueryKind};
use crate::api::error::ApiError;
use crate::app::App;

/// What the query may say.
pub const QUERY: &[Query] = &[
    Query {
        name: "templateRef",
        kind: QueryKind::Text,
        about: "Only bindings that open this template",
    },
    Query {
        name: "cluster",
        kind: QueryKind::Text,
        about: "Only bindings that cover this registered cluster",
    },
];

/// By namespace and name. Hidden ones are shown to admins only.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<ClusterBindingList>, ApiError> {
    let wanted = Wanted::read(query.as_deref().unwrap_or_default());
    let look = Look::load(&app).await?;
    let mut bindings = Vec::new();
    for binding in &look.offering.bindings {
        let knows = look.known_of(binding, &caller);
        match knows {
            Knows::Nothing | Knows::IfNamed => {}
            Knows::It | Knows::Everything => {
                let shown = look.shown(&app, binding, knows).await?;
                if shown
                    .status
                    .as_ref()
                    .is_some_and(|status| wanted.fits(status))
                {
                    bindings.push(shown);
                }
            }
        }
    }
    bindings.sort_by_key(full_name);
    let total = bindings.len();
    Ok(Json(ClusterBindingList { bindings, total }))
}

#[derive(Default)]
struct Wanted {
    template: Option<String>,
    cluster: Option<String>,
}

impl Wanted {
    fn read(query: &str) -> Self {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "templateRef" => wanted.template = Some(value.into_owned()),
                "cluster" => wanted.cluster = Some(value.into_owned()),
                _unknown_is_ignored => {}
            }
        }
        wanted
    }

    fn fits(&self, status: &DebugSessionClusterBindingStatus) -> bool {
        let mut templates = status.resolved_templates.iter().map(|t| &t.name);
        let mut clusters = status.resolved_clusters.iter().map(|c| &c.name);
        self.template
            .as_ref()
            .is_none_or(|wanted| templates.any(|t| t == wanted))
            && self
                .cluster
                .as_ref()
                .is_none_or(|wanted| clusters.any(|c| c == wanted))
    }
}
