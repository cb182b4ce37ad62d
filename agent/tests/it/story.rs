//! The whole loop against an API server and a hub made here: a session comes, runs, ends, and nothing is left; also when
//! the agent dies at any of its writes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use breakglass_agent::clock::Clock;
use breakglass_agent::cluster::watch::{self as cluster_watch, WatchNamespaces};
use breakglass_agent::counters::Counters;
use breakglass_agent::event_loop::{self, LINK_EVENTS, LINK_FRAMES, LinkEvent, Parts};
use breakglass_agent::identity::{Identity, JournalKey, WebhookKeys};
use breakglass_agent::journal::Journal;
use breakglass_agent::published::Published;
use breakglass_agent::telemetry::Health;
use breakglass_agent::webhook::certs::{ServerNames, make_root};
use breakglass_agent::webhook::decisions::{self, DecisionSender};
use breakglass_agent::webhook::{self, WebhookHandle, WebhookSettings};
use breakglass_agent_core::abilities;
use breakglass_agent_core::authorize::Enforcement;
use breakglass_agent_core::ceiling::Ceiling;
use breakglass_agent_core::held::Held;
use breakglass_agent_core::holdings::{Holdings, Received};
use breakglass_agent_core::link::{Link, LinkConfig};
use breakglass_agent_core::policies::Policies;
use breakglass_agent_core::recorder::Recorder;
use breakglass_protocol::ids::{CallId, ClusterName, GrantUid, Revision};
use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::grant::{
    AtEnd, Auxiliary, AuxiliaryOrder, AuxiliarySource, Desired, EndReason, Grant, GrantContext,
    GrantedPerson, GrantedValue, Operations, PodOverrides, PodSource, Role, SchedulingLayer,
    TemplateText, ValueOrigin, Work, Workload, WorkloadKind, feature,
};
use breakglass_protocol::wire::hello::Welcome;
use breakglass_protocol::wire::report::{Phase, Readiness, Report};
use breakglass_protocol::wire::to_agent::{
    Ask, Call, Certificate, GrantFrame, Settled, SignWebhookClient, SnapshotBegin, SnapshotEnd,
    ToAgent,
};
use breakglass_protocol::wire::to_hub::{Answer, Blame, ToHub};
use http::Method;
use jiff::SignedDuration;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fake_api::FakeApi;
use crate::fake_hub::{Authority, CLUSTER};

mod audit;
mod journal;
mod metrics;
mod place;
mod policies;

const UID: &str = "11111111-1111-4111-8111-111111111111";
const SESSION: &str = "debug-session-abc123";
const NAMESPACE: &str = "breakglass-debug";
const AGENT: &str = "breakglass-agent";
const PATIENCE: Duration = Duration::from_secs(20);

