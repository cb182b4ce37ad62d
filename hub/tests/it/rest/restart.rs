//! Nothing that was acknowledged is lost, however the hub ends.

use serde_json::{Value, json};

use crate::harness::{TestHub, name_of};

/// Everything that people can see.
async fn everything(hub: &TestHub) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/debug-sessions",
        "/clusters",
        "/debug-pod-templates",
        "/debug-session-templates?includeHidden=true&includeUnavailable=true",
    ] {
        seen.push(hub.root().get(path).await.ok());
    }
    let sessions = seen[0]["sessions"].as_array().unwrap().clone();
    for session in sessions {
        let name = session["name"].as_str().unwrap();
        for who in [hub.alice(), hub.carol(), hub.root()] {
            let answer = who.sees(name).await;
            seen.push(json!([
                answer.status.as_u16(),
                if answer.status == 200 {
                    answer.ok()
                } else {
                    json!(null)
                }
            ]));
        }
    }
    seen
}

/// A session in each state that people bring about, five of them under a limit of five.
async fn a_busy_morning(hub: &TestHub) -> String {
    for _ in 0..5 {
        hub.alice().asks_for("few-debug").await;
    }
    let ended = hub.alice().asks_for("quick-debug").await;
    hub.alice().verb("terminate", &ended).await.ok();
    let rejected = hub.alice().asks_for("approved-debug").await;
    hub.carol()
        .post(
            &format!("/debug-sessions/{rejected}/reject"),
            json!({ "reason": "not today" }),
        )
        .await
        .ok();
    let joined = hub.alice().asks_for("quick-debug").await;
    hub.mallory().verb("join", &joined).await.ok();
    hub.root().tell("/clusters/north/revoke").await.ok();
    let wish = json!({ "templateRef": "approved-debug", "cluster": "west", "invitedParticipants": ["bob@example.com"] });
    name_of(&hub.alice().post("/debug-sessions", wish).await.created())
}

/// Goes on where the hub before stopped.
async fn the_afternoon(hub: &TestHub, waiting: &str) {
    let wish = json!({ "templateRef": "few-debug", "cluster": "west" });
    hub.alice()
        .post("/debug-sessions", wish)
        .await
        .refused(422, "constraint");
    assert_eq!(
        hub.carol().verb("approve", waiting).await.ok()["status"]["state"],
        "Active"
    );
    hub.bob().verb("join", waiting).await.ok();
    hub.alice().verb("terminate", waiting).await.ok();
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let hub = TestHub::start().await;
    let waiting = a_busy_morning(&hub).await;
    let (before, recorded) = (everything(&hub).await, hub.recorded().await);
    let hub = hub.restart().await;
    assert_eq!(everything(&hub).await, before);
    assert!(hub.recorded().await.starts_with(&recorded));
    the_afternoon(&hub, &waiting).await;
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    let hub = TestHub::start().await;
    let waiting = a_busy_morning(&hub).await;
    let before = everything(&hub).await;
    let hub = hub.after_a_kill().await;
    assert_eq!(everything(&hub).await, before);
    the_afternoon(&hub, &waiting).await;
}
