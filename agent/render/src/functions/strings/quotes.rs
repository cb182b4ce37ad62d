//! Values as texts, quoted or side by side.

use super::super::{Args, Env};
use crate::error::Fault;
use crate::print;
use crate::value::Value;

/// Each value but nil as a Go string literal, a blank between them.
pub(super) fn quote(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut out = String::new();
    for value in present(args) {
        if !out.is_empty() {
            out.push(' ');
        }
        if let Value::Str(text) = value {
            push_quoted(&mut out, text, env)?;
        } else {
            let text = print::to_text(value, env.meter)?;
            push_quoted(&mut out, &text, env)?;
        }
    }
    Ok(Value::str(out))
}

fn push_quoted(out: &mut String, text: &str, env: &mut Env<'_>) -> Result<(), Fault> {
    env.meter.bytes(text.len().saturating_add(2))?;
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return Ok(());
    }
    out.push_str(&print::sprintf("%q", &[Value::str(text)], env.meter)?);
    Ok(())
}

/// Whether `%q` writes this byte as it is.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Each value but nil between single quotes, which are not escaped.
pub(super) fn squote(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut out = String::new();
    for value in present(args) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push('\'');
        print::append_text(value, &mut out, env.meter)?;
        out.push('\'');
    }
    Ok(Value::str(out))
}

/// All values but nil, a blank between them.
pub(super) fn cat(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let mut out = String::new();
    for (place, value) in present(args).enumerate() {
        if place > 0 {
            out.push(' ');
        }
        print::append_text(value, &mut out, env.meter)?;
    }
    Ok(Value::str(out))
}

fn present(args: Args<'_>) -> impl Iterator<Item = &Value> {
    args.rest(0)
        .iter()
        .filter(|value| !matches!(value, Value::Nil))
}

pub(super) fn to_string(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let value = args.any(0)?;
    if matches!(value, Value::Str(_)) {
        return Ok(value.clone());
    }
    Ok(Value::str(print::to_text(value, env.meter)?))
}
