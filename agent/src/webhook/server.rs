//! The listener: who may take up a place, for how long, and the one endpoint. Only a holder of a client certificate of
//! our root gets past TLS; everybody before that point is bounded in number and time, per address and in all.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use breakglass_agent_core::authorize::{Enforcement, Verdict, authorize, decision};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::decisions::DecisionSender;
use super::{WebhookMetrics, review};
use crate::clock::Clock;
use crate::published::Published;

/// Largest review: a token's groups are at most a few hundred names, and 128 KiB hold 600 of 200 bytes.
const MAX_BODY: usize = 128 * 1024;
/// Reviews being read at once: 64 × 128 KiB is what their bodies may hold of the agent's memory at worst.
const MAX_REQUESTS: usize = 64;
/// Connections with a valid certificate: a control plane has at most seven API servers, each with one or two.
const MAX_CONNECTIONS: usize = 64;
/// Handshakes at once, of all addresses: a handshake holds about 40 KiB.
const MAX_HANDSHAKES: usize = 64;
/// Handshakes at once of one address, so that one pod that stalls them leaves room for the API servers.
const MAX_HANDSHAKES_PER_ADDRESS: usize = 16;
/// A handshake is two round trips.
const TLS_TIMEOUT: Duration = Duration::from_secs(3);
/// Headers and body come in one packet; the API server itself gives up after its webhook timeout.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle HTTP/1 connections; HTTP/2 ones live as long as they answer pings.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// HTTP/2 ping after this much silence, and time for its answer: finds API servers that vanished.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams on one HTTP/2 connection; the API server waits for a free one, as it does with any server.
const MAX_STREAMS: u32 = 256;
/// Bytes that a peer may send ahead, per stream and connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Headers of a review: a few hundred bytes.
const MAX_HEADERS: u32 = 16 * 1024;
/// The path in the kubeconfig that `bgctl cluster webhook-config` prints.
const PATH: &str = "/authorize";

/// What every connection shares.
pub(super) struct Server {
    pub(super) tls: TlsAcceptor,
    pub(super) endpoint: Arc<Endpoint>,
    handshakes: Arc<Handshakes>,
    connections: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(tls: ServerConfig, endpoint: Arc<Endpoint>) -> Self {
        Self {
            tls: TlsAcceptor::from(Arc::new(tls)),
            endpoint,
            handshakes: Arc::default(),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }

    /// Accepts for ever.
    pub(super) async fn run(self, listener: TcpListener) {
        let server = Arc::new(self);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match server.handshakes.begin(peer.ip()) {
                    Some(place) => {
                        tokio::spawn(Arc::clone(&server).serve(stream, place));
                    }
                    // Closing at once costs the least; the API server tries again.
                    None => drop(stream),
                },
                // Out of file descriptors, mostly: give those in use a moment to end instead of spinning.
                Err(error) => {
                    debug!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, place: Place) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let tls = match timeout(TLS_TIMEOUT, self.tls.accept(stream)).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => {
                self.endpoint.metrics.refused_handshakes.inc();
                debug!(%error, "a TLS handshake was refused");
                return;
            }
            Err(_) => {
                self.endpoint.metrics.refused_handshakes.inc();
                return;
            }
        };
        drop(place);
        let Ok(_connection) = self.connections.try_acquire() else {
            return;
        };
        let endpoint = Arc::clone(&self.endpoint);
        let service = service_fn(move |request| {
            let endpoint = Arc::clone(&endpoint);
            async move { Ok::<_, Infallible>(endpoint.answer(request).await) }
        });
        let builder = connection_builder();
        if let Err(error) = builder.serve_connection(TokioIo::new(tls), service).await {
            debug!(error, "a connection ended");
        }
    }
}

fn connection_builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(MAX_BODY);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS);
    builder
}

/// Handshakes under way, by address.
#[derive(Default)]
struct Handshakes(Mutex<HashMap<IpAddr, usize>>);

/// One handshake's place; given back when dropped.
struct Place {
    handshakes: Arc<Handshakes>,
    address: IpAddr,
}

