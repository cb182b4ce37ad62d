//! More time, and people who are removed or barred (S11, S12, D7), as the API does it.

use breakglass_hub_core::audit::Action;
use breakglass_hub_core::session::StateName;
use serde_json::json;

use crate::harness::{TestHub, detail, name_of};

#[tokio::test]
async fn s12_a_renewal_waits_for_the_agent_and_says_so() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let path = format!("/debug-sessions/{session}/renew");
    let before = hub.alice().sees(&session).await.ok();
    assert_eq!(before["canRenew"], true);
    let asked = hub
        .alice()
        .post(&path, json!({"extendBy": "30m"}))
        .await
        .ok();
    assert_eq!(asked["status"]["pendingRenewal"]["waitsFor"], "agent");
    assert_eq!(asked["status"]["expiresAt"], before["status"]["expiresAt"]);
    assert_eq!(asked["canRenew"], false);
    assert!(
        asked["warnings"][0]
            .as_str()
            .unwrap()
            .contains("is not connected")
    );
    hub.alice()
        .post(&path, json!({"extendBy": "30m"}))
        .await
        .refused(409, "conflict");
    hub.bob().verb("join", &session).await.ok();
    hub.bob()
        .post(&path, json!({"extendBy": "30m"}))
        .await
        .refused(403, "forbidden");
}

#[tokio::test]
async fn the_most_that_can_be_added_is_told() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    for path in [
        format!("/debug-sessions/{session}/renew"),
        format!("/api/debugSessions/{session}/renew"),
    ] {
        let refused = hub.alice().post(&path, json!({"extendBy": "30h"})).await;
        let problem = refused.refused(422, "constraint");
        assert_eq!(detail(&problem, "extendBy").allowed.len(), 1);
        let unreadable = hub.alice().post(&path, json!({"extendBy": "soon"})).await;
        unreadable.refused(422, "constraint");
        let unknown = json!({"extendBy": "1m", "until": "noon"});
        hub.alice()
            .post(&path, unknown)
            .await
            .refused(400, "malformed");
    }
}

#[tokio::test]
async fn s11_who_is_removed_does_not_come_back_by_themselves() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    hub.mallory().verb("join", &session).await.ok();
    let path = format!("/debug-sessions/{session}/remove");
    let user = json!({"user": "mallory@example.com"});
    hub.mallory()
        .post(&path, user.clone())
        .await
        .refused(403, "forbidden");
    let removed = hub.root().post(&path, user).await.ok();
    let stay = &removed["status"]["participants"][1];
    assert_eq!(stay["removedBy"], "root@example.com");
    let refused = hub.mallory().verb("join", &session).await;
    let problem = refused.refused(403, "forbidden");
    assert_eq!(problem.details[0].rule.as_deref(), Some("join.removed"));
    let invite = format!("/debug-sessions/{session}/invite");
    let again = json!({"users": ["mallory@example.com"]});
    hub.alice().post(&invite, again).await.ok();
    hub.mallory().verb("join", &session).await.ok();
    let owner = json!({"user": "alice@example.com"});
    hub.root()
        .post(&path, owner)
        .await
        .refused(422, "constraint");
    let recorded = hub.recorded().await;
    assert!(recorded.iter().any(|event| event.action == Action::Removed
        && event.detail.get("user").map(String::as_str) == Some("mallory@example.com")));
}

async fn state(hub: &TestHub, session: &str) -> StateName {
    let stored = hub.app.session(session).await.unwrap().unwrap();
    stored.state.name()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s11_barring_somebody_ends_what_is_theirs_and_refuses_what_they_ask() {
    let hub = TestHub::start().await;
    let own = hub.mallory().asks_for("quick-debug").await;
    let other = hub.alice().asks_for("quick-debug").await;
    hub.mallory().verb("join", &other).await.ok();
    let waiting = json!({ "templateRef": "approved-debug", "cluster": "west" });
    let waiting = name_of(
        &hub.mallory()
            .post("/debug-sessions", waiting)
            .await
            .created(),
    );

    let user = json!({"user": "mallory@example.com", "reason": "left"});
    hub.alice()
        .post("/people/bar", user.clone())
        .await
        .refused(403, "adminsOnly");
    let list = hub.root().post("/people/bar", user.clone()).await.ok();
    assert_eq!(list["people"][0]["barredBy"], "root@example.com");
    hub.root().post("/people/bar", user).await.ok();
    assert_eq!(hub.root().get("/people/barred").await.ok()["total"], 1);
    for session in [&own, &waiting] {
        hub.until("the end of what is theirs", || async {
            state(&hub, session).await == StateName::Terminated
        })
        .await;
    }
    hub.until("their removal from others", || async {
        let session = hub.app.session(&other).await.unwrap().unwrap();
        session.present().count() == 1
    })
    .await;
    assert_eq!(state(&hub, &other).await, StateName::Active);

    // Still who they are, and nothing more.
    hub.mallory().sees(&own).await.ok();
    let wish = json!({ "templateRef": "quick-debug", "cluster": "west" });
    let refused = hub.mallory().post("/debug-sessions", wish.clone()).await;
    let problem = refused.refused(403, "forbidden");
    assert_eq!(problem.details[0].rule.as_deref(), Some("person.barred"));
    hub.mallory()
        .verb("join", &other)
        .await
        .refused(403, "forbidden");

    let user = json!({"user": "mallory@example.com"});
    hub.root().post("/people/unbar", user.clone()).await.ok();
    hub.root()
        .post("/people/unbar", user)
        .await
        .refused(404, "notFound");
    hub.mallory().post("/debug-sessions", wish).await.created();
    assert_eq!(state(&hub, &own).await, StateName::Terminated);
}

#[tokio::test]
async fn s11_an_admin_bars_others_and_a_barred_admin_nobody() {
    let hub = TestHub::start().await;
    hub.root()
        .post("/people/bar", json!({"user": "root@example.com"}))
        .await
        .refused(409, "conflict");
    for wrong in [json!({"user": ""}), json!({"user": "system:node:a"})] {
        let refused = hub.root().post("/people/bar", wrong).await;
        refused.refused(422, "constraint");
    }
}
