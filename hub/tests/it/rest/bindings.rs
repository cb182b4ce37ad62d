//! Sessions through bindings, over the real router: who may, limits that hold, and approvals that come too late.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Actor, TestHub, detail, name_of};

const HOUR: Duration = Duration::from_secs(3600);
const BINDINGS: &str = include_str!("bindings.yaml");

async fn hub() -> TestHub {
    let hub = TestHub::start().await;
    hub.add_templates("bindings.yaml", BINDINGS).await;
    assert_eq!(hub.app.template_errors(), []);
    hub
}

fn wish(template: &str, cluster: &str) -> Value {
    json!({ "templateRef": template, "cluster": cluster })
}

#[tokio::test]
async fn s01_a_session_through_a_binding_stands_under_its_rules() {
    let hub = hub().await;
    let made = hub
        .alice()
        .post("/debug-sessions", wish("bound-debug", "west"))
        .await
        .created();
    let (name, status) = (name_of(&made), &made["status"]);
    assert_eq!(
        made["spec"]["bindingRef"],
        json!({ "name": "west-only", "namespace": "breakglass" })
    );
    assert_eq!(status["resolvedBinding"]["displayName"], "West, watched");
    assert_eq!(status["resolved"]["durationSeconds"], 1800);
    assert_eq!(status["allowedPodOperations"]["exec"], false);
    assert_eq!(status["state"], "PendingApproval");
    // carol approves for the template, dave's group for the binding: here only eve's does.
    hub.carol()
        .verb("approve", &name)
        .await
        .refused(404, "notFound");
    let approved = hub.eve().verb("approve", &name).await.ok();
    assert_eq!(
        approved["status"]["approval"]["approvedBy"],
        "eve@example.com"
    );
    // The template itself reaches no cluster.
    let problem = hub
        .alice()
        .post("/debug-sessions", wish("bound-debug", "east-1"))
        .await
        .refused(403, "forbidden");
    assert!(
        problem.message.contains("through bindings only"),
        "{}",
        problem.message
    );
}

#[tokio::test]
async fn s01_a_binding_that_does_not_hold_closes_the_cluster() {
    let hub = hub().await;
    let edited = BINDINGS.replace("disabled: false", "disabled: true");
    hub.add_templates("bindings.yaml", &edited).await;
    let problem = hub
        .alice()
        .post("/debug-sessions", wish("bound-debug", "west"))
        .await
        .refused(409, "conflict");
    assert!(
        problem.message.contains("is disabled"),
        "{}",
        problem.message
    );
    // Another cluster of a template that has its own reach is as before.
    hub.alice()
        .post("/debug-sessions", wish("quick-debug", "east-1"))
        .await
        .created();
}

#[tokio::test]
async fn s07_an_approval_after_the_binding_was_disabled_or_ended_is_refused() {
    for (from, to, why) in [
        ("disabled: false", "disabled: true", "is disabled"),
        (
            "sre-team, here]",
            "others]",
            "no longer admits alice@example.com",
        ),
        (
            "name: west-only",
            "name: west-renamed",
            "breakglass/west-only was deleted",
        ),
    ] {
        let hub = hub().await;
        let session = hub.alice().asks_for("bound-debug").await;
        assert!(BINDINGS.contains(from), "{from}");
        hub.add_templates("bindings.yaml", &BINDINGS.replace(from, to))
            .await;
        let problem = hub
            .eve()
            .verb("approve", &session)
            .await
            .refused(409, "conflict");
        assert!(problem.message.contains(why), "{}", problem.message);
        let now = hub.alice().sees(&session).await.ok();
        assert_eq!(now["status"]["state"], "PendingApproval");
        hub.add_templates("bindings.yaml", BINDINGS).await;
        hub.eve().verb("approve", &session).await.ok();
    }
}