/// A running loop, and the hub's end of its link.
struct Agent {
    authority: Authority,
    identity: watch::Receiver<Identity>,
    published: Arc<Published>,
    webhook: WebhookHandle,
    keys: WebhookKeys,
    health: Health,
    /// As the webhook's thread uses it.
    decisions: DecisionSender,
    events: mpsc::Sender<LinkEvent>,
    frames: mpsc::Receiver<ToHub>,
    reports: BTreeMap<GrantUid, Report>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Agent {
    /// Starts from what the journal holds, and greets.
    async fn start(api: &FakeApi) -> Self {
        let mut agent = Self::start_alone(api).await;
        agent.frames = connect(&agent.events).await;
        let ToHub::Hello(hello) = agent.hear().await else {
            panic!("the first frame is Hello");
        };
        assert_eq!(hello.cluster, CLUSTER);
        agent
            .say(ToAgent::Welcome(Welcome {
                program_version: "test".into(),
                version: 1,
                features: Vec::new(),
                now_ms: Clock::start().now().wall.as_millisecond(),
            }))
            .await;
        agent
    }

    /// Starts without a hub.
    async fn start_alone(api: &FakeApi) -> Self {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let clock = Clock::start();
        let cluster = api.cluster();
        let key = JournalKey::new([7; 32]);
        let journal = Journal::new(cluster.clone(), AGENT, &key);
        let loaded = journal.load().await.unwrap();
        assert_eq!(loaded.refused, Vec::<String>::new());
        let hub = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let authority = Authority::new();
        let identity = authority.identity(hub);
        let holdings = Holdings::restore(
            identity.cluster.clone(),
            api.ceiling(),
            loaded.held,
            loaded.memory,
            clock.now(),
        );
        let policies = Policies::restore(loaded.policies.map(Result::unwrap));
        let boot = uuid::Uuid::new_v4().to_string();
        let records = loaded.audit.map(Result::unwrap).unwrap_or_default();
        let recorder = Recorder::restore(&boot, records, loaded.mark.high_water, clock.now());
        let (told, decisions) = decisions::channel();
        let published = Arc::new(Published::default());
        let mut registry = Registry::default();
        let counters = Counters::register(&mut registry);
        let health = Health::new(registry);
        let keys = make_root(clock.now().wall).unwrap();
        let (webhook, _ended) = webhook::spawn(WebhookSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys: keys.clone(),
            names: ServerNames::unknown(),
            published: Arc::clone(&published),
            agent: format!("system:serviceaccount:{AGENT}:{AGENT}"),
            enforcement: Enforcement::Off,
            decisions: told.clone(),
            clock,
            metrics: counters.webhook,
        })
        .unwrap();
        let metrics = counters.own;
        let sightings =
            cluster_watch::start(&cluster, AGENT, AGENT, WatchNamespaces::Yes, &metrics);
        let parts = Parts {
            clock,
            cluster,
            namespace: AGENT.into(),
            journal,
            holdings,
            policies,
            decisions,
            recorder,
            link: Link::new(LinkConfig {
                cluster: identity.cluster.clone(),
                program_version: "test".into(),
                instance: "i".into(),
                features: abilities::features(),
            }),
            identity: watch::Sender::new(identity),
            webhook: webhook.clone(),
            published: Arc::clone(&published),
            metrics,
            health: health.clone(),
            kubernetes_version: "v1.34.4".into(),
            enforcement: Enforcement::Off,
        };
        let identity = parts.identity.subscribe();
        let (events, link) = mpsc::channel(LINK_EVENTS);
        let stop = CancellationToken::new();
        let task = tokio::spawn(event_loop::run(parts, sightings, link, stop.clone()));
        let (_, frames) = mpsc::channel(1);
        Self {
            authority,
            identity,
            published,
            webhook,
            keys,
            health,
            decisions: told,
            events,
            frames,
            reports: BTreeMap::new(),
            stop,
            task,
        }
    }

    async fn say(&self, frame: ToAgent) {
        self.events
            .send(LinkEvent::Frame(Box::new(frame)))
            .await
            .unwrap();
    }

    async fn snapshot(&self, revision: u64, grants: &[&Grant]) {
        let revision = Revision(revision);
        let count = grants.len().try_into().unwrap();
        self.say(ToAgent::SnapshotBegin(SnapshotBegin { revision, count }))
            .await;
        for grant in grants {
            self.grant(revision.0, grant).await;
        }
        self.say(ToAgent::SnapshotEnd(SnapshotEnd { revision }))
            .await;
    }

    async fn grant(&self, revision: u64, grant: &Grant) {
        let now = Clock::start().now().wall;
        let remaining = grant.expires_at.duration_since(now).as_millis();
        self.say(ToAgent::Grant(GrantFrame {
            revision: Revision(revision),
            uid: grant.uid.clone(),
            requires: vec![feature::WORKLOAD.into()],
            remaining_ms: remaining.max(0).try_into().unwrap(),
            body: serde_json::to_vec(grant).unwrap(),
        }))
        .await;
    }

    async fn hear(&mut self) -> ToHub {
        let heard = tokio::time::timeout(PATIENCE, self.frames.recv()).await;
        heard
            .expect("the agent says something")
            .expect("the link is open")
    }

