//! Compares a document with its kind's schema and tells everything that does not fit, not only the first thing. What
//! fits comes out as JSON, ready for the Rust types.

mod scalar;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use self::scalar::describe;

use super::suggest::did_you_mean;
use super::tree::{Content, Entry, Node};
use crate::kinds::Kind;
use crate::kinds::check::{join_field, join_item};
use crate::kinds::schema::{self, QUANTITY, Resolved};

/// Something that does not fit.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) path: String,
    pub(super) line: u32,
    pub(super) message: String,
}

/// A place in the document: for errors.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    line: u32,
}

/// Reads the fields of a kind's object except `apiVersion` and `kind`. What does not fit is left out of the JSON.
pub(super) fn read(kind: Kind, tree: &Node) -> (Value, Vec<Problem>) {
    let root = schema::of(kind);
    let mut reader = Reader {
        root,
        problems: Vec::new(),
    };
    let all = match &tree.content {
        Content::Map(entries) => entries.as_slice(),
        Content::Null
        | Content::Bool(_)
        | Content::Number(_)
        | Content::String(_)
        | Content::List(_) => &[],
    };
    let place = Place {
        path: "",
        line: tree.line,
    };
    let mut entries = reader.once_each(all.iter(), place.path);
    entries.retain(|entry| entry.key != "apiVersion" && entry.key != "kind");
    let value = reader.fields(&entries, root, place);
    (Value::Object(value), reader.problems)
}

struct Reader {
    root: &'static Value,
    problems: Vec<Problem>,
}

impl Reader {
    fn refuse(&mut self, place: Place<'_>, message: impl Into<String>) {
        self.problems.push(Problem {
            path: place.path.to_owned(),
            line: place.line,
            message: message.into(),
        });
    }

    /// `None` if the node does not fit at all.
    fn value(&mut self, node: &Node, schema: &'static Value, place: Place<'_>) -> Option<Value> {
        let Resolved { schema, name, .. } = schema::resolve(self.root, schema);
        if let Some(object) = schema.get("x-list-or-object") {
            return self.list_or_object(node, object, place);
        }
        if name == Some(QUANTITY) {
            return self.quantity(node, place);
        }
        if schema.get("x-kubernetes-int-or-string").is_some() {
            return self.int_or_string(node, place);
        }
        if let Some(words) = schema::words(schema) {
            return self.word(node, &words, place);
        }
        match schema::type_of(schema) {
            Some("object") => self.object(node, schema, place),
            Some("array") => self.list(node, schema, place),
            Some("string") => self.text(node, schema, place),
            Some("integer") => self.integer(node, schema, place),
            Some("number") => self.number(node, place),
            Some("boolean") => self.boolean(node, place),
            Some(_) | None => self.anything(node, place),
        }
    }

    fn wrong_type(&mut self, node: &Node, wanted: &str, place: Place<'_>) -> Option<Value> {
        self.refuse(
            place,
            format!("must be {wanted}, not {}", describe(&node.content)),
        );
        None
    }

