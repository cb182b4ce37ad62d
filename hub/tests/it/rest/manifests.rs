//! What admins write: `PUT` and `DELETE` of the kinds (D22, S19).

use axum::body::Body;
use breakglass_hub_core::audit::{Action, Actor as Author};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{Answer, TestHub, detail, request};

const KIND: &str = "breakglass.t-caas.telekom.com/v1alpha1";

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": KIND, "kind": "DebugPodTemplate", "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "busybox:1"}]}}},
    })
}

fn template(name: &str, pod: &str) -> Value {
    json!({
        "apiVersion": KIND, "kind": "DebugSessionTemplate", "metadata": {"name": name},
        "spec": {"podTemplateRef": {"name": pod}, "allowed": {"groups": ["sre-team"], "clusters": ["west"]}},
    })
}

async fn put(hub: &TestHub, path: &str, body: &Value) -> Answer {
    let asked = request(Method::PUT, path, Body::from(body.to_string()));
    hub.root().send(asked).await
}

async fn delete(hub: &TestHub, path: &str) -> Answer {
    let asked = request(Method::DELETE, path, Body::empty());
    hub.root().send(asked).await
}

#[tokio::test]
async fn a_template_written_by_an_admin_can_be_requested_at_once() {
    let hub = TestHub::start().await;
    let made = put(&hub, "/debug-pod-templates/tools", &pod("tools"))
        .await
        .created();
    assert_eq!(made["result"], "created");
    assert_eq!(made["object"]["metadata"]["generation"], 1);
    let path = "/debug-session-templates/mine";
    let made = put(&hub, path, &template("mine", "tools")).await.created();
    assert_eq!(made.get("warnings"), None);
    assert_eq!(made["object"]["status"]["conditions"][0]["status"], "True");
    hub.alice().asks_for("mine").await;

    let again = put(&hub, path, &template("mine", "tools")).await.ok();
    assert_eq!(again["result"], "unchanged");
    assert_eq!(
        again["object"]["metadata"]["uid"],
        made["object"]["metadata"]["uid"]
    );
    let mut other = template("mine", "tools");
    other["spec"]["displayName"] = json!("Mine");
    let changed = put(&hub, path, &other).await.ok();
    assert_eq!(changed["result"], "configured");
    assert_eq!(changed["object"]["metadata"]["generation"], 2);

    let gone = delete(&hub, path).await.ok();
    assert_eq!(gone["result"], "deleted");
    hub.alice().get(path).await.refused(404, "notFound");
    delete(&hub, path).await.refused(404, "notFound");
}

#[tokio::test]
async fn what_refers_to_nothing_is_stored_with_a_warning() {
    let hub = TestHub::start().await;
    let made = put(
        &hub,
        "/debug-session-templates/mine",
        &template("mine", "lost"),
    )
    .await
    .created();
    let told = made["warnings"][0].as_str().unwrap();
    assert!(told.contains("there is no such pod template"), "{told}");
}

#[tokio::test]
async fn a_dry_run_judges_everything_and_stores_nothing() {
    let hub = TestHub::start().await;
    let path = "/debug-pod-templates/tools";
    let would = put(&hub, &format!("{path}?dryRun=All"), &pod("tools"))
        .await
        .created();
    assert_eq!(would["result"], "created");
    assert_eq!(would["object"]["metadata"].get("resourceVersion"), None);
    hub.alice().get(path).await.refused(404, "notFound");
    put(&hub, path, &pod("tools")).await.created();
    delete(&hub, &format!("{path}?dryRun=All")).await.ok();
    hub.alice().get(path).await.ok();
    let refused = put(&hub, &format!("{path}?dryRun=Some"), &pod("tools"))
        .await
        .refused(400, "malformed");
    assert_eq!(refused.details[0].field.as_deref(), Some("dryRun"));
}

