//! Bodies of REST requests: JSON, strictly.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use crate::kinds::check::join_field;
use crate::limits::{MAX_BODY_BYTES, MAX_DEPTH, MAX_YAML_NODES};

/// Longest part of a repeated field's name that is told, in characters.
const MAX_SHOWN: usize = 100;

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{message}", path, if path.is_empty() { "" } else { ": " })]
pub struct BodyError {
    /// The field, such as `users[0]`; empty where it is the body as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Reads a JSON body: an object, no duplicate key, no unknown field (where the type refuses them), nothing after it, at most
/// 1 MiB, 64 deep and 100,000 values.
///
/// # Errors
/// The first thing that is wrong, with the path of its field.
pub fn decode_json_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    if bytes.len() > MAX_BODY_BYTES {
        return Err(whole(format!(
            "has {} bytes, more than {MAX_BODY_BYTES}",
            bytes.len()
        )));
    }
    let value = read(bytes)?;
    // A Rust struct could be read from a list too; nobody means that.
    if !value.is_object() {
        return Err(whole("must be a JSON object".to_owned()));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = plain_path(error.path());
        let message = error.inner().to_string();
        // The path of a field that is not there is that of its object; only the message names it.
        let missing = message.strip_prefix("missing field `");
        match missing.and_then(|rest| rest.strip_suffix('`')) {
            Some(field) => BodyError {
                path: join_field(&path, field),
                message: "is required".to_owned(),
            },
            None => BodyError { path, message },
        }
    })
}

fn whole(message: String) -> BodyError {
    BodyError {
        path: String::new(),
        message,
    }
}

fn plain_path(path: &serde_path_to_error::Path) -> String {
    match path.to_string() {
        root if root == "." => String::new(),
        path => path,
    }
}

fn read(bytes: &[u8]) -> Result<Value, BodyError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let repeated = RefCell::new(None);
    let mut track = serde_path_to_error::Track::new();
    let seed = Strict {
        depth: 0,
        nodes: &Cell::new(0),
        repeated: &repeated,
    };
    let value = seed.deserialize(serde_path_to_error::Deserializer::new(
        &mut json, &mut track,
    ));
    let value = value.map_err(|error| {
        if let Some(field) = repeated.take() {
            BodyError {
                path: join_field(&plain_path(&track.path()), &field),
                message: "is given twice".to_owned(),
            }
        } else if error.is_data() {
            BodyError {
                path: plain_path(&track.path()),
                message: without_place(&error.to_string()),
            }
        } else {
            whole(format!("is not JSON: {error}"))
        }
    })?;
    json.end()
        .map_err(|error| whole(format!("is not one JSON value: {error}")))?;
    Ok(value)
}

/// The path says it better than line and column of a body that a program wrote.
fn without_place(message: &str) -> String {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
        .to_owned()
}

/// Any value, with the checks that serde's own `Value` leaves out.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    nodes: &'a Cell<usize>,
    /// The field that was given twice: the path of the error is that of its object.
    repeated: &'a RefCell<Option<String>>,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!(
                "is nested more than {MAX_DEPTH} deep"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn count<E: de::Error>(self) -> Result<(), E> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > MAX_YAML_NODES {
            return Err(E::custom(format_args!(
                "the body has more than {MAX_YAML_NODES} values"
            )));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if fields.contains_key(&key) {
                *self.repeated.borrow_mut() = Some(key.chars().take(MAX_SHOWN).collect());
                return Err(de::Error::custom("a field is given twice"));
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::debug_session::{CreateDebugSession, Invite};

    fn error<T: DeserializeOwned + fmt::Debug>(body: &str) -> String {
        decode_json_body::<T>(body.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn bodies_are_strict() {
        let body: Invite =
            decode_json_body(br#" {"users": ["bob@example.com"], "role": "viewer"} "#).unwrap();
        assert_eq!(body.users, ["bob@example.com"]);
        for (body, expected) in [
            (
                "",
                "is not JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                "{",
                "is not JSON: EOF while parsing an object at line 1 column 1",
            ),
            ("[[\"bob\"]]", "must be a JSON object"),
            (
                r#"{"users": []} {}"#,
                "is not one JSON value: trailing characters at line 1 column 15",
            ),
            (r#"{"users": [], "users": []}"#, "users: is given twice"),
            (
                r#"{"users": [], "user": "x"}"#,
                "user: unknown field `user`, expected `users` or `role`",
            ),
            (
                r#"{"users": ["a", 1]}"#,
                "users[1]: invalid type: integer `1`, expected a string",
            ),
            (
                r#"{"users": [], "role": "owner"}"#,
                "role: unknown variant `owner`, expected `viewer` or `participant`",
            ),
            ("{}", "users: is required"),
        ] {
            assert_eq!(error::<Invite>(body), expected, "{body}");
        }
        assert_eq!(
            error::<CreateDebugSession>(
                r#"{"templateRef": "a", "cluster": "b", "extraDeployValues": {"x": {"y": 1, "y": 2}}}"#
            ),
            "extraDeployValues.x.y: is given twice"
        );
    }

    #[test]
    fn bodies_are_bounded() {
        let deep = format!("{{\"users\": {}{}}}", "[".repeat(70), "]".repeat(70));
        assert!(
            error::<Invite>(&deep).ends_with("is nested more than 64 deep"),
            "{}",
            error::<Invite>(&deep)
        );
        let many = format!("{{\"users\": [{}1]}}", "1,".repeat(100_000));
        assert!(error::<Invite>(&many).ends_with("more than 100000 values"));
        let long = format!("{{\"users\": [\"{}\"]}}", "x".repeat(MAX_BODY_BYTES));
        assert!(error::<Invite>(&long).contains("more than 1048576"));
    }
}
