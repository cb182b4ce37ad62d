//! The route table as a service, with the layers that every request passes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use http::StatusCode;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::{endpoints, health, metrics, request_id};
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
    let api = endpoints()
        .into_iter()
        .fold(Router::new(), |router, endpoint| endpoint.serve(router));
    layered(
        api.route("/api/openapi.json", openapi)
            .merge(health::routes())
            .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
            .with_state(app),
    )
}

/// What every request passes, the outermost last.
fn layered(routes: Router) -> Router {
    routes
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            REQUEST_TIME,
        ))
        .layer(middleware::from_fn(request_id::identify))
}

/// What the plain listener for probes and metrics serves.
pub fn probes(app: Arc<App>) -> Router {
    health::routes().with_state(app)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use breakglass_protocol::api::problem::Problem;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn problem(routes: Router, path: &str) -> (StatusCode, Problem) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = layered(routes).oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_one_callers_500_and_says_where_to_look() {
        async fn broken() -> &'static str {
            panic!("of a test")
        }
        let (status, problem) =
            problem(Router::new().route("/broken", get(broken)), "/broken").await;
        assert_eq!(
            (status, problem.code.as_str()),
            (StatusCode::INTERNAL_SERVER_ERROR, "internal")
        );
        assert!(
            problem.message.contains("under this request id") && !problem.request_id.is_empty()
        );
        assert!(
            !problem.error.contains("of a test"),
            "what broke is the log's, not the caller's"
        );
    }
}
