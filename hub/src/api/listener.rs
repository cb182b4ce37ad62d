//! The users' HTTPS listener: TLS with the hub's own or a given certificate, bounded in connections and in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::caller::Peer;

/// Connections at once: each costs some 50 KiB, so this bounds them to about 100 MiB.
const MAX_CONNECTIONS: usize = 2048;
/// A browser's handshake takes two round trips; who needs longer holds a place that others want.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the head of a request; a slow sender of headers is cut.
const HEADER_TIME: Duration = Duration::from_secs(15);
/// Largest head of a request: a token with many groups is some 10 KiB.
const HEAD_BYTES: usize = 64 * 1024;
/// Before the next try to accept, when the last one failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What open requests get to finish when the hub stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves `router` until `stop`, then lets open requests finish.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    stop: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let open = GracefulShutdown::new();
    loop {
        // A place first: who finds none waits in the kernel's backlog, not here.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stop.cancelled() => break,
        };
        let Ok(place) = place else { break };
        let (socket, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    // Out of file descriptors, mostly: those in use get a moment to end.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let watcher = open.watcher();
        tokio::spawn(connection(
            socket,
            peer,
            acceptor.clone(),
            router.clone(),
            watcher,
            place,
        ));
    }
    if timeout(DRAIN, open.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
    place: OwnedSemaphorePermit,
) {
    let stream = match timeout(HANDSHAKE, acceptor.accept(socket)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => return tracing::debug!(%peer, "TLS handshake took too long"),
    };
    let service = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.map(axum::body::Body::new)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(HEAD_BYTES)
        .header_read_timeout(HEADER_TIME);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_TIME)
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(64);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%peer, %error, "a connection broke off");
    }
    drop(place);
}
