//! One file as documents that may be used and documents that may not: strict decoding first, then what only a hub
//! refuses: kinds that do not come this way, a status (S19), and fields that nothing acts on yet (D10). What admins send
//! through the API is judged by the same function ([`all_problems`]).

use std::collections::BTreeMap;

use breakglass_hub_core::texts::{self, TextProblem};
use breakglass_hub_core::unbuilt;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplateSpec;
use breakglass_protocol::kinds::{API_VERSION, Kind, ObjectMeta};
use breakglass_protocol::manifest::{self, FilePlace, Manifest, ManifestError};
use serde::Serialize;
use serde_json::Value;

use super::folder::FileContent;
use super::plan::{Document, FileDocuments, Refused};
use super::refusals::TemplateRefusal;
use crate::store::{Key, ObjectKind};

/// Reads one file. `namespace` is where namespaced kinds go that name none.
pub(super) fn read(file: &str, content: &FileContent, namespace: &str) -> FileDocuments {
    let text = match content {
        FileContent::Text(text) => text,
        FileContent::Unusable(why) => return unusable(file, why),
    };
    let outcome = manifest::decode(file, text);
    let mut documents = FileDocuments {
        refused: refused_by_decoding(&outcome.errors, namespace),
        ..FileDocuments::default()
    };
    for document in &outcome.documents {
        match judge(file, document, &outcome.documents, namespace) {
            Ok(good) => documents.documents.push(good),
            Err(refused) => documents.refused.push(refused),
        }
    }
    documents
}

fn unusable(file: &str, why: &str) -> FileDocuments {
    let refusal = TemplateRefusal {
        file: file.to_owned(),
        line: None,
        column: None,
        object: None,
        path: None,
        message: why.to_owned(),
    };
    FileDocuments {
        documents: Vec::new(),
        refused: vec![Refused {
            key: None,
            refusals: vec![refusal],
        }],
    }
}

/// The errors of each document that did not decode.
fn refused_by_decoding(errors: &[ManifestError], namespace: &str) -> Vec<Refused> {
    let mut by_document: BTreeMap<usize, Refused> = BTreeMap::new();
    for error in errors {
        let key = error.object.as_ref().map(|object| {
            key(
                object.kind,
                object.namespace.as_deref(),
                &object.name,
                namespace,
            )
        });
        by_document
            .entry(error.document)
            .or_insert_with(|| Refused {
                key: key.clone(),
                refusals: Vec::new(),
            })
            .refusals
            .push(TemplateRefusal {
                file: error.file.clone(),
                line: error.line.map(u64::from),
                column: None,
                object: key.as_ref().map(ToString::to_string),
                path: Some(error.path.clone()).filter(|path| !path.is_empty()),
                message: error.message.clone(),
            });
    }
    by_document.into_values().collect()
}

/// `neighbours` are all documents of the file: a session template's texts are judged with its pod template if that is
/// among them. What is wrong with the pod template's text then is told by the condition `Ready`, wherever it comes from.
fn judge(
    file: &str,
    document: &manifest::Document,
    neighbours: &[manifest::Document],
    namespace: &str,
) -> Result<Document, Refused> {
    let manifest = &document.manifest;
    let key = key(
        manifest.kind(),
        manifest.namespace(),
        manifest.name(),
        namespace,
    );
    let pod_template = |name: &str| pod_template_among(neighbours, name);
    let problems = all_problems(Way::Folder, document, pod_template);
    if problems.is_empty() {
        return Ok(good(file, document, key));
    }
    let refusals = problems
        .into_iter()
        .map(|problem| TemplateRefusal {
            file: file.to_owned(),
            line: Some(u64::from(problem.place.line)),
            column: problem.place.column.map(u64::from),
            object: Some(key.to_string()),
            path: Some(problem.field),
            message: problem.message,
        })
        .collect();
    Err(Refused {
        key: Some(key),
        refusals,
    })
}

/// The document as it is to be stored.
pub(super) fn good(file: &str, document: &manifest::Document, key: Key) -> Document {
    let manifest = &document.manifest;
    Document {
        file: file.to_owned(),
        line: u64::from(document.line),
        api_version: API_VERSION.to_owned(),
        labels: manifest.metadata().labels.clone().unwrap_or_default(),
        annotations: manifest.metadata().annotations.clone().unwrap_or_default(),
        spec: spec(manifest),
        key,
    }
}

/// How a document comes to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Folder,
    /// An admin writes it.
    Api,
}

