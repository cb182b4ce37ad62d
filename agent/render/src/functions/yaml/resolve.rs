//! What a plain scalar is: YAML 1.1 as the Go library of Kubernetes reads it.

use crate::functions::dates;

/// A plain scalar's meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond `i64`.
    Uint(u64),
    Float(f64),
    /// A date or time; its value is the text all the same.
    Timestamp,
    Text,
}

pub(super) fn resolve(text: &str) -> Plain {
    let Some(first) = text.bytes().next() else {
        return Plain::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' | b'+' | b'-' | b'0'..=b'9' => {
            let found = word(text);
            if found != Plain::Text {
                found
            } else if first == b'.' {
                fraction(text).map_or(Plain::Text, Plain::Float)
            } else if is_timestamp(text) {
                Plain::Timestamp
            } else {
                number(text)
            }
        }
        _ => Plain::Text,
    }
}

fn word(text: &str) -> Plain {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Plain::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Plain::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Plain::Null,
        ".nan" | ".NaN" | ".NAN" => Plain::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Plain::Float(f64::NEG_INFINITY),
        _ => Plain::Text,
    }
}

fn number(text: &str) -> Plain {
    let plain = if text.contains('_') {
        &text.replace('_', "")
    } else {
        text
    };
    if let Some(number) = integer(plain) {
        return match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => Plain::Int(number),
            (Err(_), Ok(number)) if !plain.starts_with('+') => Plain::Uint(number),
            _ => decimal(plain).map_or(Plain::Text, Plain::Float),
        };
    }
    if let Some(number) = decimal(plain) {
        return Plain::Float(number);
    }
    // The sign may stand behind the prefix.
    plain
        .strip_prefix("0b")
        .and_then(|digits| i64::from_str_radix(digits, 2).ok())
        .map_or(Plain::Text, Plain::Int)
}

/// Digits in the base that their prefix says; a mere 0 says octal.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    Some(if negative { -number } else { number })
}

/// A number that starts with its point, with lines between digits as Go's own constants may have.
fn fraction(text: &str) -> Option<f64> {
    let between_digits = text
        .split('_')
        .skip(1)
        .zip(text.split('_'))
        .all(|(right, left)| {
            right.starts_with(|c: char| c.is_ascii_digit())
                && left.ends_with(|c: char| c.is_ascii_digit())
        });
    between_digits
        .then(|| decimal(&text.replace('_', "")))
        .flatten()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, if it is finite.
fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let right = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !right {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// As Go's library looks at dates and times: the year has four digits.
fn is_timestamp(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits == 4
        && text.as_bytes().get(4) == Some(&b'-')
        && [
            "2006-1-2T15:4:5.999999999Z07:00",
            "2006-1-2t15:4:5.999999999Z07:00",
            "2006-1-2 15:4:5.999999999",
            "2006-1-2",
        ]
        .into_iter()
        .any(|layout| dates::matches(layout, text))
}

/// `1:30` and `12:30:45.5`: numbers of base 60 for older readers, so they are quoted.
pub(super) fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or_default();
    let digits_and_lines = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    if !first.starts_with(|c: char| c.is_ascii_digit()) || !digits_and_lines(first) {
        return false;
    }
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return false;
    }
    while let Some(part) = parts.next() {
        let part = match (part.split_once('.'), parts.peek()) {
            (Some((part, fraction)), None) if digits_and_lines(fraction) => part,
            (Some(_), _) => return false,
            (None, _) => part,
        };
        let sixty = match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [b'0'..=b'5', digit] => digit.is_ascii_digit(),
            _ => false,
        };
        if !sixty {
            return false;
        }
    }
    true
}
