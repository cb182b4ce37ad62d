//! Times as Go programs make them, and the names of months and days.

use jiff::Zoned;
use jiff::tz::Offset;

use crate::calendar::{DAYS, MONTHS};
use crate::value::{IntKind, Time};

use super::quote::{Alphabet, quote};

/// As a Go program makes it.
pub(super) fn go_string(time: &Time) -> String {
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

/// A month's or weekday's name; what is none is written as Go writes it.
pub(super) fn name(number: i64, kind: IntKind) -> Option<String> {
    let place = usize::try_from(number);
    let (type_name, found) = match kind {
        IntKind::Month => {
            let place = place.ok().and_then(|place| place.checked_sub(1));
            ("Month", place.and_then(|place| MONTHS.get(place)))
        }
        IntKind::Weekday => ("Weekday", place.ok().and_then(|place| DAYS.get(place))),
        IntKind::Int | IntKind::Int64 | IntKind::Int32 | IntKind::Uint8 | IntKind::Uint64 => {
            return None;
        }
    };
    Some(match found {
        Some(name) => String::from(*name),
        None => format!("%!{type_name}({})", number.cast_unsigned()),
    })
}
