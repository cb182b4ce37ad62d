//! From the request to the end of a session, as its people see it (spec 1 sections 3 and 4, spec 5).

use std::time::Duration;

use breakglass_hub_core::audit::Action;
use serde_json::{Value, json};

use crate::harness::{TestHub, name_of};

#[track_caller]
fn flags(session: &Value) -> [bool; 5] {
    [
        "canApprove",
        "canReject",
        "canJoin",
        "canRenew",
        "canTerminate",
    ]
    .map(|flag| session[flag].as_bool().unwrap())
}

fn texts(list: &Value, field: &str) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_request_waits_for_its_approver_and_then_runs() {
    let hub = TestHub::start().await;
    let wish = json!({
        "templateRef": "approved-debug",
        "cluster": "west",
        "requestedDuration": "45m",
        "reason": "disk full on node 3",
        "targetNamespace": "team-a",
        "invitedParticipants": ["bob@example.com"],
    });
    let made = hub.alice().post("/debug-sessions", wish).await.created();

    assert_eq!(made["apiVersion"], "breakglass.t-caas.telekom.com/v1alpha1");
    assert_eq!(made["kind"], "DebugSession");
    assert_eq!(made["metadata"]["namespace"], "breakglass");
    let name = name_of(&made);
    let word = name.strip_prefix("debug-session-").unwrap();
    assert!(
        word.len() == 6
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "{name}"
    );
    assert!(made["metadata"]["uid"].as_str().unwrap().len() == 36);
    assert_eq!(made["metadata"]["creationTimestamp"], hub.now().to_string());
    let spec = &made["spec"];
    assert_eq!(spec["requestedBy"], "alice@example.com");
    assert_eq!(spec["requestedByEmail"], "alice@example.com");
    assert_eq!(spec["requestedByDisplayName"], "The alice");
    assert_eq!(spec["userGroups"], json!(["sre-team"]));
    assert_eq!(spec["requestedDuration"], "45m");
    assert_eq!(spec["reason"], "disk full on node 3");
    assert_eq!(spec["targetNamespace"], "team-a");
    assert_eq!(spec["invitedParticipants"], json!(["bob@example.com"]));
    let status = &made["status"];
    assert_eq!(status["state"], "PendingApproval");
    assert_eq!(status["approval"], json!({ "required": true }));
    assert_eq!(texts(&status["participants"], "role"), ["owner"]);
    assert_eq!(texts(&status["invitations"], "role"), ["participant"]);
    assert!(status.get("startsAt").is_none() && status.get("expiresAt").is_none());
    assert_eq!(
        flags(&made),
        [false, false, false, false, true],
        "the owner can only withdraw"
    );
    let warnings = made["warnings"].as_array().unwrap();
    assert!(
        warnings[0]
            .as_str()
            .unwrap()
            .contains("west is not connected"),
        "{warnings:?}"
    );

    assert_eq!(
        flags(&hub.carol().sees(&name).await.ok())[..2],
        [true, true]
    );
    hub.clock.advance(Duration::from_secs(60));
    let path = format!("/debug-sessions/{name}/approve");
    let approved = hub
        .carol()
        .post(&path, json!({ "reason": "go ahead" }))
        .await
        .ok();
    let status = &approved["status"];
    assert_eq!(status["state"], "Active");
    assert_eq!(status["startsAt"], hub.now().to_string());
    assert_eq!(
        status["expiresAt"],
        (hub.now() + Duration::from_secs(45 * 60)).to_string()
    );
    assert_eq!(status["approval"]["approvedBy"], "carol@example.com");
    assert_eq!(status["approval"]["approvedAt"], hub.now().to_string());
    assert_eq!(status["approval"]["reason"], "go ahead");
    assert_eq!(
        status["approval"]["digest"], status["digest"],
        "s07: the decision names what was decided on"
    );
    assert_eq!(
        approved["spec"], made["spec"],
        "what was asked for never changes"
    );
    assert_eq!(flags(&approved), [false; 5]);

    let seen = hub.alice().sees(&name).await.ok();
    assert_eq!(seen["status"], approved["status"]);
    let actions: Vec<Action> = hub
        .recorded()
        .await
        .into_iter()
        .map(|event| event.action)
        .collect();
    let story = [Action::Requested, Action::Approved, Action::Activated];
    assert!(actions.ends_with(&story), "{actions:?}");
}

#[tokio::test]
async fn without_approvers_a_session_runs_at_once_for_the_default_time() {
    let hub = TestHub::start().await;
    let wish = json!({ "templateRef": "quick-debug", "cluster": "east-1" });
    let made = hub.alice().post("/debug-sessions", wish).await.created();
    assert_eq!(made["status"]["state"], "Active");
    assert_eq!(made["status"]["approval"], json!({ "required": false }));
    assert_eq!(made["status"]["startsAt"], hub.now().to_string());
    assert_eq!(
        made["status"]["expiresAt"],
        (hub.now() + Duration::from_secs(3600)).to_string()
    );
    let operations = json!({ "exec": true, "attach": true, "logs": false, "portForward": true });
    assert_eq!(made["status"]["allowedPodOperations"], operations);
    assert_eq!(
        made["status"]["resolved"]["targetNamespace"],
        "breakglass-debug"
    );
}

