//! Rows of integers.

use std::fmt::Write as _;

use super::super::{Args, Env};
use super::charge;
use crate::error::Fault;
use crate::value::{List, ListKind, Value};

pub(super) fn until(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let stop = args.int(0)?;
    ints(row(0, stop, if stop < 0 { -1 } else { 1 }, env)?)
}

/// `untilStep START STOP STEP`, without STOP.
pub(super) fn until_step(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    ints(row(args.int(0)?, args.int(1)?, args.int(2)?, env)?)
}

fn ints(row: Vec<i64>) -> Result<Value, Fault> {
    let items = row.into_iter().map(Value::int).collect();
    Ok(Value::List(List::new(ListKind::Int, items)))
}

/// `seq [START [STEP]] END` as the command writes it: with END, blanks between. Other numbers of arguments give "".
pub(super) fn seq(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (start, step, end) = match args.len() {
        1 => (1, None, args.int(0)?),
        2 => (args.int(0)?, None, args.int(1)?),
        3 => (args.int(0)?, Some(args.int(1)?), args.int(2)?),
        _ => return Ok(Value::str("")),
    };
    let toward: i64 = if end < start { -1 } else { 1 };
    if toward < 0 && step.is_some_and(|step| step > 0) {
        return Ok(Value::str(""));
    }
    let stop = end.wrapping_add(toward);
    let row = row(start, stop, step.unwrap_or(toward), env)?;
    // 20 digits and a blank at most.
    env.meter.bytes(row.len().saturating_mul(21))?;
    let mut out = String::new();
    for (place, number) in row.iter().enumerate() {
        if place > 0 {
            out.push(' ');
        }
        // Writing into a String does not fail.
        let _ = write!(out, "{number}");
    }
    Ok(Value::str(out))
}

fn row(start: i64, stop: i64, step: i64, env: &mut Env<'_>) -> Result<Vec<i64>, Fault> {
    let is_toward = if stop < start { step < 0 } else { step > 0 };
    if !is_toward {
        return Ok(Vec::new());
    }
    let distance = stop.abs_diff(start);
    let count = usize::try_from(distance.div_ceil(step.unsigned_abs())).unwrap_or(usize::MAX);
    charge(count, env.meter)?;
    let mut out = Vec::with_capacity(count);
    let mut next = start;
    for _ in 0..count {
        out.push(next);
        // Go starts again at the other end of the integers, and never comes to an end.
        next = next
            .checked_add(step)
            .ok_or_else(|| Fault::new(format!("{step} steps beyond the last integer")))?;
    }
    Ok(out)
}
