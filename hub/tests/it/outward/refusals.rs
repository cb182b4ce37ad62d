//! What was refused to people, and who was seen: recorded without holding anybody up.

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, Outcome};
use serde_json::json;

use crate::harness::TestHub;

async fn of(hub: &TestHub, action: Action) -> Vec<AuditEvent> {
    let mut events = hub.all_recorded().await;
    events.retain(|event| event.action == action);
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_refused_requests_are_recorded_by_rule_without_their_values() {
    let hub = TestHub::start().await;
    let asked = json!({"templateRef": "approved-debug", "cluster": "west",
        "requestedDuration": "99h", "extraDeployValues": {"token": "s3cret"}});
    hub.alice()
        .post("/debug-sessions", asked)
        .await
        .refused(422, "constraint");
    let session = hub.alice().asks_for("approved-debug").await;
    hub.alice()
        .verb("approve", &session)
        .await
        .refused(403, "forbidden");
    hub.until("both", || async {
        of(&hub, Action::RequestRefused).await.len() == 2
    })
    .await;
    let refused = of(&hub, Action::RequestRefused).await;
    assert!(
        refused
            .iter()
            .all(|event| event.outcome == Outcome::Refused)
    );
    assert_eq!(refused[0].detail["verb"], "request");
    assert!(refused[0].detail["rules"].contains("constraints.maxDuration"));
    assert!(refused[0].request_id.is_some());
    assert!(!format!("{refused:?}").contains("s3cret"));
    assert_eq!(refused[1].detail["verb"], "approve");
    assert_eq!(refused[1].object.name, session);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_recorded_once_an_hour_not_at_every_request() {
    let hub = TestHub::start().await;
    for _ in 0..5 {
        hub.alice().get("/debug-sessions").await.ok();
    }
    let by_alice = || async {
        let logins = of(&hub, Action::Login).await.into_iter();
        let by = |event: &AuditEvent| matches!(&event.actor, Actor::Person(who) if who.name == "alice@example.com");
        logins.filter(by).count()
    };
    hub.until("the first", || async { by_alice().await == 1 })
        .await;
    let hour = std::time::Duration::from_secs(3600);
    hub.clock.advance(hour);
    hub.alice().get("/debug-sessions").await.ok();
    hub.until("the second", || async { by_alice().await == 2 })
        .await;
}
