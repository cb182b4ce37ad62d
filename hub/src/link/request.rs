//! The agents' listener as HTTP: two paths, and one shape of refusal that an agent can show to people.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use breakglass_protocol::api::problem::Problem;
use breakglass_protocol::wire::{CONNECT_PATH, ENROL_PATH, SUBPROTOCOL};
use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::identity::{PeerCertificate, PeerRefusal};
use super::listener::Door;
use super::metrics::Refused;
use super::{enrol, pump, standing};
use breakglass_hub_core::enrolment::NotHeard;

/// Who is at the other end of the TLS connection.
pub(super) struct Peer {
    pub(super) from: SocketAddr,
    pub(super) certificate: Result<PeerCertificate, PeerRefusal>,
    /// The connection's place; a link takes it along.
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Peer {
    pub(super) fn new(
        from: SocketAddr,
        chain: Option<&[CertificateDer<'_>]>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            from,
            certificate: PeerCertificate::read(chain),
            slot: Mutex::new(Some(slot)),
        }
    }

    fn take_slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// A refusal on its way to an agent.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) counted: Refused,
}

impl Refusal {
    fn request(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            counted: Refused::Request,
        }
    }

    /// The hub's own failure: worth trying again, and told without inner details.
    pub(super) fn ours(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "cannot answer an agent");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "hubUnavailable",
            message: "the hub cannot answer now; the agent tries again".to_owned(),
            counted: Refused::Request,
        }
    }
}

impl From<PeerRefusal> for Refusal {
    fn from(refusal: PeerRefusal) -> Self {
        let (status, code) = match &refusal {
            PeerRefusal::NoCertificate => (StatusCode::UNAUTHORIZED, "noCertificate"),
            PeerRefusal::NotHeard(NotHeard::Expired { .. }) => {
                (StatusCode::UNAUTHORIZED, "certificateExpired")
            }
            PeerRefusal::NotHeard(NotHeard::Revoked { .. }) => {
                (StatusCode::FORBIDDEN, "certificateRevoked")
            }
            PeerRefusal::NotHeard(NotHeard::Replaced { .. }) => {
                (StatusCode::FORBIDDEN, "certificateReplaced")
            }
            PeerRefusal::NotHeard(NotHeard::Unknown { .. }) | PeerRefusal::NamesNoCluster(_) => {
                (StatusCode::FORBIDDEN, "certificateUnknown")
            }
            PeerRefusal::NotRegistered { .. } => (StatusCode::FORBIDDEN, "clusterUnknown"),
            PeerRefusal::NotAccepted { .. } => (StatusCode::FORBIDDEN, "clusterNotAccepted"),
        };
        Self {
            status,
            code,
            message: refusal.to_string(),
            counted: Refused::Certificate,
        }
    }
}

pub(super) async fn answer(
    door: Arc<Door>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let request_id = uuid::Uuid::now_v7().to_string();
    let from = peer.from;
    let answered = match (request.uri().path(), request.method()) {
        (ENROL_PATH, &Method::POST) => enrol::enrol(&door.app, &peer, request, &request_id)
            .await
            .map(|body| json(StatusCode::OK, &body)),
        (CONNECT_PATH, &Method::GET) => connect(door.clone(), &peer, request).await,
        (ENROL_PATH, _) => Ok(wrong_method("POST")),
        (CONNECT_PATH, _) => Ok(wrong_method("GET")),
        _ => Err(Refusal::request(
            StatusCode::NOT_FOUND,
            "notFound",
            "this is the hub's listener for agents; people use the other one",
        )),
    };
    let mut response = answered.unwrap_or_else(|refusal| {
        door.app.agents.metrics.refuse(refusal.counted);
        tracing::info!(%from, request_id, code = refusal.code, reason = refusal.message, "turned an agent away");
        let problem = Problem {
            error: refusal.message.clone(),
            code: refusal.code.to_owned(),
            message: refusal.message,
            details: Vec::new(),
            request_id,
        };
        json(refusal.status, &problem)
    });
    // One request per connection. hyper's own switch for that would break the answer to an upgrade.
    response
        .headers_mut()
        .entry(CONNECTION)
        .or_insert(HeaderValue::from_static("close"));
    response
}

async fn connect(
    door: Arc<Door>,
    peer: &Peer,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let certificate = peer.certificate.clone()?;
    let standing = standing::of(&door.app, &certificate).await?;
    let accept = check_upgrade(request.headers())?;
    let Some(slot) = peer.take_slot() else {
        return Err(Refusal::request(
            StatusCode::BAD_REQUEST,
            "badRequest",
            "one connection carries one link",
        ));
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let from = peer.from;
    door.tasks.clone().spawn(async move {
        let _slot = slot;
        match upgrade.await {
            Ok(socket) => pump::run(&door, certificate, standing, from, socket).await,
            Err(error) => {
                tracing::debug!(%from, %error, "an agent's connection did not become a WebSocket")
            }
        }
    });
    Ok(switching(&accept))
}

/// Checks that this is a WebSocket handshake with our subprotocol; the answer to its key.
fn check_upgrade(headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let bad = |message| Refusal::request(StatusCode::BAD_REQUEST, "badRequest", message);
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        return Err(Refusal::request(
            StatusCode::UPGRADE_REQUIRED,
            "upgradeRequired",
            "this path is a WebSocket",
        ));
    }
    if !lists(headers, &SEC_WEBSOCKET_VERSION, "13") {
        return Err(bad("only version 13 of WebSocket is spoken here"));
    }
    if !lists(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(bad(
            "the subprotocol breakglass.v1.bincode is needed; the agent is too new or too old for this hub",
        ));
    }
    let key = headers
        .get(SEC_WEBSOCKET_KEY)
        .ok_or_else(|| bad("the header Sec-WebSocket-Key is missing"))?;
    HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_| bad("the header Sec-WebSocket-Key cannot be answered"))
}

/// Whether a comma-separated header holds a word, in any case.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(word))
}

fn switching(accept: &HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
    headers.insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    );
    response
}

fn wrong_method(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn json<T: Serialize>(status: StatusCode, body: &T) -> Response<Full<Bytes>> {
    let (status, bytes) = match serde_json::to_vec(body) {
        Ok(bytes) => (status, bytes),
        Err(error) => {
            tracing::error!(%error, "cannot write an answer to an agent");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Full::from(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
