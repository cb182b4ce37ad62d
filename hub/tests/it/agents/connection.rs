//! Who is let in, who is cut off, and what a broken peer cannot do (D8, spec 3 sections 1 and 2).

use std::time::Duration;

use breakglass_hub::clusters::{self, ClusterError};
use breakglass_hub::link::CallError;
use breakglass_hub_core::audit::Action;
use breakglass_protocol::api::cluster::WebhookConfigRequest;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::limits::MAX_FRAME_BYTES;
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::report::AgentStatus;
use breakglass_protocol::wire::to_agent::{Ask, ToAgent};
use breakglass_protocol::wire::to_hub::{Answer, Answered, RenewCertificate, ToHub, WebhookClient};
use http::StatusCode;
use jiff::Timestamp;
use rcgen::KeyPair;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::fake_agent::{Connection, FakeAgent, request_der, request_pem};
use super::hub::{TestHub, admin};

fn west() -> ClusterName {
    ClusterName::new("west")
}

async fn online_with_snapshot(agent: &FakeAgent, hub: &TestHub) -> Connection {
    let mut connection = agent.online(hub).await;
    assert!(connection.snapshot().await.is_empty());
    hub.until_connected(&agent.cluster).await;
    connection
}

#[tokio::test]
async fn a_peer_without_certificate_is_told_to_enrol() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let refused = agent.connect_bare(&hub).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.problem.code, "noCertificate");
    assert!(!refused.problem.request_id.is_empty());
}

#[tokio::test]
async fn an_expired_certificate_is_told_so_in_http() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    hub.clock.advance(Duration::from_secs(24 * 3600));
    let refused = agent.connect(&hub).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.problem.code, "certificateExpired");
    assert!(
        refused
            .problem
            .message
            .contains("bgctl cluster register west")
    );
}

#[tokio::test]
async fn a_certificate_of_another_hub_fails_in_tls() {
    let (hub, other) = (TestHub::start().await, TestHub::start().await);
    let foreign = FakeAgent::of(&other, "west").await;
    let mut agent = FakeAgent::of(&hub, "west").await;
    agent.key = foreign.key;
    agent.certificate_pem = foreign.certificate_pem;
    let connecting = tokio::spawn(async move { agent.connect(&hub).await.map(|_| ()) });
    // TLS 1.3 tells the client at its first read, inside the WebSocket handshake.
    assert!(connecting.await.is_err());
}

#[tokio::test]
async fn s02_a_revoked_cluster_is_cut_at_once_and_barred() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut connection = online_with_snapshot(&agent, &hub).await;
    clusters::revoke(&hub.app, &admin(), &west()).await.unwrap();
    let close = connection.expect_close(CloseCode::Revoked).await;
    assert!(close.message.contains("revoked"));
    let refused = agent.connect(&hub).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.problem.code, "certificateRevoked");
    assert!(hub.status("west").await.revoked_at.is_some());
    assert!(hub.recorded().await.contains(&Action::ClusterRevoked));
}

#[tokio::test]
async fn a_second_connection_wins_and_the_first_waits() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut first = online_with_snapshot(&agent, &hub).await;
    let mut second = agent.online(&hub).await;
    assert!(second.snapshot().await.is_empty());
    let close = first.expect_close(CloseCode::Superseded).await;
    assert_eq!(close.retry_after_ms, Some(60_000));
    hub.until_connected("west").await;
    assert_eq!(hub.status("west").await.connected, Some(true));
}

#[tokio::test]
async fn the_clusters_status_follows_its_agent() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut connection = online_with_snapshot(&agent, &hub).await;
    hub.until("connected", || async {
        hub.status("west").await.connected == Some(true)
    })
    .await;
    connection.status(&said(&hub)).await;
    // Shown soon, not at once: an agent cannot make the hub write all the time.
    hub.until("the status frame", || async {
        hub.clock.advance(Duration::from_millis(100));
        hub.status("west").await.kubernetes_version.is_some()
    })
    .await;
    let status = hub.status("west").await;
    assert_eq!(status.kubernetes_version.as_deref(), Some("v1.34.1"));
    assert_eq!(status.agent_version.as_deref(), Some("1.2.3"));
    assert_eq!(status.capabilities, ["workload"]);
    // What the agent says of its certificate is not what is shown.
    assert_ne!(
        status.certificate_expires_at.unwrap().0,
        Timestamp::UNIX_EPOCH
    );
    drop(connection);
    hub.until("disconnected", || async {
        hub.status("west").await.connected == Some(false)
    })
    .await;
    hub.until_recorded(Action::ClusterDisconnected).await;
}

