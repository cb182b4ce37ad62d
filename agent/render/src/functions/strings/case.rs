//! Capital and small letters.

use super::super::{Args, Env};
use super::characters::{is_lower, is_title, is_upper, to_lower, to_title, to_upper};
use super::{read, same};
use crate::error::Fault;
use crate::value::Value;

/// No character's other case takes more than this many times its bytes.
const GROWTH: usize = 3;

fn mapped(
    args: Args<'_>,
    env: &mut Env<'_>,
    map: impl FnMut(char) -> char,
) -> Result<Value, Fault> {
    let text = args.str(0)?;
    read(text, env.meter)?;
    let growth = if text.is_ascii() { 1 } else { GROWTH };
    env.meter.bytes(text.len().saturating_mul(growth))?;
    let mut out = String::with_capacity(text.len());
    out.extend(text.chars().map(map));
    Ok(Value::str(out))
}

pub(super) fn upper(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    if text
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase())
    {
        read(text, env.meter)?;
        return same(args, 0);
    }
    mapped(args, env, to_upper)
}

pub(super) fn lower(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    if text
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        read(text, env.meter)?;
        return same(args, 0);
    }
    mapped(args, env, to_lower)
}

/// Go's `strings.Title`: every letter behind a separator.
pub(super) fn title(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut before = ' ';
    mapped(args, env, |char| {
        let is_start = is_separator(before);
        before = char;
        if is_start { to_title(char) } else { char }
    })
}

/// Outside of ASCII only white space separates.
fn is_separator(char: char) -> bool {
    if char.is_ascii() {
        return !char.is_ascii_alphanumeric() && char != '_';
    }
    char.is_whitespace()
}

/// Every word's first character small.
pub(super) fn untitle(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut is_start = true;
    mapped(args, env, |char| {
        if char.is_whitespace() {
            is_start = true;
            return char;
        }
        if std::mem::take(&mut is_start) {
            to_lower(char)
        } else {
            char
        }
    })
}

/// Large becomes small; small becomes large, at a word's start title case.
pub(super) fn swapcase(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut is_start = true;
    mapped(args, env, |char| {
        if is_upper(char) || is_title(char) {
            is_start = false;
            return to_lower(char);
        }
        if is_lower(char) {
            return if std::mem::take(&mut is_start) {
                to_title(char)
            } else {
                to_upper(char)
            };
        }
        is_start = char.is_whitespace();
        char
    })
}
