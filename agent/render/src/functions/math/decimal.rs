//! Decimal numbers of any length, as Sprig's float functions calculate with.

use num_bigint::{BigInt, BigUint, Sign};

use super::super::Env;
use super::super::conversion::to_float64;
use crate::error::Fault;
use crate::print;
use crate::value::Value;

/// Digits behind the point of a quotient.
const QUOTIENT_PLACES: i64 = 16;

/// `value` times ten to the `exponent`.
#[derive(Clone)]
pub(super) struct Decimal {
    value: BigInt,
    exponent: i64,
}

/// `step` over all operands, from `first` on.
pub(super) fn run(
    name: &str,
    first: f64,
    rest: &[Value],
    step: fn(Decimal, &Decimal) -> Result<Decimal, Fault>,
    env: &mut Env<'_>,
) -> Result<Value, Fault> {
    let faulty = |fault: Fault| Fault::new(format!("{name}: {}", fault.message));
    let mut result = Decimal::new(first).map_err(faulty)?;
    for value in rest {
        // A float has up to 800 places, and a product those of both.
        let places = result
            .value
            .bits()
            .saturating_add(result.exponent.unsigned_abs());
        let places = usize::try_from(places).unwrap_or(usize::MAX);
        env.meter.steps(places.saturating_add(16) / 16)?;
        env.meter.bytes(places)?;
        let operand = Decimal::new(to_float64(value)).map_err(faulty)?;
        result = step(result, &operand).map_err(faulty)?;
    }
    Ok(Value::Float(result.to_float()))
}

impl Decimal {
    /// The shortest decimal number that is read as this float.
    fn new(float: f64) -> Result<Self, Fault> {
        if !float.is_finite() {
            return Err(Fault::new(format!(
                "{float} is no number to calculate with"
            )));
        }
        let text = print::shortest(float);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: i64 = format!("{whole}{part}").parse().unwrap_or_default();
        let exponent: i64 = exponent.parse().unwrap_or_default();
        let places = i64::try_from(part.len()).unwrap_or_default();
        Ok(Self {
            value: BigInt::from(digits),
            exponent: if digits == 0 { 0 } else { exponent - places },
        })
    }

    fn at(&self, exponent: i64) -> BigInt {
        &self.value * BigInt::from(ten_to(self.exponent.saturating_sub(exponent)))
    }

    pub(super) fn plus(self, other: &Self) -> Result<Self, Fault> {
        let exponent = self.exponent.min(other.exponent);
        Ok(Self {
            value: self.at(exponent) + other.at(exponent),
            exponent,
        })
    }

    pub(super) fn minus(self, other: &Self) -> Result<Self, Fault> {
        let exponent = self.exponent.min(other.exponent);
        Ok(Self {
            value: self.at(exponent) - other.at(exponent),
            exponent,
        })
    }

    pub(super) fn times(self, other: &Self) -> Result<Self, Fault> {
        Ok(Self {
            value: self.value * &other.value,
            exponent: self.exponent.saturating_add(other.exponent),
        })
    }

    /// To 16 places, halves away from zero.
    pub(super) fn by(self, other: &Self) -> Result<Self, Fault> {
        if other.value.sign() == Sign::NoSign {
            return Err(Fault::new("division by 0"));
        }
        let shift = self
            .exponent
            .saturating_sub(other.exponent)
            .saturating_add(QUOTIENT_PLACES);
        let dividend = self.value.magnitude() * ten_to(shift);
        let divisor = other.value.magnitude() * ten_to(shift.saturating_neg());
        let mut quotient = &dividend / &divisor;
        let rest = dividend - &quotient * &divisor;
        if rest * 2_u32 >= divisor {
            quotient += 1_u32;
        }
        let sign = if quotient == BigUint::ZERO {
            Sign::NoSign
        } else {
            self.value.sign() * other.value.sign()
        };
        Ok(Self {
            value: BigInt::from_biguint(sign, quotient),
            exponent: -QUOTIENT_PLACES,
        })
    }

    /// The nearest float.
    fn to_float(&self) -> f64 {
        format!("{}e{}", self.value, self.exponent)
            .parse()
            .unwrap_or(f64::NAN)
    }
}

/// 1 for a negative power.
fn ten_to(power: i64) -> BigUint {
    BigUint::from(10_u32).pow(u32::try_from(power).unwrap_or(0))
}
