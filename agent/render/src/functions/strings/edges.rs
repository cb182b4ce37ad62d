//! What stands at a text's ends, and in it.

use super::super::{Args, Env};
use super::{read, same};
use crate::error::Fault;
use crate::value::Value;

/// `part` of the argument at `place`.
fn part(args: Args<'_>, place: usize, part: &str, env: &mut Env<'_>) -> Result<Value, Fault> {
    if part.len() == args.str(place)?.len() {
        return same(args, place);
    }
    env.meter.bytes(part.len())?;
    Ok(Value::str(part))
}

pub(super) fn trim(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    read(text, env.meter)?;
    part(args, 0, text.trim(), env)
}

/// `trimAll SET S`: without the characters of SET at both ends.
pub(super) fn trim_all(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (set, text) = (args.str(0)?, args.str(1)?);
    read(text, env.meter)?;
    let mut looked = 0_usize;
    let kept = text.trim_matches(|char| {
        looked = looked.saturating_add(set.len());
        set.contains(char)
    });
    env.meter.steps(looked / 64)?;
    part(args, 1, kept, env)
}

pub(super) fn trim_suffix(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (suffix, text) = (args.str(0)?, args.str(1)?);
    part(args, 1, text.strip_suffix(suffix).unwrap_or(text), env)
}

pub(super) fn trim_prefix(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (prefix, text) = (args.str(0)?, args.str(1)?);
    part(args, 1, text.strip_prefix(prefix).unwrap_or(text), env)
}

pub(super) fn contains(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (wanted, text) = (args.str(0)?, args.str(1)?);
    read(text, env.meter)?;
    Ok(Value::Bool(text.contains(wanted)))
}

pub(super) fn has_prefix(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (prefix, text) = (args.str(0)?, args.str(1)?);
    read(prefix, env.meter)?;
    Ok(Value::Bool(text.starts_with(prefix)))
}

pub(super) fn has_suffix(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (suffix, text) = (args.str(0)?, args.str(1)?);
    read(suffix, env.meter)?;
    Ok(Value::Bool(text.ends_with(suffix)))
}
