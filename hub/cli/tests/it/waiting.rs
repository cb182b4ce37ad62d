//! `--wait` against a real hub: looks when the hub tells of the session, and goes on after a broken stream.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use breakglass_hub::args::{Cli, Command as HubCommand};
use breakglass_hub::clock::RealClock;
use breakglass_hub::serve::{self, Running};
use breakglass_hub::store::{ListQuery, ObjectKind};
use breakglass_protocol::kinds::debug_session::AllowedPod;
use clap::Parser as _;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);

const TEMPLATES: &str = "
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: toolbox}
spec:
  template: {spec: {containers: [{name: debug, image: 'busybox:latest'}]}}
---
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: approved-debug}
spec:
  podTemplateRef: {name: toolbox}
  allowed: {groups: [sre-team], clusters: [west]}
  approvers: {groups: [sre-leads]}
";
const USERS: &str = "users:
- {name: alice@example.com, groups: [sre-team], token: alice-token-0123456789}
- {name: carol@example.com, groups: [sre-leads], token: carol-token-0123456789}
- {name: root@example.com, groups: [admins], token: root-token-0123456789}
";

struct Hub {
    running: Running,
    folder: TempDir,
}

impl Hub {
    /// With the cluster `west`, which is not connected.
    async fn start() -> Self {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(path("templates")).unwrap();
        std::fs::write(path("templates/all.yaml"), TEMPLATES).unwrap();
        std::fs::write(path("users.yaml"), USERS).unwrap();
        let (state, templates, users) = (path("state"), path("templates"), path("users.yaml"));
        let line = [
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
            "127.0.0.1",
            "--admin-group",
            "admins",
        ];
        let HubCommand::Serve(args) = Cli::parse_from(line).command else {
            panic!("serve was asked for");
        };
        let running = serve::start(&args, Arc::new(RealClock::start()))
            .await
            .unwrap();
        let hub = Self { running, folder };
        let registered = hub.asks("root", hub.running.users, &["cluster", "register", "west"]);
        let registered = finished(registered).await;
        assert!(registered.status.success(), "{registered:?}");
        hub
    }

    /// bgctl in somebody's name, through the hub's listener or what stands before it.
    fn asks(&self, who: &str, server: SocketAddr, words: &[&str]) -> Child {
        let ca: &Path = &self.folder.path().join("state/users-ca.crt");
        Command::new(env!("CARGO_BIN_EXE_bgctl"))
            .env_clear()
            .env("BGCTL_SERVER", format!("https://{server}"))
            .env("BGCTL_TOKEN", format!("{who}-token-0123456789"))
            .env("HOME", self.folder.path())
            .arg("--ca-file")
            .arg(ca)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// alice requests, and waits.
    fn wait(&self, server: SocketAddr) -> Child {
        let request = ["debug", "session", "create", "--template", "approved-debug"];
        let rest = ["--cluster", "west", "--wait", "--wait-timeout", "50"];
        self.asks("alice", server, &[&request[..], &rest[..]].concat())
    }

    /// The name of the one session.
    async fn session(&self) -> Option<String> {
        let query = ListQuery::all(ObjectKind::DebugSession);
        let page = self.running.app.store.list(query).await.unwrap();
        page.objects.first().map(|object| object.key.name.clone())
    }

    async fn until_session(&self) -> String {
        self.until("the request", async || self.session().await.is_some())
            .await;
        self.session().await.unwrap()
    }

    /// How often a session was looked at.
    fn looks(&self) -> usize {
        let text = self.running.app.metrics.encode().unwrap();
        let line = r#"method="GET",route="/api/v1/debug-sessions/{name}",status="200"} "#;
        let found = text.lines().find_map(|found| found.split_once(line));
        found.map_or(0, |(_, number)| number.parse().unwrap())
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let reached = async {
            let mut looks = tokio::time::interval(LOOK);
            while !holds().await {
                looks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("in vain waited for {what}"));
    }

    /// As the agent's report would.
    async fn make_ready(&self, session: &str) {
        self.running
            .app
            .update_session::<Infallible>(session, |mut session, _| {
                session.observed.pods = vec![AllowedPod {
                    name: "p".to_owned(),
                    namespace: "breakglass-debug".to_owned(),
                    ready: Some(true),
                    ..AllowedPod::default()
                }];
                Ok((session, Vec::new()))
            })
            .await
            .unwrap();
    }
}

async fn finished(child: Child) -> Output {
    let output = spawn_blocking(|| child.wait_with_output().unwrap());
    tokio::time::timeout(PATIENCE, output)
        .await
        .expect("bgctl does not end")
        .unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_looks_when_the_hub_tells_of_the_session() {
    let hub = Hub::start().await;
    let waiting = hub.wait(hub.running.users);
    let session = hub.until_session().await;
    hub.until("the first look", async || hub.looks() == 1).await;
    let approve = ["debug", "session", "approve", &session];
    let approved = finished(hub.asks("carol", hub.running.users, &approve)).await;
    assert!(approved.status.success(), "{}", told(&approved));
    hub.until("the second look", async || hub.looks() == 2)
        .await;
    hub.make_ready(&session).await;
    let output = finished(waiting).await;
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(hub.looks(), 3, "one for each change: {}", told(&output));
    let text = told(&output);
    for wanted in ["PendingApproval", "Active, 0 of 0", "1 of 1 pods ready"] {
        assert!(text.contains(wanted), "{text}");
    }
}

/// Stands before the hub, and lets nobody through when told.
struct Gate {
    address: SocketAddr,
    shut: CancellationToken,
}

impl Gate {
    async fn before(hub: SocketAddr, people: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shut = CancellationToken::new();
        let token = shut.clone();
        people.spawn(async move {
            let mut inside = JoinSet::new();
            let gate = token.clone();
            let open = async {
                loop {
                    let (mut near, _) = listener.accept().await.unwrap();
                    let token = token.clone();
                    inside.spawn(async move {
                        let mut far = TcpStream::connect(hub).await.unwrap();
                        // Whoever hangs up first, or the gate.
                        token
                            .run_until_cancelled(copy_bidirectional(&mut near, &mut far))
                            .await
                    });
                }
            };
            gate.run_until_cancelled(open).await;
        });
        Self { address, shut }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_outlives_a_broken_stream_and_ends_with_the_session() {
    let hub = Hub::start().await;
    let mut people = JoinSet::new();
    let gate = Gate::before(hub.running.users, &mut people).await;
    let waiting = hub.wait(gate.address);
    let session = hub.until_session().await;
    hub.until("the first look", async || hub.looks() == 1).await;
    // Cut, and closed to whoever comes again: what happens meanwhile is not told.
    gate.shut.cancel();
    while people.join_next().await.is_some() {}
    let end = [
        "debug",
        "session",
        "reject",
        &session,
        "--reason",
        "not now, please",
    ];
    let ended = finished(hub.asks("carol", hub.running.users, &end)).await;
    assert!(ended.status.success(), "{}", told(&ended));
    let again = TcpListener::bind(gate.address).await.unwrap();
    let far = hub.running.users;
    people.spawn(async move {
        loop {
            let (mut near, _) = again.accept().await.unwrap();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(far).await.unwrap();
                copy_bidirectional(&mut near, &mut far).await.ok();
            });
        }
    });
    let output = finished(waiting).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let text = told(&output);
    assert!(text.contains("will not become ready"), "{text}");
    people.shutdown().await;
}