    /// Asks for a certificate of a request that is none, and waits for the answer.
    async fn ask(&mut self, id: &str) -> Answer {
        let id = CallId::new(id);
        let ask = Ask::SignWebhookClient(SignWebhookClient {
            csr_der: vec![1, 2, 3],
        });
        let call = Call {
            id: id.clone(),
            ask,
        };
        self.say(ToAgent::Call(call)).await;
        loop {
            if let ToHub::Answer(answer) = self.hear().await
                && answer.id == id
            {
                return answer;
            }
        }
    }

    /// Hears until a report of the grant fulfils a condition.
    async fn report(&mut self, what: &str, fulfilled: impl Fn(&Report) -> bool) -> Report {
        let uid = GrantUid::new(UID);
        loop {
            if let Some(report) = self.reports.get(&uid).filter(|report| fulfilled(report)) {
                return report.clone();
            }
            let heard = tokio::time::timeout(PATIENCE, self.frames.recv()).await;
            let Ok(Some(frame)) = heard else {
                panic!(
                    "never reported: {what}; last: {:#?}",
                    self.reports.get(&uid)
                );
            };
            if let ToHub::Report(frame) = frame {
                let report: Report = serde_json::from_slice(&frame.body).unwrap();
                self.reports.insert(frame.uid, report);
            }
        }
    }

    fn allows(&self, pod: &str) -> bool {
        !self
            .published
            .snapshot()
            .known("", Enforcement::Off)
            .grants
            .lookup(NAMESPACE, pod)
            .is_empty()
    }

    /// The process is gone, at whatever it was.
    async fn die(self) {
        self.task.abort();
        self.task.await.ok();
        self.webhook.stop();
    }
}

async fn connect(events: &mpsc::Sender<LinkEvent>) -> mpsc::Receiver<ToHub> {
    let (frames, receiver) = mpsc::channel(LINK_FRAMES);
    events.send(LinkEvent::Connected { frames }).await.unwrap();
    receiver
}

fn grant(life: SignedDuration) -> Grant {
    let now = Clock::start().now().wall;
    Grant {
        uid: GrantUid::new(UID),
        session: SESSION.into(),
        namespace: "breakglass".into(),
        cluster: ClusterName::new(CLUSTER),
        desired: Desired::Running {},
        starts_at: now,
        expires_at: now + life,
        last_end: now + SignedDuration::from_hours(4),
        renewal: 0,
        digest: "sha256:0".into(),
        people: vec![GrantedPerson {
            user: "alice@example.com".into(),
            role: Role::Owner,
        }],
        operations: Operations {
            exec: true,
            ..Operations::default()
        },
        context: GrantContext {
            requested_by: "alice@example.com".into(),
            approved_by: None,
            reason: None,
            template: "standard-debug".into(),
            binding: None,
        },
        target_namespace: NAMESPACE.into(),
        namespace_rule: None,
        impersonate: None,
        work: Work::Workload(Box::new(Workload {
            kind: WorkloadKind::DaemonSet,
            replicas: 1,
            pod: PodSource::Structured {
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
                spec: json!({ "containers": [{ "name": "debug", "image": "busybox:1" }] }),
            },
            overrides: PodOverrides::default(),
            overrides_template: None,
            affinity: None,
            tolerations: Vec::new(),
            scheduling: Vec::new(),
            quota: None,
            disruption_budget: None,
        })),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        values: BTreeMap::new(),
        auxiliary: Vec::new(),
        recycle: 0,
        at_expiry: Default::default(),
    }
}

fn ended(mut grant: Grant) -> Grant {
    grant.desired = Desired::Ended {
        reason: EndReason::Terminated,
        by: Some("alice@example.com".into()),
        at: Clock::start().now().wall,
    };
    grant
}

fn daemon_set(api: &FakeApi) -> Option<Value> {
    api.get("daemonsets", NAMESPACE, &format!("{SESSION}-ds"))
}

