//! Durations as Go writes and reads them: `1h15m30.918s`.

const SECOND: u64 = 1_000_000_000;

/// `Duration.String()` of so many nanoseconds.
pub(crate) fn text(nanos: i64) -> String {
    let absolute = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    match absolute {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{absolute}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(absolute, 1_000)),
        1_000_000..SECOND => format!("{sign}{}ms", decimal(absolute, 1_000_000)),
        _ => {
            let (minutes, rest) = (absolute / (60 * SECOND), absolute % (60 * SECOND));
            let (hours, minutes) = (minutes / 60, minutes % 60);
            let seconds = decimal(rest, SECOND);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// A number in this unit, a power of ten, without zeros at its end.
fn decimal(number: u64, unit: u64) -> String {
    let (whole, fraction) = (number / unit, number % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{fraction:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// Nanoseconds of a text such as `-1h30m`, `1.5s`; `None` if it is none, or too long for 64 bits.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let (part, behind) = one(rest)?;
        sum = sum.checked_add(part).filter(|sum| *sum <= LIMIT)?;
        rest = behind;
    }
    match (negative, i64::try_from(sum)) {
        (true, _) => Some(0_i64.wrapping_sub_unsigned(sum)),
        (false, Ok(sum)) => Some(sum),
        (false, Err(_)) => None,
    }
}

/// 2⁶³, which only a negative duration may reach.
const LIMIT: u64 = 1 << 63;

/// A number with its unit, in nanoseconds.
fn one(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = leading_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => leading_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let unit = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    };
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let nanos = whole.checked_mul(unit).filter(|nanos| *nanos <= LIMIT)?;
    let nanos = nanos.checked_add(of_unit(fraction, unit))?;
    (nanos <= LIMIT).then_some((nanos, rest))
}

fn leading_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Digits after the point; those that 63 bits cannot hold do not count.
fn of_unit(digits: &str, unit: u64) -> u64 {
    let (mut number, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes() {
        if number > (LIMIT - 1) / 10 {
            break;
        }
        let longer = number * 10 + u64::from(digit.wrapping_sub(b'0'));
        if longer > LIMIT {
            break;
        }
        number = longer;
        scale *= 10.0;
    }
    // As Go reckons it, so that the last nanosecond is the same.
    (number as f64 * (unit as f64 / scale)) as u64
}
