//! From `host:port` to an open WebSocket: TCP (or a proxy's CONNECT), TLS, HTTP upgrade. Every step has a time limit and
//! an error that says whose fault it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use breakglass_protocol::api::problem::Problem;
use breakglass_protocol::limits::{HANDSHAKE_TIMEOUT, MAX_FRAME_BYTES};
use breakglass_protocol::person::is_unseen;
use breakglass_protocol::wire::{CONNECT_PATH, SUBPROTOCOL};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::proxy::{Proxy, ProxyServer};
use super::retry::Retry;
use super::tls::{Explained, explain};

/// Largest answer to CONNECT: a status line and a few headers.
const MAX_PROXY_ANSWER: usize = 8 * 1024;
/// Largest HTTP answer of the hub: a problem, or a certificate with its CA bundle.
const MAX_HTTP_ANSWER: usize = 64 * 1024;
/// Longest text of the hub's that is repeated in the log.
const MAX_TOLD: usize = 1_000;
/// tungstenite allocates this per connection; the default is 128 KiB, and one 4 KiB read serves most frames.
const READ_BUFFER: usize = 4 * 1024;
/// Twice the largest frame: one being written, one waiting behind it.
const MAX_WRITE_BUFFER: usize = 2 * MAX_FRAME_BYTES;

/// An open link.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// `host:port`, as in the hub's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl HostPort {
    /// Reads `host:port` or `[v6]:port`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, ConnectError> {
        Self::parse_or(text, None)
    }

    pub(super) fn parse_or(text: &str, default_port: Option<u16>) -> Result<Self, ConnectError> {
        let bad = || ConnectError::Address(text.to_owned());
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
                (host, rest.strip_prefix(':'))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| bad())?,
            None => default_port.ok_or_else(bad)?,
        };
        ServerName::try_from(host).map_err(|_| bad())?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("{0:?} is not the address of a hub; it has the form host:port")]
    Address(String),
    #[error("dialling {to} failed: {source}; can this cluster reach it?")]
    Dial { to: String, source: std::io::Error },
    #[error("{what} of {to} took longer than {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Slow { what: &'static str, to: String },
    #[error("the proxy {proxy} did not open a way to {to}: {why}; check HTTPS_PROXY and NO_PROXY")]
    Proxy {
        proxy: String,
        to: String,
        why: String,
    },
    #[error("{0}")]
    TlsForAPerson(String),
    #[error("{0}")]
    TlsPassing(String),
    #[error("speaking HTTP with the hub failed: {0}")]
    Http(String),
    #[error("the hub refused ({status}): {message}")]
    Refused {
        status: StatusCode,
        message: String,
        retry_after: Option<Duration>,
    },
    #[error("what answers at the hub's address is not a hub of this product: {0}")]
    NotAHub(&'static str),
    #[error(transparent)]
    Setup(#[from] super::tls::TlsSetupError),
}

impl ConnectError {
    /// When to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused {
                retry_after: Some(after),
                ..
            } => Retry::After(*after),
            Self::Refused { status, .. } if status.is_server_error() => Retry::Soon,
            Self::Refused { status, .. } if *status == StatusCode::TOO_MANY_REQUESTS => Retry::Soon,
            Self::Refused { .. }
            | Self::Address(_)
            | Self::TlsForAPerson(_)
            | Self::NotAHub(_)
            | Self::Setup(_) => Retry::AfterAPerson,
            Self::Dial { .. }
            | Self::Slow { .. }
            | Self::Proxy { .. }
            | Self::TlsPassing(_)
            | Self::Http(_) => Retry::Soon,
        }
    }
}

/// One place to dial and how.
pub struct Dialler<'a> {
    pub hub: HostPort,
    pub proxy: &'a Proxy,
    pub tls: ClientConfig,
    /// For messages that tell what to run.
    pub cluster: &'a str,
}

