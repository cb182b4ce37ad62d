//! What was resolved at request: what is approved is what runs, later edits change nothing (S7). The [`Source`] is stored
//! (`status.resolvedTemplate` and its neighbours); the [`Terms`] are read from it, the same on every load.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplateSpec;
use breakglass_protocol::kinds::debug_session as kind;
use breakglass_protocol::kinds::debug_session::{
    DebugSessionSpec, ResolvedBinding, ResolvedRequest, ResolvedValue,
};
use breakglass_protocol::kinds::debug_session_template::{
    DebugSessionTemplateSpec, ExpirationBehavior,
};
use breakglass_protocol::wire::grant::{
    AtExpiry, Auxiliary, GrantedValue, NamespaceRule, Operations, ServiceAccountName, ValueOrigin,
    Work,
};

use crate::caller::Caller;
use crate::request::{Layers, defaults};

mod place;
mod work;

/// The frozen source, its digest, and the terms that follow from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// SHA-256 of the canonical JSON of request and source, lower-case hex.
    pub digest: String,
    pub source: Source,
    pub terms: Terms,
}

/// What is frozen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub template: Box<DebugSessionTemplateSpec>,
    /// `None` where the session template holds the pod itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<Box<DebugPodTemplateSpec>>,
    pub resolved: Box<ResolvedRequest>,
    pub requirement: Requirement,
    /// `None` where the session is made through no binding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<ResolvedBinding>,
}

impl Source {
    /// The rules that the session stands under.
    #[must_use]
    pub fn layers(&self) -> Layers<'_> {
        Layers {
            template: &self.template,
            binding: self.binding.as_ref().and_then(|b| b.spec.as_deref()),
        }
    }
}

/// Everything that the life of a session depends on, merged and defaulted (D13).
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    pub duration: Duration,
    /// No renewal leads past start + this.
    pub max_duration: Duration,
    pub renewals: Renewals,
    /// `expirationBehavior`, as the agent is told it.
    pub at_expiry: AtExpiry,
    pub target_namespace: String,
    /// What the cluster still decides about it.
    pub namespace_rule: Option<NamespaceRule>,
    /// As whom the agent deploys; `None`: as itself.
    pub deployer: Option<ServiceAccountName>,
    pub operations: Operations,
    pub approval: ApprovalTerms,
    pub admitted: Admitted,
    pub max_concurrent_sessions: u32,
    pub binding_limits: BindingLimits,
    pub approval_reason: Option<ApprovalReasonTerms>,
    pub work: Work,
    /// What templates read as `.vars`.
    pub values: BTreeMap<String, GrantedValue>,
    /// The resources that the session takes beside its workload.
    pub auxiliary: Vec<Auxiliary>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// Whether and how the session may be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewals {
    None,
    UpTo {
        times: u32,
        /// Whether an approver must agree to each.
        requirement: Requirement,
    },
}

/// Who decides, if anybody must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalTerms {
    pub requirement: Requirement,
    pub groups: Vec<String>,
    pub users: Vec<String>,
}

/// Whether somebody must approve (`status.approval.required`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Requirement {
    Required,
    NotRequired,
}

/// How many sessions may be open through the binding at once; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindingLimits {
    /// `maxActiveSessionsPerUser`.
    pub per_user: Option<u32>,
    /// `maxActiveSessionsTotal`.
    pub total: Option<u32>,
}

/// The people of `allowed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    pub groups: Vec<String>,
    pub users: Vec<String>,
}

impl Admitted {
    /// Whether they name the caller or one of their groups.
    #[must_use]
    pub fn holds(&self, caller: &Caller) -> bool {
        caller.is_named_in(&self.users) || caller.is_in_any(&self.groups)
    }
}

/// The `approvalReason` block with its defaults. Lengths in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalReasonTerms {
    pub mandatory: bool,
    pub mandatory_for_rejection: bool,
    pub min_length: usize,
    pub max_length: usize,
}

/// Why something cannot be a snapshot. Requests are checked before; from the store it means a damaged record.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("it cannot be written as JSON: {0}")]
    Encode(#[from] serde_json::Error),
}

impl Snapshot {
    /// Freezes what a request was resolved to.
    ///
    /// # Errors
    /// If the source lacks what every session has.
    pub fn of(spec: &DebugSessionSpec, source: Source) -> Result<Self, SnapshotError> {
        let digest = digest(&serde_json::json!({ "spec": spec, "source": source }));
        Self::restore(spec, digest, source)
    }

