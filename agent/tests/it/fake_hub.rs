//! A hub's listener for agents, as far as the link can see one: TLS with a CA of its own, enrolment, the upgrade.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use breakglass_agent::clock::Clock;
use breakglass_agent::identity::{Identity, JournalKey, WebhookKeys};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::join_token::JoinToken;
use breakglass_protocol::wire::codec;
use breakglass_protocol::wire::enrol::{EnrolRequest, EnrolResponse};
use breakglass_protocol::wire::to_agent::ToAgent;
use breakglass_protocol::wire::to_hub::ToHub;
use breakglass_protocol::wire::{CONNECT_PATH, ENROL_PATH, SUBPROTOCOL};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, PublicKeyData,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

pub(crate) const CLUSTER: &str = "west";

/// A CA with a server certificate for the loopback address.
pub(crate) struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// What the listener shows in its chain.
#[derive(Clone, Copy)]
pub(crate) enum Chain {
    WithCa,
    LeafOnly,
}

/// Whether TLS itself asks for a client certificate.
#[derive(Clone, Copy)]
pub(crate) enum ClientCertificate {
    JudgedInHttp,
    RequiredByTls,
}

impl Authority {
    pub(crate) fn new() -> Self {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { ca }
    }

    pub(crate) fn pem(&self) -> String {
        self.ca.pem()
    }

    pub(crate) fn pin(&self) -> String {
        hex::encode(Sha256::digest(self.ca.key().subject_public_key_info()))
    }

    /// Signs for an agent, one day from now.
    pub(crate) fn sign(&self, key: &impl PublicKeyData) -> String {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = Clock::start().now().wall.as_second();
        let now = Duration::from_secs(now.try_into().unwrap());
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now;
        params.not_after = params.not_before + Duration::from_secs(24 * 3600);
        params.signed_by(key, &self.ca).unwrap().pem()
    }

    /// The identity of an agent that this CA enrolled.
    pub(crate) fn identity(&self, hub: SocketAddr) -> Identity {
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate_pem: self.sign(&key),
            key_pem: key.serialize_pem(),
            hub_ca_pem: self.pem(),
            hub_address: hub.to_string(),
            cluster: ClusterName::new(CLUSTER),
            token_id: "t1".into(),
            webhook: WebhookKeys {
                ca_key_pem: String::new(),
                ca_certificate_pem: String::new(),
            },
            journal_key: JournalKey::new([7; 32]),
            webhook_client_expires_at: None,
        }
    }

    pub(crate) fn token(&self, hub: SocketAddr) -> JoinToken {
        JoinToken {
            hub: hub.to_string(),
            cluster: CLUSTER.into(),
            ca_pin: self.pin(),
            id: "t1".into(),
            secret: "s3cret".into(),
        }
    }

    pub(crate) fn server_config(
        &self,
        host: &str,
        chain: Chain,
        client: ClientCertificate,
    ) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.ca).unwrap();
        let ca: CertificateDer<'static> = self.ca.der().clone();
        let mut certificates = vec![leaf.der().clone()];
        if let Chain::WithCa = chain {
            certificates.push(ca.clone());
        }
        let mut roots = RootCertStore::empty();
        roots.add(ca).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
        let verifier = match client {
            ClientCertificate::JudgedInHttp => verifier.allow_unauthenticated(),
            ClientCertificate::RequiredByTls => verifier,
        };
        ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                certificates,
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap()
    }
}

impl Authority {
    /// A server certificate of ours with another CA's certificate behind it.
    pub(crate) fn leaf_beside(&self, other: &Self) -> Arc<dyn ResolvesServerCert> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.ca).unwrap();
        let chain = vec![leaf.der().clone(), other.ca.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).unwrap();
        Arc::new(SingleCertAndKey::from(certified))
    }
}

/// One scripted answer.
pub(crate) enum Script {
    /// Takes the WebSocket and hands it to the test.
    Upgrade,
    /// Signs what is asked, whatever the token.
    Enrol,
    /// Signs another key than the one asked for.
    EnrolAnotherKey,
    /// Any other answer: status, headers, body.
    Answer(StatusCode, Vec<(header::HeaderName, String)>, String),
}

pub(crate) type HubSocket = WebSocketStream<TokioIo<Upgraded>>;

pub(crate) struct FakeHub {
    pub(crate) address: SocketAddr,
    pub(crate) sockets: mpsc::Receiver<HubSocket>,
    pub(crate) authority: Arc<Authority>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    authority: Arc<Authority>,
    script: Mutex<VecDeque<Script>>,
    sockets: mpsc::Sender<HubSocket>,
}