fn pod_template_among<'a>(
    neighbours: &'a [manifest::Document],
    name: &str,
) -> Option<&'a DebugPodTemplateSpec> {
    neighbours
        .iter()
        .find_map(|neighbour| match &neighbour.manifest {
            Manifest::DebugPodTemplate(pod) if neighbour.manifest.name() == name => Some(&pod.spec),
            Manifest::DebugPodTemplate(_)
            | Manifest::DebugSessionTemplate(_)
            | Manifest::DebugSessionClusterBinding(_)
            | Manifest::DebugSession(_)
            | Manifest::DenyPolicy(_)
            | Manifest::Cluster(_) => None,
        })
}

/// What a hub refuses in a document that decodes. `pod_template` finds the one that a session template names, where it
/// is known.
pub(super) fn all_problems<'a>(
    way: Way,
    document: &manifest::Document,
    pod_template: impl Fn(&str) -> Option<&'a DebugPodTemplateSpec>,
) -> Vec<TextProblem> {
    let of_fields = problems(way, &document.manifest).into_iter();
    let of_fields = of_fields.map(|(field, message)| TextProblem {
        place: FilePlace {
            line: document.line_of(&field),
            column: None,
        },
        field,
        message,
    });
    of_fields
        .chain(texts::problems(document, pod_template).own)
        .collect()
}

/// What a hub refuses in a document that is right in itself, as path and message.
fn problems(way: Way, manifest: &Manifest) -> Vec<(String, String)> {
    let (status, unbuilt) = match manifest {
        Manifest::DebugPodTemplate(object) => (
            says_something(object.status.as_ref()),
            unbuilt::of(unbuilt::Document::PodTemplate(&object.spec)),
        ),
        Manifest::DebugSessionTemplate(object) => (
            says_something(object.status.as_ref()),
            unbuilt::of(unbuilt::Document::Template(&object.spec)),
        ),
        Manifest::DebugSessionClusterBinding(object) => (
            says_something(object.status.as_ref()),
            unbuilt::of(unbuilt::Document::Binding(&object.spec)),
        ),
        Manifest::DenyPolicy(object) => (
            says_something(object.status.as_ref()),
            unbuilt::of(unbuilt::Document::DenyPolicy(&object.spec)),
        ),
        Manifest::DebugSession(_) => {
            return not_taken(
                "is not written by anybody but the hub; request sessions with `bgctl debug session create`",
            );
        }
        Manifest::Cluster(object) => match way {
            Way::Folder => {
                return not_taken(
                    "does not come from the templates folder; register clusters with `bgctl cluster register`",
                );
            }
            Way::Api => (
                says_something(object.status.as_ref()),
                unbuilt::of(unbuilt::Document::Cluster(&object.spec)),
            ),
        },
    };
    let status = status.then(|| {
        let message = "is written by the hub only; remove it";
        ("status".to_owned(), message.to_owned())
    });
    let unbuilt = unbuilt
        .into_iter()
        .map(|unbuilt| (unbuilt.field, unbuilt.message));
    status
        .into_iter()
        .chain(unbuilt)
        .chain(foreign_metadata(manifest.metadata()))
        .collect()
}

fn not_taken(message: &str) -> Vec<(String, String)> {
    vec![("kind".to_owned(), message.to_owned())]
}

fn says_something(status: Option<&impl Serialize>) -> bool {
    status
        .and_then(|status| serde_json::to_value(status).ok())
        .is_some_and(|status| status.as_object().is_none_or(|fields| !fields.is_empty()))
}

/// Metadata that would mean something to Kubernetes and has no meaning here must not be dropped silently. What an API
/// server itself puts in is left out without a word: manifests are often taken from one.
fn foreign_metadata(metadata: &ObjectMeta) -> Vec<(String, String)> {
    let finalizers = metadata
        .finalizers
        .as_ref()
        .is_some_and(|list| !list.is_empty());
    let owners = metadata
        .owner_references
        .as_ref()
        .is_some_and(|list| !list.is_empty());
    [("finalizers", finalizers), ("ownerReferences", owners)]
        .into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(field, _)| {
            let message = "has no meaning in the hub; remove it";
            (format!("metadata.{field}"), message.to_owned())
        })
        .collect()
}

