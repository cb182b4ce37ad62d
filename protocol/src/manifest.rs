//! Strict decoding of manifests (files of YAML or JSON) and of REST bodies.
//!
//! A file is cut into documents; each is read to a tree that knows its lines, compared with the schema of its kind
//! (unknown and repeated fields, types, words, bounds), turned into the Rust type, and asked for its own field checks.
//! All errors of all documents are told, each with file, line and field path.

mod body;
mod document;
mod place;
mod plain;
mod strict;
mod suggest;
mod tree;
mod yaml;

use std::fmt;

pub use self::body::{BodyError, decode_json_body};
use self::document::{decode_document, object_name};
pub use self::place::FilePlace;
use self::place::Source;
pub use self::plain::{PlainDocument, PlainError, read_plain};
use self::strict::Problem;
pub use self::suggest::{did_you_mean, nearest_word};
use self::tree::Node;
use crate::kinds::check::FieldError;
use crate::kinds::cluster::Cluster;
use crate::kinds::debug_pod_template::DebugPodTemplate;
use crate::kinds::debug_session::DebugSession;
use crate::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use crate::kinds::debug_session_template::DebugSessionTemplate;
use crate::kinds::deny_policy::DenyPolicy;
use crate::kinds::{Kind, ObjectMeta};
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
    source: Source,
}

impl Document {
    /// The line of the field at `path` (such as `spec.allowed.groups[0]`), or of the nearest thing above it.
    #[must_use]
    pub fn line_of(&self, path: &str) -> u32 {
        self.tree.line_of(path)
    }

    /// Where `line` and `column` (from 1) of the text in the field at `path` stand in the file. Exact for a literal block
    /// (`|`); of other texts only the line of the field is known.
    #[must_use]
    pub fn place_in_text(&self, path: &str, line: u32, column: u32) -> FilePlace {
        self.source.place(&self.tree, path, line, column)
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
    /// Which object the document would be, if it got as far as saying so.
    pub object: Option<ObjectName>,
    /// 1 is the first line; absent where it is the file as a whole.
    pub line: Option<u32>,
    /// Such as `spec.allowed.groups[0]`; empty where it is the document as a whole.
    pub path: String,
    pub message: String,
}

/// Which object a document is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    pub kind: Kind,
    pub namespace: Option<String>,
    pub name: String,
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
        object: None,
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
        let mut object = None;
        let problems = match yaml::read(chunk, nodes_left) {
            Ok(None) => continue,
            Ok(Some(tree)) => {
                object = object_name(&tree);
                nodes_left = nodes_left.saturating_sub(tree.count());
                let source = Source {
                    text: chunk.text.to_owned(),
                    lines_before: chunk.lines_before,
                };
                match decode_document(index, tree, source, &outcome.documents) {
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
                object: object.clone(),
                line: Some(problem.line),
                path: problem.path,
                message: problem.message,
            }));
    }
    outcome
}