impl FakeHub {
    /// Answers the requests to come by `script`, in order; after its end, nobody is listening.
    pub(crate) async fn start(script: Vec<Script>) -> Self {
        let authority = Arc::new(Authority::new());
        let tls =
            authority.server_config("127.0.0.1", Chain::WithCa, ClientCertificate::JudgedInHttp);
        Self::start_with(authority, tls, script).await
    }

    pub(crate) async fn start_with(
        authority: Arc<Authority>,
        tls: ServerConfig,
        script: Vec<Script>,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, sockets) = mpsc::channel(8);
        let shared = Arc::new(Shared {
            authority: Arc::clone(&authority),
            script: Mutex::new(script.into()),
            sockets: sender,
        });
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            sockets,
            authority,
            task,
        }
    }

    pub(crate) async fn socket(&mut self) -> HubSocket {
        self.sockets.recv().await.unwrap()
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, shared: Arc<Shared>) {
    let Ok(tls) = acceptor.accept(stream).await else {
        return;
    };
    let has_certificate = tls.get_ref().1.peer_certificates().is_some();
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, std::convert::Infallible>(shared.answer(request, has_certificate).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(tls), service)
        .with_upgrades()
        .await
        .ok();
}

impl Shared {
    async fn answer(
        &self,
        mut request: Request<Incoming>,
        has_certificate: bool,
    ) -> Response<Full<Bytes>> {
        let next = self.script.lock().unwrap().pop_front();
        match next.expect("a request after the end of the script") {
            Script::Upgrade => {
                assert_eq!(request.uri().path(), CONNECT_PATH);
                assert_eq!(
                    request.headers()[header::SEC_WEBSOCKET_PROTOCOL],
                    SUBPROTOCOL
                );
                assert!(has_certificate, "the link shows its certificate");
                let key = request.headers()[header::SEC_WEBSOCKET_KEY].clone();
                let upgrade = hyper::upgrade::on(&mut request);
                let sockets = self.sockets.clone();
                tokio::spawn(async move {
                    let upgraded = TokioIo::new(upgrade.await.unwrap());
                    let socket =
                        WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
                    sockets.send(socket).await.ok();
                });
                Response::builder()
                    .status(StatusCode::SWITCHING_PROTOCOLS)
                    .header(header::CONNECTION, "Upgrade")
                    .header(header::UPGRADE, "websocket")
                    .header(
                        header::SEC_WEBSOCKET_ACCEPT,
                        derive_accept_key(key.as_bytes()),
                    )
                    .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
                    .body(Full::default())
                    .unwrap()
            }
            Script::Enrol => {
                let asked = read_enrolment(request).await;
                let csr = CertificateSigningRequestParams::from_pem(&asked.csr_pem).unwrap();
                self.enrolled(&csr.public_key)
            }
            Script::EnrolAnotherKey => {
                read_enrolment(request).await;
                self.enrolled(&KeyPair::generate().unwrap())
            }
            Script::Answer(status, headers, body) => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Full::new(body.into())).unwrap()
            }
        }
    }

    fn enrolled(&self, key: &impl PublicKeyData) -> Response<Full<Bytes>> {
        let body = EnrolResponse {
            cluster: CLUSTER.into(),
            certificate_pem: self.authority.sign(key),
            ca_pem: self.authority.pem(),
        };
        Response::new(Full::new(serde_json::to_vec(&body).unwrap().into()))
    }
}

async fn read_enrolment(request: Request<Incoming>) -> EnrolRequest {
    assert_eq!(request.uri().path(), ENROL_PATH);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked: EnrolRequest = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (asked.token_id.as_str(), asked.token_secret.as_str()),
        ("t1", "s3cret")
    );
    asked
}

/// A problem body as the hub writes it.
pub(crate) fn problem(message: &str) -> String {
    serde_json::json!({"error": message, "code": "c", "message": message, "requestId": "r"})
        .to_string()
}

pub(crate) async fn say(socket: &mut HubSocket, frame: &ToAgent) {
    let bytes = codec::encode(frame).unwrap();
    socket.send(Message::Binary(bytes.into())).await.unwrap();
}

/// The agent's next frame; `None` when it closed.
pub(crate) async fn hear(socket: &mut HubSocket) -> Option<ToHub> {
    loop {
        match socket.next().await? {
            Ok(Message::Binary(bytes)) => return Some(codec::decode(&bytes).unwrap()),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
