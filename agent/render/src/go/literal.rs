//! Constants: texts and characters in quotes, and numbers, which have a type only where they are used.

/// A number as it was written: what it is as an integer, what as a floating-point number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) int: Option<i64>,
    pub(super) float: Option<f64>,
    /// Where nothing asks for a type.
    pub(super) ideal: Ideal,
    pub(super) text: Box<str>,
}

/// The type that a number takes by the way it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ideal {
    Int(i64),
    Float(f64),
    /// More than an `int` holds.
    Overflow,
    /// With an imaginary part: no function takes one.
    Complex,
}

/// A text in `"` or backquotes, with them; `None` if an escape is none.
pub(super) fn unquote(quoted: &str) -> Option<String> {
    let body = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if quoted.starts_with('`') {
        return Some(body.replace('\r', ""));
    }
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, behind) = unquote_char(rest, '"')?;
        match piece {
            Piece::Char(char) => bytes.extend(char.encode_utf8(&mut [0; 4]).bytes()),
            Piece::Byte(byte) => bytes.push(byte),
        }
        rest = behind;
    }
    Some(lossy(&bytes))
}

/// Each byte that is no part of a character becomes U+FFFD, as Go's JSON writes it.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(std::iter::repeat_n(
            char::REPLACEMENT_CHARACTER,
            chunk.invalid().len(),
        ));
    }
    out
}

enum Piece {
    Char(char),
    /// `\xff`, `\377`
    Byte(u8),
}

