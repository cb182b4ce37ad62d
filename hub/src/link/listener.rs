//! The agents' listener: TCP → TLS 1.3 → one HTTP request per connection, which either enrols or becomes the link.
//! Every stage before the WebSocket has a time limit and a place among a limited number, so that peers that dawdle cost
//! a little memory and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use breakglass_protocol::limits::HANDSHAKE_TIMEOUT;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::directory::Directory;
use super::identity::{AgentVerifier, VerifierError};
use super::metrics::Refused;
use super::pump::show_nobody_connected;
use super::request::{self, Peer};
use crate::app::App;
use crate::ca::{CaError, ServerIdentity};
use crate::clock::Clock;
use crate::store::StoreError;

/// Connections that are not yet a link: TLS, HTTP, enrolment. A few KiB each; far more than all agents of a large
/// installation that come back at once, since each needs its place for milliseconds.
const MAX_ARRIVING: usize = 1_024;
/// Links and arrivals together. About 25 KiB each: 250 MiB at the worst.
const MAX_CONNECTIONS: usize = 10_000;
/// TLS, request and answer together; each has [`HANDSHAKE_TIMEOUT`] for its own part.
const ARRIVAL_TIMEOUT: Duration = HANDSHAKE_TIMEOUT.saturating_mul(2);
/// For agents to take in that the hub goes away.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection (no file handles left, say), which it would at once refuse again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// An upgrade request has a dozen short headers.
const MAX_HEADERS: usize = 32;
/// See [`MAX_HEADERS`]; hyper's own minimum is 8 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Why the agents' listener cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    #[error("cannot make the certificate of the agents' listener: {0}")]
    Certificate(#[from] CaError),
    #[error(transparent)]
    Verifier(#[from] VerifierError),
    #[error("cannot set up TLS 1.3 for the agents' listener: {0}")]
    Tls(#[from] rustls::Error),
    #[error("cannot read the sessions for the agents: {0}")]
    Store(#[from] StoreError),
}

/// Serves agents until the hub shuts down, then tells them that it goes away and waits a little for them.
///
/// # Errors
/// Only at start: if the certificate, TLS or the store fails.
pub async fn serve(app: Arc<App>, listener: TcpListener) -> Result<(), ListenerError> {
    let acceptor = TlsAcceptor::from(Arc::new(tls(&app)?));
    show_nobody_connected(&app).await?;
    let (directory, watch) = Directory::load(&app).await?;
    let tasks = TaskTracker::new();
    let registry = app.agents.registry.clone();
    tasks.spawn(directory.clone().follow(app.clone(), registry, watch));
    let door = Arc::new(Door {
        app: app.clone(),
        acceptor,
        directory,
        tasks: tasks.clone(),
        connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
    });
    accept(&door, &listener).await;
    drop(listener);
    tasks.close();
    // Tasks have their own end on shutdown; one that hangs does not keep the hub.
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!("some agents did not take in that the hub goes away");
    }
    Ok(())
}

/// What every connection needs.
pub(super) struct Door {
    pub(super) app: Arc<App>,
    pub(super) directory: Arc<Directory>,
    pub(super) tasks: TaskTracker,
    acceptor: TlsAcceptor,
    connections: Arc<Semaphore>,
}

async fn accept(door: &Arc<Door>, listener: &TcpListener) {
    let arriving = Arc::new(Semaphore::new(MAX_ARRIVING));
    loop {
        // With every place taken, newcomers wait in the kernel's queue until one is free, at most ARRIVAL_TIMEOUT.
        let place = tokio::select! {
            () = door.app.shutdown.cancelled() => return,
            place = arriving.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            () = door.app.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot take an agent's connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = door.connections.clone().try_acquire_owned() else {
            door.app.agents.metrics.refuse(Refused::Full);
            tracing::warn!(%from, "{MAX_CONNECTIONS} agents' connections are open; turned one away");
            continue;
        };
        let door = door.clone();
        door.tasks.clone().spawn(async move {
            let _place = place;
            tokio::select! {
                () = door.app.shutdown.cancelled() => {}
                () = arrive(&door, stream, from, slot) => {}
            }
        });
    }
}

/// TLS, then one request. A link goes on in a task of its own.
async fn arrive(door: &Arc<Door>, stream: TcpStream, from: SocketAddr, slot: OwnedSemaphorePermit) {
    let metrics = &door.app.agents.metrics;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%from, %error, "cannot turn Nagle's algorithm off");
    }
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, door.acceptor.accept(stream)).await;
    let tls = match handshake {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            metrics.refuse(Refused::Handshake);
            tracing::debug!(%from, %error, "an agent's TLS handshake failed");
            return;
        }
        Err(_) => {
            metrics.refuse(Refused::Handshake);
            tracing::debug!(%from, "an agent's TLS handshake took too long");
            return;
        }
    };
    let peer = Arc::new(Peer::new(from, tls.get_ref().1.peer_certificates(), slot));
    let service = service_fn(|request: Request<Incoming>| {
        let (door, peer) = (door.clone(), peer.clone());
        async move {
            Ok::<Response<Full<Bytes>>, Infallible>(request::answer(door, peer, request).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(tls), service)
        .with_upgrades();
    match tokio::time::timeout(ARRIVAL_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%from, %error, "an agent's request failed"),
        Err(_) => tracing::debug!(%from, "an agent's request took too long"),
    }
}

fn tls(app: &App) -> Result<ServerConfig, ListenerError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let identity = ServerIdentity::new(
        app.agents.authority.clone(),
        hosts(&app.settings.agent_addresses),
        app.clock.clone(),
        provider.clone(),
    )?;
    let verifier = AgentVerifier::new(&app.agents.authority, provider.clone())?;
    config(app.clock.clone(), provider, verifier, identity)
}

fn config(
    clock: Arc<dyn Clock>,
    provider: Arc<CryptoProvider>,
    verifier: AgentVerifier,
    identity: ServerIdentity,
) -> Result<ServerConfig, ListenerError> {
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(HubTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(identity));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each connection proves its key anew: nothing to remember, and no ticket that outlives a revocation.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The hub's clock, so that certificates and the hub's own judgement of them agree.
struct HubTime(Arc<dyn Clock>);

impl std::fmt::Debug for HubTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HubTime")
    }
}

impl TimeProvider for HubTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().wall.as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// The hosts of `host:port` addresses.
fn hosts(addresses: &[String]) -> Vec<String> {
    addresses
        .iter()
        .map(|address| match address.rsplit_once(':') {
            Some((host, _)) => host.trim_matches(['[', ']']).to_owned(),
            None => address.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_ports() {
        let addresses = [
            "hub.example.com:8444".to_owned(),
            "[::1]:8444".to_owned(),
            "10.0.0.1:1".to_owned(),
        ];
        assert_eq!(hosts(&addresses), ["hub.example.com", "::1", "10.0.0.1"]);
    }
}
