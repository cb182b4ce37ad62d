//! Sessions become grants of their own cluster, and reports become observed fields of its own sessions (invariants 5, 6).

use breakglass_hub_core::audit::Action;
use breakglass_hub_core::caller::{Caller, Standing};
use breakglass_hub_core::lifecycle::{self, Command, StillOffered};
use breakglass_hub_core::request::{self, Catalogue, Ids};
use breakglass_hub_core::session::{Session, Settled, StateName};
use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::ids::{ClusterName, GrantUid};
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::person::Identity;
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::grant::{Desired, EndReason, Grant};
use breakglass_protocol::wire::report::{Cleanup, EndRecord, ObservedPod, Phase, Report};
use jiff::Timestamp;

use super::fake_agent::FakeAgent;
use super::hub::TestHub;

fn alice() -> Caller {
    Caller {
        identity: Identity {
            issuer: "dev-users".to_owned(),
            subject: "alice".to_owned(),
            name: "alice@example.com".to_owned(),
            email: None,
            email_verified: false,
        },
        display_name: None,
        groups: vec!["sre-team".to_owned()],
        standing: Standing::User,
    }
}

fn pod_template() -> DebugPodTemplate {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
        "kind": "DebugPodTemplate",
        "metadata": { "name": "standard-pod" },
        "spec": { "template": { "spec": { "containers": [{ "name": "debug", "image": "busybox:latest" }] } } }
    }))
    .unwrap()
}

fn template() -> DebugSessionTemplate {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
        "kind": "DebugSessionTemplate",
        "metadata": { "name": "standard-debug" },
        "spec": {
            "mode": "workload",
            "workloadType": "DaemonSet",
            "podTemplateRef": { "name": "standard-pod" },
            "allowed": { "groups": ["sre-team"], "clusters": ["*"] }
        }
    }))
    .unwrap()
}

/// An Active session of alice's on a registered cluster.
pub(super) async fn active(hub: &TestHub, cluster: &str, name: &str) -> Session {
    let asked = CreateDebugSession {
        template_ref: "standard-debug".to_owned(),
        cluster: cluster.to_owned(),
        ..CreateDebugSession::default()
    };
    let stored = breakglass_hub::clusters::get(&hub.app, &ClusterName::new(cluster))
        .await
        .unwrap();
    let catalogue = Catalogue {
        template: Some(&template()),
        pod_template: Some(&pod_template()),
        cluster: Some(&stored),
        bindings: &[],
    };
    let ids = Ids {
        name: name.to_owned(),
        namespace: "breakglass".to_owned(),
        uid: GrantUid::new(format!("uid-of-{name}")),
    };
    let now = hub.app.now();
    let resolved = request::resolve(&asked, &catalogue, &alice(), ids, now).unwrap();
    let session = lifecycle::submit(resolved.session, now).unwrap();
    assert_eq!(session.state.name(), StateName::Active);
    let key = hub.app.session_key(name);
    hub.app
        .create(key, DebugSession::from(&session), Vec::new())
        .await
        .unwrap();
    session
}

async fn terminate(hub: &TestHub, name: &str) {
    hub.app
        .update_session(name, |session, now| {
            let command = Command::Terminate;
            lifecycle::perform(session, &command, &alice(), &StillOffered::Yes, now)
                .map(|it| (it, Vec::new()))
        })
        .await
        .unwrap();
}

async fn stored(hub: &TestHub, name: &str) -> Session {
    hub.app.session(name).await.unwrap().unwrap()
}

fn running(session: &Session, at: Timestamp) -> Report {
    Report {
        uid: session.uid.clone(),
        at,
        renewal: 0,
        expires_at: None,
        recycled: 0,
        phase: Phase::Running,
        message: None,
        pods: vec![ObservedPod {
            namespace: "breakglass-debug".to_owned(),
            name: "pod-1".to_owned(),
            uid: "p1".to_owned(),
            node_name: Some("node-1".to_owned()),
            phase: Some("Running".to_owned()),
            ready: true,
            container_status: None,
        }],
        deployed: Vec::new(),
        resources: Vec::new(),
        end: None,
        cleanup: None,
    }
}

fn ended(session: &Session, at: Timestamp) -> Report {
    Report {
        phase: Phase::Ended,
        pods: Vec::new(),
        end: Some(EndRecord {
            reason: EndReason::Terminated,
            at,
            message: None,
        }),
        cleanup: Some(Cleanup {
            started_at: at,
            finished_at: Some(at),
            pods_gone_at: Some(at),
            removed: Vec::new(),
            remaining: Vec::new(),
            kept: Vec::new(),
        }),
        ..running(session, at)
    }
}

#[tokio::test]
async fn a_cluster_gets_its_own_sessions_first_whole_then_as_they_change() {
    let hub = TestHub::start().await;
    let (west, _east) = (
        FakeAgent::of(&hub, "west").await,
        FakeAgent::of(&hub, "east").await,
    );
    let first = active(&hub, "west", "debug-session-aaaaaa").await;
    active(&hub, "east", "debug-session-bbbbbb").await;

    let mut connection = west.online(&hub).await;
    let grants = connection.snapshot().await;
    assert_eq!(grants.len(), 1);
    assert_eq!(grants[0].uid, first.uid);
    assert_eq!(grants[0].people[0].user, "alice@example.com");

    let foreign = active(&hub, "east", "debug-session-cccccc").await;
    let second = active(&hub, "west", "debug-session-dddddd").await;
    let heard = connection
        .until_grant(&second.uid, |grant| grant.uid != foreign.uid)
        .await;
    assert_eq!(heard.cluster.as_str(), "west");

    terminate(&hub, &first.name).await;
    let is_end = |grant: &Grant| {
        matches!(
            grant.desired,
            Desired::Ended {
                reason: EndReason::Terminated,
                ..
            }
        )
    };
    let end = connection.until_grant(&first.uid, is_end).await;
    assert!(end.people.is_empty());
}