impl Handshakes {
    fn begin(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let own = counts.get(&address).copied().unwrap_or_default();
        if all >= MAX_HANDSHAKES || own >= MAX_HANDSHAKES_PER_ADDRESS {
            return None;
        }
        counts.insert(address, own + 1);
        Some(Place {
            handshakes: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self
            .handshakes
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = counts.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// The one endpoint: reads a review, judges it by the newest snapshot, answers.
pub(super) struct Endpoint {
    pub(super) published: Arc<Published>,
    rules: Rules,
    decisions: DecisionSender,
    pub(super) clock: Clock,
    pub(super) metrics: WebhookMetrics,
    /// Seconds since 1970 of the last review; zero before the first.
    pub(super) called_at: Arc<AtomicI64>,
    requests: Semaphore,
}

/// What of the settings the rules ask for.
pub(super) struct Rules {
    pub(super) agent: String,
    pub(super) enforcement: Enforcement,
}

/// Why a request got no verdict.
enum Refusal {
    NotFound,
    Method,
    TooLarge,
    Slow,
    Unreadable,
    Malformed(review::ReviewError),
    /// The agent cannot know yet: the API server then does what its configuration says of a webhook that fails.
    Unavailable(String),
    Answer(serde_json::Error),
}

impl Endpoint {
    pub(super) fn new(
        published: Arc<Published>,
        rules: Rules,
        decisions: DecisionSender,
        clock: Clock,
        metrics: WebhookMetrics,
        called_at: Arc<AtomicI64>,
    ) -> Self {
        Self {
            published,
            rules,
            decisions,
            clock,
            metrics,
            called_at,
            requests: Semaphore::new(MAX_REQUESTS),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let judged = match self.read_body(request).await {
            Ok(body) => self.judge(&body),
            Err(refusal) => Err(refusal),
        };
        match judged {
            Ok(body) => respond(StatusCode::OK, "application/json", body.into()),
            Err(refusal) => {
                self.metrics.count(refusal.verdict());
                refusal.respond()
            }
        }
    }

    async fn read_body(&self, request: Request<Incoming>) -> Result<Bytes, Refusal> {
        if request.uri().path() != PATH {
            return Err(Refusal::NotFound);
        }
        if request.method() != Method::POST {
            return Err(Refusal::Method);
        }
        let body = request.into_body();
        if body.size_hint().lower() > MAX_BODY as u64 {
            return Err(Refusal::TooLarge);
        }
        let read = async {
            // Waits for a place within the same time limit.
            let _place = self
                .requests
                .acquire()
                .await
                .map_err(|_| Refusal::Unreadable)?;
            match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => Ok(body.to_bytes()),
                Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
                Err(_) => Err(Refusal::Unreadable),
            }
        };
        timeout(READ_TIMEOUT, read)
            .await
            .map_err(|_| Refusal::Slow)?
    }

    /// Body to body, without waiting for anything.
    fn judge(&self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let started = Instant::now();
        let facts = review::read(body).map_err(Refusal::Malformed)?;
        let now = self.clock.now();
        let snapshot = self.published.snapshot();
        let known = snapshot.known(&self.rules.agent, self.rules.enforcement);
        let verdict = authorize(known, &facts, now);
        if let Some(decision) = decision(known, &facts, &verdict, now) {
            self.decisions.tell(decision);
        }
        if let Verdict::Unavailable { reason } = verdict {
            return Err(Refusal::Unavailable(reason));
        }
        let answer = review::write(&verdict).map_err(Refusal::Answer)?;
        self.metrics
            .seconds
            .observe(started.elapsed().as_secs_f64());
        self.called_at
            .store(now.wall.as_second(), Ordering::Relaxed);
        match &verdict {
            Verdict::Allow { reason } => {
                self.metrics.count("allow");
                debug!(user = %facts.user, %reason, "allowed");
            }
            Verdict::Denied { reason } => {
                self.metrics.count("denied");
                debug!(user = %facts.user, %reason, "denied");
            }
            Verdict::NoOpinion { .. } | Verdict::Unavailable { .. } => {
                self.metrics.count("no-opinion");
            }
        }
        Ok(answer)
    }
}

impl Refusal {
    /// As it is counted.
    fn verdict(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::NotFound
            | Self::Method
            | Self::TooLarge
            | Self::Slow
            | Self::Unreadable
            | Self::Malformed(_)
            | Self::Answer(_) => "malformed",
        }
    }

    fn respond(self) -> Response<Full<Bytes>> {
        let (status, text) = match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                format!("only {PATH} is served here\n"),
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{PATH} takes POST\n"),
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the review is larger than {MAX_BODY} bytes\n"),
            ),
            Self::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                format!(
                    "the review did not arrive within {} s\n",
                    READ_TIMEOUT.as_secs()
                ),
            ),
            Self::Unreadable => (StatusCode::BAD_REQUEST, "the body broke off\n".to_owned()),
            Self::Malformed(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
            Self::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            Self::Answer(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        };
        let mut response = respond(status, "text/plain; charset=utf-8", text.into());
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
