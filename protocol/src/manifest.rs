//! Strict decoding of manifests (files of YAML or JSON) and of REST bodies.
//!
//! A file is cut into documents; each is read to a tree that knows its lines, compared with the schema of its kind
//! (unknown and repeated fields, types, words, bounds), turned into the Rust type, and asked for its own field checks.
//! All errors of all documents are told, each with file, line and field path.

mod body;
mod strict;
mod suggest;
mod tree;
mod yaml;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::body::{BodyError, decode_json_body};
use self::strict::Problem;
use self::suggest::did_you_mean;
use self::tree::{Content, Entry, Node};
use crate::kinds::check::{FieldError, check_dns_label};
use crate::kinds::cluster::Cluster;
use crate::kinds::debug_pod_template::DebugPodTemplate;
use crate::kinds::debug_session::DebugSession;
use crate::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use crate::kinds::debug_session_template::DebugSessionTemplate;
use crate::kinds::deny_policy::DenyPolicy;
use crate::kinds::{API_VERSION, Kind, ObjectMeta};
use crate::limits::{MAX_MANIFEST_BYTES, MAX_YAML_NODES};

/// Most documents in one file: more are a mistake or an attack, and every one costs a line in a report.
pub const MAX_DOCUMENTS: usize = 100;

/// What a file holds.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The documents without an error, in the order of the file.
    pub documents: Vec<Document>,
    /// Everything that is wrong, in the order of the file.
    pub errors: Vec<ManifestError>,
}

/// One document without an error.
#[derive(Clone, Debug)]
pub struct Document {
    /// 0 is the first document of the file.
    pub index: usize,
    /// Where it starts; 1 is the first line of the file.
    pub line: u32,
    pub manifest: Manifest,
    tree: Node,
}

impl Document {
    /// The line of the field at `path` (such as `spec.allowed.groups[0]`), or of the nearest thing above it.
    #[must_use]
    pub fn line_of(&self, path: &str) -> u32 {
        self.tree.line_of(path)
    }
}

/// An object of one of the six kinds.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    DebugPodTemplate(Box<DebugPodTemplate>),
    DebugSessionTemplate(Box<DebugSessionTemplate>),
    DebugSessionClusterBinding(Box<DebugSessionClusterBinding>),
    DebugSession(Box<DebugSession>),
    DenyPolicy(Box<DenyPolicy>),
    Cluster(Box<Cluster>),
}

impl Manifest {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::DebugPodTemplate(_) => Kind::DebugPodTemplate,
            Self::DebugSessionTemplate(_) => Kind::DebugSessionTemplate,
            Self::DebugSessionClusterBinding(_) => Kind::DebugSessionClusterBinding,
            Self::DebugSession(_) => Kind::DebugSession,
            Self::DenyPolicy(_) => Kind::DenyPolicy,
            Self::Cluster(_) => Kind::Cluster,
        }
    }

    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::DebugPodTemplate(object) => &object.metadata,
            Self::DebugSessionTemplate(object) => &object.metadata,
            Self::DebugSessionClusterBinding(object) => &object.metadata,
            Self::DebugSession(object) => &object.metadata,
            Self::DenyPolicy(object) => &object.metadata,
            Self::Cluster(object) => &object.metadata,
        }
    }

    /// Decoded objects always have one.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.metadata().namespace.as_deref()
    }

    /// What a schema cannot say about the fields.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        match self {
            Self::DebugPodTemplate(object) => object.check(),
            Self::DebugSessionTemplate(object) => object.check(),
            Self::DebugSessionClusterBinding(object) => object.check(),
            Self::DebugSession(object) => object.check(),
            Self::DenyPolicy(object) => object.check(),
            Self::Cluster(object) => object.check(),
        }
    }
}

/// What is wrong with a file: `FILE:LINE: FIELD: MESSAGE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    pub file: String,
    /// 0 is the first document of the file.
    pub document: usize,
    /// 1 is the first line; absent where it is the file as a whole.
    pub line: Option<u32>,
    /// Such as `spec.allowed.groups[0]`; empty where it is the document as a whole.
    pub path: String,
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Decodes and checks a file of YAML (one or several documents) or JSON. `file` is only for messages.
#[must_use]
pub fn decode(file: &str, text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let whole = |message: String| ManifestError {
        file: file.to_owned(),
        document: 0,
        line: None,
        path: String::new(),
        message,
    };
    if text.len() > MAX_MANIFEST_BYTES {
        let size = text.len();
        outcome.errors.push(whole(format!(
            "has {size} bytes, more than {MAX_MANIFEST_BYTES}; split it"
        )));
        return outcome;
    }
    let chunks = yaml::split(text);
    if chunks.len() > MAX_DOCUMENTS {
        let count = chunks.len();
        outcome.errors.push(whole(format!(
            "has {count} documents, more than {MAX_DOCUMENTS}; split it"
        )));
        return outcome;
    }
    let mut nodes_left = MAX_YAML_NODES;
    for (index, chunk) in chunks.iter().enumerate() {
        let problems = match yaml::read(chunk, nodes_left) {
            Ok(None) => continue,
            Ok(Some(tree)) => {
                nodes_left = nodes_left.saturating_sub(tree.count());
                match decode_document(index, tree, &outcome.documents) {
                    Ok(document) => {
                        outcome.documents.push(document);
                        continue;
                    }
                    Err(problems) => problems,
                }
            }
            Err(unreadable) => vec![Problem {
                path: String::new(),
                line: unreadable.line.unwrap_or(chunk.lines_before + 1),
                message: unreadable.message,
            }],
        };
        outcome
            .errors
            .extend(problems.into_iter().map(|problem| ManifestError {
                file: file.to_owned(),
                document: index,
                line: Some(problem.line),
                path: problem.path,
                message: problem.message,
            }));
    }
    outcome
}

fn decode_document(
    index: usize,
    tree: Node,
    earlier: &[Document],
) -> Result<Document, Vec<Problem>> {
    let line = tree.line;
    let (kind, mut problems) = read_kind(&tree)?;
    let (value, more) = strict::read(kind, &fields(&tree), line);
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
        }),
        Some(_) | None => {
            problems.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
            Err(problems)
        }
    }
}

/// Whether a check complains about something that holds, or is, a field that was left out because it was wrong.
fn is_explained(path: &str, wrong: &[String]) -> bool {
    wrong.iter().any(|wrong| {
        wrong
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

fn at_line(tree: &Node, error: FieldError) -> Problem {
    Problem {
        line: tree.line_of(&error.path),
        path: error.path,
        message: error.message,
    }
}

/// Everything but `apiVersion` and `kind`, which [`read_kind`] has read.
fn fields(tree: &Node) -> Vec<&Entry> {
    match &tree.content {
        Content::Map(entries) => entries
            .iter()
            .filter(|entry| entry.key != "apiVersion" && entry.key != "kind")
            .collect(),
        Content::Null
        | Content::Bool(_)
        | Content::Number(_)
        | Content::String(_)
        | Content::List(_) => Vec::new(),
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
        Some(entry) => match &entry.value.content {
            Content::String(text) if text == API_VERSION => {}
            _ => problems.push(problem(
                "apiVersion",
                entry.line,
                format!("must be {API_VERSION}"),
            )),
        },
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
    let name = match &entry.value.content {
        Content::String(name) => name.as_str(),
        Content::Null
        | Content::Bool(_)
        | Content::Number(_)
        | Content::List(_)
        | Content::Map(_) => "",
    };
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