/// The DaemonSet controller and the kubelet: one ready pod for every DaemonSet, none without.
fn run_controllers(api: &FakeApi) {
    let Some(set) = daemon_set(api) else {
        return;
    };
    if api.all("pods").is_empty() {
        let pod = pod_of(&set, "pod-1");
        api.put("pods", NAMESPACE, pod);
        let mut set = set;
        set["status"] = json!({
            "desiredNumberScheduled": 1, "numberReady": 1, "currentNumberScheduled": 1,
            "numberMisscheduled": 0, "observedGeneration": set["metadata"]["generation"],
        });
        api.put("daemonsets", NAMESPACE, set);
    }
}

fn pod_of(set: &Value, name: &str) -> Value {
    let template = &set["spec"]["template"];
    let uid = set["metadata"]["uid"].as_str().unwrap();
    let mut spec = template["spec"].clone();
    spec["nodeName"] = json!("node-1");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"],
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "DaemonSet", "name": set["metadata"]["name"],
                "uid": uid, "controller": true, "blockOwnerDeletion": true,
            }],
            "managedFields": [{
                "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:metadata": { "f:ownerReferences": { ".": {}, format!("k:{{\"uid\":\"{uid}\"}}"): {} } },
                    "f:spec": { "f:containers": {} },
                },
            }],
        },
        "spec": spec,
        "status": {
            "phase": "Running", "startTime": "2026-11-23T07:00:00Z",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{
                "name": "debug", "ready": true, "restartCount": 0, "image": "busybox:1",
                "imageID": "x", "state": { "running": {} },
            }],
        },
    })
}

fn nothing_is_left(api: &FakeApi) -> bool {
    api.all("pods").is_empty() && api.all("daemonsets").is_empty()
}

fn records(api: &FakeApi) -> usize {
    let secrets = api.all("secrets");
    let is_record = |secret: &&Value| {
        secret["metadata"]["labels"]["breakglass.t-caas.telekom.com/journal"] == "grant"
    };
    secrets.iter().filter(is_record).count()
}

#[tokio::test]
async fn a_session_comes_runs_ends_and_nothing_is_left() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    let session = grant(SignedDuration::from_hours(1));
    agent.snapshot(1, &[&session]).await;
    api.until("the DaemonSet", |api| daemon_set(api).is_some())
        .await;
    run_controllers(&api);
    let running = agent
        .report("running", |report| report.phase == Phase::Running)
        .await;
    assert_eq!(running.pods.len(), 1);
    assert!(agent.allows("pod-1"));
    let capped = api.get("pods", NAMESPACE, "pod-1").unwrap();
    assert!(capped["spec"]["activeDeadlineSeconds"].is_i64(), "D2");

    agent.grant(2, &ended(session.clone())).await;
    let proof = agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    assert!(nothing_is_left(&api));
    assert!(!agent.allows("pod-1"));
    let cleanup = proof.cleanup.unwrap();
    assert!(
        cleanup.remaining.is_empty() && cleanup.pods_gone_at.is_some(),
        "{cleanup:#?}"
    );
    assert!(
        cleanup
            .removed
            .iter()
            .any(|removed| removed.object.kind == "DaemonSet")
    );
    assert_eq!(records(&api), 1, "kept until the hub has the proof");

    agent
        .say(ToAgent::Settled(Settled {
            uid: session.uid.clone(),
        }))
        .await;
    api.until("the record is gone", |api| records(api) == 0)
        .await;

    // S12: whatever comes, it is not deployed again.
    agent.reports.clear();
    let creates = |api: &FakeApi| {
        api.log()
            .iter()
            .filter(|line| line.contains("POST"))
            .count()
    };
    let before = creates(&api);
    agent.snapshot(9, &[&session]).await;
    agent
        .report("told again", |report| report.end.is_some())
        .await;
    assert_eq!(creates(&api), before);
    agent.die().await;
}

#[tokio::test]
async fn s12_a_session_expires_by_the_agents_clock_without_a_hub() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    agent
        .snapshot(1, &[&grant(SignedDuration::from_secs(3))])
        .await;
    api.until("the DaemonSet", |api| daemon_set(api).is_some())
        .await;
    run_controllers(&api);
    agent
        .report("running", |report| report.phase == Phase::Running)
        .await;
    agent
        .events
        .send(LinkEvent::Disconnected { why: "gone".into() })
        .await
        .unwrap();
    api.until("everything is removed", nothing_is_left).await;
    assert!(!agent.allows("pod-1"));
    agent.die().await;
}

