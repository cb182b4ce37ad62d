//! The session's ResourceQuota (D9): what the agent judges before anything is made, held by the API server too, also
//! against whatever is made in the namespace later. It counts whole namespaces, so it is made only in one that the session
//! made itself ([`crate::held::Held::next_document`]).

use breakglass_protocol::wire::grant::{Grant, IfMissing, Quota, Work};
use serde_json::{Map, Value, json};

use super::{Document, WorkloadError, object};

/// `Document.source` of it.
pub const RESOURCE_QUOTA: &str = "resource-quota";

/// The document, if the session has totals that the API server can hold and may make its namespace.
pub(super) fn render(grant: &Grant) -> Result<Option<Document>, WorkloadError> {
    let rule = grant.namespace_rule.as_ref();
    match rule.map(|rule| &rule.if_missing) {
        None | Some(IfMissing::Fail {}) => return Ok(None),
        Some(IfMissing::Create { .. }) => {}
    }
    let Work::Workload(workload) = &grant.work;
    let hard = workload.quota.as_ref().map(hard).unwrap_or_default();
    if hard.is_empty() {
        return Ok(None);
    }
    let document = Document {
        source: RESOURCE_QUOTA.to_owned(),
        manifest: json!({
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": { "name": format!("{}-quota", grant.session) },
            "spec": { "hard": hard },
        }),
        beside: None,
    };
    object::finish_document(grant, document).map(Some)
}

/// `spec.hard`: never less than what [`crate::quota::judge_totals`] lets pass, or the session could not start. Hence no
/// `limits.*` (totals are of requests), and `requests.cpu` and `requests.memory`, which make the API server refuse every pod
/// that does not say them, only where the session's own pods have to say them.
fn hard(quota: &Quota) -> Map<String, Value> {
    let of_requests = |limit: &Option<String>| limit.clone().filter(|_| quota.enforce_requests);
    let hard = [
        ("pods", quota.max_pods.map(|limit| limit.to_string())),
        ("requests.cpu", of_requests(&quota.max_cpu)),
        ("requests.memory", of_requests(&quota.max_memory)),
        ("requests.storage", quota.max_storage.clone()),
        ("requests.ephemeral-storage", quota.max_storage.clone()),
    ];
    hard.into_iter()
        .filter_map(|(resource, limit)| Some((resource.to_owned(), json!(limit?))))
        .collect()
}
