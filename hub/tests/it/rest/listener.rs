//! The users' HTTPS listener: its certificate, both HTTPs, and what slow or strange clients can do to others (nothing).

use std::time::Duration;

use breakglass_hub_core::audit::Action;
use futures_util::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::tls::Http;
use crate::harness::{PUBLIC_NAME, TestHub};

/// An authority that has nothing to do with the hub.
fn foreign_ca() -> CertificateDer<'static> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .clone()
}

#[tokio::test]
async fn both_https_serve_the_same() {
    let hub = TestHub::start().await;
    let direct = hub.alice().get("/clusters").await.ok();
    for http in [Http::One, Http::Two] {
        assert_eq!(
            hub.over_tls(http, "/api/v1/clusters").await.ok(),
            direct,
            "{http:?}"
        );
    }
}

#[tokio::test]
async fn the_hubs_own_certificate_is_good_for_its_public_names_only() {
    let hub = TestHub::start_empty().await;
    for name in [PUBLIC_NAME, "127.0.0.1", "localhost"] {
        let tls = hub
            .tls(hub.users_ca(), name, &[Http::Two, Http::One])
            .await
            .unwrap();
        assert_eq!(
            tls.get_ref().1.alpn_protocol(),
            Some(b"h2".as_slice()),
            "HTTP/2 where both can"
        );
    }
    for name in ["other.example.com", "hub.example.com.evil.org", "127.0.0.2"] {
        let error = hub
            .tls(hub.users_ca(), name, &[Http::One])
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("not valid for name"), "{name}: {error}");
    }
    let error = hub
        .tls(foreign_ca(), PUBLIC_NAME, &[Http::One])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn what_people_trusted_before_a_restart_they_trust_after_it() {
    let hub = TestHub::start_empty().await;
    let ca = hub.users_ca();
    let hub = hub.restart().await;
    hub.tls(ca, PUBLIC_NAME, &[Http::Two]).await.unwrap();
}

#[tokio::test]
async fn the_certificate_never_grows_old() {
    let hub = TestHub::start_empty().await;
    let shown = |tls: &tokio_rustls::client::TlsStream<TcpStream>| {
        tls.get_ref().1.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    };
    let first = shown(
        &hub.tls(hub.users_ca(), PUBLIC_NAME, &[Http::Two])
            .await
            .unwrap(),
    );
    // More than half of its 90 days: the next one is not valid yet for a client of today, which is how we know it.
    hub.clock.advance(Duration::from_secs(60 * 24 * 3600));
    let error = hub
        .tls(hub.users_ca(), PUBLIC_NAME, &[Http::Two])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("not valid yet"), "{error}");
    assert!(!first.is_empty());
}

#[tokio::test]
async fn who_is_slow_to_shake_hands_keeps_nobody_waiting() {
    let hub = TestHub::start().await;
    let mut slow = Vec::new();
    for i in 0..200 {
        let mut socket = TcpStream::connect(hub.running.users).await.unwrap();
        if i % 2 == 0 {
            // The start of a handshake that never goes on.
            socket
                .write_all(&[0x16, 0x03, 0x01, 0x02, 0x00])
                .await
                .unwrap();
        }
        slow.push(socket);
    }
    for http in [Http::One, Http::Two] {
        assert_eq!(
            hub.over_tls(http, "/api/v1/clusters").await.ok()["total"],
            3
        );
    }
    assert_eq!(slow.len(), 200);
}

#[tokio::test]
async fn who_speaks_no_tls_gets_no_answer() {
    let hub = TestHub::start().await;
    let mut socket = TcpStream::connect(hub.running.users).await.unwrap();
    socket
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    // An alert or a reset, but no HTTP.
    socket.read_to_end(&mut heard).await.ok();
    assert!(
        !String::from_utf8_lossy(&heard).contains("HTTP"),
        "{heard:?}"
    );
    hub.over_tls(Http::Two, "/api/v1/clusters").await.ok();
}

#[tokio::test]
async fn s20_a_header_that_would_become_two_is_refused() {
    let hub = TestHub::start().await;
    for bad in ["x\r\n Set-Cookie: a=b", "x\rSet-Cookie: a=b", "x\0y"] {
        let mut tls = hub
            .tls(hub.users_ca(), PUBLIC_NAME, &[Http::One])
            .await
            .unwrap();
        let request = format!(
            "GET /api/v1/clusters HTTP/1.1\r\nHost: hub\r\nX-Correlation-ID: {bad}\r\n\r\n"
        );
        tls.write_all(request.as_bytes()).await.unwrap();
        let mut heard = vec![0; 4096];
        let length = tls.read(&mut heard).await.unwrap();
        let heard = String::from_utf8_lossy(&heard[..length]).to_lowercase();
        assert!(heard.starts_with("http/1.1 400"), "{bad:?}: {heard}");
        assert!(!heard.contains("set-cookie"), "{bad:?}: {heard}");
    }
}

#[tokio::test]
async fn a_request_is_recorded_with_its_origin() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let tls = hub
        .tls(hub.users_ca(), PUBLIC_NAME, &[Http::One])
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(tls))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::post(format!("/api/v1/debug-sessions/{session}/terminate"))
        .header("host", PUBLIC_NAME)
        .header("authorization", "Bearer alice-token-0123456789")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    drop(sender);
    driver.await.unwrap().unwrap();
    let recorded = hub.recorded().await;
    let ended = recorded
        .iter()
        .rev()
        .find(|event| event.action == Action::Terminated)
        .unwrap();
    assert_eq!(ended.source.as_deref(), Some("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_connections_at_once_are_all_served() {
    let hub = TestHub::start().await;
    let answers = join_all((0..50).map(|i| {
        let http = if i % 2 == 0 { Http::One } else { Http::Two };
        hub.over_tls(http, "/api/v1/clusters")
    }));
    for answer in answers.await {
        assert_eq!(answer.ok()["total"], json!(3));
    }
}
