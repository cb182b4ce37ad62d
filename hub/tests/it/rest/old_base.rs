//! Older clients' paths: the same endpoints, the same bytes (spec 5).

use axum::body::Body;
use breakglass_hub::api::endpoint::{Endpoint, Method};
use breakglass_hub::api::endpoints;
use http::Method as HttpMethod;
use serde_json::json;

use crate::harness::{TestHub, name_of, request};

/// The name that stands for `{name}` in a path.
fn subject<'a>(endpoint: &Endpoint, session: &'a str) -> &'a str {
    if endpoint.path.starts_with("/debug-session-templates") {
        "approved-debug"
    } else if endpoint.path.starts_with("/debug-pod-templates") {
        "toolbox"
    } else {
        session
    }
}

/// What each endpoint is asked here: something that it does, and that changes nothing when it is done twice.
fn body(id: &str) -> &'static str {
    match id {
        "inviteToDebugSession" => r#"{"users": ["bob@example.com"]}"#,
        // Two of them would be two sessions: a refusal shows that both reach the same handler.
        "createDebugSession" => {
            r#"{"templateRef": "approved-debug", "cluster": "mars-1", "requestedDuration": "1y"}"#
        }
        _ => "",
    }
}

#[tokio::test]
async fn both_bases_give_the_same_bytes() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let invited = json!({ "users": ["bob@example.com"] });
    hub.alice()
        .post(&format!("/debug-sessions/{session}/invite"), invited)
        .await
        .ok();
    hub.alice().verb("terminate", &session).await.ok();
    let mut compared = 0;
    for endpoint in endpoints() {
        let paths: Vec<String> = endpoint.full_paths().collect();
        let [new, old] = paths.as_slice() else {
            continue;
        };
        let method = match endpoint.method {
            Method::Get => HttpMethod::GET,
            Method::Post => HttpMethod::POST,
            Method::Put => HttpMethod::PUT,
            Method::Delete => HttpMethod::DELETE,
        };
        let mut answers = Vec::new();
        for path in [new, old] {
            let path = path.replace("{name}", subject(&endpoint, &session));
            let mut request = request(method.clone(), &path, Body::from(body(endpoint.id)));
            request
                .headers_mut()
                .insert("x-correlation-id", "same".parse().unwrap());
            answers.push(hub.alice().send(request).await);
        }
        assert_eq!(answers[0].status, answers[1].status, "{new} and {old}");
        assert_eq!(answers[0].headers, answers[1].headers, "{new} and {old}");
        assert_eq!(answers[0].bytes, answers[1].bytes, "{new} and {old}");
        assert!(!answers[0].bytes.is_empty());
        compared += 1;
    }
    assert_eq!(
        compared, 16,
        "every endpoint of the spec's table under both bases"
    );
}

#[tokio::test]
async fn a_session_lives_its_life_under_the_old_base() {
    let hub = TestHub::start().await;
    let wish = json!({
        "templateRef": "approved-debug",
        "cluster": "west",
        "namespace": "team-a",
        "invitedParticipants": ["bob@example.com"],
    });
    let made = hub.alice().post("/api/debugSessions", wish).await.created();
    assert_eq!(
        made["status"]["resolved"]["targetNamespace"], "team-a",
        "the old spelling of targetNamespace"
    );
    let session = name_of(&made);
    let path = |verb: &str| format!("/api/debugSessions/{session}/{verb}");
    hub.carol()
        .post(&path("approve"), json!({ "reason": "go ahead" }))
        .await
        .ok();
    hub.bob().post(&path("join"), json!({})).await.ok();
    hub.bob().tell(&path("leave")).await.ok();
    let ended = hub.alice().tell(&path("terminate")).await.ok();
    assert_eq!(ended["status"]["state"], "Terminated");
    let list = hub
        .alice()
        .get("/api/debugSessions?state=terminated")
        .await
        .ok();
    assert_eq!(list["sessions"][0]["name"], session);
}
