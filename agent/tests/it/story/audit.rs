//! What the webhook decides, on its way to the hub's audit log: once, in order, also over an absence of the hub and the
//! death of the agent (S20).

use breakglass_agent_core::authorize::{Decided, Decision};
use breakglass_protocol::wire::access::{self, Access, AccessRecord, Denial, Recorded};
use breakglass_protocol::wire::to_agent::AuditAccepted;
use breakglass_protocol::wire::to_hub::AuditFrame;

use super::*;

const SECRET: &str = "breakglass-agent-audit";

fn decision(user: &str, decided: Decided) -> Decision {
    Decision {
        access: Access {
            session: None,
            user: user.into(),
            operation: "exec".into(),
            namespace: NAMESPACE.into(),
            name: "pod-1".into(),
        },
        decided,
    }
}

fn allowed(user: &str) -> Decision {
    decision(user, Decided::Allowed)
}

/// Who is told of, how often.
fn told(frame: &AuditFrame) -> Vec<(String, u64)> {
    let records: Vec<AccessRecord> = serde_json::from_slice(&frame.body).unwrap();
    let told = records.into_iter().map(|record| match record.what {
        Recorded::Allowed { access, count } | Recorded::Denied { access, count, .. } => {
            (access.user, count)
        }
        Recorded::Gap { allows, denials } => (format!("gap {allows}"), denials),
        Recorded::Restart => ("restart".to_owned(), 1),
    });
    told.collect()
}

fn last(frame: &AuditFrame) -> u64 {
    let records: Vec<AccessRecord> = serde_json::from_slice(&frame.body).unwrap();
    records.last().unwrap().sequence
}

impl Agent {
    /// A new connection to a hub that takes records.
    async fn meet(&mut self) {
        self.frames = connect(&self.events).await;
        loop {
            if let ToHub::Hello(_) = self.hear().await {
                break;
            }
        }
        self.say(ToAgent::Welcome(Welcome {
            program_version: "test".into(),
            version: 1,
            features: vec![access::FEATURE.into()],
            now_ms: Clock::start().now().wall.as_millisecond(),
        }))
        .await;
    }

    async fn audit(&mut self) -> AuditFrame {
        loop {
            if let ToHub::Audit(frame) = self.hear().await {
                return frame;
            }
        }
    }

    async fn accept(&self, frame: &AuditFrame) {
        self.say(ToAgent::AuditAccepted(AuditAccepted {
            boot: frame.boot.clone(),
            through: last(frame),
        }))
        .await;
    }

    async fn lose_the_hub(&self) {
        let why = "test".to_owned();
        let gone = LinkEvent::Disconnected { why };
        self.events.send(gone).await.unwrap();
    }
}

#[tokio::test]
async fn s20_decisions_reach_a_hub_that_takes_them_batch_by_batch() {
    let api = FakeApi::new();
    // This hub does not know records.
    let mut agent = Agent::start(&api).await;
    agent.decisions.tell(allowed("alice"));
    agent.snapshot(1, &[]).await;
    loop {
        match agent.hear().await {
            ToHub::Audit(_) => panic!("an old hub cannot read it"),
            ToHub::Acknowledged(_) => break,
            _ => {}
        }
    }
    agent.lose_the_hub().await;
    agent.meet().await;
    let first = agent.audit().await;
    assert_eq!(told(&first), [("alice".to_owned(), 1)]);
    // Not accepted: it comes again, the same.
    agent.decisions.tell(allowed("bob"));
    agent.lose_the_hub().await;
    agent.meet().await;
    let again = agent.audit().await;
    assert_eq!(
        (&again.boot, told(&again)[0].0.as_str()),
        (&first.boot, "alice")
    );
    if told(&again).len() == 1 {
        agent.accept(&again).await;
        let next = agent.audit().await;
        assert_eq!(told(&next), [("bob".to_owned(), 1)]);
        assert!(last(&next) > last(&again));
    }
    agent.die().await;
}

#[tokio::test]
async fn s20_what_no_hub_has_survives_the_agent() {
    let api = FakeApi::new();
    let mut agent = Agent::start_alone(&api).await;
    agent.decisions.tell(allowed("alice"));
    agent.decisions.tell(allowed("alice"));
    // Written some seconds later, once for all of them.
    api.until("the record", |api| {
        api.get("secrets", AGENT, SECRET).is_some()
    })
    .await;
    agent.die().await;

    agent = Agent::start_alone(&api).await;
    // An end in good order writes what came last.
    agent
        .decisions
        .tell(decision("mallory", Decided::Denied(Denial::NotInSession)));
    agent.stop.cancel();
    (&mut agent.task).await.unwrap();
    agent.webhook.stop();

    agent = Agent::start_alone(&api).await;
    agent.meet().await;
    let first = agent.audit().await;
    assert_eq!(told(&first), [("alice".to_owned(), 2)]);
    agent.accept(&first).await;
    let second = agent.audit().await;
    assert_eq!(told(&second), [("mallory".to_owned(), 1)]);
    assert_ne!(first.boot, second.boot, "each start numbers its own");
    agent.accept(&second).await;
    agent.die().await;
}

#[tokio::test]
async fn s20_a_start_while_a_session_runs_is_told() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    let session = grant(SignedDuration::from_hours(1));
    agent.snapshot(1, &[&session]).await;
    api.until("the clock's mark", |api| {
        api.get("secrets", AGENT, "breakglass-agent-clock")
            .is_some()
    })
    .await;
    agent.die().await;

    agent = Agent::start_alone(&api).await;
    agent.meet().await;
    let first = agent.audit().await;
    assert_eq!(told(&first), [("restart".to_owned(), 1)]);
    agent.die().await;
}
