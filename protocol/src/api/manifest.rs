//! Answers to `PUT` and `DELETE` of the kinds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of a write; of a dry run, what would come of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Written{T}")]
pub struct Written<T> {
    pub result: WriteResult,
    /// The object as it is now; of a deletion, as it was.
    pub object: T,
    /// What its author should know, such as that it refers to something that is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// In `kubectl`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WriteResult {
    Created,
    Configured,
    Unchanged,
    Deleted,
}

impl WriteResult {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        }
    }
}
