//! Parts of lists.

use super::super::conversion::to_int64;
use super::super::{Args, Env};
use super::{charge, given, made};
use crate::error::Fault;
use crate::value::{List, ListKind, Value};

pub(super) fn first(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let items = given(args, 0, "find the first of")?.items();
    Ok(items.first().cloned().unwrap_or(Value::Nil))
}

pub(super) fn last(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let items = given(args, 0, "find the last of")?.items();
    Ok(items.last().cloned().unwrap_or(Value::Nil))
}

/// All but the first; nothing of nothing is a nil list, as in Go.
pub(super) fn rest(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match given(args, 0, "find the rest of")?.items().split_first() {
        Some((_, rest)) => made(ListKind::Any, rest, env.meter),
        None => Ok(Value::List(List::nil())),
    }
}

/// All but the last.
pub(super) fn initial(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match given(args, 0, "find the initial of")?.items().split_last() {
        Some((_, initial)) => made(ListKind::Any, initial, env.meter),
        None => Ok(Value::List(List::nil())),
    }
}

/// `slice LIST [START [END]]`, a list of the same type; nil if LIST is empty. An END behind the list is an error
/// (Go allows it up to the list's spare room, which no template can know).
pub(super) fn slice(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let list = given(args, 0, "slice")?;
    let items = list.items();
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let mut bounds = args.rest(1).iter().map(to_int64);
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (start, end) = (bounds.next().unwrap_or(0), bounds.next().unwrap_or(length));
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let kept = range.and_then(|(start, end)| items.get(start..end));
    let kept = kept.ok_or_else(|| {
        Fault::new(format!(
            "slice from {start} to {end} is outside of a list of {length}"
        ))
        .hinting("compare with `len` first")
    })?;
    made(list.kind, kept, env.meter)
}

/// `chunk SIZE LIST`: lists of SIZE, the last may be shorter. Negative sizes do what Sprig's floats make of them.
pub(super) fn chunk(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let size = args.int(0)?;
    let items = given(args, 1, "chunk")?.items();
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let impossible = || Fault::new(format!("chunk cannot make lists of {size}"));
    let count = length
        .saturating_sub(1)
        .checked_div(size)
        .ok_or_else(impossible)?;
    let Ok(width) = usize::try_from(size) else {
        return negative(items, size).ok_or_else(impossible);
    };
    charge(items.len(), env.meter)?;
    charge(usize::try_from(count).unwrap_or(0), env.meter)?;
    let chunks = items.chunks(width.max(1));
    let chunks = chunks.map(|chunk| Value::list(chunk.to_vec()));
    Ok(Value::List(List::new(ListKind::Lists, chunks.collect())))
}

/// One entry is a chunk if SIZE is below -1; up to `1 - SIZE` entries give none; more are an error.
fn negative(items: &[Value], size: i64) -> Option<Value> {
    let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let chunks = match length {
        0 => return None,
        1 if size == -1 => return None,
        1 => vec![Value::list(items.to_vec())],
        _ if length.saturating_sub(1) <= size.unsigned_abs() => Vec::new(),
        _ => return None,
    };
    Some(Value::List(List::new(ListKind::Lists, chunks)))
}
