//! The CRDs, made from the same schemas as strict decoding, less what an API server cannot take (D14): core types and
//! free values become `x-kubernetes-preserve-unknown-fields` (a whole PodSpec alone would pass the 256 KiB that a
//! client-side apply may carry), "list or object" has no type, nothing has a default.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation, JSONSchemaProps,
};
use kube::core::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::Kind;
use super::cluster::Cluster;
use super::debug_pod_template::DebugPodTemplate;
use super::debug_session::DebugSession;
use super::debug_session_cluster_binding::DebugSessionClusterBinding;
use super::debug_session_template::DebugSessionTemplate;
use super::deny_policy::DenyPolicy;
use super::schema::{self, Resolved};

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
/// Names under `$defs` of core/v1 types.
const CORE: &str = "io.k8s.api.core.";
/// Keywords that structural schemas know with the same meaning.
const KEPT: [&str; 9] = [
    "description",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
];

/// Why a CRD could not be made: a bug in this crate, found by its tests.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    #[error("the schema of {kind} is not a structural schema: {source}")]
    NotStructural {
        kind: Kind,
        source: serde_json::Error,
    },
    #[error("the CRD of {kind} cannot be written as YAML: {why}")]
    Unwritable { kind: Kind, why: String },
}

/// The CRD of each kind, in the order of [`Kind::ALL`].
///
/// # Errors
/// If the schema of a kind is not structural.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, CrdError> {
    Kind::ALL.into_iter().map(crd).collect()
}

/// The CRD of one kind.
///
/// # Errors
/// If the schema of the kind is not structural.
pub fn crd(kind: Kind) -> Result<CustomResourceDefinition, CrdError> {
    let mut crd = match kind {
        Kind::DebugPodTemplate => DebugPodTemplate::crd(),
        Kind::DebugSessionTemplate => DebugSessionTemplate::crd(),
        Kind::DebugSessionClusterBinding => DebugSessionClusterBinding::crd(),
        Kind::DebugSession => DebugSession::crd(),
        Kind::DenyPolicy => DenyPolicy::crd(),
        Kind::Cluster => Cluster::crd(),
    };
    let schema: JSONSchemaProps = serde_json::from_value(root_schema(kind))
        .map_err(|source| CrdError::NotStructural { kind, source })?;
    for version in &mut crd.spec.versions {
        version.schema = Some(CustomResourceValidation {
            open_api_v3_schema: Some(schema.clone()),
        });
    }
    Ok(crd)
}

/// One kind's CRD as YAML.
///
/// # Errors
/// As [`crd`], or if it cannot be written.
pub fn crd_document(kind: Kind) -> Result<String, CrdError> {
    serde_saphyr::to_string(&crd(kind)?).map_err(|error| CrdError::Unwritable {
        kind,
        why: error.to_string(),
    })
}

/// All CRDs as one YAML file.
///
/// # Errors
/// As [`crd_document`].
pub fn crds_yaml() -> Result<String, CrdError> {
    let documents: Result<Vec<String>, CrdError> =
        Kind::ALL.into_iter().map(crd_document).collect();
    Ok(documents?.join("---\n"))
}

/// Schema of the whole object. API servers know `metadata` themselves.
fn root_schema(kind: Kind) -> Value {
    let root = schema::of(kind);
    let structural = Structural { root };
    let property = |name: &str| {
        let field = root
            .get("properties")
            .and_then(|properties| properties.get(name));
        field.map_or_else(
            || json!({"type": "object", PRESERVE: true}),
            |field| structural.of(field),
        )
    };
    let mut spec = property("spec");
    if kind == Kind::DebugSession
        && let Some(spec) = spec.as_object_mut()
    {
        let rule = json!([{"rule": "self == oldSelf", "message": "a session's spec never changes; create a new session"}]);
        spec.insert("x-kubernetes-validations".to_owned(), rule);
    }
    let description = spec.get("description").cloned().unwrap_or_default();
    json!({
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {"spec": spec, "status": property("status")},
    })
}

/// Rewrites schemas with references to structural ones without.
#[derive(Clone, Copy)]
struct Structural {
    root: &'static Value,
}

impl Structural {
    fn of(self, field: &'static Value) -> Value {
        let Resolved { schema, name, .. } = schema::resolve(self.root, field);
        let is_core = name.is_some_and(|name| name.starts_with(CORE));
        let mut out = if is_core || field.get("x-embedded").is_some() {
            Map::from_iter([
                ("type".to_owned(), json!("object")),
                (PRESERVE.to_owned(), json!(true)),
            ])
        } else {
            self.body(schema)
        };
        // What is said of the field says more than what is said of its type. Core types' own texts are pages long.
        let said = field
            .get("description")
            .or_else(|| schema.get("description").filter(|_| !is_core));
        if let Some(said) = said.and_then(Value::as_str) {
            out.insert("description".to_owned(), json!(without_rule_numbers(said)));
        }
        Value::Object(out)
    }

    fn body(self, schema: &'static Value) -> Map<String, Value> {
        let mut out = Map::new();
        if schema.get("x-list-or-object").is_some() {
            out.insert(PRESERVE.to_owned(), json!(true));
            return out;
        }
        for key in KEPT {
            if let Some(value) = schema.get(key) {
                out.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(words) = schema::words(schema) {
            out.insert("type".to_owned(), json!("string"));
            out.insert("enum".to_owned(), json!(words));
            return out;
        }
        let Some(name) = schema::type_of(schema) else {
            out.insert(PRESERVE.to_owned(), json!(true));
            return out;
        };
        out.insert("type".to_owned(), json!(name));
        if name == "array" {
            let items = schema
                .get("items")
                .map_or_else(|| json!({PRESERVE: true}), |items| self.of(items));
            out.insert("items".to_owned(), items);
        }
        if name == "object" {
            self.object(schema, &mut out);
        }
        out
    }

    fn object(self, schema: &'static Value, out: &mut Map<String, Value>) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            let properties: Map<String, Value> = properties
                .iter()
                .map(|(name, field)| (name.clone(), self.of(field)))
                .collect();
            out.insert("properties".to_owned(), Value::Object(properties));
            if let Some(required) = schema.get("required") {
                out.insert("required".to_owned(), required.clone());
            }
            return;
        }
        match schema.get("additionalProperties") {
            Some(values) if values.as_object().is_some_and(|values| !values.is_empty()) => {
                out.insert("additionalProperties".to_owned(), self.of(values));
            }
            Some(_) | None => {
                out.insert(PRESERVE.to_owned(), json!(true));
            }
        }
    }
}

/// The numbers of rules and decisions in comments, such as ` (S1)`, mean nothing to who reads `kubectl explain`.
fn without_rule_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(" (") {
        let (before, after) = rest.split_at(start);
        let end = after.find(')').map_or(after.len(), |end| end + 1);
        let (bracket, after) = after.split_at(end);
        let is_numbers = bracket
            .trim_matches([' ', '(', ')'])
            .split(", ")
            .all(|word| {
                word.strip_prefix(['S', 'D']).is_some_and(|digits| {
                    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
                })
            });
        out.push_str(before);
        if !is_numbers {
            out.push_str(bracket);
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_carry_no_rule_numbers() {
        assert_eq!(without_rule_numbers("Who asked (S6)."), "Who asked.");
        assert_eq!(without_rule_numbers("Left (S17, D23)."), "Left.");
        assert_eq!(
            without_rule_numbers("Key (Subject) and (S"),
            "Key (Subject) and (S"
        );
    }
}
