//! The route table as a service, with the layers that every request passes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use http::StatusCode;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::{endpoints, health, request_id};
use crate::app::App;

/// The longest a request may take: `webhook-config` waits up to 20 s for the cluster's agent.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Everything that the users' listener serves.
pub fn users(app: Arc<App>) -> Router {
    let document = super::openapi::document(&endpoints()).to_string();
    let openapi = get(move || {
        let document = document.clone();
        async move { ([(http::header::CONTENT_TYPE, "application/json")], document) }
    });
    let api = endpoints().into_iter().fold(Router::new(), |router, endpoint| endpoint.serve(router));
    api.route("/api/openapi.json", openapi)
        .merge(health::routes())
        .with_state(app)
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, REQUEST_TIME))
        .layer(middleware::from_fn(request_id::identify))
}

/// What the plain listener for probes and metrics serves.
pub fn probes(app: Arc<App>) -> Router {
    health::routes().with_state(app)
}
