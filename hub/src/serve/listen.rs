//! Sockets, the users' TLS, and signals.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::ServeError;
use crate::app::App;
use crate::args::ServeArgs;
use crate::ca::{Authority, CaError, Purpose, ServerIdentity};

/// Why the users' listener has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {flag} {path}: {message}")]
    File {
        flag: &'static str,
        path: PathBuf,
        message: String,
    },
    #[error(
        "--tls-cert {path} holds no certificate; it must be the PEM chain, the server's own first"
    )]
    Empty { path: PathBuf },
    #[error("--tls-cert and --tls-key cannot be used together: {0}")]
    Pair(rustls::Error),
    #[error("cannot set up TLS for the users' listener: {0}")]
    Protocols(rustls::Error),
    #[error(transparent)]
    Authority(#[from] CaError),
}

pub(super) async fn bind(
    flag: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Bind {
            flag,
            address,
            source,
        })
}

/// Where a socket really listens: the port that the system chose, if 0 was asked for.
pub(super) fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

/// The users' side of TLS: the given certificate, or one of a CA of the hub's own that people can be given.
pub(super) fn users_tls(args: &ServeArgs, app: &App) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Protocols)?
        .with_no_client_auth();
    let mut config = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let chain = read_chain(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unreadable("--tls-key", key, &error))?;
            builder
                .with_single_cert(chain, key)
                .map_err(TlsError::Pair)?
        }
        // The command line asks for both or none.
        (None, _) | (_, None) => {
            let now = app.now().wall;
            let authority = Authority::open(&app.settings.state, Purpose::Users, now)?;
            let hosts = app.settings.public_addresses.clone();
            let identity =
                ServerIdentity::new(Arc::new(authority), hosts, app.clock.clone(), provider)?;
            builder.with_cert_resolver(Arc::new(identity))
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable("--tls-cert", path, &error))?;
    if chain.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

fn unreadable(flag: &'static str, path: &Path, error: &rustls_pki_types::pem::Error) -> TlsError {
    TlsError::File {
        flag,
        path: path.to_owned(),
        message: error.to_string(),
    }
}

/// Probes and metrics by plain HTTP, until the hub stops.
pub(super) async fn probes(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> Result<&'static str, ServeError> {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the metrics listener stopped");
    }
    Ok("metrics listener")
}

/// SIGTERM and SIGINT, heard from the moment this is made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Before the hub says that it is ready: whoever starts it may stop it right then.
    pub(super) fn listen() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(ServeError::Signals);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the first. A second one ends the process at once, as the system would.
    pub(super) async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("stopped at once by a second signal");
            std::process::exit(1);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
