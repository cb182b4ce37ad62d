//! Calls functions as a template would, for the families' tests.

use std::collections::BTreeMap;
use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{Args, Env, find, type_name};
use crate::error::Fault;
use crate::limits::{Limits, Meter};
use crate::print;
use crate::random::RandomStream;
use crate::value::{List, ListKind, Map, MapKind, Value};

/// One call with fresh limits, a fixed seed and a fixed time. The arguments must fit the parameters.
pub(super) fn call(name: &str, args: &[Value]) -> Result<Value, Fault> {
    let function = find(name).unwrap_or_else(|| panic!("no function {name:?}"));
    (function.run)(
        Args(args),
        &mut Env {
            meter: &mut Meter::new(Limits::default()),
            now: Timestamp::UNIX_EPOCH,
            random: &mut RandomStream::new([7; 32]),
            regexes: &mut HashMap::new(),
        },
    )
}

/// Runs a table of calls: a JSON array a line, function name, arguments (see [`argument`]) and what Go writes of the
/// result by `%T|%v`; null where Go gives an error.
pub(super) fn check(table: &str) {
    let mut wrong = Vec::new();
    for line in table.lines() {
        let case: (String, Vec<Json>, Option<String>) =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let (name, args, want) = case;
        let args: Vec<Value> = args.iter().map(argument).collect();
        let got = call(&name, &args).ok().map(|value| described(&value));
        if got != want {
            wrong.push(format!("{line}\n    gives {got:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn described(value: &Value) -> String {
    let mut meter = Meter::new(Limits::default());
    let text = print::to_text(value, &mut meter).unwrap_or_else(|fault| fault.message);
    format!("{}|{text}", type_name(value))
}

/// A JSON integer is an `int`, an array a `[]interface {}`; an object is a value of another type: `float`, `int64`,
/// `strings`, `ints`, `map`, `texts` (a `map[string]string`), `nil` (a nil list).
fn argument(json: &Json) -> Value {
    match json {
        Json::Null | Json::Bool(_) | Json::String(_) => Value::from(json),
        Json::Number(number) => Value::int(number.as_i64().expect("an integer")),
        Json::Array(items) => Value::list(items.iter().map(argument).collect()),
        Json::Object(fields) => {
            let (kind, inner) = fields.iter().next().expect("one field");
            typed(kind, inner)
        }
    }
}

fn typed(kind: &str, inner: &Json) -> Value {
    match kind {
        // As a text: serde_json reads long numbers only nearly.
        "float" => Value::Float(
            inner
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("a float"),
        ),
        "int64" => Value::int64(inner.as_i64().expect("an integer")),
        "strings" => list(ListKind::Str, inner),
        "ints" => list(ListKind::Int, inner),
        "map" => map(MapKind::Any, inner),
        "texts" => map(MapKind::Str, inner),
        "nil" => Value::List(List::nil()),
        other => panic!("no kind {other:?}"),
    }
}

fn list(kind: ListKind, inner: &Json) -> Value {
    let items = inner.as_array().expect("an array");
    Value::List(List::new(kind, items.iter().map(argument).collect()))
}

fn map(kind: MapKind, inner: &Json) -> Value {
    let fields = inner.as_object().expect("an object");
    let entries: BTreeMap<_, _> = fields
        .iter()
        .map(|(key, value)| (key.as_str().into(), argument(value)))
        .collect();
    Value::Map(Map::new(kind, entries))
}
