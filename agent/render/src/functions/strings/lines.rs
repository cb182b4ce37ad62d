//! Texts broken into lines, and lines set in.

use super::super::{Args, Env};
use super::cut::{charge_lossy, lossy};
use super::read;
use crate::error::Fault;
use crate::limits::Meter;
use crate::value::Value;

/// `indent N S`: N blanks before every line but the empty ones (Sprig sets those in too).
pub(super) fn indent(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut out = String::new();
    push_indented(&mut out, "indent", args, env.meter)?;
    Ok(Value::str(out))
}

/// As [`indent`], behind a line feed.
pub(super) fn nindent(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut out = String::from("\n");
    push_indented(&mut out, "nindent", args, env.meter)?;
    Ok(Value::str(out))
}

fn push_indented(
    out: &mut String,
    name: &str,
    args: Args<'_>,
    meter: &mut Meter,
) -> Result<(), Fault> {
    let (width, text) = (args.int(0)?, args.str(1)?);
    let width = usize::try_from(width)
        .map_err(|_| Fault::new(format!("{name} cannot set in by {width} blanks")))?;
    read(text, meter)?;
    let lines = text.split('\n').filter(|line| !line.is_empty()).count();
    let length = text.len().saturating_add(width.saturating_mul(lines));
    meter.bytes(length)?;
    if lines == 0 {
        out.push_str(text);
        return Ok(());
    }
    out.reserve(length);
    let pad = " ".repeat(width);
    for (place, line) in text.split('\n').enumerate() {
        if place > 0 {
            out.push('\n');
        }
        if !line.is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
    }
    Ok(())
}

/// `wrap WIDTH S`: line feeds at blanks; longer words stay whole.
pub(super) fn wrap(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (width, text) = (args.int(0)?, args.str(1)?);
    wrapped(text, width, "\n", LongWords::Whole, env)
}

/// `wrapWith WIDTH SEPARATOR S`: SEPARATOR at blanks (a line feed if it is empty), and inside longer words.
pub(super) fn wrap_with(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (width, separator, text) = (args.int(0)?, args.str(1)?, args.str(2)?);
    let separator = if separator.is_empty() {
        "\n"
    } else {
        separator
    };
    wrapped(text, width, separator, LongWords::Cut, env)
}

/// What becomes of a word that is longer than a line.
#[derive(Clone, Copy)]
enum LongWords {
    Whole,
    Cut,
}

/// Goutils' algorithm, which counts bytes and drops the blanks at which it breaks.
fn wrapped(
    text: &str,
    width: i64,
    separator: &str,
    long: LongWords,
    env: &mut Env<'_>,
) -> Result<Value, Fault> {
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    read(text, env.meter)?;
    let mut out = Vec::new();
    let mut left = text.as_bytes();
    while left.len() > width {
        if let Some((b' ', rest)) = left.split_first() {
            left = rest;
            continue;
        }
        let (line, rest) = first_line(left, width, long);
        let Some(rest) = rest else {
            break;
        };
        env.meter.step()?;
        charge_lossy(env, line.len().saturating_add(separator.len()))?;
        out.extend_from_slice(line);
        out.extend_from_slice(separator.as_bytes());
        left = rest;
    }
    charge_lossy(env, left.len())?;
    out.extend_from_slice(left);
    Ok(lossy(&out))
}

/// The first line and what comes behind it; `None` if it takes all. `bytes` are more than `width`.
fn first_line(bytes: &[u8], width: usize, long: LongWords) -> (&[u8], Option<&[u8]>) {
    let at_most = bytes.get(..width.saturating_add(1)).unwrap_or(bytes);
    if let Some(blank) = at_most.iter().rposition(|byte| *byte == b' ') {
        return broken(bytes, blank, blank.saturating_add(1));
    }
    match long {
        LongWords::Cut => broken(bytes, width, width),
        LongWords::Whole => {
            let behind = bytes.get(width..).unwrap_or_default();
            match behind.iter().position(|byte| *byte == b' ') {
                Some(blank) => {
                    let blank = blank.saturating_add(width);
                    broken(bytes, blank, blank.saturating_add(1))
                }
                None => (bytes, None),
            }
        }
    }
}

fn broken(bytes: &[u8], end: usize, next: usize) -> (&[u8], Option<&[u8]>) {
    (bytes.get(..end).unwrap_or(bytes), bytes.get(next..))
}
