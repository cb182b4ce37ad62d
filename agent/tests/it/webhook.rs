//! The webhook over real TLS, as an API server (or somebody who would like to be one) meets it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use breakglass_agent::clock::Clock;
use breakglass_agent::identity::WebhookKeys;
use breakglass_agent::published::Published;
use breakglass_agent::webhook::certs::{CLIENT_COMMON_NAME, Refreshed, ServerNames, make_root};
use breakglass_agent::webhook::decisions::{self, DecisionSender, Decisions};
use breakglass_agent::webhook::{WebhookHandle, WebhookMetrics, WebhookSettings, spawn};
use breakglass_agent_core::authorize::{Decided, Enforcement};
use breakglass_agent_core::ceiling::Ceiling;
use breakglass_agent_core::grants::GrantBook;
use breakglass_agent_core::holdings::{Holdings, Memory, Received, Taken};
use breakglass_agent_core::recorder::Lost;
use breakglass_agent_core::workload::Seed;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::wire::access::Denial;
use breakglass_protocol::wire::grant::Grant;
use breakglass_protocol::wire::report::ObservedPod;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::SignedDuration;
use prometheus_client::registry::Registry;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const LOOPBACK: &str = "127.0.0.1";

pub(crate) struct Webhook {
    handle: WebhookHandle,
    ended: Option<oneshot::Receiver<()>>,
    registry: Registry,
    keys: WebhookKeys,
    published: Arc<Published>,
    told: DecisionSender,
    decisions: Decisions,
    clock: Clock,
}

/// What a client shows of itself.
enum Shown {
    Nothing,
    /// Certificate and key, PEM.
    Pair(String, String),
}

impl Webhook {
    fn start() -> Self {
        Self::enforcing(Enforcement::Off)
    }

    /// That of a running agent.
    pub(crate) fn of(handle: WebhookHandle, keys: WebhookKeys, published: &Arc<Published>) -> Self {
        let clock = Clock::start();
        let names = ServerNames::new([LOOPBACK.to_owned()], 9443).unwrap();
        handle.set_names(names, clock.now().wall).unwrap();
        let (told, decisions) = decisions::channel();
        Self {
            handle,
            ended: None,
            registry: Registry::default(),
            keys,
            published: Arc::clone(published),
            told,
            decisions,
            clock,
        }
    }

    fn enforcing(enforcement: Enforcement) -> Self {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let clock = Clock::start();
        let keys = make_root(clock.now().wall).unwrap();
        let published = Arc::new(Published::default());
        let mut registry = Registry::default();
        let (told, decisions) = decisions::channel();
        let (handle, ended) = spawn(WebhookSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys: keys.clone(),
            names: ServerNames::new([LOOPBACK.to_owned()], 9443).unwrap(),
            published: Arc::clone(&published),
            agent: "system:serviceaccount:breakglass-agent:breakglass-agent".into(),
            enforcement,
            decisions: told.clone(),
            clock,
            metrics: WebhookMetrics::register(&mut registry),
        })
        .unwrap();
        Self {
            handle,
            ended: Some(ended),
            registry,
            keys,
            published,
            told,
            decisions,
            clock,
        }
    }

    /// What an API server has after `bgctl cluster webhook-config`.
    fn api_server(&self) -> Shown {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::new(["pretender.example.com".to_owned()])
            .unwrap()
            .serialize_request(&key)
            .unwrap();
        let signed = self
            .handle
            .sign_client(request.der(), self.clock.now().wall)
            .unwrap();
        assert_eq!(signed.url, "https://127.0.0.1:9443/authorize");
        Shown::Pair(signed.certificate_pem, key.serialize_pem())
    }

    async fn connect(&self, shown: &Shown, alpn: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.keys.ca_certificate_pem.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = match shown {
            Shown::Nothing => config.with_no_client_auth(),
            Shown::Pair(certificate, key) => config
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.handle.local_address()).await?;
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from(LOOPBACK).unwrap(), stream)
            .await
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> (StatusCode, String) {
        let request = Request::post("/authorize")
            .body(Full::new(body.into()))
            .unwrap();
        self.send(request).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        let tls = self.connect(&self.api_server(), "http/1.1").await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.handle.stop();
    }
}

fn review(spec: &Value) -> String {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
        .to_string()
}

fn exec_review() -> String {
    review(&json!({
        "user": "alice@example.com", "groups": ["sre-team", "system:authenticated"],
        "resourceAttributes": {"namespace": "breakglass-debug", "verb": "get", "version": "v1",
            "resource": "pods", "subresource": "exec", "name": "p-1"}
    }))
}

/// In TLS 1.3 a client learns only at its first read that its certificate was not wanted.
async fn is_refused(connected: std::io::Result<TlsStream<TcpStream>>) -> bool {
    match connected {
        Err(_) => true,
        Ok(mut tls) => {
            let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
            tls.write_all(request).await.is_err() || tls.read_u8().await.is_err()
        }
    }
}

