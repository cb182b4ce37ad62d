//! Why an admin's write did not happen, for the one error body.

use breakglass_hub_core::texts::TextProblem;
use breakglass_protocol::api::problem::Detail;
use breakglass_protocol::manifest::ManifestError;
use http::StatusCode;

use crate::clusters::ClusterError;
use crate::store::{CommitError, Key, StoreError};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It does not decode, or is not what the path says.
    #[error("the document cannot be read")]
    Unreadable(Vec<Detail>),
    /// It decodes, and this hub does not take it.
    #[error("the document cannot be used")]
    Refused(Vec<Detail>),
    #[error("{key} comes from the file {file} in the templates folder; change it there")]
    OwnedByFile { key: Key, file: String },
    #[error(
        "{key} is not at resourceVersion {expected} but {}; look at it again, then write",
        found.as_deref().map_or_else(|| "does not exist".to_owned(), |found| format!("at {found}"))
    )]
    Changed {
        key: Key,
        expected: String,
        found: Option<String>,
    },
    #[error("{0} does not exist")]
    NotFound(Key),
    #[error("{0} was changed by others at the same time; try again")]
    Contended(Key),
    #[error("judging the document was aborted: {0}")]
    Aborted(String),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl WriteError {
    pub(super) fn unreadable(errors: &[ManifestError]) -> Self {
        let detail = |error: &ManifestError| detail(&error.path, error.line, None, &error.message);
        Self::Unreadable(errors.iter().map(detail).collect())
    }

    pub(super) fn malformed(field: &str, message: impl AsRef<str>) -> Self {
        Self::Unreadable(vec![detail(field, None, None, message.as_ref())])
    }

    pub(super) fn refused(problems: Vec<TextProblem>) -> Self {
        let detail = |problem: TextProblem| {
            let place = problem.place;
            detail(
                &problem.field,
                Some(place.line),
                place.column,
                &problem.message,
            )
        };
        Self::Refused(problems.into_iter().map(detail).collect())
    }

    /// For the one error body: status, stable code, and details.
    #[must_use]
    pub fn problem(&self) -> (StatusCode, &'static str, Vec<Detail>) {
        match self {
            Self::Unreadable(details) => (StatusCode::BAD_REQUEST, "malformed", details.clone()),
            Self::Refused(details) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "constraint",
                details.clone(),
            ),
            Self::OwnedByFile { .. } => (StatusCode::CONFLICT, "ownedByFile", Vec::new()),
            Self::Changed { found, .. } => {
                let detail = Detail {
                    field: Some("metadata.resourceVersion".to_owned()),
                    rule: Some("resourceVersion".to_owned()),
                    message: self.to_string(),
                    allowed: found.iter().cloned().collect(),
                };
                (StatusCode::CONFLICT, "conflict", vec![detail])
            }
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "notFound", Vec::new()),
            Self::Contended(_) => (StatusCode::CONFLICT, "conflict", Vec::new()),
            Self::Aborted(_) | Self::Cluster(_) | Self::Store(_) | Self::Commit(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", Vec::new())
            }
        }
    }
}

fn detail(field: &str, line: Option<u32>, column: Option<u32>, message: &str) -> Detail {
    let place = match (line, column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: "),
        (Some(line), None) => format!("line {line}: "),
        (None, _) => String::new(),
    };
    Detail {
        field: Some(field.to_owned()).filter(|field| !field.is_empty()),
        rule: None,
        message: format!("{place}{message}"),
        allowed: Vec::new(),
    }
}
