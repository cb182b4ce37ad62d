//! A text read by a layout, as Go's `time.ParseInLocation` does, UTC being the local zone.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset as ZoneOffset, TimeZone};

use super::layout::{Element, Fraction, Offset, OffsetShape, next};
use super::pieces::{Width, digits, named, nanos, number, signed, skip, within, zone_name_length};
use crate::calendar::{DAYS, MONTHS};
use crate::value::Time;

/// Why a text is not a time of this layout.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotATime {
    /// It does not look like the layout, or says a 31st of February.
    Mismatch,
    /// It is beyond the year 9999 in UTC.
    OutOfRange,
}

/// Reads a text by a layout.
pub(super) fn parse(layout: &str, text: &str) -> Result<Time, NotATime> {
    let mut fields = Fields::default();
    fields
        .read(layout.as_bytes(), text.as_bytes())
        .ok_or(NotATime::Mismatch)?;
    fields.time()
}

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
    half: Option<Half>,
    utc: bool,
    /// Seconds east of UTC.
    offset: Option<i64>,
    zone: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Am,
    Pm,
}

impl Fields {
    fn read(&mut self, mut layout: &[u8], mut text: &[u8]) -> Option<()> {
        loop {
            let (prefix, element, behind) = next(layout);
            text = skip(text, prefix)?;
            let Some(element) = element else {
                return text.is_empty().then_some(());
            };
            layout = behind;
            text = self.element(element, text, layout)?;
        }
    }

