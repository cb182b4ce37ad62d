use breakglass_protocol::manifest::{self, Manifest};

use super::*;

fn pod_template(text: &str) -> DebugPodTemplateSpec {
    DebugPodTemplateSpec {
        template_string: Some(text.to_owned()),
        ..DebugPodTemplateSpec::default()
    }
}

fn session_template(yaml: &str) -> DebugSessionTemplateSpec {
    let whole = format!(
        "apiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: DebugSessionTemplate\nmetadata: {{name: t}}\nspec:\n{yaml}"
    );
    let outcome = manifest::decode("t.yaml", &whole);
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    let Manifest::DebugSessionTemplate(template) = &outcome.documents[0].manifest else {
        panic!("a session template")
    };
    template.spec.clone()
}

const POD: &str = "containers:
  - name: debug
    image: {{ .vars.image }}
";

#[test]
fn d11_a_pod_template_alone_is_not_checked_for_variables_it_does_not_declare() {
    assert_eq!(check_pod_template("p", &pod_template(POD)), []);
}

#[test]
fn a_session_template_that_uses_it_is_and_the_hint_names_what_there_is() {
    let spec = session_template(
        "  podTemplateRef: {name: p}
  extraDeployVariables:
    - {name: imge, default: busybox}
    - {name: cpuLimit, default: '1'}
",
    );
    let pod = pod_template(POD);
    let findings = check_session_template("t", &spec, Some(("p", &pod)));
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = &findings[0];
    assert_eq!(finding.field, "podTemplateRef.spec.templateString");
    assert_eq!(finding.position.unwrap().line, 3);
    for word in [".vars.image", "imge", "cpuLimit"] {
        assert!(finding.message.contains(word), "{}", finding.message);
    }
    let unknown = check_session_template("t", &spec, None);
    assert_eq!(unknown, []);
}

#[test]
fn a_function_that_does_not_exist_is_told_with_one_that_does() {
    let findings = check_pod_template("p", &pod_template("a: {{ .x | qoute }}\n"));
    assert_eq!(findings.len(), 1);
    assert!(findings[0].message.contains("qoute"), "{findings:?}");
    assert!(findings[0].message.contains("quote\""), "{findings:?}");
    assert_eq!(
        findings[0].position,
        Some(Position {
            line: 1,
            column: 12
        })
    );
}

#[test]
fn every_branch_that_a_variable_opens_is_tried() {
    let spec = session_template(
        "  podTemplateString: |
    containers:
      - {name: a, image: b}
    {{- if eq .vars.net \"host\" }}
    hostNetwork: [
    {{- end }}
  extraDeployVariables:
    - name: net
      inputType: select
      default: pod
      options: [{value: pod}, {value: host}]
",
    );
    let findings = check_session_template("t", &spec, None);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].message.contains("net=\"host\""), "{findings:?}");
}

#[test]
fn auxiliary_resources_are_checked_string_by_string_and_text_by_text() {
    let spec = session_template(
        "  podTemplateString: 'containers: [{name: a, image: b}]'
  auxiliaryResources:
    - name: one
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: 'a-{{ .Session.Nme }}'}
    - name: two
      templateString: |
        apiVersion: v1
        kind: ConfigMap
",
    );
    let findings = check_session_template("t", &spec, None);
    let fields: Vec<&str> = findings.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.auxiliaryResources[0].template.metadata.name",
            "spec.auxiliaryResources[1].templateString"
        ]
    );
    assert!(
        findings[1].message.contains("metadata.name"),
        "{findings:?}"
    );
}

#[test]
fn what_renders_to_no_yaml_is_told_with_the_line_of_the_template() {
    let findings = check_pod_template(
        "p",
        &pod_template("containers: []\n{{ if true }}\na: [\n{{ end }}\n"),
    );
    assert_eq!(findings.len(), 1);
    assert_eq!(
        findings[0].position.map(|p| p.line),
        Some(3),
        "{findings:?}"
    );
}
