//! The hub as a running whole: opens what it needs, starts its tasks, and stops them in order.
//!
//! Start: state folder (locked) → store → authorities → templates, once → listeners → jobs → ready. Stop: listeners let
//! requests finish and tell agents to come back later, jobs end, the store writes what is queued.

mod listen;
mod notify;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use breakglass_hub_core::pace::Rate;
use rustls::crypto::aws_lc_rs;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::api::watch::Watchers;
use crate::app::{App, Settings, Turns};
use crate::args::ServeArgs;
use crate::ca::{Authority, CaError, Purpose};
use crate::clock::Clock;
use crate::intake::Intake;
use crate::jobs;
use crate::link::{self, Agents, ListenerError};
use crate::notify::{self as notices, NotifyMetrics};
use crate::outward::{Outward, OutwardError, Place};
use crate::pace::Pace;
use crate::progress::ProgressError;
use crate::sessions::Sessions;
use crate::ship::{InCluster, NotInCluster, ShipMetrics};
use crate::state::{StateError, StateFolder};
use crate::store::StoreError;
use crate::store::sqlite::{OpenError, SqliteStore};
use crate::telemetry::Metrics;
use crate::templates::Follower;
use crate::templates::refusals::TemplateRefusals;
use crate::users::{Users, UsersError};

pub use listen::TlsError;

