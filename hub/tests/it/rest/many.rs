//! Many at once: limits hold, decisions are made once, nobody's change is lost (D18, spec 1 section 3).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Actor, Answer, TestHub};

async fn all(mut tasks: JoinSet<Answer>) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(answer) = tasks.join_next().await {
        answers.push(answer.unwrap());
    }
    answers
}

fn by_status(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.status.as_u16()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_at_once_never_get_one_place_too_many() {
    let hub = TestHub::start().await;
    let wish = json!({ "templateRef": "few-debug", "cluster": "west" });
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        tasks.spawn(until_decided(hub.alice(), wish.clone()));
    }
    let answers = all(tasks).await;
    let counts = by_status(&answers);
    let made = counts.get(&201).copied().unwrap_or_default();
    assert!((1..=5).contains(&made), "{counts:?}");
    assert!(
        counts.keys().all(|status| [201, 422].contains(status)),
        "{counts:?}"
    );
    let open = hub.alice().get("/debug-sessions?state=active").await.ok();
    assert_eq!(open["total"], made, "what was refused was not done");
    hub.alice()
        .post("/debug-sessions", wish)
        .await
        .refused(422, "constraint");
}

/// Asks again as long as the hub says that it was too busy and did nothing.
async fn until_decided(who: Actor, wish: Value) -> Answer {
    loop {
        let answer = who.post("/debug-sessions", wish.clone()).await;
        match answer.status.as_u16() {
            409 => answer.refused(409, "conflict"),
            503 => answer.refused(503, "busy"),
            _ => return answer,
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_approvers_at_once_are_one_approval() {
    let hub = TestHub::start().await;
    for _ in 0..10 {
        let session = hub.alice().asks_for("approved-debug").await;
        let (carol, dave) = tokio::join!(
            tokio::spawn(hub.carol().verb("approve", &session)),
            tokio::spawn(hub.dave().verb("approve", &session))
        );
        let (winner, won, lost) = match (carol.unwrap(), dave.unwrap()) {
            (won, lost) if won.status == 200 => ("carol@example.com", won.ok(), lost),
            (lost, won) => ("dave@example.com", won.ok(), lost),
        };
        let refused = lost.refused(409, "state");
        assert!(refused.message.contains("Active"), "{}", refused.message);
        assert_eq!(won["status"]["approval"]["approvedBy"], winner);
        let now = hub.alice().sees(&session).await.ok();
        assert_eq!(now["status"]["approval"], won["status"]["approval"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn approval_and_withdrawal_at_once_have_one_end() {
    let hub = TestHub::start().await;
    for _ in 0..10 {
        let session = hub.alice().asks_for("approved-debug").await;
        let (approved, withdrawn) = tokio::join!(
            tokio::spawn(hub.carol().verb("approve", &session)),
            tokio::spawn(hub.alice().verb("terminate", &session))
        );
        // Withdrawn first, the approval comes too late; approved first, what runs is terminated.
        withdrawn.unwrap().ok();
        let approved = approved.unwrap();
        let now = hub.alice().sees(&session).await.ok();
        assert_eq!(now["status"]["state"], "Terminated");
        assert_eq!(
            approved.status == 200,
            now["status"].get("startsAt").is_some()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobodys_change_is_lost() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let path = format!("/debug-sessions/{session}/invite");
    let mut tasks = JoinSet::new();
    for i in 0..12 {
        let (alice, path) = (hub.alice(), path.clone());
        tasks.spawn(async move {
            alice
                .post(&path, json!({ "users": [format!("guest-{i}")] }))
                .await
        });
    }
    for who in [hub.bob(), hub.mallory()] {
        tasks.spawn(who.verb("join", &session));
    }
    for answer in all(tasks).await {
        answer.ok();
    }
    let now = hub.alice().sees(&session).await.ok();
    let count = |list: &Value| list.as_array().unwrap().len();
    assert_eq!(count(&now["status"]["invitations"]), 12);
    assert_eq!(count(&now["status"]["participants"]), 3);
}
