//! JSON, as Go's encoding/json writes and reads it. `toJson`, `fromJson` and `fromJsonArray` are Helm's: an error becomes
//! a value. The others are Sprig's.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::{List, Value};

mod read;
mod write;

pub(super) use read::NotJson;
pub(super) use write::{Escapes, Layout, NoJson, Writer, number_text, version_text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toJson", &[Param::Any], to_json),
    Function::new("mustToJson", &[Param::Any], must_to_json),
    Function::new("toPrettyJson", &[Param::Any], to_pretty_json),
    Function::new("mustToPrettyJson", &[Param::Any], must_to_pretty_json),
    Function::new("toRawJson", &[Param::Any], to_raw_json),
    Function::new("mustToRawJson", &[Param::Any], to_raw_json),
    Function::new("fromJson", &[Param::Str], from_json),
    Function::new("fromJsonArray", &[Param::Str], from_json_array),
    Function::new("mustFromJson", &[Param::Str], must_from_json),
];

fn text(
    value: &Value,
    escapes: Escapes,
    layout: Layout,
    env: &mut Env<'_>,
) -> Result<String, NoJson> {
    let mut writer = Writer {
        meter: &mut *env.meter,
        escapes,
        layout,
        out: String::new(),
    };
    writer.value(value, 1)?;
    Ok(writer.out)
}

/// The text, or nothing for what JSON cannot say, as these functions have it.
fn or_nothing(text: Result<String, NoJson>) -> Result<Value, Fault> {
    match text {
        Ok(text) => Ok(Value::str(text)),
        Err(NoJson::Unsupported(_)) => Ok(Value::str("")),
        Err(NoJson::Limit(fault)) => Err(fault),
    }
}

fn or_fault(name: &str, text: Result<String, NoJson>) -> Result<Value, Fault> {
    match text {
        Ok(text) => Ok(Value::str(text)),
        Err(NoJson::Unsupported(why)) => Err(Fault::new(format!("{name}: {why}"))),
        Err(NoJson::Limit(fault)) => Err(fault),
    }
}

fn to_json(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    or_nothing(text(args.any(0)?, Escapes::Html, Layout::Compact, env))
}

fn must_to_json(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = text(args.any(0)?, Escapes::Html, Layout::Compact, env);
    or_fault("mustToJson", text)
}

fn to_pretty_json(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    or_nothing(text(args.any(0)?, Escapes::Html, Layout::Indented, env))
}

fn must_to_pretty_json(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = text(args.any(0)?, Escapes::Html, Layout::Indented, env);
    or_fault("mustToPrettyJson", text)
}

fn to_raw_json(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = text(args.any(0)?, Escapes::Plain, Layout::Compact, env);
    or_fault("toRawJson", text)
}

/// A map that holds nothing but an error, as Helm hands one on.
pub(super) fn error_map(message: String) -> Value {
    Value::map(BTreeMap::from([(Rc::from("Error"), Value::str(message))]))
}

fn from_json(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match read::read(args.str(0)?, env.meter) {
        Ok(value) => Ok(value),
        Err(NotJson::Limit(fault)) => Err(fault),
        // As Sprig has it, whose name it is: no error, and no value.
        Err(NotJson::Syntax(_)) => Ok(Value::Nil),
    }
}

/// What Go's json makes of a value for a `map[string]interface {}`; `context` stands before its error.
pub(super) fn as_map(value: Value, context: &str) -> Value {
    match (&value, json_kind(&value)) {
        (Value::Map(_), _) => value,
        (Value::Nil, _) => Value::map(BTreeMap::new()),
        (_, kind) => error_map(format!(
            "{context}json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        )),
    }
}

fn from_json_array(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match read::read(args.str(0)?, env.meter) {
        Ok(Value::Nil) => Ok(Value::List(List::nil())),
        Ok(value) => Ok(as_list(value, "")),
        Err(NotJson::Limit(fault)) => Err(fault),
        Err(NotJson::Syntax(message)) => Ok(Value::list(vec![Value::str(message)])),
    }
}

/// What Go's json makes of a value for a `[]interface {}`; `context` stands before its error.
pub(super) fn as_list(value: Value, context: &str) -> Value {
    match (&value, json_kind(&value)) {
        (Value::List(_), _) => value,
        (Value::Nil, _) => Value::list(Vec::new()),
        (_, kind) => Value::list(vec![Value::str(format!(
            "{context}json: cannot unmarshal {kind} into Go value of type []interface {{}}"
        ))]),
    }
}

/// What Go calls a JSON value in its errors.
pub(super) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "null",
        Value::Bool(_) => "bool",
        Value::Int(..) | Value::Float(_) | Value::Duration(_) => "number",
        Value::Str(_) | Value::Time(_) | Value::Version(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
    }
}

fn must_from_json(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match read::read(args.str(0)?, env.meter) {
        Ok(value) => Ok(value),
        Err(NotJson::Limit(fault)) => Err(fault),
        Err(NotJson::Syntax(message)) => Err(Fault::new(format!("mustFromJson: {message}"))
            .hinting("give it the text of one JSON value")),
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::golden;

    #[test]
    fn as_go() {
        golden::check(include_str!("golden/json.jsonl"));
    }
}