/// What tasks get to end after a stop: both listeners drain for 5 s, and some room.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Why the hub does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Authority(#[from] CaError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Outward(#[from] OutwardError),
    #[error(
        "--destinations has a destination of kind kubernetes, but {0}; take it out or run the hub in a cluster"
    )]
    NotInCluster(#[from] NotInCluster),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("--templates {path} is not a folder that can be read: {source}")]
    Templates {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot take in the templates: {0}")]
    Load(#[from] StoreError),
    #[error("cannot set the place of notifications: {0}")]
    Progress(#[from] ProgressError),
    #[error("cannot listen on {address} ({flag}): {source}; is another program on that port?")]
    Bind {
        flag: &'static str,
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot listen for SIGTERM and SIGINT: {0}")]
    Signals(std::io::Error),
    #[error(transparent)]
    Agents(#[from] ListenerError),
    #[error("the hub's task {0} ended by itself; see the log")]
    Ended(&'static str),
    #[error("a task of the hub was aborted: {0}")]
    Aborted(tokio::task::JoinError),
    #[error("a blocking task of the start was aborted: {0}")]
    Start(tokio::task::JoinError),
}

/// A hub that serves.
pub struct Running {
    pub app: Arc<App>,
    /// Where the users' listener really listens.
    pub users: SocketAddr,
    /// Where the agents' listener really listens.
    pub agents: SocketAddr,
    tasks: JoinSet<Result<&'static str, ServeError>>,
    /// Released last.
    _state: StateFolder,
}

/// Starts a hub. It serves when this returns.
///
/// # Errors
/// See [`ServeError`]: what is wrong and which flag or file to look at.
pub async fn start(args: &ServeArgs, clock: Arc<dyn Clock>) -> Result<Running, ServeError> {
    let state = StateFolder::open(&args.state)?;
    let app = Arc::new(open(args, &state, clock).await?);
    let mut follower = follower(args, &app)?;
    follower.load().await?;
    if !app.outward.channels.is_empty() {
        notices::prepare(&app).await?;
    }
    let changes = app.sessions.load(app.store.as_ref()).await?;
    let tls = listen::users_tls(args, &app)?;
    let users = listen::bind("--listen", args.listen).await?;
    let agents = listen::bind("--agent-listen", args.agent_listen).await?;
    let probes = match args.metrics_listen {
        Some(address) => Some(listen::bind("--metrics-listen", address).await?),
        None => None,
    };
    let mut running = Running {
        users: listen::local(&users, args.listen),
        agents: listen::local(&agents, args.agent_listen),
        app: app.clone(),
        tasks: JoinSet::new(),
        _state: state,
    };
    let tasks = &mut running.tasks;
    let router = api::router::users(app.clone());
    let stop = app.shutdown.clone();
    tasks.spawn(async move {
        api::listener::serve(users, tls, router, stop).await;
        Ok("users' listener")
    });
    if let Some(probes) = probes {
        let (router, stop) = (api::router::probes(app.clone()), app.shutdown.clone());
        tasks.spawn(listen::probes(probes, router, stop));
    }
    let agents_app = app.clone();
    tasks.spawn(async move {
        link::serve(agents_app, agents).await?;
        Ok("agents' listener")
    });
    let sessions = app.clone();
    tasks.spawn(async move {
        Sessions::follow(sessions, changes).await;
        Ok("the index of sessions")
    });
    tasks.spawn(async move {
        follower.run().await;
        Ok("templates")
    });
    jobs::start(&app, tasks);
    Ok(running)
}

async fn open(
    args: &ServeArgs,
    state: &StateFolder,
    clock: Arc<dyn Clock>,
) -> Result<App, ServeError> {
    let database = state.database();
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(&database))
        .await
        .map_err(ServeError::Start)??;
    let now = clock.now().wall;
    let authority = Arc::new(Authority::open(state.path(), Purpose::Agents, now)?);
    let users = match &args.dev_users {
        Some(file) => {
            tracing::warn!(file = %file.display(), "--dev-users: everybody who reads this file can act as anybody in it, \
                admins too. For a first try on one machine only; never on a hub that reaches a real cluster.");
            Users::load_dev(file)?
        }
        None => {
            tracing::warn!("no --dev-users: nobody can sign in, only agents and probes are served");
            Users::Nobody
        }
    };
    let outward = match &args.destinations {
        Some(file) => Outward::load(file)?,
        None => Outward::default(),
    };
    let in_cluster = in_cluster(&outward)?;
    let metrics = Metrics::new();
    Ok(App {
        agents: Agents::new(authority, &metrics),
        store: Arc::new(store),
        clock,
        sessions: Sessions::default(),
        settings: settings(args, state),
        outward,
        notify_metrics: NotifyMetrics::new(&metrics),
        intake: Intake::new(&metrics),
        ship_metrics: ShipMetrics::new(&metrics),
        in_cluster,
        metrics,
        users,
        pace: Pace::new(Rate {
            burst: args.requests_burst,
            per_second: args.requests_per_second,
        }),
        watchers: Watchers::default(),
        ledger_turns: Turns::default(),
        template_refusals: TemplateRefusals::default(),
        shutdown: CancellationToken::new(),
    })
}

/// Kubernetes Events need a cluster: a hub without one is told at start, not by silence later.
fn in_cluster(outward: &Outward) -> Result<Option<InCluster>, NotInCluster> {
    let mut places = outward
        .destinations
        .iter()
        .map(|destination| &destination.place);
    if places.any(|place| matches!(place, Place::Kubernetes)) {
        InCluster::find().map(Some)
    } else {
        Ok(None)
    }
}

fn settings(args: &ServeArgs, state: &StateFolder) -> Settings {
    Settings {
        state: state.path().to_owned(),
        namespace: args.namespace.clone(),
        admin_groups: args.admin_group.clone(),
        agent_addresses: args.agent_address.clone(),
        public_addresses: args.public_address.clone(),
        approval_timeout: args.approval_timeout,
        session_retention: args.session_retention,
        watch_longest: args.watch_longest,
    }
}

/// A folder that is not there at start is a mistake in the command line; one that goes away later is a disk's trouble.
fn follower(args: &ServeArgs, app: &Arc<App>) -> Result<Follower, ServeError> {
    if let Some(path) = &args.templates {
        std::fs::read_dir(path).map_err(|source| ServeError::Templates {
            path: path.clone(),
            source,
        })?;
    }
    Ok(Follower::new(app.clone(), args.templates.clone()))
}

impl Running {
    /// Serves until [`App::shutdown`] is cancelled, then stops in order.
    ///
    /// # Errors
    /// If a task ended by itself: the hub stops rather than run on in part.
    pub async fn finish(mut self) -> Result<(), ServeError> {
        let stop = self.app.shutdown.clone();
        let result = tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = self.tasks.join_next() => match ended {
                Some(Ok(Ok(name))) if !stop.is_cancelled() => Err(ServeError::Ended(name)),
                Some(Ok(Ok(_))) | None => Ok(()),
                Some(Ok(Err(error))) => Err(error),
                Some(Err(error)) => Err(ServeError::Aborted(error)),
            },
        };
        notify::tell("STOPPING=1");
        stop.cancel();
        let drained = tokio::time::timeout(STOP_WITHIN, async {
            while self.tasks.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!("some tasks did not end in time and are cut");
        }
        result
    }
}

/// `breakglass-hub serve`: runs until SIGTERM or SIGINT.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(args: &ServeArgs, clock: Arc<dyn Clock>) -> Result<(), ServeError> {
    // A second call in one process is harmless.
    aws_lc_rs::default_provider().install_default().ok();
    let signals = listen::Signals::listen()?;
    let running = start(args, clock).await?;
    let shutdown = running.app.shutdown.clone();
    tokio::spawn(async move {
        signals.first().await;
        shutdown.cancel();
        tracing::info!("stopping");
    });
    tracing::info!(users = %running.users, agents = %running.agents, state = %args.state.display(), "ready");
    notify::tell("READY=1");
    running.finish().await
}