#[tokio::test]
async fn a_resource_version_is_a_precondition() {
    let hub = TestHub::start().await;
    let path = "/debug-pod-templates/tools";
    let made = put(&hub, path, &pod("tools")).await.created();
    let version = made["object"]["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut next = pod("tools");
    next["spec"]["displayName"] = json!("Tools");
    next["metadata"]["resourceVersion"] = json!("1");
    let refused = put(&hub, path, &next).await.refused(409, "conflict");
    assert_eq!(refused.details[0].allowed, std::slice::from_ref(&version));
    next["metadata"]["resourceVersion"] = json!(version);
    put(&hub, path, &next).await.ok();
    delete(&hub, &format!("{path}?resourceVersion={version}"))
        .await
        .refused(409, "conflict");
    let mut new = pod("new");
    new["metadata"]["resourceVersion"] = json!("7");
    let refused = put(&hub, "/debug-pod-templates/new", &new)
        .await
        .refused(409, "conflict");
    assert!(
        refused.message.contains("does not exist"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn d22_what_a_file_owns_is_changed_in_the_file() {
    let hub = TestHub::start().await;
    let path = "/debug-pod-templates/toolbox";
    for answer in [
        put(&hub, path, &pod("toolbox")).await,
        delete(&hub, path).await,
    ] {
        let refused = answer.refused(409, "ownedByFile");
        assert!(refused.message.contains("all.yaml"), "{}", refused.message);
    }
}

#[tokio::test]
async fn documents_are_read_as_strictly_as_files() {
    let hub = TestHub::start().await;
    let path = "/debug-session-templates/mine";
    let bad = |change: &dyn Fn(&mut Value)| {
        let mut body = template("mine", "toolbox");
        change(&mut body);
        body
    };
    for (body, status, code, field) in [
        (
            bad(&|b| b["spec"]["allowd"] = json!({})),
            400,
            "malformed",
            "spec.allowd",
        ),
        (
            bad(&|b| b["spec"]["replicas"] = json!("many")),
            400,
            "malformed",
            "spec.replicas",
        ),
        (
            bad(&|b| b["metadata"]["name"] = json!("yours")),
            400,
            "malformed",
            "metadata.name",
        ),
        (pod("mine"), 400, "malformed", "kind"),
        (
            bad(&|b| b["spec"]["terminalSharing"] = json!({"enabled": true})),
            422,
            "constraint",
            "spec.terminalSharing",
        ),
        (
            bad(&|b| b["metadata"]["finalizers"] = json!(["x"])),
            422,
            "constraint",
            "metadata.finalizers",
        ),
    ] {
        let refused = put(&hub, path, &body).await.refused(status, code);
        detail(&refused, field);
    }
    let yaml = |text: &str, kind: &str| {
        Request::put(format!("/api/v1{path}"))
            .header("content-type", kind)
            .body(Body::from(text.to_owned()))
            .unwrap()
    };
    let text = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: DebugSessionTemplate\nmetadata: {name: mine}\nspec:\n  podTemplateRef: {name: toolbox}\n";
    let answer = hub
        .root()
        .send(yaml(text, "application/yaml; charset=utf-8"))
        .await;
    answer.created();
    let broken = format!("{text}  tenant: x\n");
    let refused = hub
        .root()
        .send(yaml(&broken, "text/yaml"))
        .await
        .refused(400, "malformed");
    assert!(
        refused.details[0].message.starts_with("line 6: "),
        "{refused:?}"
    );
    let two = format!("{text}---\n{text}");
    hub.root()
        .send(yaml(&two, "text/yaml"))
        .await
        .refused(400, "malformed");
    hub.root()
        .send(yaml(text, "application/json"))
        .await
        .refused(400, "malformed");
    hub.root()
        .send(yaml(text, "text/plain"))
        .await
        .refused(415, "unsupportedMediaType");
}

#[tokio::test]
async fn s19_a_status_never_comes_from_a_write() {
    let hub = TestHub::start().await;
    let path = "/debug-session-templates/mine";
    let mut body = template("mine", "toolbox");
    body["status"] = json!({"podTemplateResolved": true});
    let refused = put(&hub, path, &body).await.refused(422, "constraint");
    detail(&refused, "status");
    let cluster = json!({
        "apiVersion": KIND, "kind": "Cluster", "metadata": {"name": "west"},
        "spec": {"displayName": "West"}, "status": {"connected": true},
    });
    let refused = put(&hub, "/clusters/west", &cluster)
        .await
        .refused(422, "constraint");
    detail(&refused, "status");
}

#[tokio::test]
async fn s19_sessions_are_never_written() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    put(&hub, &format!("/debug-sessions/{session}"), &json!({}))
        .await
        .refused(405, "methodNotAllowed");
    let body = json!({
        "apiVersion": KIND, "kind": "DebugSession", "metadata": {"name": "west"},
        "spec": {"cluster": "west", "templateRef": "quick-debug", "requestedBy": "x@example.com"},
    });
    put(&hub, "/clusters/west", &body)
        .await
        .refused(400, "malformed");
}

#[tokio::test]
async fn a_cluster_keeps_what_only_the_hub_knows_and_goes_only_unused() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let body = json!({
        "apiVersion": KIND, "kind": "Cluster",
        "metadata": {"name": "west", "labels": {"region": "eu"}}, "spec": {"displayName": "West"},
    });
    let written = put(&hub, "/clusters/west", &body).await.ok();
    assert_eq!(written["object"]["spec"]["accepted"], true);
    assert_eq!(written["object"]["metadata"]["labels"]["region"], "eu");
    let mut odd = body.clone();
    odd["spec"]["site"] = json!("x".repeat(254));
    let refused = put(&hub, "/clusters/west", &odd)
        .await
        .refused(400, "malformed");
    detail(&refused, "spec.site");
    let refused = delete(&hub, "/clusters/west").await.refused(409, "inUse");
    assert!(refused.message.contains(&session), "{}", refused.message);
    hub.alice().verb("terminate", &session).await.ok();
    delete(&hub, "/clusters/west").await.ok();
    hub.alice()
        .get("/clusters/west")
        .await
        .refused(404, "notFound");
}

#[tokio::test]
async fn s20_writes_are_recorded_with_where_but_not_with_what() {
    let hub = TestHub::start().await;
    let path = "/debug-pod-templates/tools";
    put(&hub, path, &pod("tools")).await.created();
    let mut next = pod("tools");
    next["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "KEY", "value": "very-secret"}]);
    put(&hub, path, &next).await.ok();
    delete(&hub, path).await.ok();
    let recorded = hub.recorded().await;
    let told: Vec<_> = recorded
        .iter()
        .filter(|event| event.object.name == "tools")
        .collect();
    let actions: Vec<Action> = told.iter().map(|event| event.action).collect();
    assert_eq!(
        actions,
        [
            Action::ManifestApplied,
            Action::ManifestApplied,
            Action::ManifestDeleted
        ]
    );
    assert_eq!(told[1].detail["changed"], "spec.template.spec.containers");
    assert!(told.iter().all(
        |event| matches!(&event.actor, Author::Person(who) if who.name == "root@example.com")
    ));
    assert!(!format!("{told:?}").contains("very-secret"));
}
