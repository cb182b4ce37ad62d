//! Go's layouts: the reference time Mon Jan 2 15:04:05 MST 2006, cut into its elements, and a time written by them.

use std::fmt::Write as _;

use jiff::civil::DateTime;

use crate::calendar::{DAYS, MONTHS};
use crate::value::Time;

/// One element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekDay,
    WeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    Offset(Offset),
    Fraction(Fraction),
}

/// An offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    /// Whether UTC is `Z`.
    pub(super) iso: bool,
    pub(super) shape: OffsetShape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetShape {
    /// `-07`
    Hours,
    /// `-0700`
    Minutes,
    /// `-07:00`
    ColonMinutes,
    /// `-070000`
    Seconds,
    /// `-07:00:00`
    ColonSeconds,
}

/// Fractions of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    /// `.999`: zeros at the end are left out.
    pub(super) trimmed: bool,
    pub(super) digits: usize,
    pub(super) separator: u8,
}

/// The longest first where one starts another.
const OFFSETS: [(&str, OffsetShape); 5] = [
    ("070000", OffsetShape::Seconds),
    ("07:00:00", OffsetShape::ColonSeconds),
    ("0700", OffsetShape::Minutes),
    ("07:00", OffsetShape::ColonMinutes),
    ("07", OffsetShape::Hours),
];

/// Text before the next element, the element, and the layout behind it. Without an element all of it is text.
pub(super) fn next(layout: &[u8]) -> (&[u8], Option<Element>, &[u8]) {
    for start in 0..layout.len() {
        let rest = layout.get(start..).unwrap_or_default();
        if let Some((element, skipped, length)) = element_at(rest) {
            let text = layout.get(..start + skipped).unwrap_or_default();
            return (text, Some(element), rest.get(length..).unwrap_or_default());
        }
    }
    (layout, None, &[])
}

/// The element that these bytes start with, how many of them are text, and how many belong to both.
fn element_at(rest: &[u8]) -> Option<(Element, usize, usize)> {
    let found = |element, length| Some((element, 0, length));
    match rest.first()? {
        b'J' | b'M' => name_at(rest),
        b'0' => match (rest.get(1)?, rest.get(2)) {
            (b'1', _) => found(Element::ZeroMonth, 2),
            (b'2', _) => found(Element::ZeroDay, 2),
            (b'3', _) => found(Element::ZeroHour12, 2),
            (b'4', _) => found(Element::ZeroMinute, 2),
            (b'5', _) => found(Element::ZeroSecond, 2),
            (b'6', _) => found(Element::Year, 2),
            (b'0', Some(b'2')) => found(Element::ZeroYearDay, 3),
            _ => None,
        },
        b'1' if rest.get(1) == Some(&b'5') => found(Element::Hour, 2),
        b'1' => found(Element::NumMonth, 1),
        b'2' if rest.starts_with(b"2006") => found(Element::LongYear, 4),
        b'2' => found(Element::Day, 1),
        b'_' if rest.starts_with(b"_2006") => Some((Element::LongYear, 1, 5)),
        b'_' if rest.starts_with(b"_2") => found(Element::UnderDay, 2),
        b'_' if rest.starts_with(b"__2") => found(Element::UnderYearDay, 3),
        b'3' => found(Element::Hour12, 1),
        b'4' => found(Element::Minute, 1),
        b'5' => found(Element::Second, 1),
        b'P' if rest.get(1) == Some(&b'M') => found(Element::UpperPm, 2),
        b'p' if rest.get(1) == Some(&b'm') => found(Element::LowerPm, 2),
        sign @ (b'-' | b'Z') => {
            let behind = rest.get(1..)?;
            OFFSETS
                .iter()
                .find(|(text, _)| behind.starts_with(text.as_bytes()))
                .and_then(|(text, shape)| {
                    let (iso, shape) = (*sign == b'Z', *shape);
                    found(Element::Offset(Offset { iso, shape }), text.len() + 1)
                })
        }
        b'.' | b',' => fraction_at(rest),
        _ => None,
    }
}

fn name_at(rest: &[u8]) -> Option<(Element, usize, usize)> {
    // "Month" is a word and not "Mon" with "th".
    let whole = !rest.get(3).is_some_and(u8::is_ascii_lowercase);
    let names = [
        ("January", Element::LongMonth, true),
        ("Jan", Element::Month, whole),
        ("Monday", Element::LongWeekDay, true),
        ("Mon", Element::WeekDay, whole),
        ("MST", Element::ZoneName, true),
    ];
    names
        .into_iter()
        .find(|(name, _, counts)| *counts && rest.starts_with(name.as_bytes()))
        .map(|(name, element, _)| (element, 0, name.len()))
}

fn fraction_at(rest: &[u8]) -> Option<(Element, usize, usize)> {
    let (separator, digit) = (*rest.first()?, *rest.get(1)?);
    if digit != b'0' && digit != b'9' {
        return None;
    }
    let digits = rest
        .iter()
        .skip(1)
        .take_while(|byte| **byte == digit)
        .count();
    if rest.get(digits + 1).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let fraction = Fraction {
        trimmed: digit == b'9',
        digits,
        separator,
    };
    Some((Element::Fraction(fraction), 0, digits + 1))
}

