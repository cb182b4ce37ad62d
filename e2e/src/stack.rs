//! The whole product on a testbed: one hub on the host, one agent in each cluster, installed by Helm as an administrator
//! would. The demo and the end-to-end tests both stand on it.
//!
//! `Stack::up`: [`artifacts`] (build) → testbed → hub → per cluster: register → image → helm → connected → webhook.

mod agent;
pub mod artifacts;
mod install;
pub mod people;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::artifacts::Artifacts;
use self::people::{ADMIN_GROUP, People};
use crate::cluster::Cluster;
use crate::process::{Launch, Place, Processes, Recorded};
use crate::progress::Progress;
use crate::slot::Slot;
use crate::testbed::Testbed;
use crate::up::{ClusterRequest, OnFailure, UpRequest};
use crate::user::User;
use crate::wait::{self, Look};

/// Name of the hub's record and log.
const HUB: &str = "hub";
/// It listens within 100 ms; the first start makes keys.
const HUB_LIMIT: Duration = Duration::from_secs(20);

/// What the stack makes in its folder beside the testbed's files.
const OWN: [&str; 11] = [
    CLUSTERS,
    "bin",
    "dev-users.json",
    "env",
    "helm",
    "hub",
    "kubeconfigs",
    "log",
    "run",
    "templates",
    "webhook",
];
/// Which clusters the hub's state is about: their authorities' certificates, hashed.
const CLUSTERS: &str = "clusters.sha256";

