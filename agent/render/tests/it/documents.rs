//! What the texts of a grant may give, and what is said of those that give something else.

use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use breakglass_protocol::wire::grant::{TemplateText, Work};
use breakglass_render::grant::{RenderError, RenderedGrant, render_grant};
use serde_json::json;

use crate::sample::{grant, text};

fn render(pod: &str) -> Result<RenderedGrant, RenderError> {
    render_grant(&grant(pod, "x"), [1; 32])
}

fn told(pod: &str) -> String {
    render(pod).unwrap_err().to_string()
}

#[test]
fn a_pod_is_a_spec_a_pod_or_its_metadata_and_spec() {
    let spec = render("containers: [{name: a, image: b}]\n").unwrap().pod;
    assert_eq!(
        spec.spec,
        json!({"containers": [{"name": "a", "image": "b"}]})
    );
    for pod in [
        "apiVersion: v1\nkind: Pod\nmetadata: {name: n, labels: {a: b}, annotations: {c: d}}\nspec: {containers: []}\n",
        "metadata: {labels: {a: b}, annotations: {c: d}}\nspec: {containers: []}\n",
    ] {
        let pod = render(pod).unwrap().pod;
        assert_eq!(pod.labels["a"], "b");
        assert_eq!(pod.annotations["c"], "d");
        assert_eq!(pod.spec, json!({"containers": []}));
    }
}

#[test]
fn later_documents_are_resources_in_order_and_empty_ones_are_skipped() {
    let rendered = render(
        "# the pod\ncontainers: []\n---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .session.name }}\"}\n---\n\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
    )
    .unwrap();
    let names: Vec<_> = rendered
        .resources
        .iter()
        .map(|r| r["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["debug-session-abc123", "s"]);
}

#[test]
fn what_a_document_lacks_is_told_with_its_place_in_the_template() {
    for (pod, line, words) in [
        ("", 1, "no document"),
        ("- a\n", 1, "not a pod spec"),
        ("kind: ConfigMap\napiVersion: v1\n", 1, "must be the pod"),
        ("kind: Pod\napiVersion: v1\n", 1, "spec is missing"),
        (
            "spec: {containers: []}\nstatus: {}\n",
            1,
            "status has no meaning",
        ),
        (
            "metadata: {labels: {a: 1}}\nspec: {}\n",
            1,
            "metadata.labels.a must be a text",
        ),
        (
            "containers: []\n---\n{{ if true }}\nkind: ConfigMap\nmetadata: {name: a}\n{{ end }}",
            4,
            "apiVersion is missing",
        ),
        (
            "containers: []\n---\napiVersion: v1\nkind: ConfigMap\n",
            3,
            "metadata.name is missing",
        ),
        (
            "containers: []\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: 1}\n",
            3,
            "must be a text",
        ),
        ("containers: []\na: 1\na: 2\n", 3, "a is there twice"),
        ("containers: [\n", 1, "not YAML"),
    ] {
        let error = render(pod).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(words), "{pod:?}: {said}");
        assert_eq!(error.position().line, line, "{pod:?}: {said}");
        assert!(said.starts_with("the template:"), "{said}");
    }
    assert!(
        told("containers: []\n---\napiVersion: v1\nkind: ConfigMap\n")
            .contains("document 2 (ConfigMap)")
    );
    let many = format!("containers: []\n{}", "---\na: 1\n".repeat(60));
    assert!(told(&many).contains("at most 50"));
}

#[test]
fn overrides_are_their_fields_below_spec_or_without() {
    for overrides in [
        "spec:\n  hostNetwork: {{ eq .vars.x \"x\" }}\n  containers: [{name: a, env: [{name: E, value: v}]}]\n",
        "hostNetwork: true\ncontainers: [{name: a, env: [{name: E, value: v}]}]\n",
    ] {
        let rendered = with_overrides(overrides).unwrap().overrides.unwrap();
        assert_eq!(rendered.host_network, Some(true));
        assert_eq!(rendered.containers[0].env[0].name, "E");
    }
    assert_eq!(
        with_overrides("{{ if false }}a: b{{ end }}")
            .unwrap()
            .overrides,
        None
    );
    for (overrides, words) in [
        ("hostNetwrk: true\n", "hostNetwrk"),
        ("- a\n", "must give fields"),
        ("a: 1\n---\nb: 1\n", "only one document"),
    ] {
        let said = with_overrides(overrides).unwrap_err().to_string();
        assert!(
            said.starts_with("here:1:") || said.starts_with("here:3:"),
            "{said}"
        );
        assert!(said.contains(words), "{said}");
    }
}

fn with_overrides(overrides: &str) -> Result<RenderedGrant, RenderError> {
    let mut grant = grant("containers: []\n", "x");
    let Work::Workload(workload) = &mut grant.work;
    workload.overrides_template = Some(TemplateText {
        engine: TemplateEngine::Go,
        place: "here".to_owned(),
        ..text(overrides)
    });
    render_grant(&grant, [1; 32])
}

#[test]
fn both_languages_see_one_context() {
    let mut grant = grant("", "typed");
    for (engine, pod) in [
        (
            TemplateEngine::Go,
            "a: {{ .Session.Spec.User }} {{ .vars.x }} {{ .target.namespace }} {{ .template.name }} {{ .session.expiresAt }}\n",
        ),
        (
            TemplateEngine::Jinja,
            "a: {{ Session.Spec.User }} {{ vars.x }} {{ target.namespace }} {{ template.name }} {{ session.expiresAt }}\n",
        ),
    ] {
        let Work::Workload(workload) = &mut grant.work;
        workload.pod = breakglass_protocol::wire::grant::PodSource::Text(TemplateText {
            engine,
            ..text(pod)
        });
        assert_eq!(
            render_grant(&grant, [1; 32]).unwrap().pod.spec["a"],
            "alice@example.com typed breakglass-debug t 2026-01-02T04:04:05Z"
        );
    }
}
