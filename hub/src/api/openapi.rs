//! The OpenAPI 3.1 document, made from the route table. OpenAPI 3.1's schemas are JSON Schema 2020-12, which is what the
//! types' one derive gives (docs/decisions/0003).

use breakglass_protocol::api::problem::Problem;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::endpoint::{Answers, BodyNeed, Encoding, Endpoint, Method, Query, QueryKind, Who};

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
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        for (i, path) in endpoint.full_paths().enumerate() {
            let operation = operation(endpoint, &path, i, &mut generator);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[endpoint.method.as_str()] = operation;
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem);
    json!({
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
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
            } },
            "schemas": schemas
        }
    })
}

fn operation(
    endpoint: &Endpoint,
    path: &str,
    alias: usize,
    generator: &mut SchemaGenerator,
) -> Value {
    let (status, answer) = &endpoint.answer;
    let media = match endpoint.answers {
        Answers::Json => "application/json",
        Answers::Events => "text/event-stream",
    };
    let mut operation = json!({
        "operationId": if alias == 0 { endpoint.id.to_owned() } else { format!("{}Old", endpoint.id) },
        "summary": endpoint.summary,
        "tags": [tag(endpoint.path)],
        "parameters": parameters(path, endpoint.query),
        "responses": {
            status.as_str(): {
                "description": "Done.",
                "content": { media: { "schema": answer(generator) } }
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
        let taken = json!({ "schema": body(generator) });
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
