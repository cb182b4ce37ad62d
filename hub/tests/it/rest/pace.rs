//! How fast people and strangers may ask.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use breakglass_hub::api::caller::Peer;
use http::{Method, Request};

use crate::harness::{TestHub, request};

fn from(address: &str) -> Request<Body> {
    let mut asked = request(Method::GET, "/clusters", Body::empty());
    let peer: SocketAddr = address.parse().unwrap();
    asked.extensions_mut().insert(Peer(peer));
    asked
}

#[tokio::test]
async fn people_who_ask_too_fast_are_told_when_to_come_back() {
    let hub = TestHub::start_with(&["--requests-burst", "5", "--requests-per-second", "2"]).await;
    for _ in 0..5 {
        hub.alice().get("/clusters").await.ok();
    }
    let refused = hub.alice().get("/clusters").await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    let problem = refused.refused(429, "tooManyRequests");
    assert!(
        problem.message.contains("try again in 1 s"),
        "{}",
        problem.message
    );
    hub.bob().get("/clusters").await.ok();
    hub.clock.advance(Duration::from_millis(500));
    hub.alice().get("/clusters").await.ok();
}

#[tokio::test]
async fn tokens_cannot_be_tried_out_but_a_known_one_goes_on() {
    let hub = TestHub::start().await;
    hub.alice().send(from("192.0.2.1:7")).await.ok();
    let stranger = hub.bearer("guess-0123456789abcdef");
    let guess = || stranger.send(from("192.0.2.1:9"));
    for _ in 0..30 {
        guess().await.refused(401, "unauthenticated");
    }
    guess().await.refused(429, "tooManyRequests");
    // Right, but it was never seen before: from here nothing is found out by trying.
    hub.bob()
        .send(from("192.0.2.1:9"))
        .await
        .refused(429, "tooManyRequests");
    hub.alice().send(from("192.0.2.1:9")).await.ok();
    hub.bob().send(from("192.0.2.2:9")).await.ok();
    hub.clock.advance(Duration::from_secs(1));
    guess().await.refused(401, "unauthenticated");
}