#[tokio::test]
async fn d18_places_through_a_binding_are_counted_and_given_back() {
    let hub = hub().await;
    let ask = |who: Actor| async move {
        who.post("/debug-sessions", wish("limited-debug", "west"))
            .await
    };
    let first = name_of(&ask(hub.alice()).await.created());
    let problem = ask(hub.alice()).await.refused(422, "constraint");
    let told = detail(&problem, "bindingRef");
    assert_eq!(told.rule.as_deref(), Some("maxActiveSessionsPerUser"));
    assert!(told.message.contains(&first), "{}", told.message);
    for who in [hub.bob(), hub.mallory()] {
        ask(who).await.created();
    }
    let problem = ask(hub.dave()).await.refused(422, "constraint");
    let told = detail(&problem, "bindingRef");
    assert_eq!(told.rule.as_deref(), Some("maxActiveSessionsTotal"));
    assert!(!told.message.contains("debug-session-"), "{}", told.message);
    // What was refused by the binding holds no place of the template: there dave may have one.
    hub.alice().verb("terminate", &first).await.ok();
    ask(hub.dave()).await.created();
    ask(hub.alice()).await.refused(422, "constraint");
    let ledger = hub
        .app
        .store
        .get(breakglass_hub::store::Key::namespaced(
            breakglass_hub::store::ObjectKind::Ledger,
            "breakglass",
            "few-at-once",
        ))
        .await
        .unwrap()
        .unwrap();
    let ledger: Value = ledger.body.read().unwrap();
    assert_eq!(ledger["places"].as_object().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d18_two_hundred_at_once_never_get_one_place_of_the_binding_too_many() {
    let hub = hub().await;
    let mut tasks = JoinSet::new();
    for i in 0..200 {
        let who = [hub.alice(), hub.bob(), hub.mallory(), hub.dave()][i % 4].clone();
        tasks.spawn(async move {
            loop {
                let answer = who
                    .post("/debug-sessions", wish("crowded-debug", "west"))
                    .await;
                match answer.status.as_u16() {
                    // Busy: nothing was done; on a busy machine, or not told in time.
                    409 | 503 | 504 => {}
                    status => return status,
                }
            }
        });
    }
    while let Some(status) = tasks.join_next().await {
        let status = status.unwrap();
        assert!([201, 422].contains(&status), "{status}");
    }
    let open = hub.root().get("/debug-sessions?state=active").await.ok();
    let made = open["total"].as_u64().unwrap();
    assert!((1..=5).contains(&made), "{made}");
}

#[tokio::test]
async fn d22_the_condition_of_a_binding_says_why_it_cannot_be_used() {
    let hub = hub().await;
    let ready = |name: &'static str| {
        let store = hub.app.store.clone();
        async move {
            let key = breakglass_hub::store::Key::namespaced(
                breakglass_hub::store::ObjectKind::DebugSessionClusterBinding,
                "breakglass",
                name,
            );
            let object = store.get(key).await.unwrap().unwrap();
            let body: Value = object.body.read().unwrap();
            body["status"]["conditions"][0].clone()
        }
    };
    assert_eq!(ready("west-only").await["status"], "True");
    let lost = ready("dangling").await;
    assert_eq!(
        (&lost["status"], &lost["reason"]),
        (&json!("False"), &json!("TemplateNotFound"))
    );
    let lacking = ready("wants-more").await;
    assert_eq!(lacking["reason"], "NotUsable");
    assert!(
        lacking["message"]
            .as_str()
            .unwrap()
            .contains("names network-policy"),
        "{lacking}"
    );
    let problem = hub
        .alice()
        .post("/debug-sessions", wish("few-debug", "west"))
        .await
        .refused(422, "constraint");
    assert!(
        problem.message.contains("names network-policy"),
        "{}",
        problem.message
    );
}

#[tokio::test]
async fn offers_and_bindings_are_shown_to_those_whom_they_concern() {
    let hub = hub().await;
    let path = "/debug-session-templates/bound-debug/clusters";
    let seen = hub.alice().get(path).await.ok();
    let [west] = seen["clusters"].as_array().unwrap().as_slice() else {
        panic!("{seen}")
    };
    assert_eq!(west["name"], "west");
    assert_eq!(
        west["bindingRef"],
        json!({ "name": "west-only", "namespace": "breakglass" })
    );
    assert_eq!(west["constraints"]["maxDuration"], "1h");
    assert_eq!(west["approval"]["approverGroups"], json!(["sales"]));
    assert_eq!(west["bindingOptions"][0]["displayName"], "West, watched");
    let old = hub
        .alice()
        .get("/api/debugSessions/templates/bound-debug/clusters")
        .await
        .ok();
    assert_eq!(old, seen);
    let of = |query: &str| format!("{path}?{query}");
    let none = hub.alice().get(&of("bindingName=other")).await.ok();
    assert_eq!(none["clusters"], json!([]));
    let same = hub
        .alice()
        .get(&of("bindingName=breakglass/west-only&unknown=1"))
        .await
        .ok();
    assert_eq!(same["clusters"][0]["bindingRef"]["name"], "west-only");
    hub.eve().get(path).await.refused(404, "notFound");
    hub.alice()
        .get("/debug-session-templates/none/clusters")
        .await
        .refused(404, "notFound");
    // Through its binding the template has a cluster, in the list too.
    let list = hub.alice().get("/debug-session-templates").await.ok();
    let templates = list["templates"].as_array().unwrap();
    let bound = templates
        .iter()
        .find(|t| t["name"] == "bound-debug")
        .unwrap();
    assert_eq!(
        (
            &bound["hasAvailableClusters"],
            &bound["availableClusterCount"]
        ),
        (&json!(true), &json!(1))
    );

    let names = |list: &Value| -> Vec<String> {
        let bindings = list["bindings"].as_array().unwrap();
        assert_eq!(list["total"], bindings.len());
        bindings.iter().map(name_of).collect()
    };
    let all = hub.root().get("/cluster-bindings").await.ok();
    assert_eq!(
        names(&all),
        [
            "dangling",
            "few-at-once",
            "five-at-once",
            "wants-more",
            "west-only"
        ]
    );
    let of_alice = hub
        .alice()
        .get("/cluster-bindings?templateRef=bound-debug&cluster=west")
        .await
        .ok();
    assert_eq!(names(&of_alice), ["west-only"]);
    let elsewhere = hub
        .alice()
        .get("/cluster-bindings?cluster=north")
        .await
        .ok();
    assert_eq!(names(&elsewhere), Vec::<String>::new());
    assert_eq!(
        names(&hub.eve().get("/cluster-bindings").await.ok()),
        ["west-only"],
        "its approver"
    );
    assert_eq!(
        names(&hub.carol().get("/cluster-bindings").await.ok()),
        Vec::<String>::new()
    );

    let path = "/cluster-bindings/breakglass/few-at-once";
    let unused = hub.root().get(path).await.ok();
    assert_eq!(unused["status"]["totalSessionCount"], 0);
    assert!(unused["status"].get("lastUsed").is_none());
    hub.alice().asks_for("limited-debug").await;
    let one = hub.root().get(path).await.ok();
    assert_eq!(one["status"]["activeSessionCount"], 1);
    assert_eq!(one["status"]["pendingSessionCount"], 0);
    assert_eq!(one["status"]["totalSessionCount"], 1);
    assert_eq!(one["status"]["lastUsed"], json!(hub.now()));
    assert_eq!(
        one["status"]["activeByUser"],
        json!({ "alice@example.com": 1 })
    );
    assert_eq!(one["status"]["isActive"], true);
    let one = hub
        .alice()
        .get("/cluster-bindings/breakglass/few-at-once")
        .await
        .ok();
    assert!(
        one["status"].get("activeByUser").is_none(),
        "who else has sessions is not hers to know"
    );
    hub.carol()
        .get("/cluster-bindings/breakglass/few-at-once")
        .await
        .refused(404, "notFound");
    hub.root()
        .get("/cluster-bindings/breakglass/none")
        .await
        .refused(404, "notFound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_through_a_binding_is_counted_after_it_is_gone() {
    let hub = hub().await;
    let path = "/cluster-bindings/breakglass/west-only";
    let status = async || hub.root().get(path).await.ok()["status"].clone();
    let counts = |status: &Value| {
        [
            "pendingSessionCount",
            "activeSessionCount",
            "totalSessionCount",
        ]
        .map(|field| status[field].as_i64().unwrap())
    };
    let used = json!(hub.now());
    let first = hub.alice().asks_for("bound-debug").await;
    let second = hub.alice().asks_for("bound-debug").await;
    assert_eq!(counts(&status().await), [2, 0, 2]);
    hub.eve().verb("approve", &first).await.ok();
    let seen = status().await;
    assert_eq!(counts(&seen), [1, 1, 2]);
    assert_eq!(seen["activeByUser"], json!({ "alice@example.com": 1 }));
    hub.alice().verb("terminate", &first).await.ok();
    hub.alice().verb("terminate", &second).await.ok();
    assert_eq!(counts(&status().await), [0, 0, 2]);
    hub.clock.advance(91 * 24 * HOUR);
    hub.until("the removal", || async {
        let list = hub.root().get("/debug-sessions").await.ok();
        list["total"] == 0
    })
    .await;
    let seen = status().await;
    assert_eq!(counts(&seen), [0, 0, 2]);
    assert_eq!(seen["lastUsed"], used);
}