/// Writes a time as Go's `Time.Format` does.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let info = time.zone.to_offset_info(time.at);
    let moment = Moment {
        civil: info.offset().to_datetime(time.at),
        offset: info.offset().seconds(),
        // A zone that is nothing but an offset has no name in Go.
        zone: match time.zone.to_fixed_offset() {
            Ok(offset) if !offset.is_zero() => "",
            Ok(_) => "UTC",
            Err(_) => info.abbreviation(),
        },
    };
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout.as_bytes();
    while !rest.is_empty() {
        let (text, element, behind) = next(rest);
        // Elements are ASCII: between two of them stand whole characters.
        out.push_str(&String::from_utf8_lossy(text));
        if let Some(element) = element {
            moment.write(&mut out, element);
        }
        rest = behind;
    }
    out
}

/// A time in its zone.
struct Moment<'a> {
    civil: DateTime,
    /// Seconds east of UTC.
    offset: i32,
    zone: &'a str,
}

impl Moment<'_> {
    fn write(&self, out: &mut String, element: Element) {
        let civil = &self.civil;
        let month = usize::try_from(civil.month())
            .ok()
            .and_then(|month| MONTHS.get(month.checked_sub(1)?))
            .copied()
            .unwrap_or_default();
        let day = usize::try_from(civil.weekday().to_sunday_zero_offset())
            .ok()
            .and_then(|day| DAYS.get(day))
            .copied()
            .unwrap_or_default();
        let hour12 = match civil.hour() % 12 {
            0 => 12,
            hour => hour,
        };
        let afternoon = civil.hour() >= 12;
        // Writing to a String cannot fail.
        let _ = match element {
            Element::LongMonth => write!(out, "{month}"),
            Element::Month => write!(out, "{month:.3}"),
            Element::NumMonth => write!(out, "{}", civil.month()),
            Element::ZeroMonth => write!(out, "{:02}", civil.month()),
            Element::LongWeekDay => write!(out, "{day}"),
            Element::WeekDay => write!(out, "{day:.3}"),
            Element::Day => write!(out, "{}", civil.day()),
            Element::UnderDay => write!(out, "{:2}", civil.day()),
            Element::ZeroDay => write!(out, "{:02}", civil.day()),
            Element::UnderYearDay => write!(out, "{:3}", civil.day_of_year()),
            Element::ZeroYearDay => write!(out, "{:03}", civil.day_of_year()),
            Element::Hour => write!(out, "{:02}", civil.hour()),
            Element::Hour12 => write!(out, "{hour12}"),
            Element::ZeroHour12 => write!(out, "{hour12:02}"),
            Element::Minute => write!(out, "{}", civil.minute()),
            Element::ZeroMinute => write!(out, "{:02}", civil.minute()),
            Element::Second => write!(out, "{}", civil.second()),
            Element::ZeroSecond => write!(out, "{:02}", civil.second()),
            Element::LongYear if civil.year() < 0 => write!(out, "-{:04}", -civil.year()),
            Element::LongYear => write!(out, "{:04}", civil.year()),
            Element::Year => write!(out, "{:02}", civil.year().unsigned_abs() % 100),
            Element::UpperPm => write!(out, "{}", if afternoon { "PM" } else { "AM" }),
            Element::LowerPm => write!(out, "{}", if afternoon { "pm" } else { "am" }),
            Element::ZoneName if self.zone.is_empty() => {
                self.write_offset(out, OffsetShape::Minutes)
            }
            Element::ZoneName => write!(out, "{}", self.zone),
            Element::Offset(offset) if offset.iso && self.offset == 0 => write!(out, "Z"),
            Element::Offset(offset) => self.write_offset(out, offset.shape),
            Element::Fraction(fraction) => self.write_fraction(out, fraction),
        };
    }

    fn write_offset(&self, out: &mut String, shape: OffsetShape) -> std::fmt::Result {
        // Go takes the sign from the minutes, so half a minute west of UTC is "+0000".
        let sign = if self.offset / 60 < 0 { '-' } else { '+' };
        let (hours, minutes, seconds) = (
            (self.offset / 3600).abs(),
            (self.offset / 60 % 60).abs(),
            (self.offset % 60).abs(),
        );
        match shape {
            OffsetShape::Hours => write!(out, "{sign}{hours:02}"),
            OffsetShape::Minutes => write!(out, "{sign}{hours:02}{minutes:02}"),
            OffsetShape::ColonMinutes => write!(out, "{sign}{hours:02}:{minutes:02}"),
            OffsetShape::Seconds => write!(out, "{sign}{hours:02}{minutes:02}{seconds:02}"),
            OffsetShape::ColonSeconds => write!(out, "{sign}{hours:02}:{minutes:02}:{seconds:02}"),
        }
    }

    fn write_fraction(&self, out: &mut String, fraction: Fraction) -> std::fmt::Result {
        let nanos = self.civil.subsec_nanosecond();
        if fraction.trimmed && nanos == 0 {
            return Ok(());
        }
        let all = format!("{nanos:09}");
        let mut digits = all.get(..fraction.digits).unwrap_or(&all);
        if fraction.trimmed {
            digits = digits.trim_end_matches('0');
            if digits.is_empty() {
                return Ok(());
            }
        }
        write!(out, "{}{digits}", char::from(fraction.separator))
    }
}