/// One character or escape, and what follows.
fn unquote_char(text: &str, mark: char) -> Option<(Piece, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first == mark || first == '\n' {
        return None;
    }
    if first != '\\' {
        return Some((Piece::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = match escape {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        '\'' | '"' if escape == mark => escape,
        'x' => {
            let (code, rest) = digits(rest, 2, 16)?;
            return Some((Piece::Byte(u8::try_from(code).ok()?), rest));
        }
        'u' | 'U' => {
            let (code, rest) = digits(rest, if escape == 'u' { 4 } else { 8 }, 16)?;
            return Some((Piece::Char(char::from_u32(code)?), rest));
        }
        '0'..='7' => {
            let (code, rest) = digits(text.get(1..)?, 3, 8)?;
            return Some((Piece::Byte(u8::try_from(code).ok()?), rest));
        }
        _ => return None,
    };
    Some((Piece::Char(simple), rest))
}

fn digits(text: &str, count: usize, base: u32) -> Option<(u32, &str)> {
    let digits = text.get(..count)?;
    if !digits.chars().all(|char| char.is_digit(base)) {
        return None;
    }
    let code = u32::from_str_radix(digits, base).ok()?;
    Some((code, text.get(count..)?))
}

/// A character in single quotes: an integer.
pub(super) fn character(quoted: &str) -> Option<Number> {
    let (piece, rest) = unquote_char(quoted.get(1..)?, '\'')?;
    if rest != "'" {
        return None;
    }
    let code = match piece {
        Piece::Char(char) => i64::from(u32::from(char)),
        Piece::Byte(byte) => i64::from(byte),
    };
    Some(Number {
        int: Some(code),
        float: Some(code as f64),
        ideal: Ideal::Int(code),
        text: quoted.into(),
    })
}

/// `1+2i`
pub(super) fn complex(text: &str) -> Option<Number> {
    let body = text.strip_suffix('i')?;
    // The sign of the imaginary part, not that of an exponent.
    let split = body
        .char_indices()
        .rev()
        .find(|(place, char)| {
            matches!(char, '+' | '-')
                && *place > 0
                && !body
                    .get(..*place)
                    .is_some_and(|before| before.ends_with(['e', 'E', 'p', 'P']))
        })
        .map(|(place, _)| place)?;
    let real = float(body.get(..split)?)?;
    let imaginary = float(body.get(split..)?)?;
    Some(imagined(real, imaginary, text))
}

fn imagined(real: f64, imaginary: f64, text: &str) -> Number {
    let float = (imaginary == 0.0).then_some(real);
    Number {
        int: float.and_then(whole),
        float,
        ideal: Ideal::Complex,
        text: text.into(),
    }
}

/// The integer that this is, if it is one.
fn whole(number: f64) -> Option<i64> {
    let int = number as i64;
    (number.abs() < 9.3e18 && int as f64 == number).then_some(int)
}

/// Any number but a character; the error says what is wrong with it.
pub(super) fn number(text: &str) -> Result<Number, String> {
    if let Some(imaginary) = text.strip_suffix('i').and_then(float) {
        return Ok(imagined(0.0, imaginary, text));
    }
    if let Some((negative, size)) = integer(text) {
        let int = if negative {
            0i64.checked_sub_unsigned(size)
        } else {
            i64::try_from(size).ok()
        };
        let signed = text.starts_with(['+', '-']);
        match int {
            Some(int) => {
                return Ok(Number {
                    int: Some(int),
                    float: Some(int as f64),
                    ideal: Ideal::Int(int),
                    text: text.into(),
                });
            }
            None if !signed => {
                return Ok(Number {
                    int: None,
                    float: Some(size as f64),
                    ideal: Ideal::Overflow,
                    text: text.into(),
                });
            }
            None => {}
        }
    }
    let Some(float) = float(text) else {
        return Err(format!("{text:?} is no number"));
    };
    if !text.contains(['.', 'e', 'E', 'p', 'P']) {
        return Err(format!("{text:?} is more than an integer holds"));
    }
    Ok(Number {
        int: whole(float),
        float: Some(float),
        ideal: Ideal::Float(float),
        text: text.into(),
    })
}

/// Sign and size: decimal, `0x`, `0o`, `0b`, and octal by a leading zero.
fn integer(text: &str) -> Option<(bool, u64)> {
    let (negative, size) = match text.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = size.to_ascii_lowercase();
    let (base, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        (8, digits)
    } else {
        (10, lower.as_str())
    };
    if lower.contains('_') && !underscores_fit(&lower) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|char| char.is_digit(base)) {
        return None;
    }
    Some((negative, u64::from_str_radix(&digits, base).ok()?))
}

/// An underscore stands between digits, or between a prefix such as `0x` and a digit.
fn underscores_fit(lower: &str) -> bool {
    let bytes = lower.as_bytes();
    let hex = lower.starts_with("0x");
    let prefixed = hex || lower.starts_with("0o") || lower.starts_with("0b");
    let start = if prefixed { 2 } else { 0 };
    let is_digit = |byte: u8| byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit());
    bytes.iter().enumerate().skip(start).all(|(place, byte)| {
        if *byte != b'_' {
            return true;
        }
        let before = place
            .checked_sub(1)
            .and_then(|place| bytes.get(place))
            .is_some_and(|before| is_digit(*before) || (prefixed && place == 2));
        let after = bytes.get(place + 1).is_some_and(|after| is_digit(*after));
        before && after
    })
}

/// As Go's `ParseFloat` reads it; infinite is none.
fn float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.trim_start_matches(['+', '-']);
    if lower.len() > unsigned.len() + 1 {
        return None;
    }
    if unsigned.contains('_') && !underscores_fit(unsigned) {
        return None;
    }
    let plain = unsigned.replace('_', "");
    let size = match plain.strip_prefix("0x") {
        Some(hex) => hex_float(hex)?,
        None if plain.starts_with(|char: char| char.is_ascii_digit() || char == '.') => {
            plain.parse::<f64>().ok()?
        }
        None => return None,
    };
    let signed = if lower.starts_with('-') { -size } else { size };
    size.is_finite().then_some(signed)
}

/// `1.8p3`, without its prefix; the exponent must be there.
fn hex_float(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once('p')?;
    let mut exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut mantissa: u64 = 0;
    let mut any = false;
    for (place, char) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(char.to_digit(16)?);
        any = true;
        let behind = place >= whole.len();
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent = exponent.saturating_sub(if behind { 4 } else { 0 });
        } else {
            // Beyond 60 bits a digit only tips the rounding.
            mantissa |= u64::from(digit != 0);
            exponent = exponent.saturating_add(if behind { 0 } else { 4 });
        }
    }
    let power = i32::try_from(exponent.clamp(-4000, 4000)).ok()?;
    // In two steps: one alone could leave the range on the way.
    let half = power / 2;
    any.then(|| mantissa as f64 * 2f64.powi(half) * 2f64.powi(power - half))
}
