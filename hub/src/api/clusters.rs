//! `/clusters`: thin, since what is done to a cluster lives in [`crate::clusters`].

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use breakglass_protocol::api::cluster::{
    ClusterList, ClusterRegistered, RegisterCluster, WebhookConfig, WebhookConfigRequest,
};
use breakglass_protocol::api::debug_session::NoFields;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::Cluster;
use http::StatusCode;

use super::body::{JsonBody, OptionalBody};
use super::caller::{Admin, Authenticated};
use super::error::ApiError;
use crate::app::App;
use crate::clusters::By;

/// `GET /clusters`: names and liveness are no secret among a hub's users; they choose from them.
pub async fn list(
    State(app): State<Arc<App>>,
    _caller: Authenticated,
) -> Result<Json<ClusterList>, ApiError> {
    Ok(Json(crate::clusters::list(&app).await?))
}

/// `GET /clusters/{name}`
pub async fn get(
    State(app): State<Arc<App>>,
    _caller: Authenticated,
    Path(name): Path<String>,
) -> Result<Json<Cluster>, ApiError> {
    Ok(Json(
        crate::clusters::get(&app, &ClusterName::new(name)).await?,
    ))
}

/// `POST /clusters`
pub async fn register(
    State(app): State<Arc<App>>,
    admin: Admin,
    JsonBody(body): JsonBody<RegisterCluster>,
) -> Result<(StatusCode, Json<ClusterRegistered>), ApiError> {
    let registered = crate::clusters::register(&app, &By::from(&admin), body).await?;
    Ok((StatusCode::CREATED, Json(registered)))
}

/// `POST /clusters/{name}/accept`
pub async fn accept(
    State(app): State<Arc<App>>,
    admin: Admin,
    Path(name): Path<String>,
    OptionalBody(NoFields {}): OptionalBody<NoFields>,
) -> Result<Json<Cluster>, ApiError> {
    Ok(Json(
        crate::clusters::accept(&app, &By::from(&admin), &ClusterName::new(name)).await?,
    ))
}

/// `POST /clusters/{name}/revoke`
pub async fn revoke(
    State(app): State<Arc<App>>,
    admin: Admin,
    Path(name): Path<String>,
    OptionalBody(NoFields {}): OptionalBody<NoFields>,
) -> Result<Json<Cluster>, ApiError> {
    Ok(Json(
        crate::clusters::revoke(&app, &By::from(&admin), &ClusterName::new(name)).await?,
    ))
}

/// `POST /clusters/{name}/webhook-config`
pub async fn webhook_config(
    State(app): State<Arc<App>>,
    admin: Admin,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<WebhookConfigRequest>,
) -> Result<Json<WebhookConfig>, ApiError> {
    Ok(Json(
        crate::clusters::webhook_config(&app, &By::from(&admin), &ClusterName::new(name), body)
            .await?,
    ))
}

impl From<&Admin> for By {
    fn from(admin: &Admin) -> Self {
        Self {
            person: admin.caller.identity.clone(),
            request_id: Some(admin.origin.request_id.clone()),
            source: admin.origin.address.clone(),
        }
    }
}
