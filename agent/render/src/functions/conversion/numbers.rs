//! Go's strconv and spf13/cast.

use crate::value::Value;

/// Why a text is no integer.
pub(super) enum Unreadable {
    NoNumber,
    /// With the nearest that there is.
    OutOfRange(i64),
}

/// cast's `ToInt64`.
pub(in crate::functions) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Int(number, _) => *number,
        Value::Float(number) => truncated(*number),
        Value::Str(text) => integer(without_zero_decimals(text), 0).unwrap_or(0),
        Value::Bool(value) => i64::from(*value),
        Value::Nil
        | Value::List(_)
        | Value::Map(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Version(_) => 0,
    }
}

/// cast's `ToFloat64`.
#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
pub(in crate::functions) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Int(number, _) => *number as f64,
        Value::Float(number) => *number,
        Value::Str(text) => float(text).unwrap_or(0.0),
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Nil
        | Value::List(_)
        | Value::Map(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Version(_) => 0.0,
    }
}

/// Go's `int64(f)` on amd64: what does not fit becomes the least number.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn truncated(number: f64) -> i64 {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if (-BOUND..BOUND).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// `3.00` is 3; other decimals stay, and make the text no integer.
fn without_zero_decimals(text: &str) -> &str {
    let kept = text.trim_end_matches('0');
    if kept.len() == text.len() {
        return text;
    }
    kept.strip_suffix('.').unwrap_or(text)
}

/// Go's `strconv.ParseInt`; base 0 takes prefixes (`0x`, `0o`, `0b`, `0`) and underscores.
pub(super) fn integer(text: &str, base: u32) -> Result<i64, Unreadable> {
    let (is_negative, digits) = signed(text);
    let (base, digits) = match base {
        0 => based(digits),
        other => (Base(other, Underscores::Refused), digits),
    };
    let mut magnitude: u128 = 0;
    let mut any = matches!(base.1, Underscores::Between { zero: true });
    for char in digits.chars() {
        if char == '_' && base.1 != Underscores::Refused {
            continue;
        }
        let digit = char.to_digit(base.0).ok_or(Unreadable::NoNumber)?;
        magnitude = magnitude * u128::from(base.0) + u128::from(digit);
        // Beyond 64 bits Go looks no further: what follows may be no digit at all.
        if magnitude > u128::from(u64::MAX) {
            return Err(out_of_range(is_negative));
        }
        any = true;
    }
    if !any || (text.contains('_') && !underscores_fit(text)) {
        return Err(Unreadable::NoNumber);
    }
    let value = i128::try_from(magnitude).unwrap_or(i128::MAX);
    let value = if is_negative { -value } else { value };
    i64::try_from(value).map_err(|_| out_of_range(is_negative))
}

fn out_of_range(is_negative: bool) -> Unreadable {
    Unreadable::OutOfRange(if is_negative { i64::MIN } else { i64::MAX })
}

struct Base(u32, Underscores);

