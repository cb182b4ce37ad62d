//! Sprig's integer and float arithmetic. Integers wrap as in Go; floats are added and multiplied as decimal numbers.

use super::Param::{Any, Float, Int};
use super::conversion::{to_float64, to_int64};
use super::{Args, Env, Function};
use crate::error::Fault;
use crate::value::Value;

mod decimal;
mod rounding;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("add1", &[Any], |args, _| {
        Ok(Value::int64(to_int64(args.any(0)?).wrapping_add(1)))
    }),
    Function::with_rest("add", &[], Any, |args, _| {
        Ok(folded(0, args.rest(0), i64::wrapping_add))
    }),
    Function::new("sub", &[Any, Any], |args, _| {
        let left = to_int64(args.any(0)?);
        Ok(folded(left, args.rest(1), i64::wrapping_sub))
    }),
    Function::with_rest("mul", &[Any], Any, |args, _| {
        let first = to_int64(args.any(0)?);
        Ok(folded(first, args.rest(1), i64::wrapping_mul))
    }),
    Function::new("div", &[Any, Any], |args, _| {
        Ok(Value::int64(
            dividend("div", args)?.wrapping_div(to_int64(args.any(1)?)),
        ))
    }),
    Function::new("mod", &[Any, Any], |args, _| {
        Ok(Value::int64(
            dividend("mod", args)?.wrapping_rem(to_int64(args.any(1)?)),
        ))
    }),
    Function::with_rest("max", &[Any], Any, largest),
    Function::with_rest("biggest", &[Any], Any, largest),
    Function::with_rest("min", &[Any], Any, |args, _| {
        let first = to_int64(args.any(0)?);
        Ok(folded(first, args.rest(1), i64::min))
    }),
    Function::with_rest("maxf", &[Any], Any, |args, _| {
        extreme(args, rounding::larger)
    }),
    Function::with_rest("minf", &[Any], Any, |args, _| {
        extreme(args, rounding::smaller)
    }),
    Function::new("floor", &[Any], |args, _| {
        Ok(Value::Float(to_float64(args.any(0)?).floor()))
    }),
    Function::new("ceil", &[Any], |args, _| {
        Ok(Value::Float(to_float64(args.any(0)?).ceil()))
    }),
    Function::with_rest("round", &[Any, Int], Float, rounding::round),
    Function::new("add1f", &[Any], |args, env| {
        let first = to_float64(args.any(0)?);
        decimal::run(
            "add1f",
            first,
            &[Value::int(1)],
            decimal::Decimal::plus,
            env,
        )
    }),
    Function::with_rest("addf", &[], Any, |args, env| {
        decimal::run("addf", 0.0, args.rest(0), decimal::Decimal::plus, env)
    }),
    Function::with_rest("subf", &[Any], Any, |args, env| {
        let first = to_float64(args.any(0)?);
        decimal::run("subf", first, args.rest(1), decimal::Decimal::minus, env)
    }),
    Function::with_rest("mulf", &[Any], Any, |args, env| {
        let first = to_float64(args.any(0)?);
        decimal::run("mulf", first, args.rest(1), decimal::Decimal::times, env)
    }),
    Function::with_rest("divf", &[Any], Any, |args, env| {
        let first = to_float64(args.any(0)?);
        decimal::run("divf", first, args.rest(1), decimal::Decimal::by, env)
    }),
];

fn folded(first: i64, rest: &[Value], fold: fn(i64, i64) -> i64) -> Value {
    Value::int64(rest.iter().map(to_int64).fold(first, fold))
}

/// The first argument; an error if the second is 0.
fn dividend(name: &str, args: Args<'_>) -> Result<i64, Fault> {
    if to_int64(args.any(1)?) == 0 {
        return Err(Fault::new(format!("{name} divides by 0"))
            .hinting("a divisor that is no whole number counts as 0"));
    }
    Ok(to_int64(args.any(0)?))
}

fn largest(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let first = to_int64(args.any(0)?);
    Ok(folded(first, args.rest(1), i64::max))
}

fn extreme(args: Args<'_>, fold: fn(f64, f64) -> f64) -> Result<Value, Fault> {
    let first = to_float64(args.any(0)?);
    Ok(Value::Float(
        args.rest(1).iter().map(to_float64).fold(first, fold),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn as_sprig_does() {
        testing::check(include_str!("math/cases.jsonl"));
    }
}
