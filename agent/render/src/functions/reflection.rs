//! What a value is, and whether two are the same.

use super::Param::{Any, Str};
use super::{Args, Env, Function, type_name};
use crate::error::Fault;
use crate::limits::Meter;
use crate::value::{IntKind, Map, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("typeOf", &[Any], |args, _| {
        Ok(Value::str(type_name(args.any(0)?)))
    }),
    Function::new("typeIs", &[Str, Any], |args, _| {
        Ok(Value::Bool(args.str(0)? == type_name(args.any(1)?)))
    }),
    Function::new("typeIsLike", &[Str, Any], type_is_like),
    Function::new("kindOf", &[Any], |args, _| {
        Ok(Value::str(kind_name(args.any(0)?)))
    }),
    Function::new("kindIs", &[Str, Any], |args, _| {
        Ok(Value::Bool(args.str(0)? == kind_name(args.any(1)?)))
    }),
    Function::new("deepEqual", &[Any, Any], |args, env| {
        deep_equal(args.any(0)?, args.any(1)?, env.meter).map(Value::Bool)
    }),
];

/// As `typeIs`, or a pointer to it.
fn type_is_like(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let (wanted, found) = (args.str(0)?, type_name(args.any(1)?));
    let is_like = wanted == found || found.strip_prefix('*') == Some(wanted);
    Ok(Value::Bool(is_like))
}

/// Go's `reflect.Kind` of a value.
pub(super) fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "invalid",
        Value::Bool(_) => "bool",
        Value::Int(_, IntKind::Int | IntKind::Month | IntKind::Weekday) => "int",
        Value::Int(_, IntKind::Int64) | Value::Duration(_) => "int64",
        Value::Int(_, IntKind::Int32) => "int32",
        Value::Int(_, IntKind::Uint8) => "uint8",
        Value::Int(_, IntKind::Uint64) => "uint64",
        Value::Float(_) => "float64",
        Value::Str(_) => "string",
        Value::List(_) => "slice",
        Value::Map(_) => "map",
        Value::Time(_) => "struct",
        Value::Version(_) => "ptr",
    }
}

/// Go's `reflect.DeepEqual`: types count, and what is one list or map is equal to itself.
pub(super) fn deep_equal(left: &Value, right: &Value, meter: &mut Meter) -> Result<bool, Fault> {
    equal_at(left, right, meter, 0)
}

fn equal_at(left: &Value, right: &Value, meter: &mut Meter, depth: u32) -> Result<bool, Fault> {
    meter.step()?;
    meter.depth(depth)?;
    match (left, right) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Int(left, kind), Value::Int(right, other)) => Ok(left == right && kind == other),
        (Value::Float(left), Value::Float(right)) => Ok(left == right),
        (Value::Str(left), Value::Str(right)) => {
            meter.steps(left.len() / 64)?;
            Ok(left == right)
        }
        (Value::Time(left), Value::Time(right)) => Ok(left == right),
        (Value::Duration(left), Value::Duration(right)) => Ok(left == right),
        (Value::Version(left), Value::Version(right)) => Ok(left == right),
        (Value::List(left), Value::List(right)) => {
            if left.kind != right.kind || left.is_nil() != right.is_nil() {
                return Ok(false);
            }
            equal_items(left.items(), right.items(), meter, depth)
        }
        (Value::Map(left), Value::Map(right)) => equal_entries(left, right, meter, depth),
        _ => Ok(false),
    }
}

fn equal_items(
    left: &[Value],
    right: &[Value],
    meter: &mut Meter,
    depth: u32,
) -> Result<bool, Fault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    if std::ptr::eq(left, right) {
        return Ok(true);
    }
    for (left, right) in left.iter().zip(right) {
        if !equal_at(left, right, meter, depth.saturating_add(1))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_entries(left: &Map, right: &Map, meter: &mut Meter, depth: u32) -> Result<bool, Fault> {
    if left.kind != right.kind || left.is_nil() != right.is_nil() || left.len() != right.len() {
        return Ok(false);
    }
    if left.is_same(right) {
        return Ok(true);
    }
    meter.steps(left.len())?;
    for (key, value) in left.entries() {
        let Some(other) = right.get(&key) else {
            return Ok(false);
        };
        if !equal_at(&value, &other, meter, depth.saturating_add(1))? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use crate::value::Value;

    #[test]
    fn as_sprig_does() {
        testing::check(include_str!("reflection/cases.jsonl"));
    }

    #[test]
    fn a_dict_that_holds_itself_is_an_error() {
        let twins: Vec<Value> = (0..2)
            .map(|_| {
                let map = Value::map([].into());
                if let Value::Map(inner) = &map {
                    inner.insert("self".into(), map.clone());
                }
                map
            })
            .collect();
        assert!(testing::call("deepEqual", &twins).is_err());
    }
}
