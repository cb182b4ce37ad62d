//! Times and durations as their `String` methods write them.

use jiff::Zoned;
use jiff::tz::Offset;

use crate::value::Time;

use super::quote::{Alphabet, quote};

/// `2006-01-02 15:04:05.999999999 -0700 MST`
pub(crate) fn time(time: &Time) -> String {
    let local = Zoned::new(time.at, time.zone.clone());
    let nanos = fraction(u64::from(local.subsec_nanosecond().unsigned_abs()), 9);
    let offset = offset(local.offset());
    let (year, month, day) = (local.year(), local.month(), local.day());
    let (hour, minute, second) = (local.hour(), local.minute(), local.second());
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{nanos} {offset} {}",
        abbreviation(time)
    )
}

/// `-0700`
fn offset(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

/// The zone's short name; a zone without one shows its offset.
fn abbreviation(time: &Time) -> String {
    match time.zone.to_fixed_offset() {
        Ok(Offset::UTC) => String::from("UTC"),
        Ok(fixed) => offset(fixed),
        Err(_) => time.zone.to_offset_info(time.at).abbreviation().to_owned(),
    }
}

/// As a Go program makes it.
pub(super) fn go_string(time: &Time) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let local = Zoned::new(time.at, time.zone.clone());
    let month = usize::from(local.month().unsigned_abs()).saturating_sub(1);
    let zone = match time.zone.to_fixed_offset() {
        Ok(Offset::UTC) => String::from("time.UTC"),
        _ => {
            let name = time.zone.iana_name().unwrap_or_default();
            format!("time.Location({})", quote(name, Alphabet::Printable))
        }
    };
    format!(
        "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
        local.year(),
        MONTHS.get(month).copied().unwrap_or_default(),
        local.day(),
        local.hour(),
        local.minute(),
        local.second(),
        local.subsec_nanosecond(),
    )
}

/// `1h2m3.5s`, `1.5ms`
pub(crate) fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    let small = |unit: u64, digits, name| {
        format!(
            "{sign}{}{}{name}",
            size / unit,
            fraction(size % unit, digits)
        )
    };
    match size {
        0 => String::from("0s"),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => small(1_000, 3, "µs"),
        1_000_000..1_000_000_000 => small(1_000_000, 6, "ms"),
        _ => {
            let seconds = size / 1_000_000_000;
            let rest = fraction(size % 1_000_000_000, 9);
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let seconds = seconds % 60;
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}{rest}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}{rest}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}{rest}s"),
            }
        }
    }
}

/// `.5`, without zeros at the end; nothing for 0.
fn fraction(value: u64, digits: usize) -> String {
    if value == 0 {
        return String::new();
    }
    let text = format!(".{value:0digits$}");
    text.trim_end_matches('0').to_owned()
}
