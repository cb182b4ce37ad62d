//! Kubernetes quantities: `500m`, `2Gi`, `1e3`. Read exactly, to compare and to refuse what is none.

/// A quantity in units of 10⁻⁹, the finest that Kubernetes knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    nanos: i128,
}

/// Why a text is not a quantity. Worded to follow the field's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("{0:?} is not a quantity; write a number with a unit such as 500m, 2, 256Mi or 10Gi")]
    Syntax(String),
    #[error("{0:?} is larger than any quantity (2^63-1)")]
    TooLarge(String),
}

/// Longest text: sign, 19 digits, point, 9 digits, exponent; twice that for zeros.
const MAX_BYTES: usize = 64;
const NANOS: i128 = 1_000_000_000;

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let syntax = || QuantityError::Syntax(text.chars().take(MAX_BYTES).collect());
        if text.len() > MAX_BYTES {
            return Err(syntax());
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(syntax());
        }
        let unit = unit(suffix).ok_or_else(syntax)?;
        scale(whole, fraction, unit)
            .filter(|nanos| *nanos <= i128::from(i64::MAX) * NANOS)
            .map(|nanos| Self {
                nanos: if negative { -nanos } else { nanos },
            })
            .ok_or_else(|| QuantityError::TooLarge(text.to_owned()))
    }

    /// In units of 10⁻⁹.
    #[must_use]
    pub fn nanos(self) -> i128 {
        self.nanos
    }
}

/// What a suffix multiplies with.
#[derive(Clone, Copy)]
enum Unit {
    /// Ten to this power.
    Decimal(i32),
    /// 1024 to this power.
    Binary(u32),
}

fn unit(suffix: &str) -> Option<Unit> {
    Some(match suffix {
        "n" => Unit::Decimal(-9),
        "u" => Unit::Decimal(-6),
        "m" => Unit::Decimal(-3),
        "" => Unit::Decimal(0),
        "k" => Unit::Decimal(3),
        "M" => Unit::Decimal(6),
        "G" => Unit::Decimal(9),
        "T" => Unit::Decimal(12),
        "P" => Unit::Decimal(15),
        "E" => Unit::Decimal(18),
        "Ki" => Unit::Binary(1),
        "Mi" => Unit::Binary(2),
        "Gi" => Unit::Binary(3),
        "Ti" => Unit::Binary(4),
        "Pi" => Unit::Binary(5),
        "Ei" => Unit::Binary(6),
        exponent => Unit::Decimal(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

/// Digits and unit to nanos, rounded up as Kubernetes does; `None` if it does not fit.
fn scale(whole: &str, fraction: &str, unit: Unit) -> Option<i128> {
    // More than 27 digits after the point cannot be told apart from their rounding in any unit.
    let fraction = fraction.get(..27).unwrap_or(fraction);
    let digits: i128 = match format!("{whole}{fraction}").trim_start_matches('0') {
        "" => return Some(0),
        digits => digits.parse().ok()?,
    };
    let places = i32::try_from(fraction.len()).ok()?;
    let (factor, power) = match unit {
        Unit::Decimal(power) => (1, power.checked_add(9)?.checked_sub(places)?),
        Unit::Binary(power) => (1024_i128.pow(power), 9 - places),
    };
    let digits = digits.checked_mul(factor)?;
    match u32::try_from(power) {
        Ok(power) => digits.checked_mul(10_i128.checked_pow(power)?),
        Err(_) => Some(match 10_i128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => digits / divisor + i128::from(digits % divisor != 0),
            None => 1,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quantities() {
        for (text, nanos) in [
            ("0", 0),
            ("1", NANOS),
            ("500m", NANOS / 2),
            ("0.5", NANOS / 2),
            (".5", NANOS / 2),
            ("5.", 5 * NANOS),
            ("1.5Gi", 1536 * 1024 * 1024 * NANOS),
            ("1e3", 1000 * NANOS),
            ("1E3", 1000 * NANOS),
            ("2E", 2_000_000_000_000_000_000 * NANOS),
            ("-1k", -1000 * NANOS),
            ("0.1n", 1),
            ("000000001Ki", 1024 * NANOS),
        ] {
            assert_eq!(
                Quantity::parse(text).map(Quantity::nanos),
                Ok(nanos),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for text in [
            "", "x", "1x", "1 Gi", "Gi", "1.2.3", ".", "--1", "1gi", "1e", "1e1.5", "5GiB",
        ] {
            assert_eq!(
                Quantity::parse(text),
                Err(QuantityError::Syntax(text.into())),
                "{text}"
            );
        }
        for text in ["9223372036854775808", "8Ei", "1e30", "1e2000000000"] {
            assert_eq!(
                Quantity::parse(text),
                Err(QuantityError::TooLarge(text.into())),
                "{text}"
            );
        }
        assert!(Quantity::parse(&"1".repeat(100)).is_err());
    }
}
