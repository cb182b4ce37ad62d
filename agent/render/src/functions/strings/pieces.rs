//! Texts taken apart into lists and maps, and lists made texts.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::{Args, Env};
use super::read;
use crate::error::Fault;
use crate::limits::Meter;
use crate::print;
use crate::value::{List, ListKind, Map, MapKind, Value};

/// What an entry of a list or map takes beside its text.
const ENTRY_BYTES: usize = 64;

/// Sprig's view of any value as a `[]string`: nil is none, nil entries are left out, what is no list is one entry.
pub(in crate::functions) fn texts(value: &Value, meter: &mut Meter) -> Result<Vec<Rc<str>>, Fault> {
    let Value::List(list) = value else {
        return if matches!(value, Value::Nil) {
            Ok(Vec::new())
        } else {
            Ok(vec![text(value, meter)?])
        };
    };
    let items = list.items();
    meter.steps(items.len())?;
    meter.bytes(items.len().saturating_mul(ENTRY_BYTES))?;
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        if !matches!(item, Value::Nil) {
            out.push(text(item, meter)?);
        }
    }
    Ok(out)
}

fn text(value: &Value, meter: &mut Meter) -> Result<Rc<str>, Fault> {
    if let Value::Str(text) = value {
        return Ok(Rc::clone(text));
    }
    Ok(print::to_text(value, meter)?.into())
}

pub(super) fn to_strings(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let value = args.any(0)?;
    if let Value::List(List {
        kind: ListKind::Str,
        ..
    }) = value
    {
        return Ok(value.clone());
    }
    Ok(Value::strings(texts(value, env.meter)?))
}

/// `join SEPARATOR LIST`
pub(super) fn join(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let separator = args.str(0)?;
    let pieces = texts(args.any(1)?, env.meter)?;
    let length = pieces
        .iter()
        .map(|piece| piece.len().saturating_add(separator.len()))
        .fold(0_usize, usize::saturating_add);
    env.meter.bytes(length)?;
    let mut out = String::with_capacity(length);
    for (place, piece) in pieces.iter().enumerate() {
        if place > 0 {
            out.push_str(separator);
        }
        out.push_str(piece);
    }
    Ok(Value::str(out))
}

/// In byte order; what is no list becomes a list of one.
pub(super) fn sort_alpha(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let value = args.any(0)?;
    if !matches!(value, Value::List(_)) {
        return Ok(Value::strings([text(value, env.meter)?]));
    }
    let mut sorted = texts(value, env.meter)?;
    // n log n comparisons; a list has at most as many entries as there are steps, so 20 bounds the logarithm.
    env.meter.steps(sorted.len())?;
    sorted.sort_unstable();
    Ok(Value::strings(sorted))
}

pub(super) fn split_list(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let pieces = pieces(args.str(0)?, args.str(1)?, -1, env.meter)?;
    Ok(Value::strings(pieces))
}

/// A map with keys `_0`, `_1` …
pub(super) fn split(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let pieces = pieces(args.str(0)?, args.str(1)?, -1, env.meter)?;
    Ok(numbered(&pieces))
}

/// `splitn SEPARATOR N S`: as [`split`], N pieces at most.
pub(super) fn splitn(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let pieces = pieces(args.str(0)?, args.str(2)?, args.int(1)?, env.meter)?;
    Ok(numbered(&pieces))
}

fn numbered(pieces: &[&str]) -> Value {
    let entries: BTreeMap<Rc<str>, Value> = pieces
        .iter()
        .enumerate()
        .map(|(place, piece)| (format!("_{place}").into(), Value::str(*piece)))
        .collect();
    Value::Map(Map::new(MapKind::Str, entries))
}

/// Go's `strings.SplitN`: all pieces if `most` is negative; an empty separator splits into characters.
fn pieces<'t>(
    separator: &str,
    text: &'t str,
    most: i64,
    meter: &mut Meter,
) -> Result<Vec<&'t str>, Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    read(text, meter)?;
    let count = if separator.is_empty() {
        text.chars().count()
    } else {
        text.matches(separator).count().saturating_add(1)
    };
    let count = count.min(most);
    meter.steps(count)?;
    meter.bytes(count.saturating_mul(ENTRY_BYTES).saturating_add(text.len()))?;
    if separator.is_empty() {
        return Ok(characters(text, count));
    }
    Ok(text.splitn(count, separator).collect())
}

/// `count` pieces of one character each, the last with all that is left.
fn characters(text: &str, count: usize) -> Vec<&str> {
    let mut out = Vec::with_capacity(count);
    let mut left = text;
    while out.len() < count {
        let length = left.chars().next().map_or(0, char::len_utf8);
        let is_last = out.len().saturating_add(1) == count;
        let split = if is_last {
            None
        } else {
            left.split_at_checked(length)
        };
        let (piece, rest) = split.unwrap_or((left, ""));
        out.push(piece);
        left = rest;
    }
    out
}
