//! S13: whatever a requester types, it changes no YAML structure: it arrives as data or the session does not come.

use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use breakglass_protocol::wire::grant::{AtEnd, Auxiliary, AuxiliaryOrder, AuxiliarySource};
use breakglass_render::grant::{RenderError, RenderedGrant, render_grant};
use breakglass_render::one_line;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::sample::{grant, text};

fn render(pod: &str, typed: &str) -> Result<RenderedGrant, RenderError> {
    render_grant(&grant(pod, typed), [1; 32])
}

/// Keys, lengths and kinds.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// Places where authors put values, well or badly.
const PLACES: [&str; 16] = [
    "a: {{ .vars.x }}\nb: 1\n",
    "a: {{ .vars.x | quote }}\nb: 1\n",
    "a: {{ .vars.x | squote }}\nb: 1\n",
    "a: \"{{ .vars.x }}\"\nb: 1\n",
    "a: '{{ .vars.x }}'\nb: 1\n",
    "a: {{ .vars.x | yamlQuote }}\nb: 1\n",
    "a: {{ .vars.x | toYaml }}\nb: 1\n",
    "a: {{ .vars.x | toJson }}\nb: 1\n",
    "a: n-{{ .vars.x | k8sName }}\nb: 1\n",
    "a: p{{ .vars.x | b64enc }}\nb: 1\n",
    "a: |\n  {{ .vars.x }}\n  more\nb: 1\n",
    "a: >-\n  first {{ .vars.x }}\nb: 1\n",
    "a: [one, {{ .vars.x }}, three]\nb: 1\n",
    "a: {k: {{ .vars.x }}}\nb: 1\n",
    "# for {{ .vars.x }}\na: 1\nb: 1\n",
    "a:\n- {{ .vars.x }}\n- name: {{ .vars.x }}-y\nb: 1\n",
];

/// Words that YAML or templates read as something else.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -~]{0,6}",
        2 => proptest::sample::select(vec![
            "\n", "\r\n", "\u{85}", "\u{2028}", "\u{2029}", "---", "...", "- ", ": ", " #", "#", "&a ", "*a", "!!int ",
            "!x ", "{{", "}}", "{{ .session.name }}", "[", "]", "{", "}", ",", "|", ">", "%", "@", "`", "\"", "'", "\\",
            "\\n", "~", "null", "true", "no", "0x1", "1e3", "1:2", "<<: ", "? ", "\t", "\u{0}", "\u{7f}", "\u{feff}", "é", "日本",
            "\nkind: Secret\n", "\n---\napiVersion: v1\n",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn s13_no_value_changes_the_structure(place in proptest::sample::select(PLACES.to_vec()), typed in hostile()) {
        let plain: String = one_line(&typed)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { 'x' })
            .collect();
        if let Ok(rendered) = render(place, &typed) {
            let harmless = render(place, &plain).unwrap();
            prop_assert_eq!(shape(&rendered.pod.spec), shape(&harmless.pod.spec), "{:?} in {:?}", typed, place);
            prop_assert!(rendered.resources.is_empty());
        }
    }

    #[test]
    fn s13_a_quoted_value_arrives_as_it_was_typed(typed in "[ -~é日]{0,20}") {
        for quoted in ["a: {{ .vars.x | quote }}\n", "a: {{ .vars.x | toJson }}\n", "a: {{ toYaml .vars.x }}\n"] {
            let rendered = render(quoted, &typed).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&rendered.pod.spec["a"], &json!(one_line(&typed)), "{}", quoted);
        }
    }
}

#[test]
fn s13_hostile_values_that_people_know_are_refused_with_their_place() {
    for typed in [
        "a: b",
        "*x",
        "[1, 2]",
        "{a: b}",
        "a # b",
        "!!binary x",
        "| x",
        "~",
    ] {
        let error = render("image: {{ .vars.x }}\nb: 1\n", typed).unwrap_err();
        let told = error.to_string();
        assert!(matches!(error, RenderError::Value { .. }), "{told}");
        assert!(told.starts_with("the template:1:"), "{told}");
        assert!(told.contains("quote"), "{told}");
    }
}

#[test]
fn s13_an_auxiliary_resource_does_not_excuse_a_value() {
    let mut grant = grant("a: 1\n", "x: y");
    grant.auxiliary = vec![Auxiliary {
        name: "settings".to_owned(),
        category: None,
        source: AuxiliarySource::Text(text(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  a: {{ .vars.x }}\n",
        )),
        order: AuxiliaryOrder::BeforeWorkload,
        at_end: AtEnd::Delete,
        failure_policy: FailurePolicy::Ignore,
    }];
    let error = render_grant(&grant, [1; 32]).unwrap_err();
    assert!(matches!(error, RenderError::Value { .. }), "{error}");
}

#[test]
fn a_structured_resource_keeps_one_string_one_string() {
    let mut grant = grant("a: 1\n", "x: y\n- z");
    grant.auxiliary = vec![Auxiliary {
        name: "settings".to_owned(),
        category: None,
        source: AuxiliarySource::Structured {
            engine: TemplateEngine::Go,
            template: json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "{{ .vars.x }}"}}),
            place: "settings".to_owned(),
        },
        order: AuxiliaryOrder::BeforeWorkload,
        at_end: AtEnd::Delete,
        failure_policy: FailurePolicy::Fail,
    }];
    let rendered = render_grant(&grant, [1; 32]).unwrap();
    assert_eq!(
        rendered.auxiliary[0].as_ref().unwrap()[0]["data"]["a"],
        "x: y - z"
    );
}

#[test]
fn the_texts_of_one_grant_are_bounded_together() {
    let heavy = "{{ range until 3000 }}{{ range until 30 }}{{ end }}{{ end }}";
    let mut grant = grant("a: 1\n", "x");
    grant.auxiliary = (0..200)
        .map(|index| Auxiliary {
            name: format!("a{index}"),
            category: None,
            source: AuxiliarySource::Text(text(&format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{a: \"{heavy}\"}}\n"
            ))),
            order: AuxiliaryOrder::BeforeWorkload,
            at_end: AtEnd::Delete,
            failure_policy: FailurePolicy::Ignore,
        })
        .collect();
    let rendered = render_grant(&grant, [1; 32]).unwrap();
    assert!(rendered.auxiliary[0].is_ok(), "{:?}", rendered.auxiliary[0]);
    let told = rendered.auxiliary[199].as_ref().unwrap_err().to_string();
    assert!(told.contains("steps"), "{told}");
}

#[test]
fn random_functions_belong_to_the_seed() {
    let pod = "a: {{ randAlphaNum 20 }}-{{ uuidv4 }}\n";
    let grant = grant(pod, "x");
    let first = render_grant(&grant, [1; 32]).unwrap();
    assert_eq!(first, render_grant(&grant, [1; 32]).unwrap());
    assert_ne!(first, render_grant(&grant, [2; 32]).unwrap());
}
