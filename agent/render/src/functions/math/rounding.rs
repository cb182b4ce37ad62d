//! Floats, as Go's math package compares and rounds them.

use super::super::conversion::to_float64;
use super::super::{Args, Env};
use crate::error::Fault;
use crate::value::Value;

/// NaN if one is NaN, unless the other is infinite.
pub(super) fn larger(left: f64, right: f64) -> f64 {
    if left == f64::INFINITY || right == f64::INFINITY {
        return f64::INFINITY;
    }
    if left.is_nan() || right.is_nan() {
        return f64::NAN;
    }
    if left == 0.0 && right == 0.0 {
        return if left.is_sign_negative() { right } else { left };
    }
    if left > right { left } else { right }
}

pub(super) fn smaller(left: f64, right: f64) -> f64 {
    -larger(-left, -right)
}

/// `round V PLACES [FROM]`: up from a fraction of FROM (a half if it is not said) on; below 0 that is Sprig's own idea.
pub(super) fn round(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let value = to_float64(args.any(0)?);
    let places = args.int(1)?;
    let from = match args.rest(2).first() {
        Some(_) => args.float(2)?,
        None => 0.5,
    };
    let power = power_of_ten(places);
    let digit = power * value;
    let rounded = if digit - digit.trunc() >= from {
        digit.ceil()
    } else {
        digit.floor()
    };
    Ok(Value::Float(rounded / power))
}

/// Ten to this power as Go's math.Pow gives it: products of 0.625 (ten is 0.625 times 2⁴), rounded at every step.
fn power_of_ten(places: i64) -> f64 {
    let mut left = places.unsigned_abs();
    let mut mantissa = 1.0_f64;
    let mut exponent: i64 = 0;
    let mut square = 0.625_f64;
    let mut square_exponent: i64 = 4;
    while left != 0 {
        if square_exponent > 1 << 12 {
            return if places < 0 { 0.0 } else { f64::INFINITY };
        }
        if left & 1 == 1 {
            mantissa *= square;
            exponent = exponent.saturating_add(square_exponent);
        }
        square *= square;
        square_exponent = square_exponent.saturating_mul(2);
        if square < 0.5 {
            square += square;
            square_exponent = square_exponent.saturating_sub(1);
        }
        left >>= 1;
    }
    if places < 0 {
        mantissa = 1.0 / mantissa;
        exponent = exponent.saturating_neg();
    }
    scaled(mantissa, exponent)
}

fn scaled(value: f64, exponent: i64) -> f64 {
    let mut value = value;
    // A few thousand at most: see the bound above.
    for _ in 0..exponent.unsigned_abs() {
        if exponent > 0 {
            value *= 2.0;
        } else {
            value /= 2.0;
        }
    }
    value
}