#[tokio::test]
async fn d05_dying_at_any_write_changes_nothing_in_the_end() {
    // All at once: they wait for pauses most of the time, and share nothing.
    let deaths = futures_util::future::join_all((1..=LAST_WRITE).map(die_at)).await;
    assert!(deaths[0] > 1, "each part of the story has writes to die at");
    assert_eq!(
        deaths.last(),
        Some(&0),
        "the story has fewer writes than that"
    );
}

/// More writes than either part of the story has.
const LAST_WRITE: usize = 16;

/// Lets the agent die at its n-th write while the session starts, and at every later one at the same distance while it
/// goes on and ends. Returns how often it died.
async fn die_at(count: usize) -> u32 {
    die_in(
        &FakeApi::new(),
        &grant(SignedDuration::from_hours(1)),
        count,
    )
    .await
}

async fn die_in(api: &FakeApi, session: &Grant, count: usize) -> u32 {
    let mut deaths = 0;
    for desired in [session.clone(), ended(session.clone())] {
        api.answer_writes(Some(count));
        let is_end = desired.desired != session.desired;
        loop {
            let mut agent = Agent::start(api).await;
            agent.snapshot(1, &[&desired]).await;
            let outcome = tokio::select! {
                () = until_silent(api) => None,
                () = play(api) => None,
                report = agent.report("done", |report| match is_end {
                    true => report.phase == Phase::Ended,
                    false => report.phase == Phase::Running,
                }) => Some(report),
            };
            agent.die().await;
            if outcome.is_some() {
                break;
            }
            deaths += 1;
            api.answer_writes((deaths % 3 != 0).then_some(count));
            assert!(
                deaths < 100,
                "it never gets done:\n{}",
                api.log().join("\n")
            );
        }
        if !is_end {
            let sets = api.all("daemonsets");
            assert_eq!(sets.len(), 1, "made once");
        }
    }
    assert!(
        nothing_is_left(api),
        "died at write {count}:\n{}",
        api.log().join("\n")
    );
    deaths
}

async fn until_silent(api: &FakeApi) {
    api.until("silence", FakeApi::is_silent).await;
}

/// Controllers that act whenever something changes; never ends.
async fn play(api: &FakeApi) {
    let mut changes = api.changes();
    loop {
        run_controllers(api);
        changes.changed().await.unwrap();
    }
}

#[tokio::test]
async fn s12_the_clocks_mark_is_written_while_a_session_runs_and_taken_away_after() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    let session = grant(SignedDuration::from_hours(1));
    agent.snapshot(1, &[&session]).await;
    let journal = Journal::new(api.cluster(), AGENT, &JournalKey::new([7; 32]));
    let record = "breakglass-agent-clock";
    api.until("the mark", |api| {
        api.get("secrets", AGENT, record).is_some()
    })
    .await;
    let marked = journal.load().await.unwrap().memory.high_water.unwrap();
    assert!(marked <= Clock::start().now().wall);
    let written = api.get("secrets", AGENT, record).unwrap();
    agent.grant(2, &ended(session)).await;
    agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    api.until("no mark", |api| {
        api.get("secrets", AGENT, record).unwrap()["data"] != written["data"]
    })
    .await;
    assert_eq!(journal.load().await.unwrap().memory.high_water, None);
    agent.die().await;
}