fn said(hub: &TestHub) -> AgentStatus {
    AgentStatus {
        agent_version: "1.2.3".to_owned(),
        kubernetes_version: "v1.34.1".to_owned(),
        capabilities: vec!["workload".to_owned()],
        certificate_expires_at: Timestamp::UNIX_EPOCH,
        ceiling: serde_json::json!({ "namespaces": ["breakglass-debug"] }),
        webhook_client_expires_at: None,
        webhook_called_at: Some(hub.app.now().wall),
        deny_policies: None,
        webhook_order: None,
        enforcement: None,
    }
}

#[tokio::test]
async fn s06_naming_another_cluster_is_refused_and_recorded() {
    let hub = TestHub::start().await;
    hub.register("east").await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut connection = agent.connect(&hub).await.unwrap();
    connection.hello("east").await;
    connection.expect_close(CloseCode::WrongCluster).await;
    hub.until_recorded(Action::AgentRefused).await;
    assert!(
        hub.app
            .metrics
            .encode()
            .unwrap()
            .contains("breakglass_hub_agent_misbehaviours_total 1")
    );
}

#[tokio::test]
async fn garbage_and_oversized_frames_close_with_blame() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut connection = agent.connect(&hub).await.unwrap();
    connection.send(vec![0xff; 64]).await;
    connection.expect_close(CloseCode::ProtocolError).await;

    let mut connection = agent.connect(&hub).await.unwrap();
    connection.send_at_will(vec![0; MAX_FRAME_BYTES + 1]).await;
    connection.expect_close(CloseCode::ProtocolError).await;

    let mut connection = online_with_snapshot(&agent, &hub).await;
    connection.hello("west").await;
    connection.expect_close(CloseCode::ProtocolError).await;
    hub.until_recorded(Action::AgentRefused).await;
}

#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    // Without a hello.
    let mut mute = agent.connect(&hub).await.unwrap();
    hub.until("the hello's time limit", || async {
        hub.clock.advance(Duration::from_millis(500));
        hub.recorded().await.contains(&Action::AgentRefused)
    })
    .await;
    mute.expect_close(CloseCode::ProtocolError).await;
}

#[tokio::test]
async fn fifty_slow_handshakes_do_not_block_a_good_one() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(TcpStream::connect(hub.address).await.unwrap());
    }
    online_with_snapshot(&agent, &hub).await;
    // They are still waited for, not thrown out to make room.
    let mut byte = [0];
    let read = slow[0].try_read(&mut byte);
    assert!(read.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));
    hub.stop().await;
    assert_eq!(slow[0].read(&mut byte).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn s18_a_certificate_is_renewed_over_the_link_and_retires_the_old_one() {
    let hub = TestHub::start().await;
    let mut agent = FakeAgent::of(&hub, "west").await;
    let old = agent.certificate_pem.clone();
    let mut connection = online_with_snapshot(&agent, &hub).await;
    hub.clock.advance(Duration::from_secs(12));
    agent.certificate_pem = renew(&mut connection, &agent.key).await.unwrap();
    // The old one still works until the new one was used: its delivery may be lost.
    let new = std::mem::replace(&mut agent.certificate_pem, old.clone());
    agent.online(&hub).await;
    agent.certificate_pem = new;
    online_with_snapshot(&agent, &hub).await;
    agent.certificate_pem = old;
    let refused = agent.connect(&hub).await.unwrap_err();
    assert_eq!(refused.problem.code, "certificateReplaced");
    assert!(hub.recorded().await.contains(&Action::CertificateRenewed));
}

#[tokio::test]
async fn s18_two_keys_renewed_from_one_certificate_revoke_both() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut honest = online_with_snapshot(&agent, &hub).await;
    renew(&mut honest, &KeyPair::generate().unwrap())
        .await
        .unwrap();
    drop(honest);
    let mut thief = agent.online(&hub).await;
    thief.snapshot().await;
    let close = renew(&mut thief, &KeyPair::generate().unwrap())
        .await
        .unwrap_err();
    assert_eq!(close, CloseCode::Revoked);
    let refused = agent.connect(&hub).await.unwrap_err();
    assert_eq!(refused.problem.code, "certificateRevoked");
}

