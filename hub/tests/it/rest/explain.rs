//! `POST /explain`: what would be said, before it is asked.

use serde_json::{Value, json};

use crate::harness::TestHub;

fn verdict<'a>(explained: &'a Value, rule: &str) -> &'a str {
    let rules = explained["rules"].as_array().unwrap();
    let found = rules.iter().find(|told| told["rule"] == rule);
    found.unwrap_or_else(|| panic!("no rule {rule}: {explained:#}"))["verdict"]
        .as_str()
        .unwrap()
}

#[tokio::test]
async fn a_request_is_explained_and_not_made() {
    let hub = TestHub::start().await;
    let wish =
        json!({ "templateRef": "approved-debug", "cluster": "west", "requestedDuration": "30m" });
    let told = hub.alice().post("/explain", wish).await.ok();
    assert_eq!(told["allowed"], true);
    assert_eq!(verdict(&told, "requestedDuration"), "passed");
    assert_eq!(
        told["approval"],
        json!({ "required": true, "approverGroups": ["sre-leads"] })
    );
    assert_eq!(told["wouldBe"]["duration"], "30m");
    assert_eq!(hub.root().get("/debug-sessions").await.ok()["total"], 0);
}

#[tokio::test]
async fn every_rule_that_refuses_is_named_with_what_would_be_allowed() {
    let hub = TestHub::start().await;
    let wish = json!({ "templateRef": "approved-debug", "cluster": "west", "requestedDuration": "9h", "targetNamespace": "team-secret" });
    let told = hub.alice().post("/explain", wish.clone()).await.ok();
    assert_eq!(told["allowed"], false);
    assert_eq!(verdict(&told, "constraints.maxDuration"), "refused");
    assert_eq!(verdict(&told, "reason"), "passed");
    assert!(
        told["rules"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|rule| rule["verdict"] == "refused")
            .count()
            >= 2
    );
    // The same as creating says.
    let refused = hub
        .alice()
        .post("/debug-sessions", wish)
        .await
        .refused(422, "constraint");
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains(&refused.message),
        "{message}\n{}",
        refused.message
    );
}

#[tokio::test]
async fn who_may_not_ask_is_told_no_more_than_that() {
    let hub = TestHub::start().await;
    let wish =
        json!({ "templateRef": "sales-debug", "cluster": "west", "requestedDuration": "900h" });
    let told = hub.alice().post("/explain", wish).await.ok();
    assert_eq!(told["allowed"], false);
    assert_eq!(verdict(&told, "requestedDuration"), "notLookedAt");
    // A hidden template of others is one that does not exist.
    let of = |name: &str| json!({ "templateRef": name, "cluster": "west" });
    let hidden = hub.alice().post("/explain", of("secret-debug")).await.ok();
    let none = hub.alice().post("/explain", of("none-at-all")).await.ok();
    assert_eq!(
        hidden.to_string().replace("secret-debug", "X"),
        none.to_string().replace("none-at-all", "X")
    );
}

#[tokio::test]
async fn a_limit_that_is_reached_is_told() {
    let hub = TestHub::start().await;
    for _ in 0..5 {
        hub.alice().asks_for("few-debug").await;
    }
    let wish = json!({ "templateRef": "few-debug", "cluster": "west" });
    let told = hub.alice().post("/explain", wish).await.ok();
    assert_eq!(told["allowed"], false);
    assert_eq!(
        verdict(&told, "constraints.maxConcurrentSessions"),
        "refused"
    );
}

#[tokio::test]
async fn an_operation_is_explained_to_who_may_know() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let exec = json!({ "session": session, "operation": "exec" });
    let told = hub.alice().post("/explain", exec.clone()).await.ok();
    assert_eq!(verdict(&told, "role"), "passed");
    assert_eq!(verdict(&told, "allowedPodOperations.exec"), "passed");
    assert_eq!(verdict(&told, "allowedPods"), "refused");
    hub.mallory()
        .post("/explain", exec)
        .await
        .refused(404, "notFound");

    let about = |user: &str, operation: &str| json!({ "session": session, "user": user, "operation": operation });
    let told = hub
        .root()
        .post("/explain", about("bob@example.com", "exec"))
        .await
        .ok();
    assert_eq!(verdict(&told, "participants"), "refused");
    let told = hub
        .root()
        .post("/explain", about("alice@example.com", "exec"))
        .await
        .ok();
    assert_eq!(verdict(&told, "role"), "passed");
    hub.root()
        .post("/explain", about("bob@example.com", "approve"))
        .await
        .refused(422, "constraint");
    let approve = json!({ "session": session, "operation": "approve" });
    let told = hub.alice().post("/explain", approve).await.ok();
    assert_eq!(verdict(&told, "approve.own"), "refused");
    for bad in [
        json!({ "session": session }),
        json!({ "session": session, "operation": "dance" }),
        json!({ "session": session, "operation": "exec", "cluster": "west" }),
        json!({ "templateRef": "x" }),
        json!([1]),
    ] {
        hub.alice()
            .post("/explain", bad)
            .await
            .refused(400, "malformed");
    }
}
