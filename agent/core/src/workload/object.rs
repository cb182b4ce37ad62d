//! An object of a template, brought into the session: its namespace, our marks, and nothing that is not a template's to
//! say (S8: names rendered from templates stay within the session's namespace; S9: our keys cannot be overridden).

use breakglass_protocol::labels;
use breakglass_protocol::wire::grant::Grant;
use serde_json::{Map, Value, json};

use super::pod::settle_account;
use super::{Document, WorkloadError, own_annotations, own_labels};
use crate::kinds::{Known, Scope, check_name, known_kind};

/// Fields of `metadata` that only the API server, a controller or somebody with another intent sets.
const NOT_A_TEMPLATES: [(&str, &str); 9] = [
    (
        "generateName",
        "write a fixed name; it may hold the session's",
    ),
    ("ownerReferences", "the session is the owner"),
    ("finalizers", "nothing would be removed in time"),
    ("uid", "the API server gives it"),
    ("resourceVersion", "the API server gives it"),
    ("generation", "the API server gives it"),
    ("creationTimestamp", "the API server gives it"),
    ("deletionTimestamp", "the API server gives it"),
    ("managedFields", "the API server gives it"),
];
/// Fields that hold quantities, which YAML reads as numbers where they have no unit.
const QUANTITIES: [&str; 5] = ["requests", "limits", "hard", "capacity", "overhead"];
const QUANTITY: [&str; 2] = ["sizeLimit", "divisor"];

/// The document with a complete manifest, or left out if its policy permits that.
pub(super) fn finish_document(
    grant: &Grant,
    mut document: Document,
) -> Result<Document, WorkloadError> {
    match finish(grant, document.manifest.clone()) {
        Ok(manifest) => {
            document.manifest = manifest;
            Ok(document)
        }
        Err(why) => document.left_out(&why),
    }
}

/// The errors name the field and what to do.
fn finish(grant: &Grant, manifest: Value) -> Result<Value, String> {
    let Value::Object(mut object) = manifest else {
        return Err("it is not an object; write apiVersion, kind and metadata.name".to_owned());
    };
    let known = checked_kind(&object)?;
    object.retain(|key, value| key != "status" || !value.is_null());
    if object.contains_key("status") {
        return Err("status is set; take it out (the cluster writes it)".to_owned());
    }
    let Some(Value::Object(mut metadata)) = object.remove("metadata") else {
        return Err("metadata is missing; name the object with metadata.name".to_owned());
    };
    check_metadata(&mut metadata, known)?;
    settle_namespace(grant, known, &mut metadata)?;
    mark(grant, known, &mut metadata)?;
    object.insert("metadata".to_owned(), Value::Object(metadata));
    let mut manifest = Value::Object(object);
    if let Some(known) = known {
        spell_quantities(&mut manifest);
        if let Some(Value::Object(spec)) = known.pod_spec.and_then(|at| manifest.pointer_mut(at)) {
            settle_account(spec);
        }
        known
            .check(&manifest)
            .map_err(|e| format!("it is not a {}: {e}", known.kind))?;
    }
    Ok(manifest)
}

fn checked_kind(object: &Map<String, Value>) -> Result<Option<&'static Known>, String> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    // No more than a name: `..` would be another path at the API server.
    let part = |part: &str| check_name(None, part).is_ok();
    let parts: Vec<&str> = api_version.split('/').collect();
    if parts.len() > 2 || !parts.iter().all(|p| part(p)) {
        return Err(format!(
            "apiVersion is {api_version:?}; write VERSION or GROUP/VERSION"
        ));
    }
    if !kind.starts_with(|c: char| c.is_ascii_uppercase())
        || !kind.chars().all(|c| c.is_ascii_alphanumeric())
    {
        return Err(format!("kind is {kind:?}; write the kind's name"));
    }
    if kind == "List" {
        return Err("kind is List; write its items as documents of their own".to_owned());
    }
    Ok(known_kind(api_version, kind))
}

fn check_metadata(metadata: &mut Map<String, Value>, known: Option<&Known>) -> Result<(), String> {
    metadata.retain(|_, value| !value.is_null());
    for (field, why) in NOT_A_TEMPLATES {
        if metadata.contains_key(field) {
            return Err(format!("metadata.{field} is set; take it out ({why})"));
        }
    }
    match metadata.get("name") {
        Some(Value::String(name)) => check_name(known, name)
            .map_err(|wanted| format!("metadata.name is {name:?}; write {wanted}")),
        Some(other) => Err(format!(
            "metadata.name is {other}, which is no text; put it in quotes"
        )),
        None => Err("metadata.name is missing; give the object a name".to_owned()),
    }
}

fn settle_namespace(
    grant: &Grant,
    known: Option<&Known>,
    metadata: &mut Map<String, Value>,
) -> Result<(), String> {
    let named = metadata
        .remove("namespace")
        .filter(|namespace| namespace != "");
    let own = &grant.target_namespace;
    if let Some(known) = known
        && known.scope == Scope::Cluster
    {
        return match named {
            None => Ok(()),
            Some(_) => Err(format!(
                "metadata.namespace is set, but a {} has none; take it out",
                known.kind
            )),
        };
    }
    match named {
        Some(namespace) if namespace != own.as_str() => Err(format!(
            "metadata.namespace is {namespace}, but the session's objects are made in its own namespace {own} only; \
             leave it out"
        )),
        Some(_) | None => {
            metadata.insert("namespace".to_owned(), json!(own));
            Ok(())
        }
    }
}

/// Our labels and the session's, over the object's own.
fn mark(
    grant: &Grant,
    known: Option<&Known>,
    metadata: &mut Map<String, Value>,
) -> Result<(), String> {
    let mut own = own_labels(grant);
    if known.is_some_and(|known| known.kind == "Pod") {
        // The workload selects by it; a pod of the template's own must not be adopted by it.
        own.remove(labels::SESSION_TYPE);
    }
    let own_annotations = own_annotations(grant);
    for (field, session, own) in [
        ("labels", &grant.labels, &own),
        ("annotations", &grant.annotations, &own_annotations),
    ] {
        let mut all = match metadata.remove(field) {
            None => Map::new(),
            Some(Value::Object(all)) => all,
            Some(_) => return Err(format!("metadata.{field} is no mapping of texts")),
        };
        for (key, value) in &all {
            if labels::is_reserved(key) {
                return Err(format!(
                    "metadata.{field} sets {key:?}, which is the agent's own; take it out"
                ));
            }
            if !value.is_string() {
                return Err(format!(
                    "metadata.{field}.{key} is {value}, which is no text; put it in quotes"
                ));
            }
        }
        if let Some(key) = session.keys().find(|key| labels::is_reserved(key)) {
            return Err(format!(
                "the session's {field} set {key:?}, which is the agent's own; take it out"
            ));
        }
        all.extend(
            session
                .iter()
                .map(|(key, value)| (key.clone(), json!(value))),
        );
        all.extend(
            own.iter()
                .map(|(key, value)| ((*key).to_owned(), json!(value))),
        );
        metadata.insert(field.to_owned(), Value::Object(all));
    }
    Ok(())
}

/// Writes quantities that are numbers as texts, as the API server reads them.
pub(super) fn spell_quantities(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if QUANTITY.contains(&key.as_str()) {
                    spell(value);
                } else if QUANTITIES.contains(&key.as_str())
                    && let Value::Object(amounts) = value
                {
                    amounts.values_mut().for_each(spell);
                } else {
                    spell_quantities(value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(spell_quantities),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn spell(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = json!(number.to_string());
    }
}
