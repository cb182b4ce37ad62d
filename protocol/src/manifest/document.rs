//! Tree → object of a kind, or everything that is wrong with it.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::place::Source;
use super::strict::{self, Problem};
use super::suggest::did_you_mean;
use super::tree::{Content, Node};
use super::{Document, Manifest, ObjectName};
use crate::kinds::check::{FieldError, check_dns_label};
use crate::kinds::{API_VERSION, Kind};

/// Reads one document. `earlier` are the documents of the same file that are read already.
pub(super) fn decode_document(
    index: usize,
    tree: Node,
    source: Source,
    earlier: &[Document],
) -> Result<Document, Vec<Problem>> {
    let line = tree.line;
    let (kind, mut problems) = read_kind(&tree)?;
    let (value, more) = strict::read(kind, &tree);
    problems.extend(more);
    check_metadata(kind, &tree, &value, &mut problems);
    let manifest = match typed(kind, value) {
        Ok(manifest) => {
            let known = problems
                .iter()
                .map(|problem| problem.path.clone())
                .collect::<Vec<_>>();
            let news = manifest
                .check()
                .into_iter()
                .filter(|error| !is_explained(&error.path, &known));
            problems.extend(news.map(|error| at_line(&tree, error)));
            problems.extend(earlier_twin(&manifest, &tree, earlier));
            Some(manifest)
        }
        Err(error) => {
            // What did not fit the schema is missing here too: tell only what nobody has told.
            if problems.is_empty() {
                problems.push(at_line(&tree, error));
            }
            None
        }
    };
    match manifest {
        Some(manifest) if problems.is_empty() => Ok(Document {
            index,
            line,
            manifest,
            tree,
            source,
        }),
        Some(_) | None => {
            problems.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
            Err(problems)
        }
    }
}

/// Whether a check complains about a field that is known to be wrong, or about something above or below it: a
/// consequence, not news.
fn is_explained(path: &str, wrong: &[String]) -> bool {
    let leads_to = |from: &str, to: &str| {
        to.strip_prefix(from)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    wrong
        .iter()
        .any(|wrong| leads_to(path, wrong) || leads_to(wrong, path))
}

fn at_line(tree: &Node, error: FieldError) -> Problem {
    Problem {
        line: tree.line_of(&error.path),
        path: error.path,
        message: error.message,
    }
}

/// What kind of object it is; without that, nothing else can be said.
fn read_kind(tree: &Node) -> Result<(Kind, Vec<Problem>), Vec<Problem>> {
    let problem = |path: &str, line: u32, message: String| Problem {
        path: path.to_owned(),
        line,
        message,
    };
    let mut problems = Vec::new();
    if !matches!(tree.content, Content::Map(_)) {
        let message = "must be an object with apiVersion, kind, metadata and spec".to_owned();
        return Err(vec![problem("", tree.line, message)]);
    }
    match tree.get("apiVersion") {
        None => problems.push(problem(
            "apiVersion",
            tree.line,
            format!("is required: {API_VERSION}"),
        )),
        Some(entry) if entry.value.text() == Some(API_VERSION) => {}
        Some(entry) => problems.push(problem(
            "apiVersion",
            entry.line,
            format!("must be {API_VERSION}"),
        )),
    }
    let names = || Kind::ALL.into_iter().map(Kind::as_str);
    let listed = || names().collect::<Vec<_>>().join(", ");
    let Some(entry) = tree.get("kind") else {
        problems.push(problem(
            "kind",
            tree.line,
            format!("is required: one of {}", listed()),
        ));
        return Err(problems);
    };
    let name = entry.value.text().unwrap_or_default();
    let Some(kind) = Kind::from_name(name) else {
        let hint = did_you_mean(name, names());
        problems.push(problem(
            "kind",
            entry.line,
            format!("{name:?} is not one of {}{hint}", listed()),
        ));
        return Err(problems);
    };
    Ok((kind, problems))
}

/// What a document says it is, however wrong the rest of it may be.
pub(super) fn object_name(tree: &Node) -> Option<ObjectName> {
    let text = |node: &Node| node.text().map(str::to_owned);
    let metadata = &tree.get("metadata")?.value;
    Some(ObjectName {
        kind: Kind::from_name(&text(&tree.get("kind")?.value)?)?,
        namespace: metadata
            .get("namespace")
            .and_then(|entry| text(&entry.value)),
        name: text(&metadata.get("name")?.value)?,
    })
}

/// Name and namespace (D16).
fn check_metadata(kind: Kind, tree: &Node, value: &Value, problems: &mut Vec<Problem>) {
    let mut refuse = |path: &str, message: String| {
        problems.push(Problem {
            line: tree.line_of(path),
            path: path.to_owned(),
            message,
        });
    };
    let Some(metadata) = value.get("metadata") else {
        return;
    };
    match metadata.get("name").and_then(Value::as_str) {
        Some(name) => {
            if let Err(message) = check_dns_label(name) {
                refuse("metadata.name", message);
            }
        }
        None if metadata.get("generateName").is_some() => {
            refuse(
                "metadata.generateName",
                "names nothing here; give metadata.name".to_owned(),
            );
        }
        None if tree
            .get("metadata")
            .is_some_and(|entry| entry.value.get("name").is_none()) =>
        {
            refuse("metadata.name", "is required".to_owned());
        }
        // Of a wrong type, which has been told.
        None => {}
    }
    if let Some(namespace) = metadata.get("namespace").and_then(Value::as_str) {
        if !kind.is_namespaced() {
            refuse(
                "metadata.namespace",
                format!("has no meaning: a {kind} lives in no namespace; remove it"),
            );
        } else if let Err(message) = check_dns_label(namespace) {
            refuse("metadata.namespace", message);
        }
    }
}

/// Two objects of one name in one file: one of them would be lost.
fn earlier_twin(manifest: &Manifest, tree: &Node, earlier: &[Document]) -> Option<Problem> {
    let identity = |manifest: &Manifest| {
        (
            manifest.kind(),
            manifest.namespace().map(str::to_owned),
            manifest.name().to_owned(),
        )
    };
    let twin = earlier
        .iter()
        .find(|document| identity(&document.manifest) == identity(manifest))?;
    let path = "metadata.name".to_owned();
    Some(Problem {
        line: tree.line_of(&path),
        path,
        message: format!(
            "{:?} is already the {} on line {}",
            manifest.name(),
            manifest.kind(),
            twin.line
        ),
    })
}

fn typed(kind: Kind, value: Value) -> Result<Manifest, FieldError> {
    Ok(match kind {
        Kind::DebugPodTemplate => Manifest::DebugPodTemplate(from_json(value)?),
        Kind::DebugSessionTemplate => Manifest::DebugSessionTemplate(from_json(value)?),
        Kind::DebugSessionClusterBinding => Manifest::DebugSessionClusterBinding(from_json(value)?),
        Kind::DebugSession => Manifest::DebugSession(from_json(value)?),
        Kind::DenyPolicy => Manifest::DenyPolicy(from_json(value)?),
        Kind::Cluster => Manifest::Cluster(from_json(value)?),
    })
}

fn from_json<T: DeserializeOwned>(value: Value) -> Result<Box<T>, FieldError> {
    serde_path_to_error::deserialize(value)
        .map(Box::new)
        .map_err(|error| FieldError {
            path: error.path().to_string(),
            message: error.inner().to_string(),
        })
}
