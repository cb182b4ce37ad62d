//! The namespace itself, for a session that may make it. Made only if it is missing when something is to be made in it.

use std::collections::BTreeMap;

use breakglass_protocol::wire::grant::{Grant, IfMissing};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{WorkloadError, merged, own_annotations, own_labels};

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnNamespace {
    pub manifest: Value,
    /// Why this cluster's ceiling does not permit it; told only if the namespace is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl OwnNamespace {
    /// The labels that it would have.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.manifest
            .pointer("/metadata/labels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}

/// `None` if the session takes only what is there.
pub(super) fn render(grant: &Grant) -> Result<Option<OwnNamespace>, WorkloadError> {
    let labels = match grant.namespace_rule.as_ref().map(|rule| &rule.if_missing) {
        None | Some(IfMissing::Fail {}) => return Ok(None),
        Some(IfMissing::Create { labels }) => labels,
    };
    let sources = [
        ("the session's labels", &grant.labels),
        ("namespaceConstraints.namespaceLabels", labels),
    ];
    let annotations = [("the session's annotations", &grant.annotations)];
    Ok(Some(OwnNamespace {
        manifest: json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": grant.target_namespace,
                "labels": merged(sources, &own_labels(grant))?,
                "annotations": merged(annotations, &own_annotations(grant))?,
            },
        }),
        refused: None,
    }))
}
