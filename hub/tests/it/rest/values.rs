//! Variables, auxiliary resources and templates as text, as requesters meet them.

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{TestHub, name_of};

/// A pod as text with a variable of its own, a session template that adds some, and one that holds its pod itself.
const TEXTS: &str = r#"apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: dynamic}
spec:
  extraDeployVariables:
    - {name: image, default: alpine, validation: {pattern: "[a-z0-9:./-]+", patternError: "an image's name"}}
    - {name: token}
  templateString: |
    containers:
      - name: debug
        image: {{ .vars.image }}
---
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: dynamic-debug}
spec:
  podTemplateRef: {name: dynamic}
  allowed: {groups: [sre-team], clusters: [west]}
  constraints: {maxConcurrentSessions: 1000}
  extraDeployVariables:
    - {name: cpus, inputType: number, required: true, validation: {min: "1", max: "4"}}
    - name: level
      inputType: select
      options: [{value: low}, {value: high, allowedGroups: [sre-leads]}]
  requiredAuxiliaryResourceCategories: [network-policy]
  auxiliaryResourceDefaults: {notes: true}
  auxiliaryResources:
    - name: isolation
      category: network-policy
      optional: true
      template: {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "{{ .session.name }}"}, spec: {podSelector: {}}}
    - name: notes
      optional: true
      templateString: |
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "{{ .session.name }}-notes"}
---
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: inline-debug}
spec:
  podTemplateString: |
    containers: [{name: debug, image: busybox}]
  allowed: {groups: [sre-team], clusters: [west]}
"#;

async fn hub() -> TestHub {
    let hub = TestHub::start().await;
    hub.add_templates("texts.yaml", TEXTS).await;
    assert_eq!(hub.app.template_errors(), []);
    hub
}

fn asks(more: Value) -> Value {
    let mut body = json!({"templateRef": "dynamic-debug", "cluster": "west"});
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

#[tokio::test]
async fn values_and_resources_are_resolved_recorded_and_shown() {
    let hub = hub().await;
    let given = json!({"cpus": "2.50", "token": "a: b # c\n- d"});
    let session = hub
        .alice()
        .post(
            "/debug-sessions",
            asks(json!({"extraDeployValues": given, "selectedAuxiliaryResources": []})),
        )
        .await
        .created();
    assert_eq!(
        session["spec"]["extraDeployValues"], given,
        "as it was asked"
    );
    let resolved = &session["status"]["resolved"];
    assert_eq!(
        resolved["values"],
        json!({
            "cpus": {"text": "2.5", "origin": "constrained"},
            "image": {"text": "alpine", "origin": "constrained"},
            "token": {"text": "a: b # c\n- d", "origin": "freeText"},
        })
    );
    assert_eq!(
        resolved["auxiliaryResources"],
        json!(["isolation"]),
        "its category is required"
    );
    let read = hub.alice().sees(&name_of(&session)).await.ok();
    assert_eq!(read["status"]["resolved"], *resolved);
    let session = hub
        .alice()
        .post(
            "/debug-sessions",
            asks(json!({"extraDeployValues": {"cpus": 1}})),
        )
        .await
        .created();
    let taken = &session["status"]["resolved"]["auxiliaryResources"];
    assert_eq!(
        *taken,
        json!(["isolation", "notes"]),
        "the template's defaults"
    );
}

#[tokio::test]
async fn wrong_values_are_refused_all_at_once() {
    let hub = hub().await;
    let before = hub.recorded().await.len();
    let wrong = json!({
        "extraDeployValues": {"cpus": 9, "image": "Alpine!", "imge": "x", "token": "a\u{0}"},
        "selectedAuxiliaryResources": ["nots"],
    });
    let answer = hub.alice().post("/debug-sessions", asks(wrong)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let body: Value = serde_json::from_slice(&answer.bytes).unwrap();
    let details = body["details"].as_array().unwrap();
    let told: Vec<(&str, &str)> = details
        .iter()
        .map(|d| (d["field"].as_str().unwrap(), d["message"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "extraDeployValues.imge",
                "is no variable of this template: image, token, cpus, level; did you mean \"image\"?"
            ),
            ("extraDeployValues.image", "an image's name"),
            (
                "extraDeployValues.token",
                "has the control character U+0000; only line feeds and tabs can be had"
            ),
            (
                "extraDeployValues.cpus",
                "9 is more than 4; give at most that"
            ),
            (
                "selectedAuxiliaryResources[0]",
                "\"nots\" is no auxiliary resource of this template: isolation, notes; did you mean \"notes\"?"
            ),
        ]
    );
    assert_eq!(
        details[0]["allowed"],
        json!(["image", "token", "cpus", "level"])
    );
    let missing = hub.alice().post("/debug-sessions", asks(json!({}))).await;
    let refused = missing.refused(422, "constraint");
    assert!(
        refused
            .message
            .contains("extraDeployValues.cpus: is required"),
        "{}",
        refused.message
    );
    let high = asks(json!({"extraDeployValues": {"cpus": 1, "level": "high"}}));
    let refused = hub
        .alice()
        .post("/debug-sessions", high.clone())
        .await
        .refused(403, "forbidden");
    assert!(
        refused.message.contains("for members of sre-leads only"),
        "{}",
        refused.message
    );
    assert_eq!(hub.recorded().await.len(), before, "nothing happened");
    hub.dave().post("/debug-sessions", high).await.created();
}

#[tokio::test]
async fn a_template_shows_every_variable_that_a_request_may_give() {
    let hub = hub().await;
    let one = hub
        .alice()
        .get("/debug-session-templates/dynamic-debug")
        .await
        .ok();
    let names: Vec<&str> = one["extraDeployVariables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["image", "token", "cpus", "level"],
        "the pod template's first"
    );
    assert_eq!(
        one["extraDeployVariables"][3]["options"][1]["allowedGroups"],
        json!(["sre-leads"])
    );
    let list = hub.alice().get("/debug-session-templates").await.ok();
    assert!(
        list["templates"].as_array().unwrap().contains(&one),
        "the same in the list"
    );
    let pods = hub.alice().get("/debug-pod-templates").await.ok();
    let dynamic = &pods["templates"][0];
    assert_eq!(
        (&dynamic["name"], &dynamic["containers"]),
        (&json!("dynamic"), &json!(0))
    );
}

#[tokio::test]
async fn a_session_template_may_hold_its_pod() {
    let hub = hub().await;
    let session = hub.alice().asks_for("inline-debug").await;
    let read = hub.alice().sees(&session).await.ok();
    assert_eq!(read["status"]["state"], "Active");
    assert!(read["status"].get("resolvedPodTemplate").is_none());
    let one = hub
        .alice()
        .get("/debug-session-templates/inline-debug")
        .await
        .ok();
    assert_eq!(one["hasAvailableClusters"], true);
    assert!(one.get("podTemplateRef").is_none());
}