#[tokio::test]
async fn nobody_without_a_certificate_of_our_root_gets_in() {
    let webhook = Webhook::start();
    let stranger = Webhook::start();
    assert!(is_refused(webhook.connect(&Shown::Nothing, "http/1.1").await).await);
    let foreign = stranger.api_server();
    assert!(is_refused(webhook.connect(&foreign, "http/1.1").await).await);
    assert_eq!(webhook.handle.called_at(), None);
    let own = webhook.api_server();
    assert!(!is_refused(webhook.connect(&own, "http/1.1").await).await);
}

#[tokio::test]
async fn before_anything_is_loaded_there_is_no_opinion_over_both_http_versions() {
    let webhook = Webhook::start();
    let (status, body) = webhook.post(exec_review()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["apiVersion"], "authorization.k8s.io/v1");
    assert_eq!(answer["kind"], "SubjectAccessReview");
    assert_eq!(answer["status"]["allowed"], false);
    assert_eq!(answer["status"].get("denied"), None);

    let tls = webhook.connect(&webhook.api_server(), "h2").await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::post("https://127.0.0.1/authorize?timeout=1s")
        .body(Full::new(Bytes::from(exec_review())))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    assert!(webhook.handle.called_at().is_some());
    let metrics = webhook.metrics();
    assert!(
        metrics.contains(r#"breakglass_agent_authorize_total{verdict="no-opinion"} 2"#),
        "{metrics}"
    );
    assert!(
        metrics.contains("breakglass_agent_authorize_seconds_count 2"),
        "{metrics}"
    );
}

/// Alice's session of one hour with the pod `p-1`, as the loop hands it to the webhook.
fn hold_a_session(webhook: &Webhook) -> GrantBook {
    let now = webhook.clock.now();
    let expires_at = now.wall + SignedDuration::from_hours(1);
    let grant: Grant = serde_json::from_value(json!({
        "uid": "11111111-1111-4111-8111-111111111111", "session": "debug-session-abc123",
        "namespace": "breakglass", "cluster": "west", "desired": {"running": {}},
        "startsAt": now.wall, "expiresAt": expires_at, "lastEnd": expires_at, "renewal": 0,
        "digest": "sha256:0", "people": [{"user": "alice@example.com", "role": "owner"}],
        "operations": {"exec": true, "attach": true, "logs": false, "portForward": true},
        "context": {"requestedBy": "alice@example.com", "template": "t"},
        "targetNamespace": "breakglass-debug",
        "work": {"workload": {"kind": "Deployment", "replicas": 1, "pod": {"structured": {
            "spec": {"containers": [{"name": "debug", "image": "alpine:latest"}]}}}}}
    }))
    .unwrap();
    let uid = grant.uid.clone();
    let cluster = ClusterName::new("west");
    let mut holdings = Holdings::restore(
        cluster,
        Ceiling::default(),
        Vec::new(),
        Memory::default(),
        now,
    );
    let received = Received {
        grant,
        remaining: Duration::from_secs(3600),
        missing_features: Vec::new(),
    };
    let seed = Seed::new([7; 32]);
    assert_eq!(holdings.receive(received, &seed, now), Taken::Changed);
    let held = holdings.get(&uid).unwrap();
    assert_eq!(held.end, None);
    let pod = ObservedPod {
        namespace: "breakglass-debug".into(),
        name: "p-1".into(),
        uid: "22222222-2222-4222-8222-222222222222".into(),
        node_name: None,
        phase: None,
        ready: true,
        container_status: None,
    };
    let mut book = GrantBook::default();
    book.set(held, &[pod]);
    webhook.published.publish(book.index());
    webhook.published.record_progress(now.monotonic);
    book.remove(&uid);
    book
}

#[tokio::test]
async fn a_session_opens_its_pod_to_its_people_until_it_is_taken_out() {
    let webhook = Webhook::start();
    let without = hold_a_session(&webhook);
    let allowed = |body: &str| {
        let answer: Value = serde_json::from_str(body).unwrap();
        let status = answer["status"].clone();
        (status["allowed"].as_bool(), status["reason"].to_string())
    };
    let (_, body) = webhook.post(exec_review()).await;
    let (allow, reason) = allowed(&body);
    assert_eq!(allow, Some(true), "{body}");
    assert!(
        reason.contains("debug-session-abc123") && reason.contains("exec"),
        "{reason}"
    );
    for (from, to) in [
        ("alice@", "mallory@"),
        ("\"p-1\"", "\"p-2\""),
        ("\"exec\"", "\"log\""),
    ] {
        let (_, body) = webhook.post(exec_review().replace(from, to)).await;
        assert_eq!(allowed(&body).0, Some(false), "{body}");
    }
    let (_, body) = webhook
        .post(exec_review().replace("alice@", "mallory@"))
        .await;
    assert!(
        !body.contains("debug-session"),
        "nobody else's session is named: {body}"
    );

    webhook.published.publish(without.index());
    let (_, body) = webhook.post(exec_review()).await;
    assert_eq!(allowed(&body).0, Some(false), "{body}");
    let metrics = webhook.metrics();
    assert!(
        metrics.contains(r#"breakglass_agent_authorize_total{verdict="allow"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_is_not_a_review_is_told_so_and_allows_nothing() {
    let webhook = Webhook::start();
    let v1beta1 = exec_review().replace("k8s.io/v1", "k8s.io/v1beta1");
    for (body, status, told) in [
        (
            String::new(),
            StatusCode::BAD_REQUEST,
            "not a SubjectAccessReview",
        ),
        (
            "{\"kind\":".to_owned(),
            StatusCode::BAD_REQUEST,
            "not a SubjectAccessReview",
        ),
        (
            v1beta1,
            StatusCode::BAD_REQUEST,
            "subjectAccessReviewVersion",
        ),
        (
            review(&json!({"user": "u"})),
            StatusCode::BAD_REQUEST,
            "exactly one of",
        ),
    ] {
        let (got, text) = webhook.post(body).await;
        assert_eq!(got, status, "{text}");
        assert!(text.contains(told), "{text}");
        assert!(!text.contains("allowed"), "{text}");
    }
    let get = Request::builder()
        .method(Method::GET)
        .uri("/authorize")
        .body(Full::default())
        .unwrap();
    assert_eq!(webhook.send(get).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let elsewhere = Request::post("/").body(Full::default()).unwrap();
    assert_eq!(webhook.send(elsewhere).await.0, StatusCode::NOT_FOUND);
}

/// Over HTTP/2, where an early answer is not lost with the connection.
#[tokio::test]
async fn oversized_bodies_are_refused_with_and_without_a_stated_length() {
    let webhook = Webhook::start();
    let chunks = || {
        let chunk = Bytes::from(vec![b' '; 16 * 1024]);
        let chunks = (0..9).map(move |_| Ok::<_, std::io::Error>(Frame::data(chunk.clone())));
        StreamBody::new(futures_util::stream::iter(chunks))
    };
    let stated = Full::new(Bytes::from(vec![b' '; 128 * 1024 + 1]))
        .map_err(|never| match never {})
        .boxed();
    for body in [stated, BodyExt::boxed(chunks())] {
        let tls = webhook.connect(&webhook.api_server(), "h2").await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = Request::post("https://127.0.0.1/authorize")
            .body(body)
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn slow_clients_do_not_delay_the_api_server() {
    let webhook = Webhook::start();
    // Stalled handshakes, up to what one address may have.
    let mut stalled = Vec::new();
    for _ in 0..8 {
        stalled.push(
            TcpStream::connect(webhook.handle.local_address())
                .await
                .unwrap(),
        );
    }
    // Holders of a certificate that start a review and never end it.
    let api_server = webhook.api_server();
    let mut unfinished = Vec::new();
    for _ in 0..10 {
        let mut tls = webhook.connect(&api_server, "http/1.1").await.unwrap();
        let head = b"POST /authorize HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
        tls.write_all(head).await.unwrap();
        unfinished.push(tls);
    }
    let (status, _) = webhook.post(exec_review()).await;
    assert_eq!(status, StatusCode::OK);
    // And they are told to go, each in its time.
    let mut answer = String::new();
    unfinished[0].read_to_string(&mut answer).await.ok();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let mut nothing = [0_u8; 1];
    assert_eq!(stalled[0].read(&mut nothing).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let webhook = Webhook::start();
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(
            TcpStream::connect(webhook.handle.local_address())
                .await
                .unwrap(),
        );
    }
    // The next is closed at once; the others only when their time is over.
    let mut next = TcpStream::connect(webhook.handle.local_address())
        .await
        .unwrap();
    let started = std::time::Instant::now();
    assert_eq!(next.read(&mut [0_u8; 1]).await.unwrap_or(0), 0);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn the_certificate_follows_the_address_without_a_restart() {
    let webhook = Webhook::start();
    let now = webhook.clock.now().wall;
    let same = webhook.handle.names();
    assert_eq!(
        webhook.handle.set_names(same.clone(), now).unwrap(),
        Refreshed::Unchanged
    );
    let later = now + SignedDuration::from_hours(24 * 46);
    assert_eq!(
        webhook.handle.set_names(same.clone(), later).unwrap(),
        Refreshed::Reissued
    );

    let moved = ServerNames::new(["10.96.0.9".to_owned()], 9443).unwrap();
    assert_eq!(
        webhook.handle.set_names(moved, now).unwrap(),
        Refreshed::Reissued
    );
    let error = webhook
        .connect(&webhook.api_server_at("10.96.0.9"), "h2")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    webhook.handle.set_names(same, now).unwrap();
    assert!(webhook.connect(&webhook.api_server(), "h2").await.is_ok());
}

impl Webhook {
    /// The same pair, asked for when the webhook has another address.
    fn api_server_at(&self, host: &str) -> Shown {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let signed = self
            .handle
            .sign_client(request.der(), self.clock.now().wall)
            .unwrap();
        assert!(signed.url.contains(host), "{}", signed.url);
        Shown::Pair(signed.certificate_pem, key.serialize_pem())
    }
}

#[tokio::test]
async fn d20_of_a_signing_request_only_the_key_counts() {
    let webhook = Webhook::start();
    let now = webhook.clock.now().wall;
    let key = KeyPair::generate().unwrap();
    let mut wishes = CertificateParams::new(["kubernetes.default.svc".to_owned()]).unwrap();
    wishes.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    wishes
        .distinguished_name
        .push(rcgen::DnType::CommonName, "system:masters");
    let request = wishes.serialize_request(&key).unwrap();
    let signed = webhook.handle.sign_client(request.der(), now).unwrap();

    let der = CertificateDer::from_pem_slice(signed.certificate_pem.as_bytes()).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert_eq!(
        parsed.subject().to_string(),
        format!("CN={CLIENT_COMMON_NAME}")
    );
    assert!(!parsed.is_ca());
    assert!(parsed.subject_alternative_name().unwrap().is_none());
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    assert_eq!(
        parsed.public_key().raw,
        rcgen::PublicKeyData::subject_public_key_info(&key)
    );
    let year = now + SignedDuration::from_hours(365 * 24);
    assert_eq!(signed.expires_at, year.as_second());
    assert_eq!(parsed.validity().not_after.timestamp(), year.as_second());
    assert_eq!(signed.ca_pem, webhook.keys.ca_certificate_pem);

    let mut broken = request.der().to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    for bad in [broken, Vec::new(), vec![0; 17 * 1024]] {
        assert!(webhook.handle.sign_client(&bad, now).is_err());
    }
    let unknown = ServerNames::unknown();
    webhook.handle.set_names(unknown, now).unwrap();
    let error = webhook.handle.sign_client(request.der(), now).unwrap_err();
    assert!(error.to_string().contains("webhook.address"), "{error}");
}

#[tokio::test]
async fn the_thread_ends_when_told() {
    let mut webhook = Webhook::start();
    webhook.handle.stop();
    let ended = webhook.ended.take().unwrap();
    ended.await.ok();
    assert!(
        TcpStream::connect(webhook.handle.local_address())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn s15_strict_answers_503_before_anything_is_loaded_and_refuses_after() {
    let webhook = Webhook::enforcing(Enforcement::Strict);
    let (status, told) = webhook.post(exec_review()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
    assert!(
        webhook
            .metrics()
            .contains(r#"breakglass_agent_authorize_total{verdict="unavailable"} 1"#)
    );
    hold_a_session(&webhook);
    let mallory = exec_review().replace("alice@example.com", "mallory@example.com");
    let (status, told) = webhook.post(mallory).await;
    assert_eq!(status, StatusCode::OK);
    assert!(told.contains(r#""denied":true"#), "{told}");
}

#[tokio::test]
async fn s20_what_was_decided_about_a_session_is_told_and_a_flood_blocks_nothing() {
    let mut webhook = Webhook::start();
    hold_a_session(&webhook);
    webhook.post(exec_review()).await;
    let mallory = exec_review().replace("alice@", "mallory@");
    webhook.post(mallory).await;
    webhook
        .post(exec_review().replace("\"p-1\"", "\"p-2\""))
        .await;
    let told = webhook.decisions.drain();
    let lines: Vec<_> = told
        .iter()
        .map(|told| (told.access.user.as_str(), &told.decided))
        .collect();
    assert_eq!(
        lines,
        [
            ("alice@example.com", &Decided::Allowed),
            (
                "mallory@example.com",
                &Decided::Denied(Denial::NotInSession)
            ),
        ]
    );
    assert_eq!(
        told[0].access.session.as_ref().unwrap().name,
        "debug-session-abc123"
    );

    // Nobody takes anything any more.
    for _ in 0..2_000 {
        webhook.told.tell(told[1].clone());
    }
    let (status, body) = webhook.post(exec_review()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("\"allowed\":true"), "{body}");
    let held = u64::try_from(webhook.decisions.drain().len()).unwrap();
    let lost = webhook.decisions.take_lost();
    assert_eq!((lost.allows, lost.denials + held), (1, 2_000));
    assert_eq!(webhook.decisions.take_lost(), Lost::default(), "told once");
}
