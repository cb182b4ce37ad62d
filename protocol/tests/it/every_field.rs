//! An object with every field filled in, made from the schema: nothing of it may be lost in the Rust type. So the schema
//! (which decides what is a known field) and the types (which keep it) cannot drift apart, core types included.

use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::kinds::deny_policy::DenyPolicy;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

#[test]
fn no_field_is_lost() {
    for (object, fields) in [
        (survives::<DebugPodTemplate>(), 1_000),
        (survives::<DebugSessionTemplate>(), 300),
        (survives::<DebugSessionClusterBinding>(), 250),
        (survives::<DebugSession>(), 2_000),
        (survives::<DenyPolicy>(), 60),
        (survives::<Cluster>(), 30),
    ] {
        let count = object.to_string().matches("\":").count();
        assert!(
            count > fields,
            "only {count} fields: is the object really full?"
        );
    }
}

fn survives<T: JsonSchema + Serialize + DeserializeOwned>() -> Value {
    let schema = schemars::schema_for!(T).to_value();
    let full = fill(&schema, &schema, "");
    let typed: T = serde_path_to_error::deserialize(&full)
        .unwrap_or_else(|error| panic!("{}: {error}", error.path()));
    let mut again = serde_json::to_value(typed).unwrap();
    let object = again.as_object_mut().unwrap();
    assert!(object.remove("apiVersion").is_some() && object.remove("kind").is_some());
    same(&full, &again, "");
    again
}

fn same(full: &Value, again: &Value, path: &str) {
    match (full, again) {
        (Value::Object(full), Value::Object(again)) => {
            for (key, value) in full {
                same(
                    value,
                    again.get(key).unwrap_or(&Value::Null),
                    &format!("{path}.{key}"),
                );
            }
        }
        (Value::Array(full), Value::Array(again)) => {
            for (value, again) in full.iter().zip(again) {
                same(value, again, &format!("{path}[]"));
            }
        }
        _ => assert_eq!(full, again, "{path}"),
    }
}

/// A value with every property that the schema knows.
fn fill(root: &Value, schema: &Value, path: &str) -> Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.trim_start_matches("#/$defs/");
        // Schemas of API types refer to themselves nowhere that we use; a loop would show as a very long path.
        assert!(path.len() < 500, "{path}");
        return fill(root, &root["$defs"][name], path);
    }
    if let Some(object) = schema.get("x-list-or-object") {
        return fill(root, object, path);
    }
    if let Some(first) = schema
        .get("anyOf")
        .or_else(|| schema.get("oneOf"))
        .and_then(|options| options.get(0))
    {
        return fill(root, first, path);
    }
    if let Some(word) = schema
        .get("const")
        .or_else(|| schema.get("enum").and_then(|words| words.get(0)))
    {
        return word.clone();
    }
    let types = schema.get("type");
    let first = types.and_then(|types| types.get(0)).or(types);
    match first.and_then(Value::as_str) {
        Some("object") => object(root, schema, path),
        Some("array") => json!([fill(root, &schema["items"], &format!("{path}[]"))]),
        Some("string") if schema.get("x-check").is_some() => json!("1h30m"),
        Some("string") => match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => time(path),
            Some("byte") => json!("eA=="),
            _ => json!("x"),
        },
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => json!("anything"),
    }
}

/// Times with microseconds in the proof, seconds elsewhere.
fn time(path: &str) -> Value {
    let is_proof = [".cleanup.", ".agent.", ".end."]
        .iter()
        .any(|part| path.contains(part));
    if is_proof {
        json!("2026-01-31T12:00:00.123456Z")
    } else {
        json!("2026-01-31T12:00:00Z")
    }
}

fn object(root: &Value, schema: &Value, path: &str) -> Value {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let fields = properties
            .iter()
            .map(|(name, field)| (name.clone(), fill(root, field, &format!("{path}.{name}"))));
        return Value::Object(fields.collect::<Map<_, _>>());
    }
    match schema.get("additionalProperties") {
        Some(values) if values.is_object() => {
            json!({"key": fill(root, values, &format!("{path}.key"))})
        }
        _ => json!({"key": "anything"}),
    }
}
