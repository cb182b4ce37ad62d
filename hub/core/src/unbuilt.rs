//! Fields that decode but whose behaviour is not built yet (D10). The loader refuses a document that uses one, `template
//! check` warns. Only values that differ from "off" count.
//!
//! The tables in `unbuilt/table.rs` name every field of every kind, built or not; a test walks the kinds' schemas and
//! finds what is missing. Building a feature means turning its entry to [`Support::Built`].

use serde::Serialize;
use serde_json::Value;

use breakglass_protocol::kinds::cluster::ClusterSpec;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplateSpec;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBindingSpec;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;
use breakglass_protocol::kinds::deny_policy::DenyPolicySpec;

mod table;

/// One field in use that nothing acts on yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuilt {
    /// Path in the document, such as `spec.kubectlDebug.podCopy`.
    pub field: String,
    /// What to do about it, worded to follow the path.
    pub message: String,
}

/// A document to be judged.
#[derive(Clone, Copy, Debug)]
pub enum Document<'a> {
    Template(&'a DebugSessionTemplateSpec),
    PodTemplate(&'a DebugPodTemplateSpec),
    Binding(&'a DebugSessionClusterBindingSpec),
    Cluster(&'a ClusterSpec),
    DenyPolicy(&'a DenyPolicySpec),
}

/// Whether a field has its behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    Built,
    Unbuilt(Used),
}

/// When a field counts as used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    /// It holds anything but nothing: absent, `null`, `false`, zero, and empty texts, lists and objects are nothing.
    Set,
    /// It holds one of these words.
    Is(&'static [&'static str]),
    /// It is an object whose `enabled` is true; the rest of it means nothing without.
    Enabled,
    /// It is set, and the `enabled` beside it is not false.
    SetUnlessDisabled,
}

/// One field, by its path below `spec`, with everything below it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    path: &'static str,
    support: Support,
}

/// Every field in use that nothing acts on yet.
#[must_use]
pub fn of(document: Document<'_>) -> Vec<Unbuilt> {
    match document {
        Document::Template(spec) => search(spec, table::TEMPLATE),
        Document::PodTemplate(spec) => search(spec, table::POD_TEMPLATE),
        Document::Cluster(spec) => search(spec, table::CLUSTER),
        Document::Binding(spec) => search(spec, table::BINDING),
        Document::DenyPolicy(spec) => search(spec, table::DENY_POLICY),
    }
}

fn search(spec: &impl Serialize, table: &[Entry]) -> Vec<Unbuilt> {
    match serde_json::to_value(spec) {
        Ok(spec) => table
            .iter()
            .filter_map(|entry| judge(&spec, entry))
            .collect(),
        // Closed: what cannot be looked at is not passed.
        Err(error) => vec![Unbuilt {
            field: "spec".to_owned(),
            message: format!("cannot be examined: {error}"),
        }],
    }
}

fn judge(spec: &Value, entry: &Entry) -> Option<Unbuilt> {
    let Support::Unbuilt(used) = entry.support else {
        return None;
    };
    let value = at(spec, entry.path)?;
    let is_used = match used {
        Used::Set => is_something(value),
        Used::Is(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Used::Enabled => value.get("enabled") == Some(&Value::Bool(true)),
        Used::SetUnlessDisabled => is_something(value) && !is_disabled(spec, entry.path),
    };
    is_used.then(|| {
        let message = match used {
            Used::Is(_) => {
                format!("{value} is not supported yet; choose another value or leave it out")
            }
            Used::Enabled => "is not supported yet; leave it out, or set enabled: false".to_owned(),
            Used::Set | Used::SetUnlessDisabled => "is not supported yet; leave it out".to_owned(),
        };
        Unbuilt {
            field: format!("spec.{}", entry.path),
            message,
        }
    })
}

/// The value at a path of field names.
fn at<'a>(spec: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(spec, |value, field| value.get(field))
}

/// Whether the object that holds the field says `enabled: false`.
fn is_disabled(spec: &Value, path: &str) -> bool {
    let holder = path
        .rsplit_once('.')
        .and_then(|(holder, _)| at(spec, holder));
    holder.and_then(|h| h.get("enabled")) == Some(&Value::Bool(false))
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(set) => *set,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => fields.values().any(is_something),
    }
}

#[cfg(test)]
mod tests;
