//! Sprig's dicts. `set`, `unset` and the merging functions change the dict they are given, for everybody who holds it.
//! Go's order of `keys` and `values` is random; here it is that of the keys.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Param::{Any, Map as Dict, Str};
use super::reflection::kind_name;
use super::{Args, Env, Function};
use crate::error::Fault;
use crate::limits::Meter;
use crate::print;
use crate::value::{Map, MapKind, Value};

mod copies;
mod merges;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::with_rest("dict", &[], Any, dict),
    Function::new("get", &[Dict, Str], get),
    Function::new("set", &[Dict, Str, Any], set),
    Function::new("unset", &[Dict, Str], unset),
    Function::new("hasKey", &[Dict, Str], has_key),
    Function::with_rest("pluck", &[Str], Dict, pluck),
    Function::with_rest("keys", &[], Dict, keys),
    Function::new("values", &[Dict], values),
    Function::with_rest("pick", &[Dict], Str, pick),
    Function::with_rest("omit", &[Dict], Str, omit),
    Function::with_rest("merge", &[Dict], Dict, merges::merge),
    Function::with_rest("mustMerge", &[Dict], Dict, merges::must_merge),
    Function::with_rest("mergeOverwrite", &[Dict], Dict, merges::merge_overwrite),
    Function::with_rest(
        "mustMergeOverwrite",
        &[Dict],
        Dict,
        merges::must_merge_overwrite,
    ),
    Function::new("deepCopy", &[Any], copies::deep_copy),
    Function::new("mustDeepCopy", &[Any], copies::deep_copy),
    Function::with_rest("dig", &[], Any, dig),
];

/// What an entry takes beside its key's text.
const ENTRY_BYTES: usize = 64;

/// To be asked before so many entries are looked at and kept.
fn charge(count: usize, meter: &mut Meter) -> Result<(), Fault> {
    meter.steps(count)?;
    meter.bytes(count.saturating_mul(ENTRY_BYTES))
}

fn entries(map: Option<&Map>, meter: &mut Meter) -> Result<Vec<(Rc<str>, Value)>, Fault> {
    let Some(map) = map else {
        return Ok(Vec::new());
    };
    charge(map.len(), meter)?;
    Ok(map.entries())
}

fn made(entries: impl IntoIterator<Item = (Rc<str>, Value)>) -> Value {
    Value::map(entries.into_iter().collect())
}

/// `dict KEY VALUE …`; a last key without a value has "".
fn dict(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    charge(args.len().div_ceil(2), env.meter)?;
    let mut out = BTreeMap::new();
    for pair in args.rest(0).chunks(2) {
        let (key, value) = match pair {
            [key, value] => (key, value.clone()),
            [key] => (key, Value::str("")),
            _ => continue,
        };
        let key = if let Value::Str(key) = key {
            Rc::clone(key)
        } else {
            print::to_text(key, env.meter)?.into()
        };
        out.insert(key, value);
    }
    Ok(Value::map(out))
}

/// "" if there is no such key.
fn get(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let key = args.str(1)?;
    let found = args.map(0)?.and_then(|map| map.get(key));
    Ok(found.unwrap_or_else(|| Value::str("")))
}

fn set(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let Some(map) = args.map(0)? else {
        return Err(
            Fault::new(format!("set cannot write {:?} into nil", args.str(1)?))
                .hinting("make a dict first: `default (dict) VALUE`"),
        );
    };
    charge(1, env.meter)?;
    let key = if let Value::Str(key) = args.any(1)? {
        Rc::clone(key)
    } else {
        args.str(1)?.into()
    };
    map.insert(key, args.any(2)?.clone());
    args.any(0).cloned()
}

fn unset(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    match args.map(0)? {
        Some(map) => {
            map.remove(args.str(1)?);
            Ok(Value::Map(map.clone()))
        }
        None => Ok(Value::Map(Map::nil())),
    }
}

fn has_key(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let key = args.str(1)?;
    let found = args.map(0)?.is_some_and(|map| map.get(key).is_some());
    Ok(Value::Bool(found))
}

/// `pluck KEY DICT …`: the values of all dicts that have the key.
fn pluck(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let key = args.str(0)?;
    charge(args.len(), env.meter)?;
    let mut out = Vec::new();
    for place in 1..args.len() {
        out.extend(args.map(place)?.and_then(|map| map.get(key)));
    }
    Ok(Value::list(out))
}

fn keys(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut out = Vec::new();
    for place in 0..args.len() {
        let entries = entries(args.map(place)?, env.meter)?;
        out.extend(entries.into_iter().map(|(key, _)| key));
    }
    Ok(Value::strings(out))
}

fn values(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let entries = entries(args.map(0)?, env.meter)?;
    Ok(Value::list(
        entries.into_iter().map(|(_, value)| value).collect(),
    ))
}

fn pick(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let map = args.map(0)?;
    charge(args.len(), env.meter)?;
    let mut out = BTreeMap::new();
    for place in 1..args.len() {
        let key = args.str(place)?;
        if let Some(value) = map.and_then(|map| map.get(key)) {
            out.insert(key.into(), value);
        }
    }
    Ok(Value::map(out))
}

fn omit(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut left: BTreeMap<_, _> = entries(args.map(0)?, env.meter)?.into_iter().collect();
    env.meter.steps(args.len())?;
    for place in 1..args.len() {
        left.remove(args.str(place)?);
    }
    Ok(made(left))
}

/// `dig KEY … DEFAULT DICT`
fn dig(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let ([.., fallback, dict], Some(count)) = (args.rest(0), args.len().checked_sub(2)) else {
        return Err(too_few());
    };
    if count == 0 {
        return Err(too_few());
    }
    env.meter.steps(count)?;
    let mut keys = Vec::with_capacity(count);
    for place in 0..count {
        keys.push(
            args.str(place).map_err(|_| {
                Fault::new(format!("dig: key {} is no text", place.saturating_add(1)))
            })?,
        );
    }
    let mut found = dict.clone();
    for key in keys {
        let Value::Map(
            map @ Map {
                kind: MapKind::Any, ..
            },
        ) = &found
        else {
            return Err(Fault::new(format!(
                "dig looks for {key:?} in a {}, which is no dict",
                kind_name(&found)
            )));
        };
        match map.get(key) {
            Some(value) => found = value,
            None => return Ok(fallback.clone()),
        }
    }
    Ok(found)
}

fn too_few() -> Fault {
    Fault::new("dig needs at least three arguments").hinting("write `dig \"a\" \"b\" DEFAULT DICT`")
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use crate::value::Value;

    #[test]
    fn as_sprig_does() {
        testing::check(include_str!("dicts/cases.jsonl"));
    }

    /// `d` of both dicts is one dict with itself inside.
    #[test]
    fn merging_dicts_that_hold_themselves_is_an_error() {
        let inner = Value::map([].into());
        if let Value::Map(map) = &inner {
            map.insert("self".into(), inner.clone());
        }
        assert!(testing::call("merge", &[inner.clone(), inner.clone()]).is_err());
        assert!(testing::call("deepCopy", &[inner]).is_err());
    }
}