#[tokio::test]
async fn the_hub_hears_that_the_agent_goes_down() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[]).await;
    agent.stop.cancel();
    loop {
        match agent.hear().await {
            ToHub::Close(close) => {
                assert_eq!(close.code, CloseCode::GoingAway);
                break;
            }
            _ => continue,
        }
    }
    tokio::time::timeout(Duration::from_secs(5), agent.task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn the_clusters_owner_ends_everything_with_an_annotation() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    agent
        .snapshot(1, &[&grant(SignedDuration::from_hours(1))])
        .await;
    api.until("the DaemonSet", |api| daemon_set(api).is_some())
        .await;
    api.put("configmaps", AGENT, json!({
        "metadata": { "name": AGENT, "annotations": { "breakglass.t-caas.telekom.com/end-all": "true" } }
    }));
    let report = agent
        .report("ended", |report| report.phase == Phase::Ended)
        .await;
    assert!(
        report
            .end
            .unwrap()
            .message
            .unwrap()
            .contains("owner of the cluster")
    );
    assert!(nothing_is_left(&api));
    agent.die().await;
}

#[tokio::test]
async fn s08_a_workload_of_somebody_else_fails_the_session_by_name() {
    let api = FakeApi::new();
    api.put(
        "daemonsets",
        NAMESPACE,
        json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": { "name": format!("{SESSION}-ds") }, "spec": {},
        }),
    );
    let mut agent = Agent::start(&api).await;
    agent
        .snapshot(1, &[&grant(SignedDuration::from_hours(1))])
        .await;
    let report = agent
        .report("failed", |report| report.phase == Phase::Ended)
        .await;
    let end = report.end.unwrap();
    assert_eq!(end.reason, EndReason::Failed);
    assert!(end.message.unwrap().contains(&format!("{SESSION}-ds")));
    assert_eq!(api.all("daemonsets").len(), 1, "theirs is left alone");
    agent.die().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_stored_before_it_is_used() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[]).await;
    let before = agent.identity.borrow().clone();
    let key = rcgen::KeyPair::from_pem(&before.key_pem).unwrap();
    let certificate_pem = agent.authority.sign(&key);
    agent
        .say(ToAgent::Certificate(Certificate {
            certificate_pem: certificate_pem.clone(),
            ca_pem: agent.authority.pem(),
        }))
        .await;
    let renewed = agent
        .identity
        .wait_for(|now| now.certificate_pem == certificate_pem);
    tokio::time::timeout(PATIENCE, renewed)
        .await
        .unwrap()
        .unwrap();
    assert!(
        api.get("secrets", AGENT, "breakglass-agent-identity")
            .is_some()
    );
    agent.die().await;
}

#[tokio::test]
async fn d20_a_question_that_cannot_be_answered_is_declined_with_blame() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[]).await;
    let answer = agent.ask("c1").await;
    // The Service has no ClusterIP here, which comes first.
    assert_eq!(answer.result.unwrap_err().blame, Blame::Cluster);
    agent.die().await;
}

/// A ConfigMap, a kind that the cluster may lack and that may be missing, and a claim: as the journal holds them once the
/// texts of a grant are rendered.
fn documents() -> Vec<Value> {
    let object = |api_version: &str, kind: &str, name: &str| {
        json!({ "apiVersion": api_version, "kind": kind, "metadata": {
            "name": name, "namespace": NAMESPACE,
            "labels": { "breakglass.t-caas.telekom.com/session": SESSION },
            "annotations": { "breakglass.t-caas.telekom.com/grant": UID },
        } })
    };
    let document = |name: &str, policy: &str, manifest: Value| {
        json!({ "source": format!("auxiliary/{name}[0]"), "manifest": manifest, "beside": {
            "origin": { "auxiliary": { "name": name } }, "failurePolicy": policy, "atEnd": "delete" } })
    };
    vec![
        document("config", "fail", object("v1", "ConfigMap", "cm")),
        document(
            "birds",
            "warn",
            object("birds.example.com/v1", "Goose", "goose"),
        ),
        document(
            "claim",
            "fail",
            object("v1", "PersistentVolumeClaim", "pvc"),
        ),
    ]
}