    /// Any value; only repeated keys are wrong in it.
    fn anything(&mut self, node: &Node, place: Place<'_>) -> Option<Value> {
        match &node.content {
            Content::Map(entries) => {
                for entry in self.once_each(entries.iter(), place.path) {
                    let path = join_field(place.path, &entry.key);
                    let place = Place {
                        path: &path,
                        line: entry.line,
                    };
                    self.anything(&entry.value, place);
                }
            }
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = join_item(place.path, index);
                    self.anything(
                        item,
                        Place {
                            path: &path,
                            line: item.line,
                        },
                    );
                }
            }
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => {}
        }
        Some(node.to_json())
    }

    fn list_or_object(
        &mut self,
        node: &Node,
        object: &'static Value,
        place: Place<'_>,
    ) -> Option<Value> {
        match &node.content {
            Content::List(items) => Some(self.items(items, None, place)),
            Content::Map(_) => self.value(node, object, place),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => self
                .wrong_type(
                    node,
                    "a list of patterns, or an object with patterns and selectorTerms",
                    place,
                ),
        }
    }

    fn object(&mut self, node: &Node, schema: &'static Value, place: Place<'_>) -> Option<Value> {
        let Content::Map(entries) = &node.content else {
            return self.wrong_type(node, "an object", place);
        };
        let entries: Vec<&Entry> = entries.iter().collect();
        if schema.get("properties").is_some() {
            return Some(Value::Object(self.fields(&entries, schema, place)));
        }
        match schema.get("additionalProperties") {
            Some(values) if values.is_object() => {
                Some(Value::Object(self.map(&entries, values, place)))
            }
            Some(_) | None => self.anything(node, place),
        }
    }

    /// An object whose fields are known.
    fn fields(
        &mut self,
        entries: &[&Entry],
        schema: &'static Value,
        place: Place<'_>,
    ) -> Map<String, Value> {
        let known = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |key: &str| required.is_some_and(|keys| keys.iter().any(|k| k.as_str() == Some(key)));
        let mut map = Map::new();
        for entry in self.once_each(entries.iter().copied(), place.path) {
            let path = join_field(place.path, &entry.key);
            let at = Place {
                path: &path,
                line: entry.line,
            };
            let Some(schema) = known.and_then(|known| known.get(&entry.key)) else {
                let names = known.into_iter().flat_map(Map::keys).map(String::as_str);
                let hint = did_you_mean(&entry.key, names);
                self.refuse(at, format!("is not a known field{hint}"));
                continue;
            };
            // As everywhere in Kubernetes, null says that a field is absent.
            if matches!(entry.value.content, Content::Null) && !is_required(&entry.key) {
                continue;
            }
            let value = self.value(&entry.value, schema, at);
            if let Some(value) =
                value.or_else(|| is_required(&entry.key).then(|| self.placeholder(schema)))
            {
                map.insert(entry.key.clone(), value);
            }
        }
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if !entries.iter().any(|entry| entry.key == key) {
                let path = join_field(place.path, key);
                self.refuse(
                    Place {
                        path: &path,
                        line: place.line,
                    },
                    "is required",
                );
                if let Some(schema) = known.and_then(|known| known.get(key)) {
                    map.insert(key.to_owned(), self.placeholder(schema));
                }
            }
        }
        map
    }

    /// An object whose keys are the author's.
    fn map(
        &mut self,
        entries: &[&Entry],
        values: &'static Value,
        place: Place<'_>,
    ) -> Map<String, Value> {
        let mut map = Map::new();
        for entry in self.once_each(entries.iter().copied(), place.path) {
            let path = join_field(place.path, &entry.key);
            if let Some(value) = self.value(
                &entry.value,
                values,
                Place {
                    path: &path,
                    line: entry.line,
                },
            ) {
                map.insert(entry.key.clone(), value);
            }
        }
        map
    }

    /// Stands for a required value that is missing or wrong, so that the rest of the document can still be checked.
    /// It never leaves this module's callers: a document with a problem is not handed out.
    fn placeholder(&self, schema: &'static Value) -> Value {
        let Resolved { schema, .. } = schema::resolve(self.root, schema);
        if let Some(word) = schema::words(schema).and_then(|words| words.first().copied()) {
            return Value::from(word);
        }
        match schema::type_of(schema) {
            Some("string") if schema.get("x-check").is_some() => Value::from("1s"),
            Some("string") if schema.get("format").is_some() => Value::from("1970-01-01T00:00:00Z"),
            Some("string") => Value::from(""),
            Some("integer" | "number") => Value::from(0),
            Some("boolean") => Value::from(false),
            Some("array") => Value::Array(Vec::new()),
            Some("object") => {
                let required = schema
                    .get("required")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                let properties = schema.get("properties");
                let fields = required.filter_map(Value::as_str).filter_map(|key| {
                    let field = properties.and_then(|properties| properties.get(key))?;
                    Some((key.to_owned(), self.placeholder(field)))
                });
                Value::Object(fields.collect())
            }
            Some(_) | None => Value::Null,
        }
    }

    /// The first entry of each key; the others are told.
    fn once_each<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        path: &str,
    ) -> Vec<&'a Entry> {
        let mut first_lines = BTreeMap::new();
        let mut firsts = Vec::new();
        for entry in entries {
            match first_lines.get(&entry.key) {
                None => {
                    first_lines.insert(&entry.key, entry.line);
                    firsts.push(entry);
                }
                Some(first) => {
                    let path = join_field(path, &entry.key);
                    self.refuse(
                        Place {
                            path: &path,
                            line: entry.line,
                        },
                        format!("is given twice, first on line {first}"),
                    );
                }
            }
        }
        firsts
    }

    fn list(&mut self, node: &Node, schema: &'static Value, place: Place<'_>) -> Option<Value> {
        let Content::List(items) = &node.content else {
            return self.wrong_type(node, "a list", place);
        };
        self.size(
            items.len(),
            ("minItems", "maxItems"),
            "items",
            schema,
            place,
        );
        Some(self.items(items, schema.get("items"), place))
    }

    /// `None` as schema: texts.
    fn items(&mut self, items: &[Node], schema: Option<&'static Value>, place: Place<'_>) -> Value {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = join_item(place.path, index);
            let place = Place {
                path: &path,
                line: item.line,
            };
            // A placeholder keeps the numbers of the items that follow.
            values.push(match schema {
                Some(schema) => self
                    .value(item, schema, place)
                    .unwrap_or_else(|| self.placeholder(schema)),
                None => self
                    .text(item, &Value::Null, place)
                    .unwrap_or_else(|| Value::from("")),
            });
        }
        Value::Array(values)
    }

    fn size(
        &mut self,
        size: usize,
        (min, max): (&str, &str),
        what: &str,
        schema: &Value,
        place: Place<'_>,
    ) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
        let size = size as u64;
        if let Some(min) = bound(min).filter(|min| size < *min) {
            let message = if size == 0 {
                "must not be empty".to_owned()
            } else {
                format!("has {size} {what}, fewer than {min}")
            };
            self.refuse(place, message);
        }
        if let Some(max) = bound(max).filter(|max| size > *max) {
            self.refuse(place, format!("has {size} {what}, more than {max}"));
        }
    }
}
