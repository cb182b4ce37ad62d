//! `/clusters`: what administrators do, and that nobody else does it (D15, S19). Enrolment itself: `agents`.

use breakglass_protocol::join_token::JoinToken;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::harness::{TestHub, detail};

fn signing_request() -> String {
    let key = KeyPair::generate().unwrap();
    CertificateParams::new(Vec::<String>::new())
        .unwrap()
        .serialize_request(&key)
        .unwrap()
        .pem()
        .unwrap()
}

#[tokio::test]
async fn registering_gives_all_that_installing_an_agent_needs() {
    let hub = TestHub::start_empty().await;
    let body = json!({
        "name": "west",
        "displayName": "West",
        "environment": "prod",
        "location": "fra1",
        "site": "north hall",
        "tenant": "core",
        "labels": { "tier": "gold" },
    });
    let made = hub.root().post("/clusters", body).await.created();
    assert_eq!(made["cluster"]["kind"], "Cluster");
    assert_eq!(made["cluster"]["metadata"]["name"], "west");
    assert_eq!(
        made["cluster"]["metadata"]["labels"],
        json!({ "tier": "gold" })
    );
    assert_eq!(made["cluster"]["spec"]["displayName"], "West");
    assert_eq!(made["cluster"]["spec"]["environment"], "prod");
    let token = JoinToken::decode(made["joinToken"].as_str().unwrap()).unwrap();
    assert_eq!(token.cluster, "west");
    assert_eq!(token.ca_pin, made["caPin"].as_str().unwrap());
    let command = made["helmCommand"].as_str().unwrap();
    assert!(
        command.contains("helm upgrade --install")
            && command.contains(made["joinToken"].as_str().unwrap())
    );
    assert_eq!(
        made["expiresAt"],
        (hub.now() + std::time::Duration::from_secs(3600)).to_string()
    );

    let list = hub.alice().get("/clusters").await.ok();
    assert_eq!(list["total"], 1);
    assert_eq!(list["clusters"][0], made["cluster"]);
    assert_eq!(
        hub.alice().get("/clusters/west").await.ok(),
        made["cluster"]
    );
    let shown = list.to_string();
    assert!(!shown.contains(&token.secret), "the secret is shown once");
}

#[tokio::test]
async fn a_second_token_replaces_the_first() {
    let hub = TestHub::start_empty().await;
    let first = hub
        .root()
        .post(
            "/clusters",
            json!({ "name": "west", "environment": "prod" }),
        )
        .await
        .created();
    let second = hub
        .root()
        .post("/clusters", json!({ "name": "west" }))
        .await
        .created();
    assert_ne!(first["joinToken"], second["joinToken"]);
    assert_eq!(
        second["cluster"]["spec"]["environment"], "prod",
        "what is not said stays"
    );
    assert_eq!(hub.root().get("/clusters").await.ok()["total"], 1);
}

#[tokio::test]
async fn s19_only_admins_change_clusters() {
    let hub = TestHub::start().await;
    let csr = json!({ "csrPem": signing_request() });
    for who in [hub.alice(), hub.carol(), hub.eve()] {
        who.post("/clusters", json!({ "name": "south" }))
            .await
            .refused(403, "adminsOnly");
        who.tell("/clusters/west/accept")
            .await
            .refused(403, "adminsOnly");
        who.tell("/clusters/west/revoke")
            .await
            .refused(403, "adminsOnly");
        who.post("/clusters/west/webhook-config", csr.clone())
            .await
            .refused(403, "adminsOnly");
        // Nothing is told of what does not exist either.
        who.tell("/clusters/nowhere/revoke")
            .await
            .refused(403, "adminsOnly");
    }
    assert_eq!(hub.root().get("/clusters").await.ok()["total"], 3);
}

#[tokio::test]
async fn a_revoked_cluster_is_told_of_and_takes_no_sessions() {
    let hub = TestHub::start().await;
    let revoked = hub.root().tell("/clusters/west/revoke").await.ok();
    assert_eq!(revoked["status"]["revokedAt"], hub.now().to_string());
    let again = hub.root().tell("/clusters/west/revoke").await.ok();
    assert_eq!(
        again["status"], revoked["status"],
        "once more changes nothing"
    );
    let wish = json!({ "templateRef": "quick-debug", "cluster": "west" });
    let refused = hub.alice().post("/debug-sessions", wish).await;
    assert!(refused.status.is_client_error(), "{}", refused.text());
    assert!(refused.text().contains("west"), "{}", refused.text());
}

