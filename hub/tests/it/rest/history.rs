//! What happened to a session, for two circles of readers (S20).

use breakglass_hub_core::audit::Action;
use serde_json::{Value, json};

use crate::harness::{TestHub, name_of};

fn words(page: &Value, list: &str) -> Vec<String> {
    let lines = page[list].as_array().unwrap().iter();
    lines
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect()
}

async fn told(hub: &TestHub) -> String {
    let wish = json!({ "templateRef": "approved-debug", "cluster": "west", "reason": "disks", "invitedParticipants": ["bob@example.com"] });
    let session = name_of(&hub.alice().post("/debug-sessions", wish).await.created());
    let why = json!({ "reason": "go" });
    hub.carol()
        .post(&format!("/debug-sessions/{session}/approve"), why)
        .await
        .ok();
    hub.bob().verb("join", &session).await.ok();
    session
}

#[tokio::test]
async fn whoever_sees_a_session_reads_what_happened_to_it() {
    let hub = TestHub::start().await;
    let session = told(&hub).await;
    let path = format!("/debug-sessions/{session}/events");
    let page = hub.bob().get(&path).await.ok();
    assert_eq!(
        words(&page, "events"),
        ["requested", "approved", "activated", "joined"]
    );
    assert_eq!(
        page["events"][1]["by"],
        json!({ "kind": "person", "name": "carol@example.com" })
    );
    assert_eq!(page["events"][1]["detail"]["reason"], "go");
    assert!(page["events"][0].get("requestId").is_none());
    hub.mallory().get(&path).await.refused(404, "notFound");

    let first = hub.bob().get(&format!("{path}?limit=3")).await.ok();
    let token = first["continue"].as_str().unwrap();
    let rest = hub
        .bob()
        .get(&format!("{path}?limit=3&continue={token}"))
        .await
        .ok();
    assert_eq!(words(&rest, "events"), ["joined"]);
    assert_eq!(rest.get("continue"), None);
    for bad in ["limit=0", "limit=501", "continue=x"] {
        hub.bob()
            .get(&format!("{path}?{bad}"))
            .await
            .refused(400, "malformed");
    }
}

#[tokio::test]
async fn s20_the_record_is_for_owner_approvers_and_admins_and_reading_it_is_recorded() {
    let hub = TestHub::start().await;
    let session = told(&hub).await;
    let path = format!("/debug-sessions/{session}/audit");
    hub.bob().get(&path).await.refused(403, "forbidden");
    hub.mallory().get(&path).await.refused(404, "notFound");
    let page = hub.alice().get(&path).await.ok();
    let record = &page["records"][0];
    assert_eq!(record["event"], "requested");
    assert_eq!(record["subject"], "alice@example.com");
    assert!(record["requestId"].is_string() && record["sequence"].is_number());
    hub.carol().get(&path).await.ok();
    hub.root().get(&path).await.ok();
    let readers: Vec<String> = hub
        .recorded()
        .await
        .iter()
        .filter(|event| event.action == Action::AuditRead)
        .map(|event| format!("{:?}", event.actor))
        .collect();
    assert_eq!(readers.len(), 3);
    for (reader, name) in readers.iter().zip(["alice", "carol", "root"]) {
        assert!(reader.contains(name), "{reader}");
    }
    let events = hub
        .alice()
        .get(&format!("/debug-sessions/{session}/events"))
        .await
        .ok();
    assert!(!words(&events, "events").contains(&"auditRead".to_owned()));
}
