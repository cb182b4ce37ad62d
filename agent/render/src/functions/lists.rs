//! Sprig's lists. Functions take lists of every type and, but for `slice`, give a `[]interface {}`; none changes one.

use super::Param::{Any, Int};
use super::reflection::{deep_equal, kind_name};
use super::{Args, Env, Function};
use crate::error::Fault;
use crate::limits::Meter;
use crate::value::{List, ListKind, Value};

mod parts;
mod ranges;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::with_rest("list", &[], Any, list),
    Function::with_rest("tuple", &[], Any, list),
    Function::new("first", &[Any], parts::first),
    Function::new("mustFirst", &[Any], parts::first),
    Function::new("last", &[Any], parts::last),
    Function::new("mustLast", &[Any], parts::last),
    Function::new("rest", &[Any], parts::rest),
    Function::new("mustRest", &[Any], parts::rest),
    Function::new("initial", &[Any], parts::initial),
    Function::new("mustInitial", &[Any], parts::initial),
    Function::with_rest("slice", &[Any], Any, parts::slice),
    Function::with_rest("mustSlice", &[Any], Any, parts::slice),
    Function::new("chunk", &[Int, Any], parts::chunk),
    Function::new("mustChunk", &[Int, Any], parts::chunk),
    Function::new("append", &[Any, Any], append),
    Function::new("mustAppend", &[Any, Any], append),
    Function::new("push", &[Any, Any], append),
    Function::new("mustPush", &[Any, Any], append),
    Function::new("prepend", &[Any, Any], prepend),
    Function::new("mustPrepend", &[Any, Any], prepend),
    Function::with_rest("concat", &[], Any, concat),
    Function::new("reverse", &[Any], reverse),
    Function::new("mustReverse", &[Any], reverse),
    Function::new("compact", &[Any], compact),
    Function::new("mustCompact", &[Any], compact),
    Function::new("uniq", &[Any], uniq),
    Function::new("mustUniq", &[Any], uniq),
    Function::with_rest("without", &[Any], Any, without),
    Function::with_rest("mustWithout", &[Any], Any, without),
    Function::new("has", &[Any, Any], has),
    Function::new("mustHas", &[Any, Any], has),
    Function::new("until", &[Int], ranges::until),
    Function::new("untilStep", &[Int, Int, Int], ranges::until_step),
    Function::with_rest("seq", &[], Int, ranges::seq),
];

/// The argument at `place`, for a function that does `what` with a list.
fn given<'a>(args: Args<'a>, place: usize, what: &str) -> Result<&'a List, Fault> {
    let value = args.any(place)?;
    if let Value::List(list) = value {
        return Ok(list);
    }
    let fault = Fault::new(format!(
        "cannot {what} a value of the kind {}, a list is needed",
        kind_name(value)
    ));
    Err(fault.hinting("give the empty list where there is none: `default (list) VALUE`"))
}

/// To be asked before a list of so many entries is made.
fn charge(count: usize, meter: &mut Meter) -> Result<(), Fault> {
    meter.steps(count)?;
    meter.bytes(count.saturating_mul(size_of::<Value>()))
}

fn list(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    charge(args.len(), env.meter)?;
    Ok(Value::list(args.rest(0).to_vec()))
}

fn append(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let items = given(args, 0, "append to")?.items();
    charge(items.len().saturating_add(1), env.meter)?;
    let last = args.any(1)?;
    Ok(Value::list(items.iter().chain([last]).cloned().collect()))
}

fn prepend(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let items = given(args, 0, "prepend to")?.items();
    charge(items.len().saturating_add(1), env.meter)?;
    let first = args.any(1)?;
    Ok(Value::list(
        [first].into_iter().chain(items).cloned().collect(),
    ))
}

/// Nothing at all makes a nil list, as in Go.
fn concat(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut out = Vec::new();
    for place in 0..args.len() {
        let items = given(args, place, "concat")?.items();
        charge(items.len(), env.meter)?;
        out.extend_from_slice(items);
    }
    if out.is_empty() {
        return Ok(Value::List(List::nil()));
    }
    Ok(Value::list(out))
}

fn reverse(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let items = given(args, 0, "reverse")?.items();
    charge(items.len(), env.meter)?;
    Ok(Value::list(items.iter().rev().cloned().collect()))
}

/// Without what is empty.
fn compact(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let items = given(args, 0, "compact")?.items();
    charge(items.len(), env.meter)?;
    let kept = items.iter().filter(|item| item.is_true());
    Ok(Value::list(kept.cloned().collect()))
}

fn uniq(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let items = given(args, 0, "find what is unique in")?.items();
    charge(items.len(), env.meter)?;
    let mut out = Vec::new();
    for item in items {
        if !is_in(&out, item, env.meter)? {
            out.push(item.clone());
        }
    }
    Ok(Value::list(out))
}

fn without(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let items = given(args, 0, "leave something out of")?.items();
    charge(items.len(), env.meter)?;
    let mut out = Vec::new();
    for item in items {
        if !is_in(args.rest(1), item, env.meter)? {
            out.push(item.clone());
        }
    }
    Ok(Value::list(out))
}

/// `has V LIST`; nil has nothing.
fn has(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    if matches!(args.any(1)?, Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let items = given(args, 1, "look into")?.items();
    is_in(items, args.any(0)?, env.meter).map(Value::Bool)
}

fn is_in(items: &[Value], wanted: &Value, meter: &mut Meter) -> Result<bool, Fault> {
    for item in items {
        if deep_equal(wanted, item, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The entries as a list of `kind`.
fn made(kind: ListKind, items: &[Value], meter: &mut Meter) -> Result<Value, Fault> {
    charge(items.len(), meter)?;
    Ok(Value::List(List::new(kind, items.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use crate::value::Value;

    #[test]
    fn as_sprig_does() {
        testing::check(include_str!("lists/cases.jsonl"));
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        let far = Value::int(i64::MAX);
        assert!(testing::call("until", std::slice::from_ref(&far)).is_err());
        assert!(testing::call("seq", &[Value::int(1 << 40)]).is_err());
        let wrapping = [Value::int(i64::MAX - 10), far, Value::int(100)];
        assert!(testing::call("untilStep", &wrapping).is_err());
    }
}
