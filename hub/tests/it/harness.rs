//! A whole hub as `breakglass-hub serve` starts it, in a folder of its own, with a clock that only tests move, and the
//! people who use it. Requests go to the real router; over the real listener ([`tls`]) where TLS is what is tested.

mod actor;
mod answer;
pub(crate) mod outside;
pub(crate) mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use breakglass_hub::api;
use breakglass_hub::app::App;
use breakglass_hub::args::{Cli, Command, ServeArgs};
use breakglass_hub::backup::{self, Occupied};
use breakglass_hub::clock::{Clock, MovableClock};
use breakglass_hub::serve::{self, Running};
use breakglass_hub::store::AuditQuery;
use breakglass_hub::templates::Follower;
use breakglass_hub_core::audit::{Action, AuditEvent};
use clap::Parser;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;

pub(crate) use actor::{Actor, name_of, request, token_of};
pub(crate) use answer::{Answer, detail};

/// No test waits longer than this for anything: it fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a test looks whether what it waits for has come.
const LOOK: Duration = Duration::from_millis(1);
/// The templates that every test hub starts with.
const TEMPLATES: &str = include_str!("harness/templates.yaml");
/// The name under which people reach the hub.
pub(crate) const PUBLIC_NAME: &str = "hub.example.com";

/// See the module's text.
pub(crate) struct TestHub {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<MovableClock>,
    pub(crate) running: Running,
    pub(crate) router: Router,
    folder: Arc<TempDir>,
}

impl TestHub {
    /// A hub with the clusters `west`, `east-1` and `north`, none of them connected.
    pub(crate) async fn start() -> Self {
        let hub = Self::start_empty().await;
        for cluster in ["west", "east-1", "north"] {
            hub.root()
                .post("/clusters", json!({ "name": cluster }))
                .await
                .created();
        }
        hub
    }

    /// A hub with no cluster, with more on its command line.
    pub(crate) async fn start_with(more: &[&str]) -> Self {
        let folder = fresh_folder();
        let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        let clock = Arc::new(MovableClock::at(Timestamp::now()));
        Self::open_with(folder, clock, &more).await
    }

    /// A hub with the cluster `west` that calls what this file of destinations names. What the file needs lies in the
    /// folder.
    pub(crate) async fn start_calling(folder: TempDir, destinations: &str) -> Self {
        std::fs::write(folder.path().join("destinations.yaml"), destinations).unwrap();
        inputs(folder.path());
        let clock = Arc::new(MovableClock::at(Timestamp::now()));
        let hub = Self::open(Arc::new(folder), clock).await;
        hub.root()
            .post("/clusters", json!({ "name": "west" }))
            .await
            .created();
        hub
    }

    /// A hub that knows no cluster.
    pub(crate) async fn start_empty() -> Self {
        Self::open(fresh_folder(), Arc::new(MovableClock::at(Timestamp::now()))).await
    }

    async fn open(folder: Arc<TempDir>, clock: Arc<MovableClock>) -> Self {
        // Stories run on a clock that stands still.
        let more = ["--requests-burst", "1000000"].map(str::to_owned);
        Self::open_with(folder, clock, &more).await
    }

    async fn open_with(folder: Arc<TempDir>, clock: Arc<MovableClock>, more: &[String]) -> Self {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let running = serve::start(&arguments(folder.path(), more), clock.clone())
            .await
            .unwrap();
        let app = running.app.clone();
        assert_eq!(
            app.template_errors(),
            [],
            "the test's own templates are refused"
        );
        Self {
            router: api::router::users(app.clone()),
            app,
            clock,
            running,
            folder,
        }
    }