    /// Reads a stored snapshot. Its digest is what it was: it names what was decided on, also after an upgrade.
    ///
    /// # Errors
    /// If the source lacks what every session has.
    pub fn restore(
        spec: &DebugSessionSpec,
        digest: String,
        source: Source,
    ) -> Result<Self, SnapshotError> {
        let terms = Terms::of(spec, &source)?;
        Ok(Self {
            digest,
            source,
            terms,
        })
    }
}

impl Terms {
    fn of(spec: &DebugSessionSpec, source: &Source) -> Result<Self, SnapshotError> {
        let Source {
            resolved,
            requirement,
            ..
        } = source;
        let layers = source.layers();
        let missing = SnapshotError::Missing;
        let seconds = |value: Option<i64>, name| {
            value
                .and_then(|s| u64::try_from(s).ok())
                .map(Duration::from_secs)
                .ok_or(missing(name))
        };
        Ok(Self {
            duration: seconds(resolved.duration_seconds, "resolved.durationSeconds")?,
            max_duration: seconds(resolved.max_duration_seconds, "resolved.maxDurationSeconds")?,
            renewals: renewals(resolved),
            at_expiry: match resolved.expiration_behavior.unwrap_or_default() {
                ExpirationBehavior::Terminate => AtExpiry::RemoveAll,
                ExpirationBehavior::NotifyOnly => AtExpiry::KeepWorkload,
            },
            target_namespace: resolved
                .target_namespace
                .clone()
                .ok_or(missing("resolved.targetNamespace"))?,
            namespace_rule: place::namespace_rule(resolved),
            deployer: place::deployer(resolved),
            operations: defaults::operations(resolved.operations.as_ref()),
            approval: ApprovalTerms {
                requirement: *requirement,
                groups: resolved.approver_groups.clone(),
                users: resolved.approver_users.clone(),
            },
            admitted: layers.admitted(),
            max_concurrent_sessions: defaults::max_concurrent_sessions(
                layers.merged_constraints().as_ref(),
            ),
            binding_limits: binding_limits(layers),
            approval_reason: layers
                .merged_approval_reason()
                .as_ref()
                .map(defaults::approval_reason),
            work: work::work(spec, source)?,
            values: values(resolved),
            auxiliary: work::auxiliary(spec, source)?,
            labels: resolved.labels.clone(),
            annotations: resolved.annotations.clone(),
        })
    }
}

fn binding_limits(layers: Layers<'_>) -> BindingLimits {
    let count = |given: Option<i32>| given.and_then(|n| u32::try_from(n).ok());
    layers
        .binding
        .map_or_else(BindingLimits::default, |binding| BindingLimits {
            per_user: count(binding.max_active_sessions_per_user),
            total: count(binding.max_active_sessions_total),
        })
}

fn count(value: Option<i32>) -> u32 {
    value.and_then(|v| u32::try_from(v).ok()).unwrap_or(0)
}

fn renewals(resolved: &ResolvedRequest) -> Renewals {
    match (resolved.allow_renewal, count(resolved.max_renewals)) {
        (Some(false), _) | (_, 0) => Renewals::None,
        (Some(true) | None, times) => Renewals::UpTo {
            times,
            requirement: match resolved.require_approval_for_renewal {
                Some(true) => Requirement::Required,
                Some(false) | None => Requirement::NotRequired,
            },
        },
    }
}

fn values(resolved: &ResolvedRequest) -> BTreeMap<String, GrantedValue> {
    let values = resolved.values.iter();
    values
        .map(|(name, from)| (name.clone(), value(from)))
        .collect()
}

fn value(from: &ResolvedValue) -> GrantedValue {
    GrantedValue {
        text: from.text.clone(),
        origin: match from.origin {
            kind::ValueOrigin::Constrained => ValueOrigin::Constrained,
            kind::ValueOrigin::FreeText => ValueOrigin::FreeText,
        },
    }
}

/// SHA-256 in lower-case hex over the canonical JSON.
#[must_use]
pub fn digest(value: &serde_json::Value) -> String {
    hex::encode(Sha256::digest(canonical(value).as_bytes()))
}

/// JSON with keys sorted and no white space, whatever serde_json's features are.
pub(crate) fn canonical(value: &serde_json::Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
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
