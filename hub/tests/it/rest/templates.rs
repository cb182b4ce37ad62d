//! Templates and pod templates, as each caller sees them.

use serde_json::{Value, json};

use crate::harness::{Actor, TestHub};

async fn list(who: &Actor, query: &str) -> Vec<Value> {
    let body = who
        .get(&format!("/debug-session-templates{query}"))
        .await
        .ok();
    let templates = body["templates"].as_array().unwrap().clone();
    assert_eq!(body["total"], templates.len());
    templates
}

fn names(list: &[Value]) -> Vec<&str> {
    list.iter().map(|t| t["name"].as_str().unwrap()).collect()
}

fn named<'a>(list: &'a [Value], name: &str) -> &'a Value {
    list.iter()
        .find(|t| t["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not in {:?}", names(list)))
}

#[tokio::test]
async fn a_requester_sees_what_they_could_request_now() {
    let hub = TestHub::start().await;
    let seen = list(&hub.alice(), "").await;
    assert_eq!(
        seen[0]["name"],
        "approved-debug",
        "higher priority first: {:?}",
        names(&seen)
    );
    let mut sorted = names(&seen);
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "approved-debug",
            "few-debug",
            "old-debug",
            "quick-debug",
            "reasoned-debug"
        ]
    );
    for template in &seen {
        assert_eq!(template["hasAvailableClusters"], true, "{template}");
    }
    assert_eq!(names(&list(&hub.eve(), "").await), ["sales-debug"]);
    assert_eq!(
        list(&hub.carol(), "").await,
        Vec::<Value>::new(),
        "approvers who may ask for nothing"
    );
}

#[tokio::test]
async fn a_template_says_what_a_request_form_needs() {
    let hub = TestHub::start().await;
    let seen = list(&hub.alice(), "").await;
    let expected = json!({
        "name": "approved-debug",
        "displayName": "Approved debugging",
        "description": "Needs an approver",
        "mode": "workload",
        "workloadType": "DaemonSet",
        "podTemplateRef": "toolbox",
        "targetNamespace": "breakglass-debug",
        "constraints": { "maxDuration": "4h", "defaultDuration": "1h", "maxConcurrentSessions": 1000 },
        "allowedClusters": ["west", "east-*"],
        "allowedGroups": ["sre-team"],
        "requiresApproval": true,
        "namespaceConstraints": {
            "allowUserNamespace": true,
            "allowedNamespaces": { "patterns": ["team-*"] },
            "deniedNamespaces": { "patterns": ["team-secret"] },
        },
        "priority": 10,
        "hasAvailableClusters": true,
        "availableClusterCount": 2,
    });
    assert_eq!(*named(&seen, "approved-debug"), expected);
    let quick = named(&seen, "quick-debug");
    assert_eq!(
        quick["displayName"], "quick-debug",
        "the name, where there is no other"
    );
    assert_eq!(quick["workloadType"], "Deployment");
    assert_eq!(quick["requiresApproval"], false);
    let old = named(&seen, "old-debug");
    assert_eq!(old["deprecated"], true);
    assert_eq!(old["deprecationMessage"], "use quick-debug");
    let one = hub
        .alice()
        .get("/debug-session-templates/approved-debug")
        .await
        .ok();
    assert_eq!(one, expected);
}

#[tokio::test]
async fn what_cannot_be_requested_now_is_shown_on_demand() {
    let hub = TestHub::start().await;
    let seen = list(&hub.alice(), "?includeUnavailable=true").await;
    assert_eq!(named(&seen, "mars-debug")["hasAvailableClusters"], false);
    assert!(
        !names(&seen).contains(&"sales-debug"),
        "never other people's: {:?}",
        names(&seen)
    );
    assert!(!names(&seen).contains(&"hidden-debug"));
    // It becomes available with its first cluster.
    hub.root()
        .post("/clusters", json!({ "name": "mars-1" }))
        .await
        .created();
    assert_eq!(
        named(&list(&hub.alice(), "").await, "mars-debug")["availableClusterCount"],
        1
    );
    hub.root().tell("/clusters/mars-1/revoke").await.ok();
    assert!(
        !names(&list(&hub.alice(), "").await).contains(&"mars-debug"),
        "a revoked cluster is none"
    );
}

#[tokio::test]
async fn hidden_templates_are_listed_for_admins_only() {
    let hub = TestHub::start().await;
    assert!(!names(&list(&hub.alice(), "?includeHidden=true").await).contains(&"hidden-debug"));
    assert!(!names(&list(&hub.root(), "?includeUnavailable=true").await).contains(&"hidden-debug"));
    let seen = list(&hub.root(), "?includeHidden=true&includeUnavailable=true").await;
    for hidden in ["hidden-debug", "secret-debug"] {
        assert_eq!(named(&seen, hidden)["hidden"], true);
    }
    // Who knows its name and may ask for it gets it.
    let shown = hub
        .alice()
        .get("/debug-session-templates/hidden-debug")
        .await
        .ok();
    assert_eq!(shown["hidden"], true);
    hub.alice().asks_for("hidden-debug").await;
}

#[tokio::test]
async fn others_templates_look_like_none() {
    let hub = TestHub::start().await;
    for name in ["secret-debug", "no-such-debug"] {
        let refused = hub
            .alice()
            .get(&format!("/debug-session-templates/{name}"))
            .await
            .refused(404, "notFound");
        assert!(refused.message.contains(name), "{}", refused.message);
    }
}

#[tokio::test]
async fn s01_nothing_but_registered_clusters_makes_a_template_available() {
    let hub = TestHub::start_empty().await;
    assert_eq!(list(&hub.alice(), "").await, Vec::<Value>::new());
    let all = list(&hub.alice(), "?includeUnavailable=true").await;
    assert_eq!(named(&all, "quick-debug")["hasAvailableClusters"], false);
}

#[tokio::test]
async fn pod_templates_are_listed_with_their_containers_and_shown_whole() {
    let hub = TestHub::start().await;
    let seen = hub.alice().get("/debug-pod-templates").await.ok();
    let expected = json!({
        "name": "toolbox",
        "displayName": "Toolbox",
        "description": "A shell and common tools",
        "containers": 1,
    });
    assert_eq!(seen, json!({ "templates": [expected], "total": 1 }));
    let whole = hub.alice().get("/debug-pod-templates/toolbox").await.ok();
    assert_eq!(whole["kind"], "DebugPodTemplate");
    assert_eq!(whole["metadata"]["name"], "toolbox");
    assert_eq!(
        whole["spec"]["template"]["spec"]["containers"][0]["image"],
        "busybox:latest"
    );
    hub.alice()
        .get("/debug-pod-templates/none")
        .await
        .refused(404, "notFound");
}