#[derive(PartialEq, Eq)]
enum Underscores {
    Refused,
    /// Allowed; `zero`: a leading zero, which is a number by itself, was taken.
    Between {
        zero: bool,
    },
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn based(digits: &str) -> (Base, &str) {
    let between = |zero| Underscores::Between { zero };
    let Some(rest) = digits.strip_prefix('0') else {
        return (Base(10, between(false)), digits);
    };
    let prefixed = |letters: [char; 2]| rest.strip_prefix(letters).filter(|rest| !rest.is_empty());
    if let Some(rest) = prefixed(['b', 'B']) {
        return (Base(2, between(false)), rest);
    }
    if let Some(rest) = prefixed(['o', 'O']) {
        return (Base(8, between(false)), rest);
    }
    if let Some(rest) = prefixed(['x', 'X']) {
        return (Base(16, between(false)), rest);
    }
    (Base(8, between(true)), rest)
}

/// Whether every underscore stands between digits, or between a base's prefix and a digit.
fn underscores_fit(text: &str) -> bool {
    let (_, text) = signed(text);
    let mut chars = text;
    let mut before = '^';
    let mut is_hex = false;
    if let Some(rest) = text.strip_prefix('0')
        && let Some(letter) = rest.chars().next().map(|char| char.to_ascii_lowercase())
        && matches!(letter, 'b' | 'o' | 'x')
    {
        before = '0';
        is_hex = letter == 'x';
        chars = rest.get(1..).unwrap_or_default();
    }
    for char in chars.chars() {
        if char.is_ascii_digit() || (is_hex && char.is_ascii_hexdigit()) {
            before = '0';
        } else if char == '_' {
            if before != '0' {
                return false;
            }
            before = '_';
        } else if before == '_' {
            return false;
        } else {
            before = '!';
        }
    }
    before != '_'
}

/// Go's `strconv.ParseFloat` where it gives no error.
fn float(text: &str) -> Option<f64> {
    let (is_negative, body) = signed(text);
    let is_signed = body.len() != text.len();
    let sign = if is_negative { -1.0 } else { 1.0 };
    if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        return Some(sign * f64::INFINITY);
    }
    if body.eq_ignore_ascii_case("nan") {
        return (!is_signed).then_some(f64::NAN);
    }
    if text.contains('_') && !underscores_fit(text) {
        return None;
    }
    let plain: String = body.chars().filter(|char| *char != '_').collect();
    let hex = plain
        .strip_prefix("0x")
        .or_else(|| plain.strip_prefix("0X"));
    let value = match hex {
        Some(digits) => hex_float(digits)?,
        None if plain.starts_with(|char: char| char.is_ascii_digit() || char == '.') => {
            plain.parse::<f64>().ok()?
        }
        None => return None,
    };
    value.is_finite().then_some(sign * value)
}

/// `1.8p3`, rounded to even once; infinite if it is too large.
fn hex_float(text: &str) -> Option<f64> {
    let at = text.find(['p', 'P'])?;
    let (mantissa, exponent) = text.split_at_checked(at)?;
    let exponent = exponent.get(1..)?;
    let (is_negative, digits) = signed(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Beyond this no mantissa in a template brings it back.
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
    let mut exponent = if is_negative { -size } else { size };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let mut bits: u128 = 0;
    for (place, char) in whole.chars().chain(part.chars()).enumerate() {
        let digit = u128::from(char.to_digit(16)?);
        if bits >> 120 == 0 {
            bits = bits << 4 | digit;
            exponent = exponent.saturating_sub(if place < whole.len() { 0 } else { 4 });
        } else {
            // What no longer fits only says on which side of the middle the rest lies.
            bits |= u128::from(digit != 0);
            exponent = exponent.saturating_add(if place < whole.len() { 4 } else { 0 });
        }
    }
    Some(scaled(bits, exponent))
}

/// `bits` times two to the `exponent`, rounded to even.
fn scaled(bits: u128, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let top = i64::from(127_u32.saturating_sub(bits.leading_zeros())).saturating_add(exponent);
    if top > 1023 {
        return f64::INFINITY;
    }
    // The exponent of the last bit kept: 53 bits, fewer below the normal numbers.
    let last = top.saturating_sub(52).max(-1074);
    let dropped = last.saturating_sub(exponent);
    let kept = if dropped <= 0 {
        bits << dropped.unsigned_abs().min(127)
    } else if dropped > 127 {
        0
    } else {
        let kept = bits >> dropped;
        let rest = bits & ((1 << dropped) - 1);
        let half = 1 << (dropped - 1);
        kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
    };
    power_of_two(kept, last)
}

/// `kept` (at most 54 bits) times two to the `exponent`, which is exact.
#[expect(clippy::cast_precision_loss, reason = "53 bits and a power of two")]
fn power_of_two(kept: u128, exponent: i64) -> f64 {
    let mut value = kept as f64;
    let mut left = exponent;
    while left > 0 {
        value *= 2.0;
        left -= 1;
    }
    while left < 0 && value != 0.0 {
        value /= 2.0;
        left += 1;
    }
    value
}
