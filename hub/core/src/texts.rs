//! Template texts at the desk of their author: what the renderer finds wrong when it parses and dry-renders them, each with
//! its place in the file. What only a session template's variables make wrong in the text of its pod template is no
//! mistake of that pod template: others may use it well.

use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplateSpec;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;
use breakglass_protocol::manifest::{Document, FilePlace, Manifest};
use breakglass_render::check::{Finding, check_pod_template, check_session_template};

/// The reason in the condition `Ready` of a session template whose texts do not render.
pub const TEXTS_DO_NOT_RENDER: &str = "TextsDoNotRender";

/// How fields of a pod template are named among the findings of a session template.
const IN_POD_TEMPLATE: &str = "podTemplateRef";

/// One thing wrong with a text of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextProblem {
    /// Such as `spec.templateString`.
    pub field: String,
    pub place: FilePlace,
    /// What is wrong and what to do.
    pub message: String,
}

/// What is wrong with the texts of one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextProblems {
    /// In its own texts.
    pub own: Vec<TextProblem>,
    /// In the text of the pod template that it names, as it renders under this document's variables.
    pub in_pod_template: Vec<Finding>,
}

/// Checks a document's texts. `pod_template` finds a pod template by name; one that it does not know is left out.
pub fn problems<'a>(
    document: &Document,
    pod_template: impl Fn(&str) -> Option<&'a DebugPodTemplateSpec>,
) -> TextProblems {
    let name = document.manifest.name();
    let findings = match &document.manifest {
        Manifest::DebugPodTemplate(template) => check_pod_template(name, &template.spec),
        Manifest::DebugSessionTemplate(template) => {
            let reference = template
                .spec
                .pod_template_ref
                .as_ref()
                .map(|r| r.name.as_str());
            let pod = reference.and_then(|name| Some((name, pod_template(name)?)));
            check_session_template(name, &template.spec, pod)
        }
        Manifest::DebugSessionClusterBinding(_)
        | Manifest::DebugSession(_)
        | Manifest::DenyPolicy(_)
        | Manifest::Cluster(_) => Vec::new(),
    };
    let mut problems = TextProblems::default();
    for finding in findings {
        match in_pod_template(&finding) {
            Some(finding) => problems.in_pod_template.push(finding),
            None => problems.own.push(at(document, finding)),
        }
    }
    problems
}

/// What keeps a session template from use: its own texts, and its pod template's under its variables. Places are counted
/// in the texts.
#[must_use]
pub fn of_session_template(
    name: &str,
    spec: &DebugSessionTemplateSpec,
    pod_template: Option<(&str, &DebugPodTemplateSpec)>,
) -> Vec<String> {
    check_session_template(name, spec, pod_template)
        .iter()
        .map(|finding| match (in_pod_template(finding), pod_template) {
            (Some(finding), Some((pod, _))) => {
                format!(
                    "session template {name}: pod template {pod}: {}",
                    told(&finding)
                )
            }
            (Some(_) | None, _) => format!("session template {name}: {}", told(finding)),
        })
        .collect()
}

/// Puts a finding in a document's own text where it stands in the file.
#[must_use]
pub fn at(document: &Document, finding: Finding) -> TextProblem {
    let place = match finding.position {
        Some(position) => document.place_in_text(&finding.field, position.line, position.column),
        None => FilePlace {
            line: document.line_of(&finding.field),
            column: None,
        },
    };
    TextProblem {
        field: finding.field,
        place,
        message: finding.message,
    }
}

/// The finding with its field as the pod template has it, if it is in the pod template's text.
fn in_pod_template(finding: &Finding) -> Option<Finding> {
    let rest = finding.field.strip_prefix(IN_POD_TEMPLATE)?;
    let rest = rest.trim_start_matches(['.', ' ', ':']);
    let field = if rest.is_empty() {
        "spec.templateString"
    } else {
        rest
    };
    Some(Finding {
        field: field.to_owned(),
        ..finding.clone()
    })
}

/// A finding where no file is at hand: `spec.templateString:3:7: MESSAGE`, counted in the text.
fn told(finding: &Finding) -> String {
    let Finding { field, message, .. } = finding;
    match finding.position {
        Some(position) => format!("{field}:{}:{}: {message}", position.line, position.column),
        None => format!("{field}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_protocol::manifest::decode;
    use breakglass_render::Position;

    fn finding(field: &str, position: Option<Position>) -> Finding {
        Finding {
            field: field.to_owned(),
            position,
            message: "no function \"foo\"".to_owned(),
        }
    }

    const AT: Option<Position> = Some(Position { line: 2, column: 3 });

    #[test]
    fn a_finding_gets_its_place_in_the_file() {
        let text = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: p}
spec:
  templateString: |
    containers:
      - image: {{ foo }}
";
        let document = &decode("f.yaml", text).documents[0];
        let place = |position| at(document, finding("spec.templateString", position)).place;
        let column = Some(7);
        assert_eq!(place(AT), FilePlace { line: 7, column });
        assert_eq!(
            place(None),
            FilePlace {
                line: 5,
                column: None
            }
        );
    }

    #[test]
    fn d11_what_is_wrong_in_the_pod_templates_text_is_told_apart() {
        for (field, within) in [
            (
                "podTemplateRef.spec.templateString",
                Some("spec.templateString"),
            ),
            ("podTemplateRef", Some("spec.templateString")),
            ("spec.podTemplateString", None),
        ] {
            let found = in_pod_template(&finding(field, AT)).map(|finding| finding.field);
            assert_eq!(found.as_deref(), within, "{field}");
        }
        assert_eq!(
            told(&finding("spec.templateString", AT)),
            "spec.templateString:2:3: no function \"foo\""
        );
    }
}