pub(super) fn spec(manifest: &Manifest) -> Value {
    let spec = match manifest {
        Manifest::DebugPodTemplate(object) => serde_json::to_value(&object.spec),
        Manifest::DebugSessionTemplate(object) => serde_json::to_value(&object.spec),
        Manifest::DebugSessionClusterBinding(object) => serde_json::to_value(&object.spec),
        Manifest::DebugSession(object) => serde_json::to_value(&object.spec),
        Manifest::DenyPolicy(object) => serde_json::to_value(&object.spec),
        Manifest::Cluster(object) => serde_json::to_value(&object.spec),
    };
    // What was decoded from JSON values goes back into them.
    spec.unwrap_or(Value::Null)
}

pub(super) fn key(kind: Kind, namespace: Option<&str>, name: &str, default_namespace: &str) -> Key {
    let kind_stored = match kind {
        Kind::DebugPodTemplate => ObjectKind::DebugPodTemplate,
        Kind::DebugSessionTemplate => ObjectKind::DebugSessionTemplate,
        Kind::DebugSessionClusterBinding => ObjectKind::DebugSessionClusterBinding,
        Kind::DebugSession => ObjectKind::DebugSession,
        Kind::DenyPolicy => ObjectKind::DenyPolicy,
        Kind::Cluster => ObjectKind::Cluster,
    };
    if kind.is_namespaced() {
        Key::namespaced(kind_stored, namespace.unwrap_or(default_namespace), name)
    } else {
        Key::cluster_scoped(kind_stored, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> FileDocuments {
        read("t.yaml", &FileContent::Text(text.to_owned()), "breakglass")
    }

    fn refusals(text: &str) -> Vec<String> {
        let decoded = decode(text);
        assert!(decoded.documents.is_empty(), "{:?}", decoded.documents);
        decoded
            .refused
            .iter()
            .flat_map(|refused| refused.refusals.iter().map(ToString::to_string))
            .collect()
    }

    const POD: &str = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: p, labels: {team: a}}
spec:
  template:
    spec:
      containers: [{name: c, image: busybox}]
";

    #[test]
    fn a_good_document_keeps_its_place_and_labels() {
        let decoded = decode(&format!("# first\n---\n{POD}"));
        let [document] = decoded.documents.as_slice() else {
            panic!("{decoded:?}")
        };
        assert_eq!(document.line, 3);
        assert_eq!(document.labels["team"], "a");
        assert_eq!(document.key.to_string(), "DebugPodTemplate p");
    }

    #[test]
    fn each_document_is_refused_alone_and_known_by_name_where_it_has_one() {
        let broken = POD
            .replace("containers", "containerz")
            .replace("name: p", "name: q");
        let decoded = decode(&format!("{POD}---\n{broken}---\nkind: [\n"));
        assert_eq!(decoded.documents.len(), 1);
        let keys: Vec<_> = decoded
            .refused
            .iter()
            .map(|refused| refused.key.as_ref().map(ToString::to_string))
            .collect();
        assert_eq!(keys, [Some("DebugPodTemplate q".to_owned()), None]);
        assert_eq!(decoded.refused[0].refusals[0].line, Some(14));
    }

    #[test]
    fn s19_a_status_never_comes_from_a_file() {
        let told = refusals(&format!("{POD}status: {{usageCount: 3}}\n"));
        assert_eq!(
            told,
            ["t.yaml:8: DebugPodTemplate p: status: is written by the hub only; remove it"]
        );
        assert_eq!(decode(&format!("{POD}status: {{}}\n")).documents.len(), 1);
    }

    #[test]
    fn d22_sessions_and_clusters_do_not_come_from_files() {
        let session = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSession
metadata: {name: s, namespace: breakglass}
spec: {cluster: west, templateRef: t, requestedBy: mallory@example.com}
";
        let cluster = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: Cluster
metadata: {name: west}
spec: {displayName: West}
";
        assert!(refusals(session)[0].starts_with("t.yaml:2: DebugSession breakglass/s: kind: "));
        assert!(refusals(cluster)[0].contains("bgctl cluster register"));
    }

    #[test]
    fn d10_a_field_that_nothing_acts_on_is_refused_with_its_line() {
        let text = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: s}
spec:
  podTemplateRef: {name: p}
  terminalSharing:
    enabled: true
";
        let told = refusals(text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("t.yaml:6: DebugSessionTemplate s: spec.terminalSharing"),
            "{}",
            told[0]
        );
        assert!(told[0].contains("not supported yet"), "{}", told[0]);
        assert_eq!(decode(&text.replace("true", "false")).documents.len(), 1);
    }
}
