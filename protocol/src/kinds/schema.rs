//! The JSON Schemas of the kinds, made from the Rust types: the one description from which both strict decoding and
//! the CRDs come. Core types are in full here; [`super::crd`] leaves them out (D14).

use std::sync::OnceLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Kind;
use super::cluster::Cluster;
use super::debug_pod_template::DebugPodTemplate;
use super::debug_session::DebugSession;
use super::debug_session_cluster_binding::DebugSessionClusterBinding;
use super::debug_session_template::DebugSessionTemplate;
use super::deny_policy::DenyPolicy;

/// The whole object's schema: `metadata`, `spec`, `status`; shared parts under `$defs`.
pub(crate) fn of(kind: Kind) -> &'static Value {
    /// Made on first use: a few milliseconds each.
    static SCHEMAS: [OnceLock<Value>; 6] = [const { OnceLock::new() }; 6];
    let [pods, templates, bindings, sessions, policies, clusters] = &SCHEMAS;
    match kind {
        Kind::DebugPodTemplate => pods.get_or_init(generate::<DebugPodTemplate>),
        Kind::DebugSessionTemplate => templates.get_or_init(generate::<DebugSessionTemplate>),
        Kind::DebugSessionClusterBinding => {
            bindings.get_or_init(generate::<DebugSessionClusterBinding>)
        }
        Kind::DebugSession => sessions.get_or_init(generate::<DebugSession>),
        Kind::DenyPolicy => policies.get_or_init(generate::<DenyPolicy>),
        Kind::Cluster => clusters.get_or_init(generate::<Cluster>),
    }
}

fn generate<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// A schema with references followed: what it says, and whether `null` stands for absence.
#[derive(Clone, Copy)]
pub(crate) struct Resolved<'a> {
    pub(crate) schema: &'a Value,
    /// The name under `$defs`, if it came from there.
    pub(crate) name: Option<&'a str>,
    pub(crate) nullable: bool,
}

/// Follows `$ref` and `anyOf: [X, null]`, which is how an optional reference reads.
pub(crate) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> Resolved<'a> {
    let mut resolved = Resolved {
        schema,
        name: None,
        nullable: false,
    };
    loop {
        if let Some(reference) = resolved.schema.get("$ref").and_then(Value::as_str) {
            let name = reference.trim_start_matches("#/$defs/");
            let Some(target) = root.get("$defs").and_then(|defs| defs.get(name)) else {
                return resolved;
            };
            resolved.schema = target;
            resolved.name = Some(name);
        } else if let Some(options) = resolved.schema.get("anyOf").and_then(Value::as_array)
            && let [first, second] = options.as_slice()
            && second.get("type").and_then(Value::as_str) == Some("null")
        {
            resolved.schema = first;
            resolved.nullable = true;
        } else {
            return resolved;
        }
    }
}

/// The words of an enum, which schemars writes as `enum` or, where variants have comments, as `oneOf` of `const`.
pub(crate) fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let options = schema.get("oneOf").and_then(Value::as_array)?;
    Some(
        options
            .iter()
            .flat_map(|option| match option.get("const").and_then(Value::as_str) {
                Some(word) => vec![word],
                None => words(option).unwrap_or_default(),
            })
            .collect(),
    )
}

/// The one type of a schema, `null` aside.
pub(crate) fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Name under `$defs` of Kubernetes's quantities, which may be numbers too.
pub(crate) const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
