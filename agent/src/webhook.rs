//! The cluster's authorization webhook (spec 1 section 8), on an operating system thread and a runtime of its own, so
//! that a busy reconciler or a stalled link cannot delay an answer.
//!
//! API server → TLS with a client certificate of our own root ([`certs`]) → `POST /authorize` ([`server`]) → facts
//! ([`review`]) → `breakglass_agent_core::authorize` on the newest snapshot → verdict. Nothing on that path waits for the
//! hub, the journal or the cluster. Until the state is loaded the snapshot is empty and stale: no opinion.

pub mod address;
pub mod certs;
pub mod decisions;
pub mod review;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use breakglass_agent_core::authorize::Enforcement;
use breakglass_protocol::wire::to_hub::WebhookClient;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::certs::{CertError, CurrentCertificate, Refreshed, ServerNames, WebhookRoot};
use self::decisions::DecisionSender;
use self::server::{Endpoint, Rules, Server};
use crate::clock::Clock;
use crate::identity::WebhookKeys;
use crate::published::Published;

/// What the webhook needs.
pub struct WebhookSettings {
    pub listen: SocketAddr,
    pub keys: WebhookKeys,
    /// Names of the first server certificate; may be [`ServerNames::unknown`] until the Service was read.
    pub names: ServerNames,
    pub published: Arc<Published>,
    /// The agent's own name in the cluster, to which no deny policy applies.
    pub agent: String,
    pub enforcement: Enforcement,
    /// Where decisions go that are to be recorded.
    pub decisions: DecisionSender,
    pub clock: Clock,
    pub metrics: WebhookMetrics,
}

/// Why the webhook does not run.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error(
        "the webhook cannot listen on {listen}: {source}; is the port in use, or chart value webhook.port below 1024?"
    )]
    Listen {
        listen: SocketAddr,
        source: std::io::Error,
    },
    #[error("the webhook's thread cannot be started: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Certificate(#[from] CertError),
}

/// What is counted about the webhook.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    authorize: Family<VerdictLabels, Counter>,
    seconds: Histogram,
    refused_handshakes: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerdictLabels {
    verdict: &'static str,
}

impl WebhookMetrics {
    /// Makes the metrics known to `/metrics`.
    pub fn register(registry: &mut Registry) -> Self {
        // From 5 µs, about what an answer takes, to 80 ms, which would be a fault.
        let buckets = prometheus_client::metrics::histogram::exponential_buckets(5e-6, 2.0, 15);
        let metrics = Self {
            authorize: Family::default(),
            seconds: Histogram::new(buckets),
            refused_handshakes: Counter::default(),
        };
        registry.register(
            "breakglass_agent_authorize",
            "Reviews of the API server, by verdict: allow, denied, no-opinion, unavailable, malformed",
            metrics.authorize.clone(),
        );
        registry.register_with_unit(
            "breakglass_agent_authorize",
            "Time from the last byte of a review to its answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "breakglass_agent_webhook_refused_handshakes",
            "TLS handshakes without a client certificate of the webhook's root, or too slow",
            metrics.refused_handshakes.clone(),
        );
        metrics
    }

    fn count(&self, verdict: &'static str) {
        self.authorize
            .get_or_create(&VerdictLabels { verdict })
            .inc();
    }
}

/// The running webhook, for the loop. Cheap to clone.
#[derive(Clone)]
pub struct WebhookHandle {
    root: Arc<WebhookRoot>,
    certificate: Arc<CurrentCertificate>,
    called_at: Arc<AtomicI64>,
    local: SocketAddr,
    stop: CancellationToken,
}

impl WebhookHandle {
    /// Tells under which names API servers reach the webhook now; makes a new server certificate if they are new or
    /// half of the present one's life is over. To be called now and then.
    ///
    /// # Errors
    /// If no certificate can be made; the present one stays.
    pub fn set_names(&self, names: ServerNames, now: Timestamp) -> Result<Refreshed, CertError> {
        self.certificate.refresh(&self.root, names, now)
    }

    /// Names in the present server certificate.
    #[must_use]
    pub fn names(&self) -> ServerNames {
        self.certificate.names()
    }

    /// Signs the API server's client certificate (D20). Of the request only the public key is used.
    ///
    /// # Errors
    /// If the request is malformed, or no address is known to tell the administrator.
    pub fn sign_client(&self, csr_der: &[u8], now: Timestamp) -> Result<WebhookClient, CertError> {
        let url = self.names().url()?;
        self.root.sign_client(csr_der, url, now)
    }

    /// When an API server last asked, with a valid certificate and a readable review.
    #[must_use]
    pub fn called_at(&self) -> Option<Timestamp> {
        match self.called_at.load(Ordering::Relaxed) {
            0 => None,
            second => Timestamp::from_second(second).ok(),
        }
    }

    /// Where it listens; tells the port when asked for port 0.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Ends the thread; open connections are cut.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// Starts the webhook. The second value resolves when its thread has ended, for whatever reason: without
/// [`WebhookHandle::stop`] before, the agent must end too, so that it is restarted.
///
/// # Errors
/// If the root cannot be used, the address not bound, or the thread not started.
pub fn spawn(
    settings: WebhookSettings,
) -> Result<(WebhookHandle, oneshot::Receiver<()>), WebhookError> {
    let root = Arc::new(WebhookRoot::load(&settings.keys)?);
    let now = settings.clock.now().wall;
    let certificate = Arc::new(CurrentCertificate::new(&root, settings.names, now)?);
    let tls = root.server_config(Arc::clone(&certificate))?;
    let listen_error = |source| WebhookError::Listen {
        listen: settings.listen,
        source,
    };
    let listener = std::net::TcpListener::bind(settings.listen).map_err(listen_error)?;
    listener.set_nonblocking(true).map_err(listen_error)?;
    let local = listener.local_addr().map_err(listen_error)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(WebhookError::Thread)?;
    let called_at = Arc::new(AtomicI64::new(0));
    let endpoint = Endpoint::new(
        settings.published,
        Rules {
            agent: settings.agent,
            enforcement: settings.enforcement,
        },
        settings.decisions,
        settings.clock,
        settings.metrics,
        Arc::clone(&called_at),
    );
    let server = Server::new(tls, Arc::new(endpoint));
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let (ended, has_ended) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("webhook".to_owned())
        .spawn(move || {
            let _ended = ended;
            runtime.block_on(stopped.run_until_cancelled(async {
                match TcpListener::from_std(listener) {
                    Ok(listener) => server.run(listener).await,
                    Err(error) => tracing::error!(%error, "the webhook's socket is not usable"),
                }
            }));
        })
        .map_err(WebhookError::Thread)?;
    let handle = WebhookHandle {
        root,
        certificate,
        called_at,
        local,
        stop,
    };
    Ok((handle, has_ended))
}
