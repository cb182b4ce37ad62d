//! Template texts that do not render: refused at load with file, line and column, or told by the condition `Ready`.

use breakglass_hub::store::{Key, ObjectKind};
use serde_json::{Value, json};

use crate::harness::TestHub;

/// Line 6 of the file is the first of the text.
const POD: &str = r#"apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: texts}
spec:
  templateString: |
    containers:
      - name: debug
        image: {{ .vars.image }}
"#;

const SESSION: &str = r#"apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: texts-debug}
spec:
  podTemplateRef: {name: texts}
  allowed: {groups: [sre-team], clusters: [west]}
  extraDeployVariables: [{name: image, default: alpine}]
  auxiliaryResources:
    - name: notes
      templateString: |
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "{{ .session.name }}-notes"}
"#;

async fn ready(hub: &TestHub) -> Value {
    let key = Key::cluster_scoped(ObjectKind::DebugSessionTemplate, "texts-debug");
    let stored = hub.app.store.get(key).await.unwrap().unwrap();
    let body: Value = stored.body.read().unwrap();
    body["status"]["conditions"][0].clone()
}

fn errors(hub: &TestHub) -> Vec<String> {
    let errors = hub.app.template_errors();
    errors.iter().map(ToString::to_string).collect()
}

fn wish() -> Value {
    json!({"templateRef": "texts-debug", "cluster": "west"})
}

#[tokio::test]
async fn texts_that_render_are_taken_in() {
    let hub = TestHub::start().await;
    hub.add_templates("session.yaml", SESSION).await;
    assert_eq!(ready(&hub).await["reason"], "PodTemplateNotFound");
    hub.add_templates("pod.yaml", POD).await;
    assert_eq!(errors(&hub), Vec::<String>::new());
    assert_eq!(ready(&hub).await["status"], "True");
    hub.alice().post("/debug-sessions", wish()).await.created();
}

#[tokio::test]
async fn a_mistake_in_a_text_is_told_where_it_stands_in_the_file() {
    let hub = TestHub::start().await;
    hub.add_templates("pod.yaml", &POD.replace("image }}", "image | qoute }}"))
        .await;
    let session = SESSION.replace(".session.name }}-notes", ".session.name | bad }}-notes");
    hub.add_templates("session.yaml", &session).await;
    let told = errors(&hub);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("pod.yaml:8:33: DebugPodTemplate texts: spec.templateString: "),
        "{told:?}"
    );
    assert!(told[0].contains("no function \"qoute\""), "{told:?}");
    let place = "session.yaml:13:46: DebugSessionTemplate texts-debug: spec.auxiliaryResources[0].templateString: ";
    assert!(told[1].starts_with(place), "{told:?}");
    hub.alice()
        .get("/debug-pod-templates/texts")
        .await
        .refused(404, "notFound");
}

#[tokio::test]
async fn d11_a_variable_that_the_session_template_lacks_makes_it_not_ready_and_harms_no_other() {
    let hub = TestHub::start().await;
    hub.add_templates("pod.yaml", POD).await;
    let lacking = SESSION.replace("name: image", "name: imge");
    hub.add_templates("session.yaml", &lacking).await;
    assert_eq!(
        errors(&hub),
        Vec::<String>::new(),
        "the pod template is good, and so is this file"
    );
    let condition = ready(&hub).await;
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("False"), &json!("TextsDoNotRender"))
    );
    let message = condition["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            "session template texts-debug: pod template texts: spec.templateString:3:"
        ),
        "{message}"
    );
    assert!(message.contains("imge"), "what it could be: {message}");
    let refused = hub
        .alice()
        .post("/debug-sessions", wish())
        .await
        .refused(422, "constraint");
    assert!(
        refused.message.contains("spec.templateString:3:"),
        "{}",
        refused.message
    );
    let listed = hub
        .alice()
        .get("/debug-session-templates/texts-debug")
        .await
        .ok();
    assert_eq!(listed["hasAvailableClusters"], false);
    hub.add_templates("session.yaml", SESSION).await;
    assert_eq!(ready(&hub).await["status"], "True");
    hub.alice().post("/debug-sessions", wish()).await.created();
}

#[tokio::test]
async fn d22_a_text_broken_by_an_edit_leaves_the_last_good_version_in_use() {
    let hub = TestHub::start().await;
    hub.add_templates("pod.yaml", POD).await;
    hub.add_templates("session.yaml", SESSION).await;
    let broken = SESSION.replace("{{ .session.name }}", "{{ .session.name ");
    hub.add_templates("session.yaml", &broken).await;
    assert_eq!(errors(&hub).len(), 1);
    let condition = ready(&hub).await;
    assert_eq!(condition["reason"], "BrokenEdit");
    assert!(
        condition["message"]
            .as_str()
            .unwrap()
            .starts_with("session.yaml:13:"),
        "{condition}"
    );
    hub.alice().post("/debug-sessions", wish()).await.created();
}
