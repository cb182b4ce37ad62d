//! Invite, join, leave (S4, S5, D12).

use serde_json::{Value, json};

use crate::harness::{Actor, Answer, TestHub, name_of};

async fn invite(by: &Actor, session: &str, body: Value) -> Answer {
    by.post(&format!("/debug-sessions/{session}/invite"), body)
        .await
}

async fn join_as(who: &Actor, session: &str, role: &str) -> Answer {
    who.post(
        &format!("/debug-sessions/{session}/join"),
        json!({ "role": role }),
    )
    .await
}

/// The role of each who is in the session now, in order of their coming.
#[track_caller]
fn present(session: &Value) -> Vec<(String, String)> {
    let stays = session["status"]["participants"].as_array().unwrap().iter();
    let here = stays.filter(|stay| stay.get("leftAt").is_none());
    let text =
        |stay: &Value, field: &str| stay[field].as_str().unwrap().replace("@example.com", "");
    here.map(|stay| (text(stay, "user"), text(stay, "role")))
        .collect()
}

fn people(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(who, role)| ((*who).to_owned(), (*role).to_owned()))
        .collect()
}

/// A session of alice's that waits for carol, with bob invited from the start.
async fn waiting_with_bob(hub: &TestHub) -> String {
    let wish = json!({ "templateRef": "approved-debug", "cluster": "west", "invitedParticipants": ["bob@example.com"] });
    name_of(&hub.alice().post("/debug-sessions", wish).await.created())
}

#[tokio::test]
async fn invited_from_the_start_one_is_participant_once_joined() {
    let hub = TestHub::start().await;
    let session = waiting_with_bob(&hub).await;
    let seen = hub.bob().sees(&session).await.ok();
    assert_eq!(seen["canJoin"], false, "nobody joins what does not run");
    let early = hub.bob().verb("join", &session).await.refused(409, "state");
    assert!(
        early.message.contains("PendingApproval"),
        "{}",
        early.message
    );

    let running = hub.carol().verb("approve", &session).await.ok();
    assert_eq!(
        present(&running),
        people(&[("alice", "owner")]),
        "an invitation alone is nothing"
    );
    assert_eq!(hub.bob().sees(&session).await.ok()["canJoin"], true);
    let joined = hub.bob().verb("join", &session).await.ok();
    assert_eq!(
        present(&joined),
        people(&[("alice", "owner"), ("bob", "participant")])
    );
    assert_eq!(joined["canJoin"], false);
    let again = hub.bob().verb("join", &session).await.ok();
    assert_eq!(
        again["status"], joined["status"],
        "joining twice is joining once"
    );
}

#[tokio::test]
async fn a_participant_may_choose_to_watch() {
    let hub = TestHub::start().await;
    let session = waiting_with_bob(&hub).await;
    hub.carol().verb("approve", &session).await.ok();
    let joined = join_as(&hub.bob(), &session, "viewer").await.ok();
    assert_eq!(
        present(&joined),
        people(&[("alice", "owner"), ("bob", "viewer")])
    );
    let more = join_as(&hub.bob(), &session, "participant").await.ok();
    assert_eq!(
        present(&more),
        people(&[("alice", "owner"), ("bob", "participant")])
    );
}

#[tokio::test]
async fn s04_who_comes_uninvited_watches() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    // mallory is of the template's people and knows the name; eve is not.
    let refused = join_as(&hub.mallory(), &session, "participant")
        .await
        .refused(403, "forbidden");
    assert_eq!(refused.details[0].rule.as_deref(), Some("join.role"));
    let joined = hub.mallory().verb("join", &session).await.ok();
    assert_eq!(
        present(&joined),
        people(&[("alice", "owner"), ("mallory", "viewer")])
    );
    hub.eve()
        .verb("join", &session)
        .await
        .refused(404, "notFound");
}

#[tokio::test]
async fn s05_who_is_not_of_the_templates_people_only_watches_though_invited() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let body = json!({ "users": ["eve@example.com"], "role": "participant" });
    invite(&hub.alice(), &session, body).await.ok();
    let refused = join_as(&hub.eve(), &session, "participant")
        .await
        .refused(403, "forbidden");
    assert_eq!(refused.details[0].rule.as_deref(), Some("join.allowed"));
    let joined = hub.eve().verb("join", &session).await.ok();
    assert_eq!(
        present(&joined),
        people(&[("alice", "owner"), ("eve", "viewer")])
    );
}

