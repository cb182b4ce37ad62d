//! The session's PodDisruptionBudget: how many of its pods a node's drain must leave.

use breakglass_protocol::labels;
use breakglass_protocol::wire::grant::{DisruptionBudget, Grant, Work};
use serde_json::json;

use super::{Document, WorkloadError, object};

/// `Document.source` of it.
pub const DISRUPTION_BUDGET: &str = "pod-disruption-budget";

/// The document, if the session has one. It selects the workload's pods, by keys that no template may set.
pub(super) fn render(grant: &Grant) -> Result<Option<Document>, WorkloadError> {
    let Work::Workload(workload) = &grant.work;
    let Some(budget) = workload.disruption_budget else {
        return Ok(None);
    };
    let mut spec = json!({ "selector": { "matchLabels": {
        labels::SESSION: grant.session,
        labels::SESSION_TYPE: labels::SESSION_TYPE_DEBUG,
    } } });
    match budget {
        DisruptionBudget::MinAvailable(pods) => spec["minAvailable"] = json!(pods),
        DisruptionBudget::MaxUnavailable(pods) => spec["maxUnavailable"] = json!(pods),
    }
    let document = Document {
        source: DISRUPTION_BUDGET.to_owned(),
        manifest: json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": { "name": format!("{}-pdb", grant.session) },
            "spec": spec,
        }),
        beside: None,
    };
    object::finish_document(grant, document).map(Some)
}
