//! From `bgctl cluster register` to a certificate (spec 3 section 2, S18, D8).

use std::time::Duration;

use breakglass_hub::clusters::{self, ClusterError};
use breakglass_hub_core::audit::Action;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::join_token::JoinToken;
use breakglass_protocol::wire::ENROL_PATH;
use breakglass_protocol::wire::enrol::EnrolRequest;
use http::StatusCode;
use rcgen::KeyPair;

use super::fake_agent::{FakeAgent, post, request_pem};
use super::hub::{TestHub, admin, named};

#[tokio::test]
async fn a_token_enrols_once_and_the_cluster_shows_it() {
    let hub = TestHub::start().await;
    let registered = hub.register("west").await;
    assert!(registered.helm_command.contains(&registered.join_token));
    assert!(registered.helm_command.ends_with("--set cluster=west"));
    let agent = FakeAgent::enrol(&hub, &registered.join_token)
        .await
        .unwrap();
    assert_eq!(agent.cluster, "west");
    let status = hub.status("west").await;
    assert!(status.certificate_expires_at.is_some() && status.agent_identity.is_some());

    let again = FakeAgent::enrol(&hub, &registered.join_token)
        .await
        .err()
        .unwrap();
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert_eq!(again.problem.code, "tokenUsed");
    assert!(
        again
            .problem
            .message
            .contains("bgctl cluster register west")
    );
    // The first agent is not harmed by it.
    agent.online(&hub).await;
    let recorded = hub.recorded().await;
    assert!(recorded.contains(&Action::ClusterRegistered) && recorded.contains(&Action::Enrolled));
}

#[tokio::test]
async fn s18_two_at_once_with_one_token_are_one() {
    let hub = TestHub::start().await;
    let token = hub.register("west").await.join_token;
    let (one, two) = tokio::join!(
        FakeAgent::enrol(&hub, &token),
        FakeAgent::enrol(&hub, &token)
    );
    assert!(one.is_ok() != two.is_ok());
}

#[tokio::test]
async fn a_token_stops_working_after_an_hour() {
    let hub = TestHub::start().await;
    let token = hub.register("west").await.join_token;
    hub.clock.advance(Duration::from_secs(3600));
    let late = FakeAgent::enrol(&hub, &token).await.err().unwrap();
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    assert_eq!(late.problem.code, "tokenExpired");
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_token_look_the_same() {
    let hub = TestHub::start().await;
    let mut token = JoinToken::decode(&hub.register("west").await.join_token).unwrap();
    token.secret = "guess".to_owned();
    let wrong = FakeAgent::enrol(&hub, &token.encode()).await.err().unwrap();
    token.id = "west.000000000000".to_owned();
    let unknown = FakeAgent::enrol(&hub, &token.encode()).await.err().unwrap();
    token.id = "nowhere.000000000000".to_owned();
    let nowhere = FakeAgent::enrol(&hub, &token.encode()).await.err().unwrap();
    for refused in [&wrong, &unknown, &nowhere] {
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.problem.code, "tokenUnknown");
        assert_eq!(refused.problem.message, wrong.problem.message);
    }
    hub.until_recorded(Action::Enrolled).await;
}

#[tokio::test]
async fn a_wrong_pin_ends_the_handshake() {
    let hub = TestHub::start().await;
    let refused = post(&hub, &"00".repeat(32), ENROL_PATH, Vec::new()).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn s18_a_living_identity_is_never_replaced_by_a_token() {
    let hub = TestHub::start().await;
    let first = FakeAgent::of(&hub, "west").await;
    let refused = clusters::register(&hub.app, &admin(), named("west")).await;
    let Err(error @ ClusterError::AlreadySpeaks(_)) = refused else {
        panic!("registered over a living identity");
    };
    assert!(error.to_string().contains("bgctl cluster revoke west"));
    // After a revocation it may start over, and the old certificate stays barred.
    clusters::revoke(&hub.app, &admin(), &ClusterName::new("west"))
        .await
        .unwrap();
    let second = FakeAgent::of(&hub, "west").await;
    second.online(&hub).await;
    let old = first.connect(&hub).await.unwrap_err();
    assert_eq!(
        (old.status, old.problem.code.as_str()),
        (StatusCode::FORBIDDEN, "certificateRevoked")
    );
}

#[tokio::test]
async fn revoking_ends_an_open_token_too() {
    let hub = TestHub::start().await;
    let token = hub.register("west").await.join_token;
    clusters::revoke(&hub.app, &admin(), &ClusterName::new("west"))
        .await
        .unwrap();
    let refused = FakeAgent::enrol(&hub, &token).await.err().unwrap();
    assert_eq!(refused.problem.code, "tokenUnknown");
}

#[tokio::test]
async fn bad_bodies_are_told_what_is_wrong() {
    let hub = TestHub::start().await;
    let registered = hub.register("west").await;
    let token = JoinToken::decode(&registered.join_token).unwrap();
    let request = |csr_pem: String| EnrolRequest {
        token_id: token.id.clone(),
        token_secret: token.secret.clone(),
        csr_pem,
    };
    let mut unknown =
        serde_json::to_value(request(request_pem(&KeyPair::generate().unwrap()))).unwrap();
    unknown["cluster"] = "east".into();
    for (body, hint) in [
        (b"{".to_vec(), "not an enrolment"),
        (serde_json::to_vec(&unknown).unwrap(), "cluster"),
        (
            serde_json::to_vec(&request("hello".into())).unwrap(),
            "csrPem",
        ),
        (vec![b' '; 17 * 1024], "body"),
    ] {
        let refused = post(&hub, &token.ca_pin, ENROL_PATH, body)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(
            refused.problem.message.contains(hint),
            "{}",
            refused.problem.message
        );
    }
    // None of them used the token up.
    FakeAgent::enrol(&hub, &registered.join_token)
        .await
        .unwrap();
}

#[tokio::test]
async fn other_paths_are_nothing() {
    let hub = TestHub::start().await;
    let pin = hub.app.agents.authority.pin().to_owned();
    let refused = post(&hub, &pin, "/api/v1/clusters", Vec::new())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}
