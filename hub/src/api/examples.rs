//! Examples of the OpenAPI document: bodies by name, which endpoint takes and gives which, and one problem of each code.

use serde_json::{Map, Value, json};

/// Reviewed by hand; a test holds every body against its schema.
const EXAMPLES: &str = include_str!("examples.json");

/// The examples, read once for a document.
pub struct Examples {
    all: Value,
}

/// Which side of an endpoint.
#[derive(Clone, Copy)]
pub enum Side {
    Request,
    Answer,
}

impl Examples {
    /// A file that is no JSON gives a document without examples; a test does not let it get that far.
    #[must_use]
    pub fn load() -> Self {
        Self {
            all: serde_json::from_str(EXAMPLES).unwrap_or_default(),
        }
    }

    /// For `examples` beside a schema; empty where the endpoint has none.
    #[must_use]
    pub fn of(&self, endpoint: &str, side: Side) -> Map<String, Value> {
        let side = match side {
            Side::Request => "request",
            Side::Answer => "answer",
        };
        let named = self.all["endpoints"][endpoint][side].as_str();
        named
            .map(|name| {
                let reference = json!({ "$ref": format!("#/components/examples/{name}") });
                (name.to_owned(), reference)
            })
            .into_iter()
            .collect()
    }

    /// For `components.examples`.
    #[must_use]
    pub fn bodies(&self) -> Map<String, Value> {
        let bodies = self.all["bodies"].as_object().into_iter().flatten();
        bodies
            .map(|(name, body)| (name.clone(), json!({ "value": body })))
            .collect()
    }

    /// For `examples` of the one problem body, by code.
    #[must_use]
    pub fn problems(&self) -> Map<String, Value> {
        let problems = self.all["problems"].as_object().into_iter().flatten();
        problems
            .map(|(code, told)| {
                let (status, message) = (&told[0], &told[1]);
                let problem = json!({
                    "error": message, "code": code, "message": message,
                    "requestId": "0199c7a2-0000-7000-8000-000000000000",
                });
                let status = status.as_str().unwrap_or_default();
                (code.clone(), json!({ "summary": status, "value": problem }))
            })
            .collect()
    }
}
