//! What was resolved at request: what is approved is what runs, later edits change nothing (S7).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use breakglass_protocol::wire::grant::{Operations, Work};

/// The resolved terms of a session, and their digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// `sha256:` + hex of the canonical JSON of `terms`.
    pub digest: String,
    pub terms: Terms,
}

/// Everything that the life of a session depends on, merged and defaulted once (D13).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terms {
    pub template: String,
    /// The session template's `spec` as it was, for people and for later rules.
    pub template_spec: serde_json::Value,
    pub pod_template: Option<String>,
    /// What was asked for, as far as it shapes the session: a change of it is another request.
    pub asked: serde_json::Value,
    #[serde(with = "millis", rename = "durationMs")]
    pub duration: Duration,
    /// No renewal leads past start + this.
    #[serde(with = "millis", rename = "maxDurationMs")]
    pub max_duration: Duration,
    pub max_renewals: u32,
    pub target_namespace: String,
    pub operations: Operations,
    pub approval: ApprovalTerms,
    pub admitted: Admitted,
    pub max_concurrent_sessions: u32,
    pub approval_reason: Option<ApprovalReasonTerms>,
    pub work: Work,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// Who decides, if anybody must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalTerms {
    pub requirement: Requirement,
    pub groups: Vec<String>,
    pub users: Vec<String>,
}

/// Whether somebody must approve, and why not if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Requirement {
    Required,
    /// The approver set names nobody.
    NoApprovers,
    /// One of the requester's groups is in `autoApproveFor.groups`.
    AutoApprovedGroup,
    /// The cluster matches `autoApproveFor.clusters`.
    AutoApprovedCluster,
}

/// The people of `allowed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admitted {
    pub groups: Vec<String>,
    pub users: Vec<String>,
}

/// The `approvalReason` block with its defaults. Lengths in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalReasonTerms {
    pub mandatory: bool,
    pub mandatory_for_rejection: bool,
    pub min_length: usize,
}

impl Snapshot {
    /// Freezes `terms`.
    ///
    /// # Errors
    /// If the terms cannot be written as JSON (a map with keys that are not text).
    pub fn of(terms: Terms) -> Result<Self, serde_json::Error> {
        let digest = digest(&serde_json::to_value(&terms)?);
        Ok(Self { digest, terms })
    }
}

/// `sha256:` + hex over the canonical JSON: keys sorted, no white space, whatever serde_json's features are.
#[must_use]
pub fn digest(value: &serde_json::Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}

fn write_canonical(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            out.push('{');
            for (i, (key, item)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string())
        }
    }
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, s: S) -> Result<S::Ok, S::Error> {
        u64::try_from(duration.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s07_digest_depends_on_content_not_on_order() {
        let a = serde_json::json!({"b": [1, {"y": null, "x": "é\n"}], "a": true});
        let b: serde_json::Value =
            serde_json::from_str(r#"{ "a": true, "b": [1, {"x": "é\n", "y": null}] }"#).unwrap();
        assert_eq!(digest(&a), digest(&b));
        assert_ne!(
            digest(&a),
            digest(&serde_json::json!({"b": [{"y": null, "x": "é\n"}, 1], "a": true}))
        );
    }
}