/// Spec 3 section 2: a revoke cuts the link and changes no session.
#[tokio::test]
async fn a_revoked_clusters_sessions_say_so() {
    let hub = TestHub::start().await;
    let name = hub.alice().asks_for("quick-debug").await;
    let running = hub.alice().sees(&name).await.ok();
    assert_eq!(running["status"]["state"], "Active");
    assert_eq!(running["status"].get("conditions"), None);

    hub.root().tell("/clusters/west/revoke").await.ok();
    let shown = hub.alice().sees(&name).await.ok();
    assert_eq!(shown["status"]["state"], "Active", "nothing ended it");
    let condition = &shown["status"]["conditions"][0];
    assert_eq!(condition["type"], "ClusterReachable");
    assert_eq!(condition["status"], "False");
    assert_eq!(condition["reason"], "ClusterRevoked");
    assert_eq!(condition["lastTransitionTime"], hub.now().to_string());
    let message = condition["message"].as_str().unwrap();
    let end = running["status"]["expiresAt"].as_str().unwrap();
    assert!(
        message.contains("cluster west was revoked") && message.contains(end),
        "{message}"
    );
    assert_eq!(shown["warnings"], json!([message]));

    // Ended here: that it has ended there is not known.
    let ended = hub.alice().verb("terminate", &name).await.ok();
    assert_eq!(ended["status"]["state"], "Terminated");
    let message = ended["status"]["conditions"][0]["message"]
        .as_str()
        .unwrap();
    assert!(message.contains("is not known here"), "{message}");
    assert!(!ended.to_string().contains("once it is"), "no promise");
}

#[tokio::test]
async fn a_session_that_waits_for_a_revoked_cluster_cannot_be_approved_and_says_why() {
    let hub = TestHub::start().await;
    let name = hub.alice().asks_for("approved-debug").await;
    hub.root().tell("/clusters/west/revoke").await.ok();
    let shown = hub.alice().sees(&name).await.ok();
    let message = shown["status"]["conditions"][0]["message"]
        .as_str()
        .unwrap();
    assert!(message.contains("cannot start there"), "{message}");
    let refused = hub.carol().verb("approve", &name).await;
    assert!(refused.status.is_client_error(), "{}", refused.text());
    assert!(refused.text().contains("revoked"), "{}", refused.text());
    // What never ran leaves nothing open.
    let ended = hub.alice().verb("terminate", &name).await.ok();
    assert_eq!(ended["status"].get("conditions"), None);
    assert_eq!(ended.get("warnings"), None);
}

#[tokio::test]
async fn the_webhooks_files_need_the_clusters_agent() {
    let hub = TestHub::start().await;
    let csr = json!({ "csrPem": signing_request() });
    let answer = hub.root().post("/clusters/west/webhook-config", csr).await;
    assert!(answer.header("retry-after").is_some());
    let refused = answer.refused(503, "clusterNotConnected");
    assert!(
        refused.message.contains("west"),
        "which cluster: {}",
        refused.message
    );
}

#[tokio::test]
async fn wrong_bodies_name_their_field() {
    let hub = TestHub::start().await;
    let root = hub.root();
    for (body, field, words) in [
        (json!({ "name": "West" }), "name", "DNS label"),
        (json!({ "name": "a".repeat(64) }), "name", "63"),
        (
            json!({ "name": "south", "displayName": "" }),
            "displayName",
            "empty",
        ),
        (
            json!({ "name": "south", "tenant": "a\u{202e}b" }),
            "tenant",
            "U+202E",
        ),
        (
            json!({ "name": "south", "labels": { "tier": "very good" } }),
            "labels",
            "very good",
        ),
    ] {
        let refused = root
            .post("/clusters", body.clone())
            .await
            .refused(400, "invalid");
        assert!(
            detail(&refused, field).message.contains(words),
            "{body}: {refused:#?}"
        );
    }
    for (body, words) in [
        (json!({ "csrPem": "hello" }), "PEM"),
        (json!({ "csrPem": "" }), "PEM"),
    ] {
        let refused = root
            .post("/clusters/west/webhook-config", body)
            .await
            .refused(400, "invalid");
        assert!(
            detail(&refused, "csrPem").message.contains(words),
            "{refused:#?}"
        );
    }
    for path in ["/clusters/nowhere/accept", "/clusters/nowhere/revoke"] {
        let refused = root.tell(path).await.refused(404, "notFound");
        assert!(
            refused
                .message
                .contains("cluster nowhere is not registered"),
            "{}",
            refused.message
        );
    }
    root.get("/clusters/nowhere").await.refused(404, "notFound");
    let csr = json!({ "csrPem": signing_request() });
    root.post("/clusters/nowhere/webhook-config", csr)
        .await
        .refused(404, "notFound");
}