impl Dialler<'_> {
    /// Opens the link.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn open(self) -> Result<Socket, ConnectError> {
        let key = generate_key();
        let request = Request::get(CONNECT_PATH)
            .header(header::HOST, self.hub.to_string())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key)
            .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
            .body(Full::default())
            .map_err(|e| ConnectError::Http(e.to_string()))?;
        let response = self.exchange(request).await?;
        check_upgrade(response.headers(), &key)?;
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|e| ConnectError::Http(e.to_string()))?;
        let socket = TokioIo::new(upgraded);
        Ok(WebSocketStream::from_raw_socket(socket, Role::Client, Some(socket_config())).await)
    }

    /// Posts a JSON body and returns the answer's.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn post_json(self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, ConnectError> {
        let request = Request::post(path)
            .header(header::HOST, self.hub.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|e| ConnectError::Http(e.to_string()))?;
        let response = self.exchange(request).await?;
        let body = Limited::new(response.into_body(), MAX_HTTP_ANSWER).collect();
        let body = timeout(HANDSHAKE_TIMEOUT, body)
            .await
            .map_err(|_| self.slow("the answer"))?
            .map_err(|e| ConnectError::Http(e.to_string()))?;
        Ok(body.to_bytes().to_vec())
    }

    /// One request on a connection of its own; 101 and 2xx are answers, everything else is a refusal.
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ConnectError> {
        let tls = self.connect_tls().await?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(MAX_HTTP_ANSWER)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|e| self.http_error(&e))?;
        // Ends with the exchange, or hands the stream over to the WebSocket; it holds nothing else.
        let mut driver = tokio::spawn(connection.with_upgrades());
        let response = match timeout(HANDSHAKE_TIMEOUT, sender.send_request(request)).await {
            Ok(Ok(response)) => response,
            // The connection may have learned why before the request was tried: its error tells more.
            Ok(Err(error)) => {
                return Err(match timeout(HANDSHAKE_TIMEOUT, &mut driver).await {
                    Ok(Ok(Err(cause))) => self.http_error(&cause),
                    Ok(Ok(Ok(())) | Err(_)) | Err(_) => self.http_error(&error),
                });
            }
            Err(_) => {
                driver.abort();
                return Err(self.slow("the answer"));
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS || response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(response).await)
        }
    }

    async fn connect_tls(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        let stream = timeout(HANDSHAKE_TIMEOUT, self.connect_tcp())
            .await
            .map_err(|_| self.slow("dialling"))??;
        let name = ServerName::try_from(self.hub.host.clone())
            .map_err(|_| ConnectError::Address(self.hub.to_string()))?;
        let handshake = TlsConnector::from(Arc::new(self.tls.clone())).connect(name, stream);
        match timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(self.tls_error(&error).unwrap_or_else(|| {
                ConnectError::TlsPassing(format!(
                    "the TLS handshake with {} broke off: {error}",
                    self.hub
                ))
            })),
            Err(_) => Err(self.slow("the TLS handshake")),
        }
    }

    async fn connect_tcp(&self) -> Result<TcpStream, ConnectError> {
        let (host, port) = match self.proxy.for_hub(&self.hub) {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (self.hub.host.as_str(), self.hub.port),
        };
        let dial_error = |source| ConnectError::Dial {
            to: format!("{host}:{port}"),
            source,
        };
        let mut stream = TcpStream::connect((host, port)).await.map_err(dial_error)?;
        // Frames are small and each is flushed: waiting for more only delays them.
        stream.set_nodelay(true).map_err(dial_error)?;
        if let Some(proxy) = self.proxy.for_hub(&self.hub) {
            let tunnel = open_tunnel(&mut stream, proxy, &self.hub).await;
            tunnel.map_err(|why| ConnectError::Proxy {
                proxy: format!("{proxy:?}"),
                to: self.hub.to_string(),
                why,
            })?;
        }
        Ok(stream)
    }

    async fn refusal(&self, response: Response<Incoming>) -> ConnectError {
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let body = Limited::new(response.into_body(), MAX_HTTP_ANSWER).collect();
        let body = match timeout(HANDSHAKE_TIMEOUT, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let message = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => tell(&problem.message),
            Err(_) => "without saying why".to_owned(),
        };
        ConnectError::Refused {
            status,
            message,
            retry_after,
        }
    }

    fn http_error(&self, error: &hyper::Error) -> ConnectError {
        self.tls_error(error)
            .unwrap_or_else(|| ConnectError::Http(error.to_string()))
    }

    fn tls_error(&self, error: &(dyn std::error::Error + 'static)) -> Option<ConnectError> {
        explain(error, self.cluster).map(|explained| match explained {
            Explained::Person(message) => ConnectError::TlsForAPerson(message),
            Explained::Passing(message) => ConnectError::TlsPassing(message),
        })
    }

    fn slow(&self, what: &'static str) -> ConnectError {
        ConnectError::Slow {
            what,
            to: self.hub.to_string(),
        }
    }
}

fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES))
}

fn check_upgrade(headers: &HeaderMap, key: &str) -> Result<(), ConnectError> {
    let is = |name, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    if !is(
        header::SEC_WEBSOCKET_ACCEPT,
        &derive_accept_key(key.as_bytes()),
    ) {
        return Err(ConnectError::NotAHub(
            "it did not answer the WebSocket upgrade",
        ));
    }
    if !is(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(ConnectError::NotAHub(
            "it does not speak subprotocol breakglass.v1.bincode",
        ));
    }
    Ok(())
}

/// `Retry-After` in seconds; the hub sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Text from the other end, fit for a log line.
pub(super) fn tell(text: &str) -> String {
    text.chars()
        .filter(|c| !is_unseen(*c))
        .take(MAX_TOLD)
        .collect()
}

/// Asks the proxy for a tunnel (RFC 9110, CONNECT).
async fn open_tunnel(
    stream: &mut TcpStream,
    proxy: &ProxyServer,
    hub: &HostPort,
) -> Result<(), String> {
    let mut request = format!("CONNECT {hub} HTTP/1.1\r\nHost: {hub}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_PROXY_ANSWER {
            return Err("its answer is too long".into());
        }
        // One byte at a time: what follows the answer belongs to TLS. The answer is short and comes once.
        answer.push(stream.read_u8().await.map_err(|e| e.to_string())?);
    }
    let line = String::from_utf8_lossy(&answer);
    let line = line.lines().next().unwrap_or_default();
    match line.split_ascii_whitespace().nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        Some(_) | None => Err(format!("it answered {:?}", tell(line))),
    }
}