#[tokio::test]
async fn an_invitation_without_a_role_is_to_watch() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let invited = invite(
        &hub.alice(),
        &session,
        json!({ "users": ["bob@example.com"] }),
    )
    .await
    .ok();
    assert_eq!(invited["status"]["invitations"][0]["role"], "viewer");
    assert_eq!(
        invited["status"]["invitations"][0]["invitedBy"],
        "alice@example.com"
    );
    join_as(&hub.bob(), &session, "participant")
        .await
        .refused(403, "forbidden");
    hub.bob().verb("join", &session).await.ok();
}

#[tokio::test]
async fn s05_invited_after_the_approval_one_waits_for_an_approver() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    hub.carol().verb("approve", &session).await.ok();
    let body = json!({ "users": ["bob@example.com"], "role": "participant" });
    let invited = invite(&hub.alice(), &session, body.clone()).await.ok();
    assert_eq!(
        invited["status"]["invitations"][0]["approval"]["state"],
        "waiting"
    );
    let refused = join_as(&hub.bob(), &session, "participant")
        .await
        .refused(403, "forbidden");
    assert_eq!(refused.details[0].rule.as_deref(), Some("join.clearance"));
    let watching = hub.bob().verb("join", &session).await.ok();
    assert_eq!(
        present(&watching),
        people(&[("alice", "owner"), ("bob", "viewer")])
    );

    assert_eq!(hub.carol().sees(&session).await.ok()["canApprove"], true);
    let cleared = hub.carol().verb("approve", &session).await.ok();
    assert_eq!(cleared["status"]["state"], "Active");
    assert_eq!(
        cleared["status"]["invitations"][0]["approval"]["state"],
        "approved"
    );
    let joined = hub.bob().verb("join", &session).await.ok();
    assert_eq!(
        present(&joined),
        people(&[("alice", "owner"), ("bob", "participant")])
    );
    hub.carol()
        .verb("approve", &session)
        .await
        .refused(409, "state");
}

#[tokio::test]
async fn s05_who_approved_never_becomes_more_than_viewer() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    // dave could be a participant by his groups.
    hub.dave().verb("approve", &session).await.ok();
    let body = json!({ "users": ["dave@example.com"], "role": "participant" });
    let refused = invite(&hub.alice(), &session, body)
        .await
        .refused(422, "constraint");
    assert_eq!(refused.details[0].field.as_deref(), Some("users[0]"));
    let joined = hub.dave().verb("join", &session).await.ok();
    assert_eq!(
        present(&joined),
        people(&[("alice", "owner"), ("dave", "viewer")])
    );
}

#[tokio::test]
async fn only_the_owner_invites() {
    let hub = TestHub::start().await;
    let session = waiting_with_bob(&hub).await;
    hub.carol().verb("approve", &session).await.ok();
    hub.bob().verb("join", &session).await.ok();
    let body = json!({ "users": ["mallory@example.com"] });
    for who in [hub.bob(), hub.carol(), hub.root()] {
        invite(&who, &session, body.clone())
            .await
            .refused(403, "forbidden");
    }
    invite(&hub.mallory(), &session, body)
        .await
        .refused(404, "notFound");
}

#[tokio::test]
async fn who_leaves_is_out_and_may_come_back() {
    let hub = TestHub::start().await;
    let session = waiting_with_bob(&hub).await;
    hub.carol().verb("approve", &session).await.ok();
    hub.bob().verb("join", &session).await.ok();
    let left = hub.bob().verb("leave", &session).await.ok();
    assert_eq!(present(&left), people(&[("alice", "owner")]));
    assert_eq!(
        left["status"]["participants"][1]["leftAt"],
        hub.now().to_string()
    );
    let refused = hub
        .bob()
        .verb("leave", &session)
        .await
        .refused(403, "forbidden");
    assert!(
        refused.message.contains("you are not in this session"),
        "{}",
        refused.message
    );
    let back = hub.bob().verb("join", &session).await.ok();
    assert_eq!(
        back["status"]["participants"].as_array().unwrap().len(),
        3,
        "both stays are on record"
    );
    assert_eq!(
        present(&back),
        people(&[("alice", "owner"), ("bob", "participant")])
    );
}

#[tokio::test]
async fn the_owner_cannot_leave() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let refused = hub
        .alice()
        .verb("leave", &session)
        .await
        .refused(403, "forbidden");
    assert_eq!(refused.details[0].rule.as_deref(), Some("leave.owner"));
    assert!(
        refused.message.contains("terminate the session instead"),
        "{}",
        refused.message
    );
}