    /// Stops the hub in good order and starts it again on the same folder.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            app,
            clock,
            running,
            router,
            folder,
        } = self;
        app.shutdown.cancel();
        drop((app, router));
        tokio::time::timeout(PATIENCE, running.finish())
            .await
            .expect("the hub does not stop")
            .unwrap();
        Self::open(folder, clock).await
    }

    /// A hub that starts on what lies on the disk at this moment, as after a kill: the running one is not asked.
    pub(crate) async fn after_a_kill(&self) -> Self {
        let copy = Arc::new(tempfile::tempdir().unwrap());
        copy_folder(self.folder.path(), copy.path());
        Self::open(copy, self.clock.clone()).await
    }

    /// A hub in another folder, with the state of a backup.
    pub(crate) async fn restored_from(&self, backup: &Path) -> Self {
        let folder = fresh_folder();
        let state = folder.path().join("state");
        backup::restore(backup, &state, Occupied::Refuse, Timestamp::now()).unwrap();
        Self::open(folder, self.clock.clone()).await
    }

    /// The folder of `--state`.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Replaces a text in the templates folder and has the hub look at it at once.
    pub(crate) async fn edit_templates(&self, from: &str, to: &str) {
        assert!(TEMPLATES.contains(from), "{from:?} is not in the templates");
        let folder = self.folder.path().join("templates");
        std::fs::write(folder.join("all.yaml"), TEMPLATES.replace(from, to)).unwrap();
        Follower::new(self.app.clone(), Some(folder))
            .load()
            .await
            .unwrap();
        assert_eq!(self.app.template_errors(), []);
    }

    /// Puts one more file into the templates folder and has the hub look at it at once.
    pub(crate) async fn add_templates(&self, file: &str, text: &str) {
        let folder = self.folder.path().join("templates");
        std::fs::write(folder.join(file), text).unwrap();
        Follower::new(self.app.clone(), Some(folder))
            .load()
            .await
            .unwrap();
    }

    /// What was done, oldest first: the audit log without what was refused to people and who was seen.
    pub(crate) async fn recorded(&self) -> Vec<AuditEvent> {
        let mut all = self.all_recorded().await;
        all.retain(|event| {
            !matches!(
                event.action,
                Action::RequestRefused | Action::Login | Action::Gap
            )
        });
        all
    }

    /// The audit log, oldest first.
    pub(crate) async fn all_recorded(&self) -> Vec<AuditEvent> {
        let query = AuditQuery {
            of: None,
            after: 0,
            limit: 500,
        };
        self.app
            .store
            .audit(query)
            .await
            .unwrap()
            .into_iter()
            .map(|record| record.event)
            .collect()
    }

    /// Waits until something that another task does has become true. The clock stands still.
    pub(crate) async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        holds: impl FnMut() -> F,
    ) {
        self.until_at_speed(Duration::ZERO, what, holds).await;
    }

    /// The same while time passes, a thousand times as fast as for people: what is hours away stays so, however slow the
    /// machine is.
    pub(crate) async fn as_time_passes<F: Future<Output = bool>>(
        &self,
        what: &str,
        holds: impl FnMut() -> F,
    ) {
        self.until_at_speed(1000 * LOOK, what, holds).await;
    }

    async fn until_at_speed<F: Future<Output = bool>>(
        &self,
        step: Duration,
        what: &str,
        mut holds: impl FnMut() -> F,
    ) {
        let reached = async {
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !holds().await {
                looks.tick().await;
                self.clock.advance(step);
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("in vain waited for {what}"));
    }

    /// The hub's time, in whole seconds as sessions store it.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.now().wall.as_second()).unwrap()
    }
}

/// A folder with the tests' templates and people.
fn fresh_folder() -> Arc<TempDir> {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    inputs(folder.path());
    folder
}

/// What `--templates` and `--dev-users` read.
pub(crate) fn inputs(folder: &Path) {
    std::fs::create_dir(folder.join("templates")).unwrap();
    std::fs::write(folder.join("templates/all.yaml"), TEMPLATES).unwrap();
    std::fs::write(folder.join("users.yaml"), actor::users_file()).unwrap();
}

/// The real command line.
fn arguments(folder: &Path, more: &[String]) -> ServeArgs {
    let path = |name: &str| folder.join(name).into_os_string().into_string().unwrap();
    let (state, templates, users) = (path("state"), path("templates"), path("users.yaml"));
    let destinations = path("destinations.yaml");
    let mut line = vec![
        "breakglass-hub",
        "serve",
        "--state",
        &state,
        "--templates",
        &templates,
        "--dev-users",
        &users,
        "--listen",
        "127.0.0.1:0",
        "--agent-listen",
        "127.0.0.1:0",
        "--public-address",
        PUBLIC_NAME,
        "--public-address",
        "127.0.0.1",
        "--admin-group",
        "admins",
        "--approval-timeout",
        "24h",
    ];
    if Path::new(&destinations).exists() {
        line.extend(["--destinations", &destinations]);
    }
    let more = more.iter().map(String::as_str);
    match Cli::parse_from(line.into_iter().chain(more)).command {
        Command::Serve(args) => *args,
        _ => panic!("serve was asked for"),
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