async fn renew(connection: &mut Connection, key: &KeyPair) -> Result<String, CloseCode> {
    let csr_der = request_der(key);
    connection
        .say(&ToHub::RenewCertificate(RenewCertificate { csr_der }))
        .await;
    match connection.next().await {
        ToAgent::Certificate(certificate) => Ok(certificate.certificate_pem),
        ToAgent::Close(close) => Err(close.code),
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn a_webhook_certificate_is_asked_from_the_agent() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let csr_pem = request_pem(&KeyPair::generate().unwrap());
    let body = || WebhookConfigRequest {
        csr_pem: csr_pem.clone(),
    };
    let absent = clusters::webhook_config(&hub.app, &admin(), &west(), body())
        .await
        .unwrap_err();
    let (status, code, _, _) = absent.problem();
    assert_eq!(
        (status, code),
        (StatusCode::SERVICE_UNAVAILABLE, "clusterNotConnected")
    );
    assert!(absent.to_string().contains("west"));

    let mut connection = online_with_snapshot(&agent, &hub).await;
    let (by, cluster) = (admin(), west());
    let (answered, ()) = tokio::join!(
        clusters::webhook_config(&hub.app, &by, &cluster, body()),
        answer_call(&mut connection)
    );
    let config = answered.unwrap();
    assert_eq!(config.url, "https://10.0.0.1:9443/authorize");
    assert_eq!(config.expires_at, "2001-09-09T01:46:40Z");

    let wrong = WebhookConfigRequest {
        csr_pem: "hello".to_owned(),
    };
    let refused = clusters::webhook_config(&hub.app, &admin(), &west(), wrong)
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        ClusterError::Invalid {
            field: "csrPem",
            ..
        }
    ));
}

async fn answer_call(connection: &mut Connection) {
    let ToAgent::Call(call) = connection.next().await else {
        panic!("no call");
    };
    let Ask::SignWebhookClient(ask) = call.ask;
    assert!(!ask.csr_der.is_empty());
    let signed = WebhookClient {
        certificate_pem: "certificate".to_owned(),
        ca_pem: "ca".to_owned(),
        url: "https://10.0.0.1:9443/authorize".to_owned(),
        expires_at: 1_000_000_000,
    };
    let answer = Answer {
        id: call.id,
        result: Ok(Answered::WebhookClient(signed)),
    };
    connection.say(&ToHub::Answer(answer)).await;
}

#[tokio::test]
async fn a_call_ends_with_the_connection() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut connection = online_with_snapshot(&agent, &hub).await;
    let csr_pem = request_pem(&KeyPair::generate().unwrap());
    let (by, cluster) = (admin(), west());
    let (answered, ()) = tokio::join!(
        clusters::webhook_config(&hub.app, &by, &cluster, WebhookConfigRequest { csr_pem }),
        async {
            assert!(matches!(connection.next().await, ToAgent::Call(_)));
            drop(connection);
        }
    );
    assert!(matches!(
        answered,
        Err(ClusterError::Call(CallError::Disconnected { .. }))
    ));
}

#[tokio::test]
async fn a_hub_that_stops_says_when_to_come_back() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut connection = online_with_snapshot(&agent, &hub).await;
    let (close, hub) = tokio::join!(connection.expect_close(CloseCode::GoingAway), hub.restart());
    assert!(
        close
            .retry_after_ms
            .is_some_and(|ms| (1_000..=5_000).contains(&ms))
    );
    assert_eq!(hub.status("west").await.connected, Some(false));
    // The certificate outlives the restart: the authority is the same.
    online_with_snapshot(&agent, &hub).await;
}

#[tokio::test]
async fn a_cluster_that_waits_for_acceptance_is_told_so() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    hub.set_accepted("west", Some(false)).await;
    let refused = agent.connect(&hub).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.problem.code, "clusterNotAccepted");
    clusters::accept(&hub.app, &admin(), &west()).await.unwrap();
    online_with_snapshot(&agent, &hub).await;
}