    /// Takes one element; what is left of the text.
    fn element<'a>(&mut self, element: Element, text: &'a [u8], behind: &[u8]) -> Option<&'a [u8]> {
        match element {
            Element::LongMonth => named(&MONTHS, usize::MAX, text, &mut self.month),
            Element::Month => named(&MONTHS, 3, text, &mut self.month),
            // Only looked at, never compared with the date.
            Element::LongWeekDay => named(&DAYS, usize::MAX, text, &mut None),
            Element::WeekDay => named(&DAYS, 3, text, &mut None),
            Element::NumMonth | Element::ZeroMonth => {
                let (month, rest) = number(text, Width::of(element))?;
                self.month = Some(within(month, 1, 12)?);
                Some(rest)
            }
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                let text = text
                    .strip_prefix(b" ")
                    .filter(|_| element == Element::UnderDay)
                    .unwrap_or(text);
                let (day, rest) = number(text, Width::of(element))?;
                self.day = Some(day);
                Some(rest)
            }
            Element::UnderYearDay | Element::ZeroYearDay => self.year_day(element, text),
            Element::Year => {
                let (two, rest) = text.split_at_checked(2)?;
                let year = signed(two)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                Some(rest)
            }
            Element::LongYear => {
                let (four, rest) = text.split_at_checked(4)?;
                self.year = digits(four)?;
                Some(rest)
            }
            Element::UpperPm | Element::LowerPm => self.half(element, text),
            Element::Hour
            | Element::Hour12
            | Element::ZeroHour12
            | Element::Minute
            | Element::ZeroMinute
            | Element::Second
            | Element::ZeroSecond => self.clock(element, text, behind),
            Element::ZoneName => self.zone_name(text),
            Element::Offset(offset) => self.offset(offset, text),
            Element::Fraction(fraction) => self.fraction(fraction, text),
        }
    }

    fn year_day<'a>(&mut self, element: Element, mut text: &'a [u8]) -> Option<&'a [u8]> {
        if element == Element::UnderYearDay {
            for _ in 0..2 {
                text = text.strip_prefix(b" ").unwrap_or(text);
            }
        }
        let length = text
            .iter()
            .take(3)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if length == 0 || (element == Element::ZeroYearDay && length != 3) {
            return None;
        }
        let (number, rest) = text.split_at_checked(length)?;
        self.year_day = Some(digits(number)?);
        Some(rest)
    }

    fn half<'a>(&mut self, element: Element, text: &'a [u8]) -> Option<&'a [u8]> {
        let (two, rest) = text.split_at_checked(2)?;
        self.half = Some(match (element, two) {
            (Element::UpperPm, b"PM") | (Element::LowerPm, b"pm") => Half::Pm,
            (Element::UpperPm, b"AM") | (Element::LowerPm, b"am") => Half::Am,
            _ => return None,
        });
        Some(rest)
    }

    fn clock<'a>(&mut self, element: Element, text: &'a [u8], behind: &[u8]) -> Option<&'a [u8]> {
        let (number, rest) = number(text, Width::of(element))?;
        if element == Element::Hour {
            self.hour = within(number, 0, 23)?;
        } else if matches!(element, Element::Hour12 | Element::ZeroHour12) {
            self.hour = within(number, 0, 12)?;
        } else if matches!(element, Element::Minute | Element::ZeroMinute) {
            self.minute = within(number, 0, 59)?;
        } else {
            self.second = within(number, 0, 59)?;
            return self.fraction_without_layout(rest, behind);
        }
        Some(rest)
    }

    /// A fraction may follow the seconds though the layout has none.
    fn fraction_without_layout<'a>(&mut self, text: &'a [u8], behind: &[u8]) -> Option<&'a [u8]> {
        let follows = matches!(text, [b'.' | b',', digit, ..] if digit.is_ascii_digit());
        if !follows || matches!(next(behind).1, Some(Element::Fraction(_))) {
            return Some(text);
        }
        self.any_fraction(text)
    }

    fn any_fraction<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let length = text
            .iter()
            .skip(1)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (fraction, rest) = text.split_at_checked(length + 1)?;
        self.nanos = nanos(fraction)?;
        Some(rest)
    }

    fn fraction<'a>(&mut self, fraction: Fraction, text: &'a [u8]) -> Option<&'a [u8]> {
        if !fraction.trimmed {
            let (exact, rest) = text.split_at_checked(fraction.digits + 1)?;
            self.nanos = nanos(exact)?;
            return Some(rest);
        }
        match text {
            [b'.' | b',', digit, ..] if digit.is_ascii_digit() => self.any_fraction(text),
            _ => Some(text),
        }
    }

    fn offset<'a>(&mut self, offset: Offset, text: &'a [u8]) -> Option<&'a [u8]> {
        if offset.iso
            && let Some(rest) = text.strip_prefix(b"Z")
        {
            self.utc = true;
            return Some(rest);
        }
        let (sign, text) = text.split_first()?;
        let (hours, mut text) = number(text, Width::Two)?;
        let (mut minutes, mut seconds) = (0, 0);
        let places: &mut [&mut i64] = match offset.shape {
            OffsetShape::Hours => &mut [],
            OffsetShape::Minutes | OffsetShape::ColonMinutes => &mut [&mut minutes],
            OffsetShape::Seconds | OffsetShape::ColonSeconds => &mut [&mut minutes, &mut seconds],
        };
        let colons = matches!(
            offset.shape,
            OffsetShape::ColonMinutes | OffsetShape::ColonSeconds
        );
        for place in places {
            if colons {
                text = text.strip_prefix(b":")?;
            }
            (**place, text) = number(text, Width::Two)?;
        }
        // 24 and 60 are in, as people write them.
        let east =
            (within(hours, 0, 24)? * 60 + within(minutes, 0, 60)?) * 60 + within(seconds, 0, 60)?;
        self.offset = Some(match sign {
            b'+' => east,
            b'-' => -east,
            _ => return None,
        });
        Some(text)
    }

    fn zone_name<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        if let Some(rest) = text.strip_prefix(b"UTC") {
            self.utc = true;
            return Some(rest);
        }
        let (name, rest) = text.split_at_checked(zone_name_length(text)?)?;
        self.zone = String::from_utf8_lossy(name).into_owned();
        Some(rest)
    }

    fn time(mut self) -> Result<Time, NotATime> {
        match self.half {
            Some(Half::Pm) if self.hour < 12 => self.hour += 12,
            Some(Half::Am) if self.hour == 12 => self.hour = 0,
            Some(Half::Pm | Half::Am) | None => {}
        }
        let civil = self.civil().ok_or(NotATime::Mismatch)?;
        let (offset, zone) = self.zone().ok_or(NotATime::OutOfRange)?;
        let east = ZoneOffset::from_seconds(offset).map_err(|_| NotATime::OutOfRange)?;
        let at: Timestamp = east.to_timestamp(civil).map_err(|_| NotATime::OutOfRange)?;
        Ok(Time { at, zone })
    }

    fn civil(&self) -> Option<DateTime> {
        let year = i16::try_from(self.year).ok()?;
        let date = match self.year_day {
            Some(year_day) => {
                let first = Date::new(year, 1, 1).ok()?;
                let date = first
                    .with()
                    .day_of_year(i16::try_from(year_day).ok()?)
                    .build()
                    .ok()?;
                let same =
                    |said: Option<i64>, is: i8| said.is_none_or(|said| said == i64::from(is));
                if !same(self.month, date.month()) || !same(self.day, date.day()) {
                    return None;
                }
                date
            }
            None => Date::new(
                year,
                i8::try_from(self.month.unwrap_or(1)).ok()?,
                i8::try_from(self.day.unwrap_or(1)).ok()?,
            )
            .ok()?,
        };
        let part = |number: i64| i8::try_from(number).ok();
        Some(date.at(
            part(self.hour)?,
            part(self.minute)?,
            part(self.second)?,
            i32::try_from(self.nanos).ok()?,
        ))
    }

    /// Seconds east of UTC, and the zone. A name alone says nothing of its offset, but for `GMT+3`.
    fn zone(&self) -> Option<(i32, TimeZone)> {
        if self.utc {
            return Some((0, TimeZone::UTC));
        }
        // Go holds an offset of -1 second for none.
        if let Some(offset) = self.offset.filter(|offset| *offset != -1) {
            let offset = i32::try_from(offset).ok()?;
            return Some((offset, named_zone(&self.zone, offset)?));
        }
        let hours: i32 = match self.zone.strip_prefix("GMT") {
            Some(hours) if !hours.is_empty() => hours.parse().ok()?,
            _ => 0,
        };
        // Go takes the clock for UTC's here, and shows it moved.
        Some((0, named_zone(&self.zone, hours * 3600)?))
    }
}

fn named_zone(name: &str, east: i32) -> Option<TimeZone> {
    if name.is_empty() || (name == "UTC" && east == 0) {
        return Some(TimeZone::fixed(ZoneOffset::from_seconds(east).ok()?));
    }
    // POSIX counts westward.
    let sign = if east > 0 { '-' } else { '+' };
    let (hours, minutes, seconds) = (east.abs() / 3600, east.abs() / 60 % 60, east.abs() % 60);
    TimeZone::posix(&format!(
        "<{name}>{sign}{hours:02}:{minutes:02}:{seconds:02}"
    ))
    .ok()
}
