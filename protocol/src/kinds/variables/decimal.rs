//! A number as people write it, read exactly: the text that templates get is what was typed, not its nearest float.

use std::cmp::Ordering;
use std::fmt;

/// Most digits of a number written out: more than any count, size or rate needs, and `1e999999` stays a mistake.
const MAX_DIGITS: i64 = 64;

/// A decimal number. `Display` writes it without exponent: `3`, `2.5`, `-0.001`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Without leading zeros; empty for 0.
    whole: String,
    /// Without trailing zeros.
    fraction: String,
}

impl Decimal {
    /// Reads digits with a sign, a point and an exponent, as far as given; `None` if it is no such text, or too long.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i16>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // Where the point stands in `digits`, once the zeros in front are gone.
        let significant = digits.trim_start_matches('0');
        let zeros = digits.len() - significant.len();
        let point =
            i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + i64::from(exponent);
        let significant = significant.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self {
                is_negative: false,
                whole: String::new(),
                fraction: String::new(),
            });
        }
        let length = i64::try_from(significant.len()).ok()?;
        if point.max(length) - point.min(0) > MAX_DIGITS {
            return None;
        }
        let padded = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        let (whole, fraction) = match usize::try_from(point) {
            Err(_) => (String::new(), format!("{}{significant}", padded(-point))),
            Ok(point) => match significant.split_at_checked(point) {
                Some((whole, fraction)) => (whole.to_owned(), fraction.to_owned()),
                None => (
                    format!("{significant}{}", "0".repeat(point - significant.len())),
                    String::new(),
                ),
            },
        };
        Some(Self {
            is_negative,
            whole,
            fraction,
        })
    }

    fn size(&self) -> (usize, &str, &str) {
        (self.whole.len(), &self.whole, &self.fraction)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.size().cmp(&other.size()),
            (true, true) => other.size().cmp(&self.size()),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative {
            f.write_str("-")?;
        }
        f.write_str(if self.whole.is_empty() {
            "0"
        } else {
            &self.whole
        })?;
        if !self.fraction.is_empty() {
            write!(f, ".{}", self.fraction)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_out_exactly() {
        for (text, shown) in [
            ("0", "0"),
            ("-0", "0"),
            ("3", "3"),
            ("+3", "3"),
            ("007", "7"),
            ("2.50", "2.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-0.001", "-0.001"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("120e-1", "12"),
            ("0.00e9", "0"),
            ("9007199254740993", "9007199254740993"),
            ("0.1234567890123456789", "0.1234567890123456789"),
        ] {
            let read = Decimal::parse(text).map(|d| d.to_string());
            assert_eq!(read.as_deref(), Some(shown), "{text}");
        }
        for text in [
            "", "-", ".", "e3", "1e", "1e1.5", "0x10", "1_000", " 1", "1 ", "inf", "NaN",
            "1e99999", "1e64", "1e-65", "--1", "1,5", "١",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse(&"9".repeat(65)), None);
    }

    #[test]
    fn numbers_compare_by_size() {
        let ascending = [
            "-10",
            "-9.5",
            "-9",
            "-0.1",
            "0",
            "0.05",
            "0.5",
            "9",
            "9.01",
            "10",
            "10.00000000000000000001",
        ];
        let numbers: Vec<Decimal> = ascending
            .iter()
            .map(|t| Decimal::parse(t).unwrap())
            .collect();
        assert!(numbers.is_sorted());
    }
}
