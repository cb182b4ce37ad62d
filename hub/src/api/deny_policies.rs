//! `/deny-policies`: what clusters refuse is for admins to know.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use breakglass_protocol::api::deny_policy::DenyPolicyList;
use breakglass_protocol::kinds::deny_policy::DenyPolicy;

use super::caller::Admin;
use super::endpoint::{Endpoint, Method};
use super::error::ApiError;
use crate::app::App;
use crate::store::{Key, ObjectKind, typed};

/// Every endpoint of this noun.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::on::<DenyPolicyList, _, _>(
            Method::Get,
            "/deny-policies",
            "listDenyPolicies",
            "Deny policies",
            list,
        )
        .for_admins(),
        Endpoint::on::<DenyPolicy, _, _>(
            Method::Get,
            "/deny-policies/{name}",
            "getDenyPolicy",
            "One deny policy",
            get,
        )
        .for_admins(),
    ]
}

/// `GET /deny-policies`
pub async fn list(
    State(app): State<Arc<App>>,
    _admin: Admin,
) -> Result<Json<DenyPolicyList>, ApiError> {
    let (found, _) = typed::list_all::<DenyPolicy>(&*app.store).await?;
    let policies: Vec<DenyPolicy> = found.into_iter().map(|policy| policy.object).collect();
    let total = policies.len();
    Ok(Json(DenyPolicyList { policies, total }))
}

/// `GET /deny-policies/{name}`
pub async fn get(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(name): Path<String>,
) -> Result<Json<DenyPolicy>, ApiError> {
    let key = Key::cluster_scoped(ObjectKind::DenyPolicy, &name);
    match typed::get::<DenyPolicy>(&*app.store, key).await? {
        Some(found) => Ok(Json(found.object)),
        None => Err(ApiError::NotFound(format!("deny policy {name:?}"))),
    }
}
