//! `bgctl template check FILE…`: the very decoding and rules that the hub uses when it loads a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use breakglass_hub_core::texts::{self, TextProblem};
use breakglass_hub_core::unbuilt::{self, Unbuilt};
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::limits::MAX_MANIFEST_BYTES;
use breakglass_protocol::manifest::{self, Document, Manifest};

use crate::output;

/// Checks every file; all errors are told, not only the first.
pub fn run(files: &[PathBuf]) -> Result<ExitCode> {
    let mut errors = 0_usize;
    let mut documents = Vec::new();
    for path in files {
        let name = path.display().to_string();
        match read(path) {
            Ok(text) => {
                let outcome = manifest::decode(&name, &text);
                for error in &outcome.errors {
                    output::note(&error.to_string());
                }
                errors += outcome.errors.len();
                documents.extend(
                    outcome
                        .documents
                        .into_iter()
                        .map(|document| (name.clone(), document)),
                );
            }
            Err(why) => {
                output::note(&format!("{name}: {why}"));
                errors += 1;
            }
        }
    }
    for mistake in mistakes_in_texts(&documents) {
        output::note(&mistake);
        errors += 1;
    }
    let warnings = warn(&documents);
    output::write_out(&format!(
        "{} documents in {} files, {errors} errors, {warnings} warnings\n",
        documents.len(),
        files.len()
    ))?;
    Ok(if errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

pub(super) fn read(path: &PathBuf) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_MANIFEST_BYTES as u64 {
        return Err(format!(
            "has {size} bytes, more than {MAX_MANIFEST_BYTES}; split it"
        ));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}

/// What is wrong with the texts of the templates: each parsed, and rendered with sample values made from its variables.
fn mistakes_in_texts(documents: &[(String, Document)]) -> Vec<String> {
    let mut told = Vec::new();
    for (file, document) in documents {
        let name = document.manifest.name();
        let problems = texts::problems(document, |pod| Some(&pod_template(documents, pod)?.2.spec));
        told.extend(
            problems
                .own
                .iter()
                .map(|problem| tell(file, name, problem, "")),
        );
        let reference = reference_of(&document.manifest).unwrap_or_default();
        if let Some((pod_file, pod, _)) = pod_template(documents, reference) {
            let why = format!(" (with the variables of {name})");
            told.extend(
                problems
                    .in_pod_template
                    .into_iter()
                    .map(|finding| tell(pod_file, reference, &texts::at(pod, finding), &why)),
            );
        }
    }
    told
}

/// `FILE:LINE:COLUMN: OBJECT: FIELD: MESSAGE`
fn tell(file: &str, name: &str, problem: &TextProblem, why: &str) -> String {
    let TextProblem {
        field,
        place,
        message,
    } = problem;
    let column = place.column.map(|column| format!(":{column}"));
    let column = column.unwrap_or_default();
    format!(
        "{file}:{}{column}: {name}: {field}: {message}{why}",
        place.line
    )
}

/// The pod template of this name, and where it stands.
fn pod_template<'a>(
    documents: &'a [(String, Document)],
    name: &str,
) -> Option<(&'a str, &'a Document, &'a DebugPodTemplate)> {
    documents
        .iter()
        .find_map(|(file, document)| match &document.manifest {
            Manifest::DebugPodTemplate(pod) if document.manifest.name() == name => {
                Some((file.as_str(), document, pod.as_ref()))
            }
            Manifest::DebugPodTemplate(_)
            | Manifest::DebugSessionTemplate(_)
            | Manifest::DebugSessionClusterBinding(_)
            | Manifest::DebugSession(_)
            | Manifest::DenyPolicy(_)
            | Manifest::Cluster(_) => None,
        })
}

/// The pod template that a session template names.
fn reference_of(manifest: &Manifest) -> Option<&str> {
    match manifest {
        Manifest::DebugSessionTemplate(template) => template
            .spec
            .pod_template_ref
            .as_ref()
            .map(|reference| reference.name.as_str()),
        Manifest::DebugPodTemplate(_)
        | Manifest::DebugSessionClusterBinding(_)
        | Manifest::DebugSession(_)
        | Manifest::DenyPolicy(_)
        | Manifest::Cluster(_) => None,
    }
}

/// What the hub would refuse, or find missing, when it loads the files; here warnings (D10, D11).
fn warn(documents: &[(String, Document)]) -> usize {
    let mut warnings = 0;
    for (file, document) in documents {
        let name = document.manifest.name();
        let unbuilt = unbuilt_of(&document.manifest).into_iter();
        let dangling = dangling_of(&document.manifest, documents).into_iter();
        for Unbuilt { field, message } in unbuilt.chain(dangling) {
            let line = document.line_of(&field);
            output::note(&format!(
                "{file}:{line}: warning: {name}: {field}: {message}"
            ));
            warnings += 1;
        }
    }
    warnings
}

/// A reference to a pod template that none of the files defines; the hub may have it from elsewhere.
fn dangling_of(manifest: &Manifest, documents: &[(String, Document)]) -> Option<Unbuilt> {
    let reference = reference_of(manifest)?;
    pod_template(documents, reference).is_none().then(|| Unbuilt {
        field: "spec.podTemplateRef.name".to_owned(),
        message: format!(
            "none of these files defines the pod template {:?}; unless the hub has it from elsewhere, requests get 422",
            reference
        ),
    })
}

fn unbuilt_of(manifest: &Manifest) -> Vec<Unbuilt> {
    match manifest {
        Manifest::DebugPodTemplate(template) => {
            unbuilt::of(unbuilt::Document::PodTemplate(&template.spec))
        }
        Manifest::DebugSessionTemplate(template) => {
            unbuilt::of(unbuilt::Document::Template(&template.spec))
        }
        Manifest::DebugSessionClusterBinding(binding) => {
            unbuilt::of(unbuilt::Document::Binding(&binding.spec))
        }
        Manifest::DenyPolicy(policy) => unbuilt::of(unbuilt::Document::DenyPolicy(&policy.spec)),
        Manifest::Cluster(cluster) => unbuilt::of(unbuilt::Document::Cluster(&cluster.spec)),
        // A session is never loaded from a file.
        Manifest::DebugSession(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: shell}
spec: {podTemplateRef: {name: shell-pod}, allowed: {groups: [sre], clusters: ['*']}}
";
    const POD: &str = "
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: shell-pod}
spec: {template: {spec: {containers: [{name: debug, image: busybox}]}}}
";

    fn documents(text: &str) -> Vec<(String, Document)> {
        let outcome = manifest::decode("f.yaml", text);
        assert_eq!(outcome.errors, [], "{text}");
        let named = outcome.documents.into_iter();
        named
            .map(|document| ("f.yaml".to_owned(), document))
            .collect()
    }

    #[test]
    fn d11_a_reference_that_no_file_satisfies_is_a_warning() {
        assert_eq!(warn(&documents(TEMPLATE)), 1);
        assert_eq!(warn(&documents(&format!("{TEMPLATE}---{POD}"))), 0);
    }

    const TEXTS: &str = "
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: shell-pod}
spec:
  templateString: |
    containers:
      - {name: debug, image: {{ .vars.image }}}
---
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: shell}
spec:
  podTemplateRef: {name: shell-pod}
  allowed: {groups: [sre], clusters: ['*']}
  extraDeployVariables: [{name: image, default: busybox}]
  podOverridesTemplate: |
    spec: {hostNetwork: {{ .vars.image | foo }}}
