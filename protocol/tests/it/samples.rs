//! Manifests that must work unchanged.

use std::path::Path;

use proptest::prelude::*;

use breakglass_protocol::kinds::Kind;
use breakglass_protocol::kinds::namespace_filter::NamespaceFilter;
use breakglass_protocol::manifest::{Manifest, decode};

/// Every file of the samples, by name.
pub(crate) fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/samples");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_sample_decodes() {
    let mut kinds = Vec::new();
    for (name, text) in files() {
        let outcome = decode(&name, &text);
        let errors: Vec<_> = outcome.errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, Vec::<String>::new());
        let starts = text
            .lines()
            .filter(|line| line.starts_with("apiVersion:"))
            .count();
        assert_eq!(outcome.documents.len(), starts, "{name}");
        kinds.extend(
            outcome
                .documents
                .iter()
                .map(|document| document.manifest.kind()),
        );
    }
    for (kind, count) in [
        (Kind::DebugPodTemplate, 10),
        (Kind::DebugSessionTemplate, 10),
        (Kind::DebugSessionClusterBinding, 2),
        (Kind::DebugSession, 1),
    ] {
        assert_eq!(
            kinds.iter().filter(|k| **k == kind).count(),
            count,
            "{kind}"
        );
    }
}

/// Nothing of a sample is lost between text and type: what is written back decodes to the same.
#[test]
fn samples_survive_a_round_trip() {
    for (name, text) in files() {
        for document in decode(&name, &text).documents {
            let json = match &document.manifest {
                Manifest::DebugPodTemplate(object) => serde_json::to_string(object),
                Manifest::DebugSessionTemplate(object) => serde_json::to_string(object),
                Manifest::DebugSessionClusterBinding(object) => serde_json::to_string(object),
                Manifest::DebugSession(object) => serde_json::to_string(object),
                Manifest::DenyPolicy(object) => serde_json::to_string(object),
                Manifest::Cluster(object) => serde_json::to_string(object),
            }
            .unwrap();
            let again = decode(&name, &json);
            assert!(again.errors.is_empty(), "{:?}", again.errors);
            assert_eq!(again.documents[0].manifest, document.manifest, "{json}");
        }
    }
}

#[test]
fn spellings_reach_one_place() {
    let outcome = |file: &str| {
        let text = files()
            .into_iter()
            .find(|(name, _)| name == file)
            .unwrap()
            .1;
        decode(file, &text).documents
    };
    let Manifest::DebugSessionClusterBinding(binding) = &outcome("bindings.yaml")[0].manifest
    else {
        panic!("a binding");
    };
    let namespaces = binding.spec.namespace_constraints.as_ref().unwrap();
    let patterns = |names: &[&str]| {
        Some(NamespaceFilter {
            patterns: names.iter().map(|name| (*name).to_owned()).collect(),
            selector_terms: Vec::new(),
        })
    };
    assert_eq!(namespaces.allowed(), patterns(&["breakglass-*"]));
    assert_eq!(namespaces.denied(), patterns(&["kube-*"]));
    let templates = outcome("example-templates.yaml");
    let ephemeral = templates
        .iter()
        .find(|document| document.manifest.name() == "ephemeral-debug")
        .unwrap();
    let Manifest::DebugSessionTemplate(template) = &ephemeral.manifest else {
        panic!("a template");
    };
    let debug = template
        .spec
        .kubectl_debug
        .as_ref()
        .unwrap()
        .ephemeral_containers
        .as_ref()
        .unwrap();
    assert_eq!(
        debug.allowed_namespaces,
        patterns(&["app-*", "services-*"]),
        "a plain list means patterns"
    );
    assert_eq!(ephemeral.line, 84);
    assert_eq!(
        ephemeral.line_of("spec.kubectlDebug.ephemeralContainers.allowedImages[1]"),
        103
    );
}

proptest! {
    /// Whatever becomes of a manifest on its way, reading it ends in objects or errors.
    #[test]
    fn damaged_samples_never_panic(file in 0..9_usize, at in 0.0..1.0_f64, cut in 0..40_usize, put in "[ -~\\n\u{1F600}]{0,12}") {
        let files = files();
        let (name, text) = &files[file];
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
        let start = places[((places.len() - 1) as f64 * at) as usize];
        let end = places.iter().copied().find(|place| *place >= start + cut).unwrap_or(text.len());
        let damaged = format!("{}{put}{}", &text[..start], &text[end..]);
        let outcome = decode(name, &damaged);
        let lines = damaged.lines().count().max(1);
        for error in &outcome.errors {
            prop_assert!(error.line.is_none_or(|line| line >= 1 && line as usize <= lines + 1), "{error}");
            prop_assert!(!error.message.is_empty());
        }
    }
}
