//! What text/template itself brings, but for `and` and `or`, which the engine keeps from looking at all operands, and
//! `slice`, which Sprig hides.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::error::Fault;
use crate::print;
use crate::value::{IntKind, MapKind, Value};

use super::{Args, Env, Function, Param, type_name};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("not", &[Param::Any], |args, _| {
        Ok(Value::Bool(!args.any(0)?.is_true()))
    }),
    Function::new("len", &[Param::Any], len),
    Function::with_rest("index", &[Param::Any], Param::Any, index),
    Function::with_rest("print", &[], Param::Any, |args, env| {
        Ok(Value::str(print::print(args.rest(0), env.meter)?))
    }),
    Function::with_rest("println", &[], Param::Any, |args, env| {
        Ok(Value::str(print::println(args.rest(0), env.meter)?))
    }),
    Function::with_rest("printf", &[Param::Str], Param::Any, |args, env| {
        let text = print::sprintf(args.str(0)?, args.rest(1), env.meter)?;
        Ok(Value::str(text))
    }),
    Function::with_rest("html", &[], Param::Any, html),
    Function::with_rest("js", &[], Param::Any, js),
    Function::with_rest("urlquery", &[], Param::Any, urlquery),
    Function::with_rest("call", &[Param::Any], Param::Any, |args, _| {
        Err(Fault::new(format!(
            "call: a {} is no function",
            type_name(args.any(0)?)
        ))
        .hinting("a template's values hold no functions"))
    }),
    Function::with_rest("eq", &[Param::Any], Param::Any, |args, _| {
        Ok(Value::Bool(equals_any("eq", args)?))
    }),
    Function::new("ne", &[Param::Any, Param::Any], |args, _| {
        Ok(Value::Bool(!equals_any("ne", args)?))
    }),
    Function::new("lt", &[Param::Any, Param::Any], |args, _| {
        Ok(Value::Bool(order("lt", args)? == Some(Ordering::Less)))
    }),
    Function::new("le", &[Param::Any, Param::Any], |args, _| {
        let order = order("le", args)?;
        Ok(Value::Bool(order.is_some_and(Ordering::is_le)))
    }),
    // Go takes these for the opposite of the two above, also where NaN makes them both false.
    Function::new("gt", &[Param::Any, Param::Any], |args, _| {
        let order = order("gt", args)?;
        Ok(Value::Bool(!order.is_some_and(Ordering::is_le)))
    }),
    Function::new("ge", &[Param::Any, Param::Any], |args, _| {
        Ok(Value::Bool(order("ge", args)? != Some(Ordering::Less)))
    }),
];

