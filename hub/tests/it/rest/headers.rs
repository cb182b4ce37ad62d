//! What every answer carries, and what is served without a token.

use axum::body::Body;
use http::{HeaderValue, Method};
use serde_json::json;

use crate::harness::{Answer, TestHub, request};

async fn with_id(hub: &TestHub, id: HeaderValue) -> Answer {
    let mut asked = request(Method::GET, "/debug-sessions/none", Body::empty());
    asked.headers_mut().insert("x-correlation-id", id);
    hub.alice().send(asked).await
}

#[tokio::test]
async fn the_callers_id_of_a_request_is_echoed_and_recorded() {
    let hub = TestHub::start().await;
    let answer = with_id(&hub, HeaderValue::from_static("trace-42")).await;
    assert_eq!(answer.header("x-correlation-id"), Some("trace-42"));
    assert_eq!(answer.refused(404, "notFound").request_id, "trace-42");

    let wish = json!({ "templateRef": "quick-debug", "cluster": "west" }).to_string();
    let mut asked = request(Method::POST, "/debug-sessions", Body::from(wish));
    asked
        .headers_mut()
        .insert("x-correlation-id", HeaderValue::from_static("trace-43"));
    hub.alice().send(asked).await.created();
    let recorded = hub.recorded().await;
    assert_eq!(
        recorded.last().unwrap().request_id.as_deref(),
        Some("trace-43")
    );
}

#[tokio::test]
async fn s20_an_id_that_could_deceive_a_log_is_replaced() {
    let hub = TestHub::start().await;
    let long = "x".repeat(129);
    for bad in ["", "a b", "a\tb", "gr\u{fc}n", &long] {
        let answer = with_id(&hub, HeaderValue::from_bytes(bad.as_bytes()).unwrap()).await;
        let id = answer.header("x-correlation-id").unwrap().to_owned();
        assert_eq!(id.len(), 36, "{bad:?} became {id:?}, which is no UUID");
        assert_eq!(answer.refused(404, "notFound").request_id, id);
    }
    let (one, other) = (
        hub.alice().get("/clusters").await,
        hub.alice().get("/clusters").await,
    );
    assert_ne!(
        one.headers["x-correlation-id"],
        other.headers["x-correlation-id"]
    );
}

#[tokio::test]
async fn probes_need_no_token() {
    let hub = TestHub::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = hub.send(request(Method::GET, path, Body::empty())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, "ok\n"),
            "{path}"
        );
    }
    let answer = hub
        .send(request(Method::GET, "/metrics", Body::empty()))
        .await;
    assert_eq!(answer.status.as_u16(), 200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    assert!(
        answer.text().contains("breakglass_") && answer.text().ends_with("# EOF\n"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_hub_that_goes_down_says_so_to_probes() {
    let hub = TestHub::start().await;
    hub.app.shutdown.cancel();
    let answer = hub
        .send(request(Method::GET, "/readyz", Body::empty()))
        .await;
    assert_eq!(answer.status.as_u16(), 503);
    let alive = hub
        .send(request(Method::GET, "/healthz", Body::empty()))
        .await;
    assert_eq!(
        alive.status.as_u16(),
        200,
        "it still does what it has begun"
    );
}
