//! The OpenAPI 3.1 document, made from the route table. OpenAPI 3.1's schemas are JSON Schema 2020-12, which is what the
//! types' one derive gives (docs/decisions/0003).

use std::collections::BTreeSet;

use breakglass_protocol::api::problem::Problem;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::endpoint::{Answers, BodyNeed, Encoding, Endpoint, Method, Query, QueryKind, Who};
use super::examples::{Examples, Side};

/// Where schemas are.
const SCHEMAS: &str = "#/components/schemas/";
/// How the schemas of a pod's parts begin.
const OPAQUE: &str = "io.k8s.api.core.v1.";

/// The whole document.
#[must_use]
pub fn document(endpoints: &[Endpoint]) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let problem = Problem::json_schema(&mut generator).to_value();
    let examples = Examples::load();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        for (i, path) in endpoint.full_paths().enumerate() {
            let operation = operation(endpoint, &path, i, &mut generator, &examples);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[endpoint.method.as_str()] = operation;
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem);
    make_opaque(&mut schemas);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Breakglass debug sessions",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Ask for, approve, use and end debug sessions. Paths under /api/debugSessions are the same under the base of older clients. Times are RFC 3339, UTC. Unknown fields are refused, unknown query parameters ignored.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "responses": { "problem": {
                "description": "Why it was not done, and what to do.",
                "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                    "examples": examples.problems()
                } }
            } },
            "examples": examples.bodies(),
            "schemas": schemas
        }
    });
    keep_what_is_used(&mut document);
    document
}

/// Kubernetes' own parts of a pod are known to their readers, and are most of what a document with them would hold.
fn make_opaque(schemas: &mut Map<String, Value>) {
    for (name, schema) in schemas.iter_mut() {
        if let Some(part) = name.strip_prefix(OPAQUE) {
            *schema = json!({
                "description": format!("{part} of Kubernetes' core/v1, checked by the hub."),
                "type": "object"
            });
        }
    }
}

/// Leaves out schemas to which nothing leads.
fn keep_what_is_used(document: &mut Value) {
    let mut used = BTreeSet::new();
    let mut open = references(&document["paths"]);
    open.extend(references(&document["components"]["responses"]));
    while let Some(name) = open.pop() {
        if used.contains(&name) {
            continue;
        }
        open.extend(references(&document["components"]["schemas"][&name]));
        used.insert(name);
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| used.contains(name));
    }
}

/// Names of the schemas that a value refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix(SCHEMAS))
                .map(str::to_owned);
            own.into_iter()
                .chain(fields.values().flat_map(references))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn operation(
    endpoint: &Endpoint,
    path: &str,
    alias: usize,
    generator: &mut SchemaGenerator,
    examples: &Examples,
) -> Value {
    let (status, answer) = &endpoint.answer;
    let (media, answer) = match endpoint.answers {
        Answers::Json => ("application/json", answer(generator)),
        Answers::Events => ("text/event-stream", one_event(&answer(generator))),
    };
    let mut operation = json!({
        "operationId": if alias == 0 { endpoint.id.to_owned() } else { format!("{}Old", endpoint.id) },
        "summary": endpoint.summary,
        "tags": [tag(endpoint.path)],
        "parameters": parameters(path, &endpoint.query),
        "responses": {
            status.as_str(): {
                "description": "Done.",
                "content": { media: with_examples(answer, examples.of(endpoint.id, Side::Answer)) }
            },
            "4XX": { "$ref": "#/components/responses/problem" },
            "5XX": { "$ref": "#/components/responses/problem" }
        }
    });
    if alias > 0 {
        operation["deprecated"] = json!(true);
    }
    if endpoint.who == Who::Admins {
        operation["description"] = json!("Admins only.");
    }
    if endpoint.method == Method::Put {
        // What was not there is made.
        operation["responses"]["201"] = operation["responses"]["200"].clone();
    }
    if let Some(body) = endpoint.body {
        let taken = with_examples(body(generator), examples.of(endpoint.id, Side::Request));
        let mut content = json!({ "application/json": taken });
        if endpoint.encoding == Encoding::JsonOrYaml {
            content["application/yaml"] = taken;
        }
        operation["requestBody"] = json!({
            "required": endpoint.body_need == BodyNeed::Required,
            "content": content
        });
    }
    operation
}

/// A stream is described by each of its events, whose data is JSON in a text.
fn one_event(data: &Schema) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["event", "id", "data"],
        "properties": {
            "event": { "type": "string" },
            "id": { "type": "string" },
            "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": data },
        },
    })
}

fn with_examples(schema: Schema, examples: Map<String, Value>) -> Value {
    let mut media = json!({ "schema": schema });
    if !examples.is_empty() {
        media["examples"] = Value::Object(examples);
    }
    media
}

fn tag(path: &str) -> &str {
    path.trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default()
}

fn parameters(path: &str, query: &[Query]) -> Vec<Value> {
    let in_path = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "maxLength": 253 } })
    });
    let in_query = query.iter().map(|q| {
        let schema = match q.kind {
            QueryKind::Text => json!({ "type": "string" }),
            QueryKind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            QueryKind::Number => json!({ "type": "integer", "minimum": 1 }),
            QueryKind::DryRun => json!({ "type": "string", "enum": ["All"] }),
            QueryKind::YesNo => json!({ "type": "boolean" }),
        };
        json!({ "name": q.name, "in": "query", "description": q.about, "schema": schema })
    });
    in_path.chain(in_query).collect()
}
