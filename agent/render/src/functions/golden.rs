//! Calls with what Go answers to them: one JSON object a line, `f` the function, `a` its arguments, each with its type.
//! The files were written by a Go program that calls Sprig's, Helm's and apimachinery's own functions.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{Args, Env, find};
use crate::error::Fault;
use crate::limits::{Limits, Meter};
use crate::random::RandomStream;
use crate::value::{Time, Value};

/// Calls a function with the context's time at 2025-03-09T14:05:06Z and no more than the usual limits.
pub(super) fn call(name: &str, args: &[Value]) -> Result<Value, Fault> {
    let function = find(name).ok_or_else(|| Fault::new(format!("no function {name}")))?;
    let mut meter = Meter::new(Limits::default());
    let mut random = RandomStream::new([7; 32]);
    let mut env = Env {
        meter: &mut meter,
        now: "2025-03-09T14:05:06Z".parse().unwrap(),
        random: &mut random,
        regexes: &mut HashMap::new(),
    };
    (function.run)(Args(args), &mut env)
}

fn argument(json: &Json) -> Value {
    let Some((kind, json)) = json.as_object().and_then(|fields| fields.iter().next()) else {
        return Value::Nil;
    };
    match kind.as_str() {
        "str" => Value::str(json.as_str().unwrap()),
        "int" => Value::int(json.as_i64().unwrap()),
        "int64" => Value::int64(json.as_i64().unwrap()),
        "json" => Value::from(json),
        "time" => {
            let text = json.as_str().unwrap();
            let at = text.parse().unwrap();
            let offset = jiff::fmt::temporal::Pieces::parse(text)
                .unwrap()
                .to_numeric_offset()
                .unwrap_or(jiff::tz::Offset::UTC);
            let zone = jiff::tz::TimeZone::fixed(offset);
            Value::Time(Time { at, zone }.into())
        }
        kind => panic!("no such type {kind}"),
    }
}

/// Holds every line of a file against the functions; all differences at once.
pub(super) fn check(lines: &str) {
    let mut different = Vec::new();
    for line in lines.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let name = case["f"].as_str().unwrap();
        let args: Vec<Value> = case["a"].as_array().unwrap().iter().map(argument).collect();
        let got = match call(name, &args) {
            Err(fault) => {
                if case["err"] == Json::Bool(true) {
                    continue;
                }
                format!("error: {}", fault.message)
            }
            Ok(Value::Str(text)) if case["out"].as_str() == Some(&text) => continue,
            Ok(Value::Str(text)) => format!("{text:?}"),
            Ok(Value::Time(time)) => {
                let text = super::dates::time_text(&time);
                if case["time"].as_str() == Some(&text) {
                    continue;
                }
                text
            }
            Ok(other) => {
                // Through JSON, so that 1 and 1.0 are one.
                let json = call("toJson", &[other]).unwrap();
                let Value::Str(text) = json else {
                    panic!("toJson gives a text")
                };
                let json: Json = serde_json::from_str(&text).unwrap();
                if Value::from(&json).as_go_json() == Value::from(&case["json"]).as_go_json()
                    && case.get("json").is_some()
                {
                    continue;
                }
                // Another parser has other words for what is wrong with a text.
                let wrong = |json: &Json| json.to_string().contains("error ");
                if name.starts_with("fromYaml") && wrong(&json) && wrong(&case["json"]) {
                    continue;
                }
                format!("{json}")
            }
        };
        different.push(format!("{line}\n   got {got}"));
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

impl Value {
    fn as_go_json(&self) -> String {
        match call("toJson", std::slice::from_ref(self)) {
            Ok(Value::Str(text)) => text.to_string(),
            other => format!("{other:?}"),
        }
    }
}
