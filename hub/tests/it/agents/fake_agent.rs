//! An agent that speaks the real wire and does only what a test tells it to.

use std::sync::Arc;

use breakglass_hub::clock::{Clock, MovableClock};
use breakglass_protocol::api::problem::Problem;
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::join_token::JoinToken;
use breakglass_protocol::wire::close::{Close, CloseCode};
use breakglass_protocol::wire::enrol::{EnrolRequest, EnrolResponse};
use breakglass_protocol::wire::grant::Grant;
use breakglass_protocol::wire::hello::Hello;
use breakglass_protocol::wire::report::{AgentStatus, Report};
use breakglass_protocol::wire::to_agent::ToAgent;
use breakglass_protocol::wire::to_hub::{ReportFrame, StatusFrame, ToHub};
use breakglass_protocol::wire::{
    CONNECT_PATH, ENROL_PATH, SUBPROTOCOL, VERSION_MAX, VERSION_MIN, codec,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::hub::{PATIENCE, TestHub};

/// What the agent keeps in its Secret.
pub(crate) struct FakeAgent {
    pub(crate) key: KeyPair,
    pub(crate) certificate_pem: String,
    pub(crate) ca_pem: String,
    pub(crate) cluster: String,
}

/// The hub's answer to who is turned away.
#[derive(Debug)]
pub(crate) struct TurnedAway {
    pub(crate) status: StatusCode,
    pub(crate) problem: Problem,
}

pub(crate) fn request_pem(key: &KeyPair) -> String {
    let params = CertificateParams::new(vec!["ignored.example.com".to_owned()]).unwrap();
    params.serialize_request(key).unwrap().pem().unwrap()
}

pub(crate) fn request_der(key: &KeyPair) -> Vec<u8> {
    let params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.serialize_request(key).unwrap().der().to_vec()
}

impl FakeAgent {
    /// Registers a cluster and enrols its agent.
    pub(crate) async fn of(hub: &TestHub, cluster: &str) -> Self {
        let registered = hub.register(cluster).await;
        Self::enrol(hub, &registered.join_token).await.unwrap()
    }

    pub(crate) async fn enrol(hub: &TestHub, token: &str) -> Result<Self, TurnedAway> {
        let token = JoinToken::decode(token).unwrap();
        let key = KeyPair::generate().unwrap();
        let request = EnrolRequest {
            token_id: token.id.clone(),
            token_secret: token.secret.clone(),
            csr_pem: request_pem(&key),
        };
        let body = serde_json::to_vec(&request).unwrap();
        let answer = post(hub, &token.ca_pin, ENROL_PATH, body).await.unwrap()?;
        let answer: EnrolResponse = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer.cluster, token.cluster);
        Ok(Self {
            key,
            certificate_pem: answer.certificate_pem,
            ca_pem: answer.ca_pem,
            cluster: answer.cluster,
        })
    }

    /// Connects with the agent's certificate.
    pub(crate) async fn connect(&self, hub: &TestHub) -> Result<Connection, TurnedAway> {
        let chain = vec![CertificateDer::from_pem_slice(self.certificate_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.serialize_pem().as_bytes()).unwrap();
        let config = client(&hub.clock)
            .with_root_certificates(roots(&self.ca_pem))
            .with_client_auth_cert(chain, key)
            .unwrap();
        let tls = tls(hub, config).await.unwrap();
        upgrade(hub, tls).await
    }

    /// Connects without a certificate.
    pub(crate) async fn connect_bare(&self, hub: &TestHub) -> Result<Connection, TurnedAway> {
        let config = client(&hub.clock)
            .with_root_certificates(roots(&self.ca_pem))
            .with_no_client_auth();
        let tls = tls(hub, config).await.unwrap();
        upgrade(hub, tls).await
    }

    /// Connects and says hello; the first frames up to the end of the (here: empty or small) snapshot are the answer.
    pub(crate) async fn online(&self, hub: &TestHub) -> Connection {
        let mut connection = self.connect(hub).await.unwrap();
        connection.hello(&self.cluster).await;
        let ToAgent::Welcome(welcome) = connection.next().await else {
            panic!("no welcome");
        };
        assert_eq!(welcome.version, VERSION_MAX);
        connection
    }
}

/// One open link.
pub(crate) struct Connection {
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    pub(crate) async fn hello(&mut self, cluster: &str) {
        self.hello_with(cluster, &["workload.v1"]).await;
    }

    pub(crate) async fn hello_with(&mut self, cluster: &str, features: &[&str]) {
        self.say(&ToHub::Hello(Hello {
            program_version: "1.2.3".to_owned(),
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            features: features.iter().map(|it| (*it).to_owned()).collect(),
            instance: "i1".to_owned(),
            cluster: cluster.to_owned(),
        }))
        .await;
    }

    pub(crate) async fn say(&mut self, frame: &ToHub) {
        self.send(codec::encode(frame).unwrap()).await;
    }

    pub(crate) async fn send(&mut self, bytes: Vec<u8>) {
        self.socket
            .send(Message::Binary(bytes.into()))
            .await
            .unwrap();
    }

    /// Sends although the hub may hang up in the middle of it.
    pub(crate) async fn send_at_will(&mut self, bytes: Vec<u8>) {
        let _ = self.socket.send(Message::Binary(bytes.into())).await;
    }

    pub(crate) async fn report(&mut self, report: &Report) {
        self.say(&ToHub::Report(ReportFrame {
            uid: report.uid.clone(),
            body: serde_json::to_vec(report).unwrap(),
        }))
        .await;
    }

    pub(crate) async fn status(&mut self, status: &AgentStatus) {
        self.say(&ToHub::Status(StatusFrame {
            body: serde_json::to_vec(status).unwrap(),
        }))
        .await;
    }

    /// The next frame; `None` when the socket is closed.
    pub(crate) async fn hear(&mut self) -> Option<ToAgent> {
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("the hub says nothing");
            match heard {
                Some(Ok(Message::Binary(bytes))) => return Some(codec::decode(&bytes).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("unexpected {other:?}"),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> ToAgent {
        self.hear().await.expect("the hub has hung up")
    }

    /// Everything up to the end of the snapshot.
    pub(crate) async fn snapshot(&mut self) -> Vec<Grant> {
        let ToAgent::SnapshotBegin(begin) = self.next().await else {
            panic!("no snapshot");
        };
        let mut grants = Vec::new();
        loop {
            match self.next().await {
                ToAgent::Grant(frame) => grants.push(serde_json::from_slice(&frame.body).unwrap()),
                ToAgent::SnapshotEnd(_) => break,
                // A grant was left out: the snapshot starts over.
                ToAgent::SnapshotBegin(_) => grants.clear(),
                other => panic!("unexpected {other:?}"),
            }
        }
        assert!(grants.len() <= begin.count as usize);
        grants
    }

    /// Reads on until a grant of this UID is as expected. Grants may come twice: only the newest state counts.
    pub(crate) async fn until_grant(
        &mut self,
        uid: &GrantUid,
        is: impl Fn(&Grant) -> bool,
    ) -> Grant {
        loop {
            if let ToAgent::Grant(frame) = self.next().await {
                let grant: Grant = serde_json::from_slice(&frame.body).unwrap();
                assert_eq!(frame.uid, grant.uid);
                if grant.uid == *uid && is(&grant) {
                    return grant;
                }
            }
        }
    }

    pub(crate) async fn until_settled(&mut self, uid: &GrantUid) {
        loop {
            if let ToAgent::Settled(settled) = self.next().await {
                assert_eq!(settled.uid, *uid);
                return;
            }
        }
    }

    /// Reads on until the hub says why it closes, and then that it has.
    pub(crate) async fn until_closed(&mut self) -> Close {
        loop {
            if let ToAgent::Close(close) = self.next().await {
                assert!(self.hear().await.is_none(), "the hub closes and goes on");
                return close;
            }
        }
    }

    pub(crate) async fn expect_close(&mut self, code: CloseCode) -> Close {
        let close = self.until_closed().await;
        assert_eq!(close.code, code, "{}", close.message);
        close
    }
}

async fn upgrade(hub: &TestHub, tls: TlsStream<TcpStream>) -> Result<Connection, TurnedAway> {
    let request = Request::get(format!("wss://{}{CONNECT_PATH}", hub.address))
        .header("Host", hub.address.to_string())
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Protocol", SUBPROTOCOL)
        .body(())
        .unwrap();
    match tokio_tungstenite::client_async(request, tls).await {
        Ok((socket, response)) => {
            assert_eq!(response.headers()["Sec-WebSocket-Protocol"], SUBPROTOCOL);
            Ok(Connection { socket })
        }
        Err(Error::Http(response)) => Err(TurnedAway {
            status: response.status(),
            problem: serde_json::from_slice(response.body().as_deref().unwrap_or_default())
                .unwrap(),
        }),
        Err(other) => panic!("{other}"),
    }
}

/// One request over TLS that trusts the pinned authority; the outer error is TLS's.
pub(crate) async fn post(
    hub: &TestHub,
    pin: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<Result<Bytes, TurnedAway>, std::io::Error> {
    let config = client(&hub.clock)
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(pin.to_owned())))
        .with_no_client_auth();
    let tls = tls(hub, config).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let request = Request::post(path)
        .header("Host", hub.address.to_string())
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = tokio::time::timeout(PATIENCE, sender.send_request(request))
        .await
        .expect("no answer")
        .unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    driver.await.unwrap().unwrap();
    if status.is_success() {
        Ok(Ok(body))
    } else {
        let problem = serde_json::from_slice(&body).unwrap();
        Ok(Err(TurnedAway { status, problem }))
    }
}

async fn tls(hub: &TestHub, config: ClientConfig) -> Result<TlsStream<TcpStream>, std::io::Error> {
    let tcp = TcpStream::connect(hub.address).await?;
    let name = ServerName::from(hub.address.ip());
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

type WantsVerifier = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn client(clock: &Arc<MovableClock>) -> WantsVerifier {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_details(provider, Arc::new(TestTime(clock.clone())))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
}

fn roots(ca_pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
        .unwrap();
    roots
}

struct TestTime(Arc<MovableClock>);

impl std::fmt::Debug for TestTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestTime")
    }
}

impl TimeProvider for TestTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().wall.as_second()).unwrap();
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

/// Trusts the one authority in the shown chain whose key has the pin.
#[derive(Debug)]
struct Pinned(String);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let pinned = intermediates.iter().find(|certificate| {
            let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
            hex::encode(Sha256::digest(parsed.public_key().raw)) == self.0
        });
        let mut roots = RootCertStore::empty();
        roots.add(pinned.ok_or(unknown)?.clone().into_owned())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap()
            .verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms =
            rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
