//! Resources deployed beside the debug pods (spec 1 section 7).

use super::check::Checks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One of `auxiliaryResources`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuxiliaryResource {
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// `network-policy`, `rbac`, `configmap`, `monitoring`, `custom` or any other word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A resource whose strings may hold template expressions. Not together with `templateString`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Map<String, Value>>,
    /// One or several YAML documents. Not together with `template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_string: Option<String>,
    /// Before the workload. Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_before: Option<bool>,
    /// Removed with the session. Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<bool>,
    /// What a failure means. Absent: fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicy>,
    /// Whether the requester may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// What it means that a resource cannot be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// The session fails.
    #[default]
    Fail,
    /// Nothing.
    Ignore,
    /// The session goes on and says so.
    Warn,
}

impl AuxiliaryResource {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.not_blank("category", self.category.as_ref());
        match (&self.template, &self.template_string) {
            (Some(_), Some(_)) => {
                checks.refuse_here("has both template and templateString; keep one of them")
            }
            (None, None) => {
                checks.refuse_here("has neither template nor templateString; add one of them")
            }
            (Some(template), None) => {
                checks.within("template", |checks| check_resource(template, checks))
            }
            (None, Some(_)) => checks.not_blank("templateString", self.template_string.as_ref()),
        }
    }
}

/// A structured resource says at least what it is.
fn check_resource(template: &Map<String, Value>, checks: &mut Checks) {
    for field in ["apiVersion", "kind"] {
        match template.get(field) {
            Some(Value::String(text)) if !text.is_empty() => {}
            Some(_) => checks.refuse(field, "must be a text"),
            None => checks.refuse(field, "is required: what resource is it?"),
        }
    }
    match template
        .get("metadata")
        .and_then(|metadata| metadata.get("name"))
    {
        Some(Value::String(name)) if !name.is_empty() => {}
        Some(_) => checks.within("metadata", |checks| checks.refuse("name", "must be a text")),
        None => checks.within("metadata", |checks| checks.refuse("name", "is required")),
    }
}
