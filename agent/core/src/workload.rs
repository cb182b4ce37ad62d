//! A grant's manifests: pod template + overrides + labels → DaemonSet or Deployment. Rendered once, journaled, applied
//! unchanged for the grant's whole life (D4).

use breakglass_protocol::wire::grant::Grant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything to be made for a grant, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendered {
    pub documents: Vec<Document>,
}

/// One object to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Which part of the grant asks for it: `workload`, …; becomes `ObjectRecord.source`.
    pub source: String,
    pub manifest: Value,
}

/// `Document.source` of the DaemonSet or Deployment.
pub const WORKLOAD: &str = "workload";

/// Why a grant has no manifests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    #[error("{0} is not a pod spec: {1}")]
    NotAPodSpec(&'static str, String),
}

/// All manifests of a grant.
///
/// # Errors
/// What in the grant cannot be deployed, by field.
pub fn render(grant: &Grant) -> Result<Rendered, WorkloadError> {
    Ok(Rendered {
        documents: vec![Document {
            source: WORKLOAD.to_owned(),
            manifest: render_workload(grant)?,
        }],
    })
}

/// The DaemonSet or Deployment of a grant.
///
/// # Errors
/// What in the grant cannot be deployed, by field.
pub fn render_workload(grant: &Grant) -> Result<Value, WorkloadError> {
    Err(WorkloadError::NotAPodSpec(
        "spec",
        format!("{} cannot be rendered yet", grant.session),
    ))
}