/// Writes a grant with these documents before its workload into the journal, as an agent does that dies at once.
async fn journal_with(api: &FakeApi, session: &Grant, documents: Vec<Value>) {
    let now = Clock::start().now();
    let mut holdings = Holdings::restore(
        session.cluster.clone(),
        Ceiling::default(),
        Vec::new(),
        Default::default(),
        now,
    );
    let journal = Journal::new(api.cluster(), AGENT, &JournalKey::new([7; 32]));
    let received = Received {
        grant: session.clone(),
        remaining: Duration::from_secs(3600),
        missing_features: Vec::new(),
    };
    holdings.receive(received, &journal.seed(&session.uid), now);
    let mut held = serde_json::to_value(holdings.get(&session.uid).unwrap()).unwrap();
    let all = held["rendered"]["documents"].as_array_mut().unwrap();
    all.splice(0..0, documents);
    let held: Held = serde_json::from_value(held).unwrap();
    journal.save(journal.seal(&held).unwrap()).await.unwrap();
}

fn readiness(report: &Report, kind: &str) -> Option<Readiness> {
    let mut resources = report.resources.iter();
    resources.find(|resource| resource.kind == kind)?.readiness
}

#[tokio::test]
async fn objects_beside_the_workload_are_made_watched_and_removed() {
    let api = FakeApi::new();
    let session = grant(SignedDuration::from_hours(1));
    journal_with(&api, &session, documents()).await;
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[&session]).await;
    api.until("the DaemonSet", |api| daemon_set(api).is_some())
        .await;
    run_controllers(&api);
    let running = agent
        .report("running and looked at", |report| {
            report.phase == Phase::Running
                && readiness(report, "PersistentVolumeClaim") == Some(Readiness::InProgress)
        })
        .await;
    assert_eq!(readiness(&running, "ConfigMap"), Some(Readiness::Current));
    let message = running.message.unwrap();
    assert!(
        message.contains("Warning") && message.contains("the cluster has no kind Goose"),
        "{message}"
    );
    let goose = &running.resources[1];
    assert!(goose.error.is_some() && goose.created_at.is_none());

    let mut claim = api.get("persistentvolumeclaims", NAMESPACE, "pvc").unwrap();
    claim["status"] = json!({ "phase": "Bound" });
    api.put("persistentvolumeclaims", NAMESPACE, claim);
    agent
        .report("bound", |report| {
            readiness(report, "PersistentVolumeClaim") == Some(Readiness::Current)
        })
        .await;

    agent.grant(2, &ended(session.clone())).await;
    let proof = agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    assert!(proof.cleanup.unwrap().remaining.is_empty());
    assert!(proof.resources[0].deleted_at.is_some());
    assert!(nothing_is_left(&api));
    assert!(api.all("configmaps").is_empty() && api.all("persistentvolumeclaims").is_empty());
    agent.die().await;
}

#[tokio::test]
async fn s08_a_foreign_claim_in_the_way_fails_the_session_and_what_was_made_goes() {
    let api = FakeApi::new();
    let theirs = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "pvc" } });
    api.put("persistentvolumeclaims", NAMESPACE, theirs);
    let session = grant(SignedDuration::from_hours(1));
    journal_with(&api, &session, documents()).await;
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[&session]).await;
    let report = agent
        .report("failed", |report| report.phase == Phase::Ended)
        .await;
    let message = report.end.unwrap().message.unwrap();
    assert!(
        message.contains("auxiliary resource claim (PersistentVolumeClaim pvc) already exists"),
        "{message}"
    );
    assert!(api.all("configmaps").is_empty() && daemon_set(&api).is_none());
    assert_eq!(
        api.all("persistentvolumeclaims").len(),
        1,
        "theirs is left alone"
    );
    agent.die().await;
}

/// A pod and a claim, as an operator writes them.
const STORAGE: &str = r#"containers:
  - name: fio
    image: {{ .vars.image | default "busybox:1" }}
    command: ["sleep", "infinity"]
    resources: {limits: {cpu: {{ .vars.cpu }}}}
    volumeMounts: [{name: data, mountPath: /data}]
volumes:
  - name: data
    persistentVolumeClaim: {claimName: pvc-{{ .session.name | trunc 20 }}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: pvc-{{ .session.name | trunc 20 }}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: {{ .vars.size | default "1Gi" }}}}
"#;

