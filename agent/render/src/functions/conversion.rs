//! Numbers from other values, by spf13/cast's rules: what cannot be converted is 0.

use super::Param::{Any, Str};
use super::{Args, Env, Function};
use crate::error::Fault;
use crate::print;
use crate::value::Value;

mod numbers;

pub(super) use numbers::{to_float64, to_int64};

use numbers::{Unreadable, integer};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("atoi", &[Str], atoi),
    Function::new("int", &[Any], |args, _| {
        Ok(Value::int(to_int64(args.any(0)?)))
    }),
    Function::new("int64", &[Any], |args, _| {
        Ok(Value::int64(to_int64(args.any(0)?)))
    }),
    Function::new("float64", &[Any], |args, _| {
        Ok(Value::Float(to_float64(args.any(0)?)))
    }),
    Function::new("toDecimal", &[Any], to_decimal),
];

/// Decimal only; what is too large is the largest number.
fn atoi(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    Ok(Value::int(match integer(args.str(0)?, 10) {
        Ok(number) | Err(Unreadable::OutOfRange(number)) => number,
        Err(Unreadable::NoNumber) => 0,
    }))
}

/// An octal number's value.
fn to_decimal(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = print::to_text(args.any(0)?, env.meter)?;
    Ok(Value::int64(integer(&text, 8).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn as_sprig_does() {
        testing::check(include_str!("conversion/cases.jsonl"));
    }
}