";

    #[test]
    fn mistakes_in_texts_are_told_in_their_own_file_line_and_column() {
        let told = mistakes_in_texts(&documents(TEXTS));
        assert_eq!(told.len(), 1, "{told:?}");
        let place = "f.yaml:18:42: shell: spec.podOverridesTemplate: no function \"foo\"";
        assert!(told[0].starts_with(place), "{told:?}");
        let good = TEXTS.replace("{{ .vars.image | foo }}", "true");
        assert_eq!(mistakes_in_texts(&documents(&good)), Vec::<String>::new());
    }

    #[test]
    fn d11_what_a_session_template_makes_wrong_in_its_pod_is_told_at_the_pods_text() {
        let text = TEXTS
            .replace("{{ .vars.image | foo }}", "true")
            .replace("name: image, d", "name: imge, d");
        let told = mistakes_in_texts(&documents(&text));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("f.yaml:8:33: shell-pod: spec.templateString: .vars.image"),
            "{told:?}"
        );
        assert!(
            told[0].ends_with("(with the variables of shell)"),
            "{told:?}"
        );
    }

    #[test]
    fn d10_an_unbuilt_field_in_use_is_a_warning() {
        let sharing = "terminalSharing: {enabled: true}, allowed:";
        let text = format!("{TEMPLATE}---{POD}").replace("allowed:", sharing);
        assert_eq!(warn(&documents(&text)), 1);
    }
}
