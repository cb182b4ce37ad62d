//! What an agent's webhook decided comes into the audit log once, and only about its own cluster's sessions (S19, S20).

use std::time::Duration;

use breakglass_hub::store::AuditQuery;
use breakglass_hub_core::audit::{Action, Actor, AuditEvent};
use breakglass_hub_core::session::Session;
use breakglass_protocol::wire::access::{
    Access, AccessRecord, Denial, FEATURE, Recorded, SessionRef,
};
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::to_agent::{AuditAccepted, ToAgent};
use breakglass_protocol::wire::to_hub::{AuditFrame, ToHub};

use super::fake_agent::{Connection, FakeAgent};
use super::grants::active;
use super::hub::TestHub;

const BOOT: &str = "0f1e2d3c-0000-4000-8000-000000000001";

fn access(session: &Session, user: &str) -> Access {
    Access {
        session: Some(SessionRef {
            uid: session.uid.clone(),
            name: session.name.clone(),
        }),
        user: user.to_owned(),
        operation: "exec".to_owned(),
        namespace: "breakglass-debug".to_owned(),
        name: "pod-1".to_owned(),
    }
}

fn record(hub: &TestHub, sequence: u64, what: Recorded) -> AccessRecord {
    AccessRecord {
        sequence,
        first_at: hub.app.now().wall,
        last_at: hub.app.now().wall,
        what,
    }
}

fn allowed(hub: &TestHub, sequence: u64, session: &Session) -> AccessRecord {
    let access = access(session, "alice@example.com");
    record(hub, sequence, Recorded::Allowed { access, count: 1 })
}

fn denied(hub: &TestHub, sequence: u64, session: &Session) -> AccessRecord {
    let what = Recorded::Denied {
        access: access(session, "mallory@example.com"),
        why: Denial::NotInSession,
        count: 3,
    };
    record(hub, sequence, what)
}

fn frame(records: &[AccessRecord]) -> ToHub {
    ToHub::Audit(AuditFrame {
        boot: BOOT.to_owned(),
        body: serde_json::to_vec(records).unwrap(),
    })
}

/// Connects to a hub that takes records.
async fn online(agent: &FakeAgent, hub: &TestHub) -> Connection {
    let mut connection = agent.connect(hub).await.unwrap();
    connection
        .hello_with(&agent.cluster, &["workload.v1", FEATURE])
        .await;
    let ToAgent::Welcome(welcome) = connection.next().await else {
        panic!("no welcome");
    };
    assert!(welcome.features.iter().any(|it| it == FEATURE));
    connection.snapshot().await;
    connection
}

/// Tells and waits until the hub has it; time passes, so that the hub's pace is none.
async fn tell(hub: &TestHub, connection: &mut Connection, records: &[AccessRecord]) {
    connection.say(&frame(records)).await;
    hub.clock.advance(Duration::from_secs(1));
    let through = records.last().unwrap().sequence;
    loop {
        if let ToAgent::AuditAccepted(accepted) = connection.next().await {
            let boot = BOOT.to_owned();
            assert_eq!(accepted, AuditAccepted { boot, through });
            return;
        }
    }
}

/// What the log has of the agents' telling.
async fn told(hub: &TestHub) -> Vec<AuditEvent> {
    let query = AuditQuery {
        of: None,
        after: 0,
        limit: 500,
    };
    let records = hub.app.store.audit(query).await.unwrap();
    let is_told = |event: &AuditEvent| {
        matches!(
            event.action,
            Action::AccessAllowed | Action::AccessDenied | Action::AgentRefused | Action::Gap
        )
    };
    records
        .into_iter()
        .map(|record| record.event)
        .filter(is_told)
        .collect()
}

#[tokio::test]
async fn s20_a_batch_that_comes_again_makes_nothing_twice_also_over_a_restart() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let session = active(&hub, "west", "debug-session-a").await;
    let mut connection = online(&agent, &hub).await;
    let batch = vec![allowed(&hub, 4, &session), denied(&hub, 7, &session)];
    tell(&hub, &mut connection, &batch).await;
    let events = told(&hub).await;
    assert_eq!(
        events.iter().map(|event| event.action).collect::<Vec<_>>(),
        [Action::AccessAllowed, Action::AccessDenied]
    );
    for event in &events {
        assert!(matches!(&event.actor, Actor::Agent { cluster } if cluster.as_str() == "west"));
        assert_eq!(event.object.name, session.name);
        assert!(event.source.is_some(), "from where");
    }
    assert_eq!(events[0].detail["user"], "alice@example.com");
    assert_eq!(events[1].detail["times"], "3");

    // The answer got lost.
    tell(&hub, &mut connection, &batch).await;
    assert_eq!(told(&hub).await, events);
    drop(connection);
    let hub = hub.restart().await;
    let mut connection = online(&agent, &hub).await;
    let mut more = batch.clone();
    more.push(allowed(&hub, 8, &session));
    tell(&hub, &mut connection, &more).await;
    let after = told(&hub).await;
    assert_eq!((after.len(), &after[..2]), (3, &events[..]));
    hub.stop().await;
}

#[tokio::test]
async fn s19_an_agent_tells_nothing_of_other_clusters_sessions() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "east-1").await;
    hub.register("west").await;
    let foreign = active(&hub, "west", "debug-session-west").await;
    let own = active(&hub, "east-1", "debug-session-east").await;
    let mut gone = own.clone();
    gone.name = "debug-session-gone".to_owned();
    let mut other = own.clone();
    other.uid = foreign.uid.clone();
    let mut connection = online(&agent, &hub).await;
    let batch = [
        allowed(&hub, 1, &foreign),
        allowed(&hub, 2, &own),
        allowed(&hub, 3, &other),
        allowed(&hub, 4, &gone),
    ];
    tell(&hub, &mut connection, &batch).await;
    tell(&hub, &mut connection, &[allowed(&hub, 5, &foreign)]).await;
    let events = told(&hub).await;
    let lines: Vec<(Action, &str)> = events
        .iter()
        .map(|event| (event.action, event.object.name.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (Action::AccessAllowed, "debug-session-east"),
            (Action::Gap, "east-1"),
            (Action::AgentRefused, "east-1"),
        ],
        "refused, and that once"
    );
    assert_eq!(events[2].detail["records"], "2");
    let metrics = hub.app.metrics.encode().unwrap();
    assert!(
        metrics.contains("breakglass_hub_agent_audit_refused_total 3"),
        "{metrics}"
    );
    hub.stop().await;
}

#[tokio::test]
async fn s20_an_agent_waits_for_its_answer_and_says_only_what_can_be_read() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let session = active(&hub, "west", "debug-session-a").await;
    let mut connection = online(&agent, &hub).await;
    // The clock stands still: the first is taken, the second waits, the third is too much.
    for sequence in 1..4 {
        let frame = frame(&[allowed(&hub, sequence, &session)]);
        connection.say(&frame).await;
    }
    connection.expect_close(CloseCode::ProtocolError).await;
    assert_eq!(told(&hub).await[0].action, Action::AccessAllowed);
    let mut connection = online(&agent, &hub).await;
    let unordered = [allowed(&hub, 9, &session), allowed(&hub, 8, &session)];
    connection.say(&frame(&unordered)).await;
    connection.expect_close(CloseCode::ProtocolError).await;
    hub.stop().await;
}
