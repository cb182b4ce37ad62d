//! What is counted of requests: by the route's pattern, never by its path, so that names of sessions are no labels.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::app::App;

/// See the module.
pub struct ApiMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

impl ApiMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        // From 1 ms, a read of the store, to 16 s, near the longest that a request may take.
        let histogram = || Histogram::new(exponential_buckets(1e-3, 2.0, 15));
        let own = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
        };
        registry.register(
            "hub_api_requests",
            "Requests answered, by method, route and status",
            own.requests.clone(),
        );
        registry.register_with_unit(
            "hub_api_request",
            "Time from a request's head to the head of its answer",
            Unit::Seconds,
            own.seconds.clone(),
        );
        own
    }
}

/// Counts one request.
pub(super) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let method = word(request.method());
    let started = app.now().monotonic;
    let response = next.run(request).await;
    let took = app.now().monotonic.saturating_sub(started);
    let metrics = &app.metrics.api;
    metrics
        .seconds
        .get_or_create(&RouteLabels {
            method,
            route: route.clone(),
        })
        .observe(took.as_secs_f64());
    metrics
        .requests
        .get_or_create(&RequestLabels {
            method,
            route,
            status: response.status().as_u16(),
        })
        .inc();
    response
}

/// Anybody may send any word as a method.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
