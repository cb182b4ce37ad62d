//! The link to the hub, as a task that only moves frames: it dials, dials again for ever, and tells the event loop what
//! it hears. What the frames mean is the business of `breakglass_agent_core::link`.
//!
//! [`proxy`] and [`connect`]: from `host:port` to an open WebSocket · [`tls`]: whom to trust, and what a failed handshake
//! means · [`frames`]: an open socket · [`retry`]: pauses · [`enrol`]: join tokens and renewal of the certificate.

pub mod connect;
pub mod enrol;
pub mod frames;
pub mod proxy;
pub mod retry;
pub mod tls;

use std::fmt;
use std::time::Duration;

use breakglass_protocol::limits::RECONNECT_MAX;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::connect::{ConnectError, Dialler, HostPort, Socket};
use self::frames::Ended;
use self::proxy::Proxy;
use self::retry::{Pauses, Retry};
use crate::event_loop::{LINK_EVENTS, LINK_FRAMES, LinkEvent};
use crate::identity::Identity;

/// What the task needs.
pub struct LinkSettings {
    /// The identity to dial with; a renewed one counts from the next attempt on.
    pub identity: watch::Receiver<Identity>,
    pub proxy: Proxy,
    pub metrics: LinkMetrics,
    pub stop: CancellationToken,
}

/// How the link is, for health and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    Connecting,
    Open,
    /// Not connected; why, and how long until the next attempt.
    Waiting {
        why: String,
        pause: Duration,
    },
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting to the hub"),
            Self::Open => f.write_str("connected to the hub"),
            Self::Waiting { why, pause } => write!(
                f,
                "not connected to the hub: {why}; next attempt {} s after that",
                pause.as_secs()
            ),
        }
    }
}

/// What is counted about the link.
#[derive(Clone, Debug, Default)]
pub struct LinkMetrics {
    up: Gauge,
    connects: Counter,
    failures: Counter,
}

impl LinkMetrics {
    /// Makes the metrics known to `/metrics`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "breakglass_agent_link_up",
            "1 while a connection to the hub is open",
            metrics.up.clone(),
        );
        registry.register(
            "breakglass_agent_link_connects",
            "Connections to the hub that were opened",
            metrics.connects.clone(),
        );
        registry.register(
            "breakglass_agent_link_failures",
            "Attempts to connect that failed and connections that broke",
            metrics.failures.clone(),
        );
        metrics
    }
}

/// Starts the task. It ends when `stop` is cancelled or the receiver of its events is dropped.
#[must_use]
pub fn spawn(
    settings: LinkSettings,
) -> (
    mpsc::Receiver<LinkEvent>,
    watch::Receiver<LinkState>,
    JoinHandle<()>,
) {
    let (events, receiver) = mpsc::channel(LINK_EVENTS);
    let (state, state_receiver) = watch::channel(LinkState::Connecting);
    let stop = settings.stop.clone();
    let task = Link {
        settings,
        events,
        state,
    };
    let handle = tokio::spawn(async move {
        let _stopped = stop.run_until_cancelled(task.run()).await;
    });
    (receiver, state_receiver, handle)
}

/// The loop has gone; there is nobody to move frames for.
struct LoopGone;

struct Link {
    settings: LinkSettings,
    events: mpsc::Sender<LinkEvent>,
    state: watch::Sender<LinkState>,
}

impl Link {
    async fn run(mut self) {
        let mut pauses = Pauses::default();
        loop {
            self.state.send_replace(LinkState::Connecting);
            let (why, retry) = match self.attempt(&mut pauses).await {
                Ok(Some(lost)) => lost,
                Ok(None) | Err(LoopGone) => return,
            };
            self.settings.metrics.failures.inc();
            let pause = pauses.next(retry);
            warn!(%why, ?pause, "no connection to the hub");
            self.state.send_replace(LinkState::Waiting {
                why: why.clone(),
                pause,
            });
            let told = self.events.send(LinkEvent::Disconnected { why }).await;
            if told.is_err() {
                return;
            }
            self.wait(pause).await;
        }
    }

    /// One connection from dial to end; `None` when the loop closed it.
    async fn attempt(&mut self, pauses: &mut Pauses) -> Result<Option<(String, Retry)>, LoopGone> {
        let identity = self.settings.identity.borrow_and_update().clone();
        let socket = match open(&identity, &self.settings.proxy).await {
            Ok(socket) => socket,
            Err(error) => return Ok(Some((error.to_string(), error.retry()))),
        };
        info!(hub = %identity.hub_address, "connected to the hub");
        let (frames, mut outgoing) = mpsc::channel(LINK_FRAMES);
        let connected = LinkEvent::Connected { frames };
        self.events.send(connected).await.map_err(|_| LoopGone)?;
        self.settings.metrics.connects.inc();
        self.settings.metrics.up.set(1);
        self.state.send_replace(LinkState::Open);
        let opened = Instant::now();
        let ended = frames::run(socket, &mut outgoing, &self.events).await;
        self.settings.metrics.up.set(0);
        // An identity that was stored while this connection was open is no reason to skip the pause that the hub asked for.
        self.settings.identity.mark_unchanged();
        // A hub that takes connections only to drop them must not make us dial at full speed.
        if opened.elapsed() > RECONNECT_MAX {
            pauses.reset();
        }
        Ok(match ended {
            Ended::Lost { why, retry } => Some((why, retry)),
            Ended::ByTheLoop if self.events.is_closed() => None,
            Ended::ByTheLoop => Some(("closed by the agent".to_owned(), Retry::Soon)),
        })
    }

    /// Waits out the pause; a new identity is a reason to try at once.
    async fn wait(&mut self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = self.settings.identity.changed() => {}
        }
    }
}

async fn open(identity: &Identity, proxy: &Proxy) -> Result<Socket, ConnectError> {
    let dialler = Dialler {
        hub: HostPort::parse(&identity.hub_address)?,
        proxy,
        tls: tls::link_config(identity)?,
        cluster: identity.cluster.as_str(),
    };
    dialler.open().await
}