#[tokio::test]
async fn reports_become_status_and_the_last_one_settles() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let session = active(&hub, "west", "debug-session-aaaaaa").await;
    let mut connection = agent.online(&hub).await;
    connection.snapshot().await;
    connection
        .report(&running(&session, hub.app.now().wall))
        .await;
    hub.until("the pods", || async {
        !stored(&hub, &session.name).await.observed.pods.is_empty()
    })
    .await;

    terminate(&hub, &session.name).await;
    let last = ended(&session, hub.app.now().wall);
    connection.report(&last).await;
    connection.until_settled(&session.uid).await;
    let after = stored(&hub, &session.name).await;
    assert_eq!(after.state.name(), StateName::Terminated);
    assert_eq!(after.observed.settled, Settled::Yes);
    assert!(hub.recorded().await.contains(&Action::CleanedUp));
    // Doubled: answered again, changes nothing.
    connection.report(&last).await;
    connection.until_settled(&session.uid).await;
    assert_eq!(stored(&hub, &session.name).await, after);
    // Nothing is left to grant.
    assert!(agent.online(&hub).await.snapshot().await.is_empty());
}

#[tokio::test]
async fn an_agent_that_ended_a_session_alone_is_believed() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let session = active(&hub, "west", "debug-session-aaaaaa").await;
    let mut connection = agent.online(&hub).await;
    connection.snapshot().await;
    let mut last = ended(&session, hub.app.now().wall);
    last.end = last.end.map(|end| EndRecord {
        reason: EndReason::Expired,
        ..end
    });
    connection.report(&last).await;
    connection.until_settled(&session.uid).await;
    assert_eq!(
        stored(&hub, &session.name).await.state.name(),
        StateName::Expired
    );
    let recorded = hub.recorded().await;
    assert!(recorded.contains(&Action::Expired) && recorded.contains(&Action::CleanedUp));
}

#[tokio::test]
async fn s06_a_certificate_for_one_cluster_can_say_nothing_about_another() {
    let hub = TestHub::start().await;
    let (west, _east) = (
        FakeAgent::of(&hub, "west").await,
        FakeAgent::of(&hub, "east").await,
    );
    let session = active(&hub, "east", "debug-session-aaaaaa").await;
    let mut connection = west.online(&hub).await;
    assert!(connection.snapshot().await.is_empty());
    connection
        .report(&ended(&session, hub.app.now().wall))
        .await;
    let close = connection.expect_close(CloseCode::WrongCluster).await;
    // It learns nothing of the other cluster either.
    assert!(!close.message.contains("east") && !close.message.contains(&session.name));
    assert_eq!(stored(&hub, &session.name).await, session);
    hub.until_recorded(Action::AgentRefused).await;
}

#[tokio::test]
async fn a_report_on_a_session_that_nobody_knows_is_settled_once_it_ended() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut session = active(&hub, "west", "debug-session-aaaaaa").await;
    session.uid = GrantUid::new("of-a-lost-database");
    let mut connection = agent.online(&hub).await;
    connection
        .report(&running(&session, hub.app.now().wall))
        .await;
    connection
        .report(&ended(&session, hub.app.now().wall))
        .await;
    connection.until_settled(&session.uid).await;
}

#[tokio::test]
async fn after_a_restart_of_the_hub_the_grants_are_the_same() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    for name in ["debug-session-aaaaaa", "debug-session-bbbbbb"] {
        active(&hub, "west", name).await;
    }
    let mut before = agent.online(&hub).await.snapshot().await;
    let hub = hub.restart().await;
    let mut after = agent.online(&hub).await.snapshot().await;
    before.sort_by(|a, b| a.uid.cmp(&b.uid));
    after.sort_by(|a, b| a.uid.cmp(&b.uid));
    assert_eq!(before.len(), 2);
    assert_eq!(before, after);
}

#[tokio::test]
async fn an_agent_that_is_too_old_fails_the_session_instead_of_ignoring_a_rule() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let session = active(&hub, "west", "debug-session-aaaaaa").await;
    let mut connection = agent.connect(&hub).await.unwrap();
    connection.hello_with(&agent.cluster, &[]).await;
    hub.until("the failure", || async {
        stored(&hub, &session.name).await.state.name() == StateName::Failed
    })
    .await;
    let message = stored(&hub, &session.name).await.message.unwrap();
    assert!(
        message.contains("west") && message.contains("upgrade"),
        "{message}"
    );
}

#[tokio::test]
async fn many_grants_go_out_and_a_change_in_between_is_not_lost() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let mut sessions = Vec::new();
    for n in 0..100 {
        sessions.push(active(&hub, "west", &format!("debug-session-{n:06}")).await);
    }
    let mut connection = agent.online(&hub).await;
    terminate(&hub, &sessions[99].name).await;
    // Whether the snapshot holds the end already or not: it arrives.
    let is_end = |grant: &Grant| matches!(grant.desired, Desired::Ended { .. });
    let grants = connection.snapshot().await;
    assert_eq!(grants.len(), 100);
    if !grants.iter().any(is_end) {
        connection.until_grant(&sessions[99].uid, is_end).await;
    }
}
