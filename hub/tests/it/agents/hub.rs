//! A hub on loopback with a clock that stands still until a test moves it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use breakglass_hub::app::{App, Change, Settings};
use breakglass_hub::ca::{Authority, Purpose};
use breakglass_hub::clock::{Clock, MovableClock};
use breakglass_hub::clusters::{self, By};
use breakglass_hub::link::{self, Agents};
use breakglass_hub::notify::NotifyMetrics;
use breakglass_hub::outward::Outward;
use breakglass_hub::sessions::Sessions;
use breakglass_hub::ship::ShipMetrics;
use breakglass_hub::store::sqlite::SqliteStore;
use breakglass_hub::store::{AuditQuery, Key, ObjectKind};
use breakglass_hub::telemetry::Metrics;
use breakglass_hub::users::Users;
use breakglass_hub_core::audit::Action;
use breakglass_protocol::api::cluster::{ClusterRegistered, RegisterCluster};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::{Cluster, ClusterStatus};
use breakglass_protocol::person::Identity;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// No test waits longer than this for anything: it fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct TestHub {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<MovableClock>,
    pub(crate) address: SocketAddr,
    folder: Arc<TempDir>,
    state: PathBuf,
    serving: JoinHandle<Result<(), link::ListenerError>>,
}

impl TestHub {
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(MovableClock::at(Timestamp::now()));
        Self::open(Arc::new(tempfile::tempdir().unwrap()), clock).await
    }

    async fn open(folder: Arc<TempDir>, clock: Arc<MovableClock>) -> Self {
        let state = folder.path().to_owned();
        Self::open_at(folder, state, clock).await
    }

    /// On the state that lies somewhere in `folder`.
    pub(crate) async fn open_at(
        folder: Arc<TempDir>,
        state: PathBuf,
        clock: Arc<MovableClock>,
    ) -> Self {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::new();
        let authority = Authority::open(&state, Purpose::Agents, clock.now().wall).unwrap();
        let app = Arc::new(App {
            store: Arc::new(
                SqliteStore::open(&breakglass_hub::state::database_in(&state)).unwrap(),
            ),
            clock: clock.clone(),
            sessions: Sessions::default(),
            pace: breakglass_hub::pace::Pace::new(breakglass_hub_core::pace::Rate {
                burst: 1_000_000,
                per_second: 1_000_000,
            }),
            watchers: breakglass_hub::api::watch::Watchers::default(),
            settings: Settings {
                state: state.clone(),
                namespace: "breakglass".to_owned(),
                admin_groups: vec!["admins".to_owned()],
                agent_addresses: vec![address.to_string()],
                public_addresses: Vec::new(),
                approval_timeout: Duration::from_secs(24 * 3600),
                session_retention: Duration::from_secs(30 * 24 * 3600),
                watch_longest: Duration::from_secs(3600),
            },
            agents: Agents::new(Arc::new(authority), &metrics),
            users: Users::Nobody,
            outward: Outward::default(),
            notify_metrics: NotifyMetrics::new(&metrics),
            ship_metrics: ShipMetrics::new(&metrics),
            in_cluster: None,
            intake: breakglass_hub::intake::Intake::new(&metrics),
            metrics,
            ledger_turns: breakglass_hub::app::Turns::default(),
            template_refusals: breakglass_hub::templates::refusals::TemplateRefusals::default(),
            shutdown: CancellationToken::new(),
        });
        let changes = app.sessions.load(app.store.as_ref()).await.unwrap();
        tokio::spawn(Sessions::follow(app.clone(), changes));
        let serving = tokio::spawn(link::serve(app.clone(), listener));
        Self {
            app,
            clock,
            address,
            folder,
            state,
            serving,
        }
    }

    /// The folder of `--state`.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Stops the hub in good order and starts it again with the same state, on another port.
    pub(crate) async fn restart(self) -> Self {
        let (folder, state) = (self.folder.clone(), self.state.clone());
        let clock = self.clock.clone();
        self.stop().await;
        Self::open_at(folder, state, clock).await
    }

    pub(crate) async fn stop(self) {
        self.app.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.serving)
            .await
            .expect("the hub does not stop")
            .unwrap()
            .unwrap();
    }

    pub(crate) async fn register(&self, cluster: &str) -> ClusterRegistered {
        clusters::register(&self.app, &admin(), named(cluster))
            .await
            .unwrap()
    }

    /// What only a manifest can do today: take an acceptance back.
    pub(crate) async fn set_accepted(&self, cluster: &str, accepted: Option<bool>) {
        let key = Key::cluster_scoped(ObjectKind::Cluster, cluster);
        let set = |mut object: Cluster, _| {
            object.spec.accepted = accepted;
            Ok::<_, std::convert::Infallible>(Change {
                object,
                events: Vec::new(),
            })
        };
        self.app.update(&key, set).await.unwrap();
    }

    pub(crate) async fn status(&self, cluster: &str) -> ClusterStatus {
        let cluster = clusters::get(&self.app, &ClusterName::new(cluster))
            .await
            .unwrap();
        cluster.status.unwrap_or_default()
    }

    /// What was recorded about a cluster, oldest first.
    pub(crate) async fn recorded(&self) -> Vec<Action> {
        let query = AuditQuery {
            of: None,
            after: 0,
            limit: 500,
        };
        let records = self.app.store.audit(query).await.unwrap();
        records.into_iter().map(|it| it.event.action).collect()
    }

    /// Waits until something that another task does has become true.
    pub(crate) async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        mut holds: impl FnMut() -> F,
    ) {
        let reached = async {
            while !holds().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("in vain waited for: {what}"));
    }

    pub(crate) async fn until_connected(&self, cluster: &str) {
        let cluster = ClusterName::new(cluster);
        self.until("the connection", || async {
            self.app.agents.registry.is_connected(&cluster)
        })
        .await;
    }

    pub(crate) async fn until_recorded(&self, action: Action) {
        self.until("an audit event", || async {
            self.recorded().await.contains(&action)
        })
        .await;
    }
}

pub(crate) fn admin() -> By {
    By {
        person: Identity {
            issuer: "dev-users".to_owned(),
            subject: "root".to_owned(),
            name: "root@example.com".to_owned(),
            email: None,
            email_verified: false,
        },
        request_id: None,
        source: None,
    }
}

pub(crate) fn named(cluster: &str) -> RegisterCluster {
    RegisterCluster {
        name: cluster.to_owned(),
        ..RegisterCluster::default()
    }
}
