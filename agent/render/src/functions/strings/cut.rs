//! Parts of texts, and texts made of texts.

use super::super::{Args, Env};
use super::{read, same};
use crate::error::Fault;
use crate::value::Value;

/// A text of these bytes; each byte that is of no character becomes U+FFFD.
pub(super) fn lossy(bytes: &[u8]) -> Value {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Value::str(text);
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Value::str(out)
}

/// Most bytes that [`lossy`] makes of one.
const LOSSY_BYTES: usize = 3;

pub(super) fn charge_lossy(env: &mut Env<'_>, bytes: usize) -> Result<(), Fault> {
    env.meter.bytes(bytes.saturating_mul(LOSSY_BYTES))
}

fn part(env: &mut Env<'_>, bytes: &[u8]) -> Result<Value, Fault> {
    charge_lossy(env, bytes.len())?;
    Ok(lossy(bytes))
}

/// `trunc N S`: the first N bytes, or the last -N.
pub(super) fn trunc(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (count, text) = (args.int(0)?, args.str(1)?);
    let bytes = text.as_bytes();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let kept = if count < 0 {
        bytes
            .len()
            .checked_sub(wanted)
            .and_then(|from| bytes.get(from..))
    } else {
        bytes.get(..wanted)
    };
    match kept {
        Some(kept) if kept.len() < bytes.len() => part(env, kept),
        Some(_) | None => same(args, 1),
    }
}

/// `substr START END S`: from 0 if START is negative, to the end if END is negative or too large.
pub(super) fn substr(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (start, end, text) = (args.int(0)?, args.int(1)?, args.str(2)?);
    let bytes = text.as_bytes();
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let range = if start < 0 {
        (0, end)
    } else if end < 0 || end > length {
        (start, length)
    } else {
        (start, end)
    };
    let (Ok(from), Ok(to)) = (usize::try_from(range.0), usize::try_from(range.1)) else {
        return Err(outside(start, end, length));
    };
    match bytes.get(from..to) {
        Some(kept) if kept.len() == bytes.len() => same(args, 2),
        Some(kept) => part(env, kept),
        None => Err(outside(start, end, length)),
    }
}

fn outside(start: i64, end: i64, length: i64) -> Fault {
    Fault::new(format!(
        "substr from {start} to {end} is outside of a text of {length} bytes"
    ))
    .hinting("use trunc, which takes what there is")
}

pub(super) fn repeat(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (count, text) = (args.int(0)?, args.str(1)?);
    let count = usize::try_from(count)
        .map_err(|_| Fault::new(format!("repeat cannot write a text {count} times")))?;
    env.meter.bytes(text.len().saturating_mul(count))?;
    if text.is_empty() {
        return Ok(Value::str(""));
    }
    Ok(Value::str(text.repeat(count)))
}

/// `replace OLD NEW S`; an empty OLD stands before, between and behind all characters.
pub(super) fn replace(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (old, new, text) = (args.str(0)?, args.str(1)?, args.str(2)?);
    read(text, env.meter)?;
    let count = text.matches(old).count();
    if count == 0 || old == new {
        return same(args, 2);
    }
    env.meter
        .bytes(text.len().saturating_add(new.len().saturating_mul(count)))?;
    Ok(Value::str(text.replace(old, new)))
}

/// Sprig looks at bytes, not at characters: beside white space, other characters fall apart into their bytes.
pub(super) fn nospace(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    read(text, env.meter)?;
    if !text.bytes().any(is_space) {
        return same(args, 0);
    }
    env.meter.bytes(text.len().saturating_mul(2))?;
    let kept: String = text
        .bytes()
        .filter(|byte| !is_space(*byte))
        .map(char::from)
        .collect();
    Ok(Value::str(kept))
}

/// The first byte of every word, in Latin-1, as Sprig does.
pub(super) fn initials(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    read(text, env.meter)?;
    env.meter.bytes(text.len().saturating_mul(2))?;
    let mut out = String::new();
    let mut is_start = true;
    for byte in text.bytes() {
        let is_gap = is_space(byte);
        if !is_gap && is_start {
            out.push(char::from(byte));
        }
        is_start = is_gap;
    }
    Ok(Value::str(out))
}

/// Whether the byte, read as Latin-1, is white space.
fn is_space(byte: u8) -> bool {
    char::from(byte).is_whitespace()
}