fn len(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let length = match args.any(0)? {
        Value::Str(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        other @ (Value::Nil
        | Value::Bool(_)
        | Value::Int(..)
        | Value::Float(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Version(_)) => {
            return Err(
                Fault::new(format!("len: a {} has no length", type_name(other)))
                    .hinting("len takes a text, a list or a map"),
            );
        }
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `index x 1 "a"` is `x[1]["a"]`; a missing key gives the zero of the map's entries.
fn index(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let mut item = args.any(0)?.clone();
    if matches!(item, Value::Nil) {
        return Err(Fault::new("index: the first argument has no value")
            .hinting("give it one with default, or ask with {{ if }}"));
    }
    for key in args.rest(1) {
        item = match &item {
            Value::List(list) => {
                let items = list.items();
                let place = place(key, items.len())?;
                items.get(place).cloned()
            }
            Value::Str(text) => {
                let place = place(key, text.len())?;
                let byte = text.as_bytes().get(place).copied();
                byte.map(|byte| Value::Int(byte.into(), IntKind::Uint8))
            }
            Value::Map(map) => {
                let Value::Str(key) = key else {
                    return Err(Fault::new(format!(
                        "index: a {} is no key of a map; keys are texts",
                        type_name(key)
                    )));
                };
                Some(map.field(key).unwrap_or(match map.kind {
                    MapKind::Any => Value::Nil,
                    MapKind::Str => Value::str(""),
                }))
            }
            Value::Nil => {
                return Err(Fault::new("index: there is null, or nothing, on the way"));
            }
            other @ (Value::Bool(_)
            | Value::Int(..)
            | Value::Float(_)
            | Value::Time(_)
            | Value::Duration(_)
            | Value::Version(_)) => {
                return Err(Fault::new(format!(
                    "index: a {} has no entries",
                    type_name(other)
                )));
            }
        }
        .ok_or_else(|| out_of_range(key))?;
    }
    Ok(item)
}

fn place(key: &Value, length: usize) -> Result<usize, Fault> {
    let Value::Int(number, _) = key else {
        return Err(Fault::new(format!(
            "index: a {} is no place in a list; use an int",
            type_name(key)
        ))
        .hinting("pass it through int; numbers of the context are float64"));
    };
    usize::try_from(*number)
        .ok()
        .filter(|place| *place < length)
        .ok_or_else(|| out_of_range(key))
}

fn out_of_range(key: &Value) -> Fault {
    let shown = match key {
        Value::Int(number, _) | Value::Duration(number) => number.to_string(),
        Value::Nil
        | Value::Bool(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Time(_)
        | Value::Version(_) => String::from("the index"),
    };
    Fault::new(format!("index: {shown} is out of range"))
}

/// What Go can compare by value.
#[derive(Clone, Copy)]
enum Basic<'a> {
    Bool(bool),
    /// With Go's two families of integers in one order.
    Int(i128),
    Float(f64),
    Str(&'a str),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    match value {
        Value::Bool(value) => Some(Basic::Bool(*value)),
        Value::Int(number, IntKind::Uint64) => Some(Basic::Int(number.cast_unsigned().into())),
        Value::Int(number, _) | Value::Duration(number) => Some(Basic::Int((*number).into())),
        Value::Float(number) => Some(Basic::Float(*number)),
        Value::Str(text) => Some(Basic::Str(text)),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Time(_) | Value::Version(_) => None,
    }
}

/// Whether the first argument equals one of the others; those behind the first that does are not looked at.
fn equals_any(name: &str, args: Args<'_>) -> Result<bool, Fault> {
    let first = args.any(0)?;
    if args.len() < 2 {
        return Err(Fault::new(format!(
            "{name} needs something to compare with"
        )));
    }
    for other in args.rest(1) {
        if equals(name, first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equals(name: &str, left: &Value, right: &Value) -> Result<bool, Fault> {
    match (basic(left), basic(right)) {
        (Some(Basic::Bool(left)), Some(Basic::Bool(right))) => Ok(left == right),
        (Some(Basic::Int(left)), Some(Basic::Int(right))) => Ok(left == right),
        (Some(Basic::Float(left)), Some(Basic::Float(right))) => Ok(left == right),
        (Some(Basic::Str(left)), Some(Basic::Str(right))) => Ok(left == right),
        (None, None) => match (left, right) {
            (Value::Nil, other) | (other, Value::Nil) => Ok(is_nil(other)),
            (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_))
                if is_nil(left) || is_nil(right) =>
            {
                Ok(is_nil(left) == is_nil(right))
            }
            (Value::Time(left), Value::Time(right)) => Ok(left == right),
            (Value::Version(left), Value::Version(right)) => Ok(Rc::ptr_eq(left, right)),
            (_, _) => Err(incompatible(name, left, right)
                .hinting("lists and maps are compared with deepEqual")),
        },
        (_, _) if matches!(left, Value::Nil) || matches!(right, Value::Nil) => Ok(false),
        (_, _) => Err(incompatible(name, left, right)),
    }
}

/// Nil, and Go's nil list and map.
fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        Value::Bool(_)
        | Value::Int(..)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Version(_) => false,
    }
}

fn incompatible(name: &str, left: &Value, right: &Value) -> Fault {
    let fault = Fault::new(format!(
        "{name}: a {} and a {} cannot be compared",
        type_name(left),
        type_name(right)
    ));
    match (left, right) {
        (Value::Float(_), Value::Int(..)) | (Value::Int(..), Value::Float(_)) => fault
            .hinting("numbers of the context are float64; write the constant as 1.0, or use int"),
        (Value::Nil, _) | (_, Value::Nil) => {
            fault.hinting("a missing key has no value: give one with default")
        }
        (Value::Str(_), _) | (_, Value::Str(_)) => fault.hinting("pass the other through toString"),
        (_, _) => fault,
    }
}

/// How two arguments are ordered; `None` if one is NaN.
fn order(name: &str, args: Args<'_>) -> Result<Option<Ordering>, Fault> {
    let (left, right) = (args.any(0)?, args.any(1)?);
    match (basic(left), basic(right)) {
        (Some(Basic::Int(left)), Some(Basic::Int(right))) => Ok(Some(left.cmp(&right))),
        (Some(Basic::Float(left)), Some(Basic::Float(right))) => Ok(left.partial_cmp(&right)),
        (Some(Basic::Str(left)), Some(Basic::Str(right))) => Ok(Some(left.cmp(right))),
        (_, _) => Err(incompatible(name, left, right)),
    }
}

/// As they are printed together; one text is taken as it is.
fn printed(args: Args<'_>, env: &mut Env<'_>) -> Result<String, Fault> {
    let values = args.rest(0);
    // Go shows a missing argument here as it would alone.
    let shown: Vec<Value> = values
        .iter()
        .map(|value| {
            if matches!(value, Value::Nil) {
                return Value::str("<no value>");
            }
            value.clone()
        })
        .collect();
    let text = print::print(&shown, env.meter)?;
    // A character becomes thirteen bytes at most.
    env.meter.steps(text.len() / 16)?;
    env.meter.bytes(text.len().saturating_mul(6))?;
    Ok(text)
}

fn html(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = printed(args, env)?;
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            _ => out.push(char),
        }
    }
    Ok(Value::str(out))
}

fn js(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = printed(args, env)?;
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' | '\'' | '"' => {
                out.push('\\');
                out.push(char);
            }
            '<' | '>' | '&' | '=' | '\0'..'\u{20}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(char)));
            }
            _ if char.is_ascii() || print::is_printable(char) => out.push(char),
            _ => out.push_str(&format!("\\u{:04X}", u32::from(char))),
        }
    }
    Ok(Value::str(out))
}

fn urlquery(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = printed(args, env)?;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(Value::str(out))
}