#[tokio::test]
async fn s19_nobody_asks_in_anothers_name() {
    let hub = TestHub::start().await;
    for field in ["requestedBy", "userGroups", "status", "metadata"] {
        let wish = json!({ "templateRef": "quick-debug", "cluster": "west", field: "x" });
        hub.alice()
            .post("/debug-sessions", wish)
            .await
            .refused(400, "malformed");
    }
}

#[tokio::test]
async fn s05_nobody_decides_on_their_own_session() {
    let hub = TestHub::start().await;
    // dave is of sre-leads, who approve.
    let session = hub.dave().asks_for("approved-debug").await;
    for verb in ["approve", "reject"] {
        let refused = hub
            .dave()
            .verb(verb, &session)
            .await
            .refused(403, "forbidden");
        assert_eq!(refused.details[0].rule.as_deref(), Some("approve.own"));
        assert!(
            refused
                .message
                .contains("nobody decides on their own session"),
            "{}",
            refused.message
        );
    }
    assert_eq!(
        hub.carol().verb("approve", &session).await.ok()["status"]["state"],
        "Active"
    );
}

#[tokio::test]
async fn s05_who_is_invited_does_not_decide() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    let path = format!("/debug-sessions/{session}/invite");
    hub.alice()
        .post(&path, json!({ "users": ["dave@example.com"] }))
        .await
        .ok();
    let refused = hub
        .dave()
        .verb("approve", &session)
        .await
        .refused(403, "forbidden");
    assert_eq!(refused.details[0].rule.as_deref(), Some("approve.involved"));
    hub.carol().verb("approve", &session).await.ok();
}

#[tokio::test]
async fn who_may_not_decide_is_told_so_or_nothing() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    let path = format!("/debug-sessions/{session}/invite");
    hub.alice()
        .post(&path, json!({ "users": ["bob@example.com"] }))
        .await
        .ok();
    for verb in ["approve", "reject"] {
        // alice owns it, bob was invited, root sees everything: they know that it exists.
        hub.alice()
            .verb(verb, &session)
            .await
            .refused(403, "forbidden");
        hub.bob()
            .verb(verb, &session)
            .await
            .refused(403, "forbidden");
        let refused = hub
            .root()
            .verb(verb, &session)
            .await
            .refused(403, "forbidden");
        assert!(refused.message.contains("approvers"), "{}", refused.message);
        hub.mallory()
            .verb(verb, &session)
            .await
            .refused(404, "notFound");
    }
}

#[tokio::test]
async fn to_strangers_a_session_is_the_same_as_none() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    for stranger in [hub.mallory(), hub.eve()] {
        for verb in ["", "/approve", "/reject", "/leave", "/terminate"] {
            let ask = |name: &str| {
                let (stranger, path) = (stranger.clone(), format!("/debug-sessions/{name}{verb}"));
                async move {
                    if verb.is_empty() {
                        stranger.get(&path).await
                    } else {
                        stranger.tell(&path).await
                    }
                }
            };
            let mut real = ask(&session).await.refused(404, "notFound");
            let none = ask("debug-session-000000").await.refused(404, "notFound");
            real.request_id = none.request_id.clone();
            assert_eq!(real, none, "{verb} tells that the session exists");
        }
    }
}

#[tokio::test]
async fn a_rejection_ends_a_request_and_says_why() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    let path = format!("/debug-sessions/{session}/reject");
    let rejected = hub
        .carol()
        .post(&path, json!({ "reason": "use the staging cluster" }))
        .await
        .ok();
    let status = &rejected["status"];
    assert_eq!(status["state"], "Failed");
    assert_eq!(
        status["message"],
        "rejected by carol@example.com: use the staging cluster"
    );
    assert_eq!(status["approval"]["rejectedBy"], "carol@example.com");
    assert_eq!(status["approval"]["reason"], "use the staging cluster");
    assert_eq!(status["end"]["reason"], "Rejected");
    assert_eq!(status["end"]["by"], "carol@example.com");
    assert!(status.get("startsAt").is_none(), "it never ran");
    assert_eq!(flags(&hub.alice().sees(&session).await.ok()), [false; 5]);
}