#[tokio::test]
async fn d04_texts_are_rendered_once_and_deployed() {
    let api = FakeApi::new();
    let mut session = grant(SignedDuration::from_hours(1));
    let Work::Workload(workload) = &mut session.work;
    workload.pod = PodSource::Text(TemplateText {
        engine: TemplateEngine::Go,
        text: STORAGE.into(),
        place: "DebugPodTemplate storage spec.templateString".into(),
    });
    session.values = [("cpu", "2"), ("size", "5Gi")]
        .map(|(name, text)| {
            let value = GrantedValue {
                text: text.into(),
                origin: ValueOrigin::Constrained,
            };
            (name.to_owned(), value)
        })
        .into();
    session.auxiliary = vec![Auxiliary {
        name: "isolation".into(),
        category: Some("network-policy".into()),
        source: AuxiliarySource::Structured {
            engine: TemplateEngine::Go,
            template: json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": { "name": "{{ .Session.Name }}-isolation", "namespace": "{{ .Session.Spec.TargetNamespace }}" },
                "spec": { "podSelector": { "matchLabels": { "breakglass.t-caas.telekom.com/session": "{{ .Session.Name }}" } },
                    "policyTypes": ["Ingress"] },
            }),
            place: "DebugSessionTemplate isolated spec.auxiliaryResources[0]".into(),
        },
        order: AuxiliaryOrder::BeforeWorkload,
        at_end: AtEnd::Delete,
        failure_policy: FailurePolicy::Fail,
    }];
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[&session]).await;
    api.until("the DaemonSet", |api| daemon_set(api).is_some())
        .await;
    let set = daemon_set(&api).unwrap();
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"]["cpu"], "2");
    assert_eq!(container["image"], "busybox:1");
    let claim = api
        .get(
            "persistentvolumeclaims",
            NAMESPACE,
            "pvc-debug-session-abc123",
        )
        .unwrap();
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "5Gi");
    let policy = format!("{SESSION}-isolation");
    assert!(api.get("networkpolicies", NAMESPACE, &policy).is_some());
    let report = agent
        .report("statuses", |report| report.resources.len() == 2)
        .await;
    assert_eq!(report.resources[0].source, "pod-template[1]");
    assert_eq!(report.resources[1].source, "auxiliary/isolation[0]");

    agent.grant(2, &ended(session)).await;
    agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    for plural in ["daemonsets", "persistentvolumeclaims", "networkpolicies"] {
        assert!(api.all(plural).is_empty(), "{plural}");
    }
    agent.die().await;
}

fn node(name: &str, labels: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels }, "spec": {} })
}

#[tokio::test]
async fn s03_nodes_are_watched_and_a_denied_one_loses_its_pod() {
    let api = FakeApi::new();
    api.put("nodes", "", node("node-1", json!({})));
    api.put("nodes", "", node("cp-1", json!({})));
    let mut agent = Agent::start(&api).await;
    let mut session = grant(SignedDuration::from_hours(1));
    let Work::Workload(workload) = &mut session.work;
    workload.scheduling = vec![SchedulingLayer {
        place: "session template t".into(),
        constraints: serde_json::from_value(
            json!({ "deniedNodes": ["cp-*"], "deniedNodeLabels": { "secret": "*" } }),
        )
        .unwrap(),
    }];
    agent.snapshot(1, &[&session]).await;
    api.until("the DaemonSet", |api| daemon_set(api).is_some())
        .await;
    let affinity = &daemon_set(&api).unwrap()["spec"]["template"]["spec"]["affinity"];
    let term = affinity
        .pointer("/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0")
        .unwrap();
    assert_eq!(
        term["matchFields"],
        json!([{ "key": "metadata.name", "operator": "NotIn", "values": ["cp-1"] }])
    );
    run_controllers(&api);
    agent
        .report("running", |report| report.phase == Phase::Running)
        .await;
    assert!(agent.allows("pod-1"));

    api.put("nodes", "", node("node-1", json!({ "secret": "x" })));
    api.until("the pod is removed", |api| api.all("pods").is_empty())
        .await;
    assert!(!agent.allows("pod-1"));
    agent.die().await;
}
