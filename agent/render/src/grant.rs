//! A grant's texts become objects: the pod, its later documents, the overrides and the auxiliary resources, checked
//! against the values that its requester typed (S13).

use std::collections::BTreeMap;

use breakglass_protocol::wire::grant::{Grant, PodOverrides};
use serde_json::Value;

use crate::error::TemplateError;

/// What the texts of a grant gave. Nothing here has been checked against a cluster or a ceiling.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedGrant {
    pub pod: Pod,
    /// Later documents of the pod template, in order: complete objects, made before the workload.
    pub resources: Vec<Value>,
    /// What `podOverridesTemplate` gave; applied after the grant's own `overrides`.
    pub overrides: Option<PodOverrides>,
    /// One for each of the grant's `auxiliary`, in its order: its objects, or why it gave none (for its failure policy).
    pub auxiliary: Vec<Result<Vec<Value>, RenderError>>,
}

/// A pod template's pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// core/v1 PodSpec; an object, not checked further.
    pub spec: Value,
}

/// Why a text gave no objects.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// The text, or an expression in it.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// What the text gave is not what is wanted there.
    #[error("{place}: {document}: {message}")]
    Document {
        place: String,
        /// `document 2 (PersistentVolumeClaim pvc-1)`
        document: String,
        message: String,
    },
    /// S13: a value would change more than its own text. Fails the session whatever the failure policy.
    #[error("{place}: {message}")]
    Value { place: String, message: String },
}

/// Renders everything in a grant that is text. `seed` keys the random functions and belongs to this grant alone; `now` in
/// templates is the grant's start.
///
/// # Errors
/// The first text of pod or overrides that does not give what it must, or a value that S13 refuses anywhere.
pub fn render_grant(grant: &Grant, seed: [u8; 32]) -> Result<RenderedGrant, RenderError> {
    let _ = (grant, seed);
    Err(RenderError::Value {
        place: String::new(),
        message: String::new(),
    })
}