/// A hub that knows other clusters of the same names (the ones before a crash) would refuse to enrol these.
fn forget_other_clusters(testbed: &Testbed) -> Result<()> {
    let folder = testbed.folder();
    let mut hash = Sha256::new();
    for cluster in testbed.clusters() {
        let authority = cluster.folder()?.join("pki/ca.crt");
        hash.update(fs::read(&authority).with_context(|| format!("{}", authority.display()))?);
    }
    let these = hex::encode(hash.finalize());
    let file = folder.join(CLUSTERS);
    if fs::read_to_string(&file).is_ok_and(|those| those == these) {
        return Ok(());
    }
    if let Some(hub) = Processes::of(folder).find(HUB)? {
        hub.kill()?;
    }
    remove(&folder.join("hub"))?;
    remove(&folder.join("webhook"))?;
    fs::write(&file, these).with_context(|| format!("{}", file.display()))
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct StackRequest {
    pub state: PathBuf,
    pub slot: Option<Slot>,
    pub clusters: Vec<ClusterRequest>,
    pub on_failure: OnFailure,
}

/// What of the hub's command line is not as usual.
#[derive(Clone, Debug, Default)]
pub struct HubStart {
    /// A program that becomes the hub, with its arguments; the hub's own follow.
    pub within: Vec<String>,
    pub flags: Vec<String>,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Stack {
    testbed: Testbed,
    folder: PathBuf,
    artifacts: Artifacts,
    people: People,
    hub_port: u16,
}

impl Stack {
    /// Brings everything up, or finds it running.
    pub fn up(request: &StackRequest, progress: Progress) -> Result<Stack> {
        let artifacts = Artifacts::build(progress)?;
        let testbed = Testbed::up(
            &UpRequest {
                state: request.state.clone(),
                slot: request.slot,
                clusters: request.clusters.clone(),
                labels: Vec::new(),
                on_failure: request.on_failure,
            },
            progress,
        )?;
        let folder = testbed.folder().to_owned();
        forget_other_clusters(&testbed)?;
        let people = People::load_or_make(&folder.join("dev-users.json"))?;
        // Ten ports for each slot, so that two stacks on one machine never meet.
        let hub_port = 8443 + 10 * u16::from(testbed.record().slot.number());
        let stack = Stack {
            testbed,
            folder,
            artifacts,
            people,
            hub_port,
        };
        fs::create_dir_all(stack.templates())?;
        if !stack.hub().is_ok_and(|hub| hub.is_alive()) {
            stack.start_hub()?;
            progress.say(format!("hub: {}", stack.hub_url()));
        }
        for cluster in stack.testbed.clusters() {
            stack
                .install_agent(&cluster, progress)
                .with_context(|| format!("cluster {}", cluster.name()))?;
        }
        Ok(stack)
    }

    /// Ends everything and removes what the stack made in its folder; what is not ours in there stays.
    pub fn down(state: &Path, progress: Progress) -> Result<()> {
        Testbed::down(state, progress)?;
        OWN.iter().try_for_each(|name| remove(&state.join(name)))?;
        // Only if nothing else is in it.
        fs::remove_dir(state).ok();
        Ok(())
    }

    pub fn testbed(&self) -> &Testbed {
        &self.testbed
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    pub fn people(&self) -> &People {
        &self.people
    }

    pub fn cluster(&self, name: &str) -> Result<Cluster> {
        self.testbed.cluster(name)
    }

    /// The folder that the hub watches.
    pub fn templates(&self) -> PathBuf {
        self.folder.join("templates")
    }

    pub fn hub_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.hub_port)
    }

    /// The CA of the hub's own certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("hub/users-ca.crt")
    }

    /// Starts the hub and waits until it is ready.
    pub fn start_hub(&self) -> Result<Recorded> {
        self.start_hub_as(HubStart::default())
    }

    /// The same, not as it usually is.
    pub fn start_hub_as(&self, start: HubStart) -> Result<Recorded> {
        let state = self.folder.join("hub");
        let agents = format!(
            "{}:{}",
            self.testbed.record().hub_address,
            self.hub_port + 1
        );
        let mut argv = start.within;
        argv.extend([
            self.artifacts.hub().display().to_string(),
            "serve".into(),
            format!("--state={}", state.display()),
            format!("--templates={}", self.templates().display()),
            format!(
                "--dev-users={}",
                self.folder.join("dev-users.json").display()
            ),
            format!("--listen=127.0.0.1:{}", self.hub_port),
            format!("--agent-listen={agents}"),
            format!("--agent-address={agents}"),
            "--public-address=127.0.0.1,localhost".into(),
            format!("--metrics-listen=127.0.0.1:{}", self.hub_port + 2),
            format!("--admin-group={ADMIN_GROUP}"),
        ]);
        argv.extend(start.flags);
        let log = self.folder.join("log/hub.log");
        let hub = self.processes().start(Launch {
            name: HUB.into(),
            argv,
            place: Place::Host,
            log,
        })?;
        let found = wait::until("the hub's API", HUB_LIMIT, || {
            wait::still_alive(&hub)?;
            let answer = self.bgctl(User::Admin, &["cluster", "list"])?;
            Ok(if answer.status.success() {
                Look::Found(())
            } else {
                Look::NotYet(String::from_utf8_lossy(&answer.stderr).trim().to_owned())
            })
        });
        wait::with_log(found, &hub)?;
        Ok(hub)
    }

    /// The hub as it was last started.
    pub fn hub(&self) -> Result<Recorded> {
        self.processes()
            .find(HUB)?
            .context("the hub was never started")
    }

    fn processes(&self) -> Processes {
        Processes::of(&self.folder)
    }

    /// `http://…` of the hub's metrics.
    pub fn hub_metrics_address(&self) -> String {
        format!("127.0.0.1:{}", self.hub_port + 2)
    }

    /// bgctl in this person's name, ready to be given arguments.
    pub fn bgctl_command(&self, user: User) -> Command {
        let mut bgctl = Command::new(self.artifacts.bgctl());
        bgctl
            .env("BGCTL_SERVER", self.hub_url())
            .env("BGCTL_CA_FILE", self.ca())
            .env("BGCTL_TOKEN", self.people.token(user))
            .stdin(Stdio::null());
        bgctl
    }

    /// Runs bgctl to its end, which may be a refusal.
    pub fn bgctl(&self, user: User, args: &[&str]) -> Result<Output> {
        self.bgctl_command(user)
            .args(args)
            .output()
            .with_context(|| format!("could not run bgctl {}", args.join(" ")))
    }

    /// Runs bgctl with `-o json`; a refusal is an error with bgctl's own words.
    pub fn ask(&self, user: User, args: &[&str]) -> Result<Value> {
        let output = self.bgctl(user, &[args, &["-o", "json"]].concat())?;
        if !output.status.success() {
            bail!(
                "bgctl {} as {user}: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("bgctl {}: not JSON", args.join(" ")))
    }

    /// Waits until a session, as the hub tells it, is as wanted.
    pub fn await_session(
        &self,
        name: &str,
        what: &str,
        limit: Duration,
        mut is_so: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        wait::until(&format!("{name}: {what}"), limit, || {
            let session = self.ask(User::Admin, &["debug", "session", "get", name])?;
            Ok(if is_so(&session) {
                Look::Found(session)
            } else {
                Look::NotYet(session["status"].to_string())
            })
        })
    }
}