#[tokio::test]
async fn where_a_rejection_needs_a_reason_it_is_asked_for() {
    let hub = TestHub::start().await;
    let wish =
        json!({ "templateRef": "reasoned-debug", "cluster": "west", "reason": "the disk is full" });
    let session = name_of(&hub.alice().post("/debug-sessions", wish).await.created());
    let refused = hub
        .carol()
        .verb("reject", &session)
        .await
        .refused(422, "constraint");
    assert_eq!(refused.details[0].field.as_deref(), Some("reason"));
    assert_eq!(
        refused.details[0].rule.as_deref(),
        Some("approvalReason.mandatoryForRejection")
    );
    let path = format!("/debug-sessions/{session}/reject");
    let refused = hub
        .carol()
        .post(&path, json!({ "reason": "no" }))
        .await
        .refused(422, "constraint");
    assert_eq!(
        refused.details[0].rule.as_deref(),
        Some("approvalReason.minLength")
    );
    hub.carol()
        .post(&path, json!({ "reason": "not today" }))
        .await
        .ok();
}

#[tokio::test]
async fn s07_what_is_no_longer_offered_is_not_approved() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    // The team loses the template while the request waits.
    let (from, to) = (
        "allowed: {groups: [sre-team], clusters: [west, \"east-*\"]}\n  approvers",
        "allowed: {groups: [board], clusters: [west, \"east-*\"]}\n  approvers",
    );
    hub.edit_templates(from, to).await;
    let refused = hub
        .carol()
        .verb("approve", &session)
        .await
        .refused(409, "conflict");
    assert!(
        refused
            .message
            .contains("no longer admits alice@example.com"),
        "{}",
        refused.message
    );
    assert_eq!(
        hub.alice().sees(&session).await.ok()["status"]["state"],
        "PendingApproval"
    );
    hub.carol().verb("reject", &session).await.ok();
}

#[tokio::test]
async fn the_owner_withdraws_a_request() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    let withdrawn = hub.alice().verb("terminate", &session).await.ok();
    assert_eq!(withdrawn["status"]["state"], "Terminated");
    assert_eq!(withdrawn["status"]["end"]["by"], "alice@example.com");
    assert!(
        withdrawn["status"].get("startsAt").is_none(),
        "it never ran"
    );
    hub.carol()
        .verb("approve", &session)
        .await
        .refused(409, "state");
}

#[tokio::test]
async fn owner_and_admin_end_a_session_and_nobody_else() {
    let hub = TestHub::start().await;
    for by in ["alice", "root"] {
        let wish = json!({ "templateRef": "quick-debug", "cluster": "west", "invitedParticipants": ["bob@example.com"] });
        let session = name_of(&hub.alice().post("/debug-sessions", wish).await.created());
        hub.bob().verb("join", &session).await.ok();
        let refused = hub
            .bob()
            .verb("terminate", &session)
            .await
            .refused(403, "forbidden");
        assert_eq!(refused.details[0].rule.as_deref(), Some("terminate.owner"));
        hub.mallory()
            .verb("terminate", &session)
            .await
            .refused(404, "notFound");
        let ender = if by == "alice" {
            hub.alice()
        } else {
            hub.root()
        };
        let ended = ender.verb("terminate", &session).await.ok();
        assert_eq!(ended["status"]["state"], "Terminated");
        assert_eq!(ended["status"]["end"]["reason"], "Terminated");
        assert_eq!(ended["status"]["end"]["by"], format!("{by}@example.com"));
        assert!(
            ended["status"].get("startsAt").is_some(),
            "times are never cleared"
        );
    }
    // carol decides on sessions; ending them is not hers.
    let session = hub.alice().asks_for("approved-debug").await;
    hub.carol().verb("approve", &session).await.ok();
    hub.carol()
        .verb("terminate", &session)
        .await
        .refused(403, "forbidden");
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let expires_at = hub.alice().sees(&session).await.ok()["status"]["expiresAt"].clone();
    hub.clock.advance(Duration::from_secs(3600));
    hub.until("the expiry", || async {
        hub.alice().sees(&session).await.ok()["status"]["state"] == "Expired"
    })
    .await;
    let ended = hub.alice().sees(&session).await.ok();
    assert_eq!(ended["status"]["expiresAt"], expires_at);
    assert_eq!(ended["status"]["end"]["reason"], "Expired");
}

#[tokio::test]
async fn a_request_that_nobody_decides_on_fails_after_a_day() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    hub.clock.advance(Duration::from_secs(24 * 3600));
    hub.until("the timeout", || async {
        hub.alice().sees(&session).await.ok()["status"]["state"] == "Failed"
    })
    .await;
    let failed = hub.alice().sees(&session).await.ok();
    assert!(
        failed["status"]["message"]
            .as_str()
            .unwrap()
            .contains("nobody approved"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_deprecated_template_still_works_and_warns() {
    let hub = TestHub::start().await;
    let wish = json!({ "templateRef": "old-debug", "cluster": "west" });
    let made = hub.alice().post("/debug-sessions", wish).await.created();
    let warnings = made["warnings"].to_string();
    assert!(
        warnings.contains("session template old-debug is deprecated: use quick-debug"),
        "{warnings}"
    );
}
