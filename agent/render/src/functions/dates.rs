//! Dates and durations, in Go's layouts. The clock is the context's time, and "Local" is UTC.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::{IntKind, Time, Value};

mod duration;
mod layout;
mod parse;
mod pieces;

pub(crate) use duration::text as duration_text;
pub(crate) use layout::format;
use parse::NotATime;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], now),
    Function::new("date", &[Param::Str, Param::Any], date),
    Function::new(
        "dateInZone",
        &[Param::Str, Param::Any, Param::Str],
        date_in_zone,
    ),
    Function::new(
        "date_in_zone",
        &[Param::Str, Param::Any, Param::Str],
        date_in_zone,
    ),
    Function::new("htmlDate", &[Param::Any], html_date),
    Function::new(
        "htmlDateInZone",
        &[Param::Any, Param::Str],
        html_date_in_zone,
    ),
    Function::new("dateModify", &[Param::Str, Param::Time], date_modify),
    Function::new("date_modify", &[Param::Str, Param::Time], date_modify),
    Function::new(
        "mustDateModify",
        &[Param::Str, Param::Time],
        must_date_modify,
    ),
    Function::new(
        "must_date_modify",
        &[Param::Str, Param::Time],
        must_date_modify,
    ),
    Function::new("ago", &[Param::Any], ago),
    Function::new("duration", &[Param::Any], duration),
    Function::new("durationRound", &[Param::Any], duration_round),
    Function::new("toDate", &[Param::Str, Param::Str], to_date),
    Function::new("mustToDate", &[Param::Str, Param::Str], must_to_date),
    Function::new("unixEpoch", &[Param::Time], unix_epoch),
];

/// `Time.String()`, what `%v` prints.
pub(crate) fn time_text(time: &Time) -> String {
    format(time, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// As `Time.MarshalJSON` writes it, without quotes; `None` where Go refuses to.
pub(crate) fn json_text(time: &Time) -> Option<String> {
    let info = time.zone.to_offset_info(time.at);
    let year = info.offset().to_datetime(time.at).year();
    // RFC 3339 has four digits for the year, and a day has 24 hours.
    let representable = (0..=9999).contains(&year) && info.offset().seconds().abs() < 24 * 3600;
    representable.then(|| format(time, "2006-01-02T15:04:05.999999999Z07:00"))
}

/// Whether a text is a time of this layout.
pub(super) fn matches(layout: &str, text: &str) -> bool {
    !matches!(parse::parse(layout, text), Err(NotATime::Mismatch))
}

/// The zone of this name. Names are case-sensitive, as they are in Go.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    static BUNDLED: OnceLock<TimeZoneDatabase> = OnceLock::new();
    if matches!(name, "" | "UTC" | "Local") {
        return Some(TimeZone::UTC);
    }
    let zone = BUNDLED
        .get_or_init(TimeZoneDatabase::bundled)
        .get(name)
        .ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

fn value(at: Timestamp, zone: TimeZone) -> Value {
    Value::Time(Time { at, zone }.into())
}

fn now(_: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    Ok(value(env.now, TimeZone::UTC))
}

/// What Sprig takes a date from: a time, or seconds since 1970; for anything else, the present.
fn instant(name: &str, value: &Value, now: Timestamp) -> Result<Timestamp, Fault> {
    match value {
        Value::Time(time) => Ok(time.at),
        Value::Int(seconds, IntKind::Int | IntKind::Int64 | IntKind::Int32) => {
            Timestamp::from_second(*seconds).map_err(|_| out_of_range(name))
        }
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_, IntKind::Uint8 | IntKind::Uint64 | IntKind::Month | IntKind::Weekday)
        | Value::Float(_)
        | Value::Str(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Duration(_)
        | Value::Version(_) => Ok(now),
    }
}

fn out_of_range(name: &str) -> Fault {
    Fault::new(format!(
        "{name}: the time is before the year -9999 or after 9999-12-30"
    ))
    .hinting("give an earlier date")
}

fn in_zone(
    name: &str,
    layout: &str,
    date: &Value,
    zone_name: &str,
    env: &mut Env<'_>,
) -> Result<Value, Fault> {
    // No element is longer than `Wednesday` for its `Mon`.
    env.meter.bytes(layout.len().saturating_mul(10))?;
    let time = Time {
        at: instant(name, date, env.now)?,
        // Sprig takes UTC for a zone that it does not know.
        zone: zone(zone_name).unwrap_or(TimeZone::UTC),
    };
    Ok(Value::str(format(&time, layout)))
}

fn date(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    in_zone("date", args.str(0)?, args.any(1)?, "UTC", env)
}

fn date_in_zone(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    in_zone("dateInZone", args.str(0)?, args.any(1)?, args.str(2)?, env)
}

fn html_date(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    in_zone("htmlDate", "2006-01-02", args.any(0)?, "UTC", env)
}

fn html_date_in_zone(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let zone = args.str(1)?;
    in_zone("htmlDateInZone", "2006-01-02", args.any(0)?, zone, env)
}

fn time(args: Args<'_>, place: usize) -> Result<&Time, Fault> {
    let value = args.any(place)?;
    if let Value::Time(time) = value {
        return Ok(time);
    }
    Err(super::unexpected(place, value))
}

fn moved(name: &str, time: &Time, nanos: i64) -> Result<Value, Fault> {
    let at = time
        .at
        .checked_add(jiff::SignedDuration::from_nanos(nanos))
        .map_err(|_| out_of_range(name))?;
    Ok(value(at, time.zone.clone()))
}

fn date_modify(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    // Sprig leaves the date as it is if the duration cannot be read.
    let nanos = duration::parse(args.str(0)?).unwrap_or(0);
    moved("dateModify", time(args, 1)?, nanos)
}

fn must_date_modify(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    let nanos = duration::parse(text).ok_or_else(|| {
        Fault::new(format!("mustDateModify: {text:?} is not a duration"))
            .hinting("write numbers with units, such as 1h30m or -24h")
    })?;
    moved("mustDateModify", time(args, 1)?, nanos)
}

/// Nanoseconds from `at` to now, at most what 64 bits hold.
fn since(at: Timestamp, now: Timestamp) -> i64 {
    let nanos = now.as_nanosecond() - at.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

fn ago(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let date = args.any(0)?;
    // Other than `date`, it does not know int32.
    let at = if matches!(date, Value::Int(_, IntKind::Int32)) {
        env.now
    } else {
        instant("ago", date, env.now)?
    };
    Ok(Value::str(duration_text(to_seconds(since(at, env.now)))))
}

/// The nearest second, halves away from zero.
fn to_seconds(nanos: i64) -> i64 {
    const SECOND: i64 = 1_000_000_000;
    let rest = nanos % SECOND;
    let down = nanos - rest;
    if rest.abs() < SECOND / 2 {
        return down;
    }
    // The outermost durations have no neighbour.
    down.saturating_add(SECOND * nanos.signum())
}

fn duration(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let value = args.any(0)?;
    let seconds = if let Value::Int(seconds, IntKind::Int64) = value {
        *seconds
    } else if let Value::Str(text) = value {
        decimal(text)
    } else {
        0
    };
    Ok(Value::str(duration_text(
        seconds.wrapping_mul(1_000_000_000),
    )))
}

/// What Go's `ParseInt` gives beside its error: 0, or the outermost number.
fn decimal(text: &str) -> i64 {
    use std::num::{IntErrorKind, ParseIntError};
    text.parse().unwrap_or_else(|error: ParseIntError| {
        if *error.kind() == IntErrorKind::PosOverflow {
            i64::MAX
        } else if *error.kind() == IntErrorKind::NegOverflow {
            i64::MIN
        } else {
            0
        }
    })
}

fn duration_round(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let value = args.any(0)?;
    let nanos = if let Value::Int(nanos, IntKind::Int64) = value {
        *nanos
    } else if let Value::Str(text) = value {
        duration::parse(text).unwrap_or(0)
    } else if let Value::Time(time) = value {
        since(time.at, env.now)
    } else {
        0
    };
    const SECOND: u64 = 1_000_000_000;
    const DAY: u64 = 86_400 * SECOND;
    let nanos = nanos.unsigned_abs();
    let units = [
        (365 * DAY, "y"),
        (30 * DAY, "mo"),
        (DAY, "d"),
        (3600 * SECOND, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
    ];
    // A unit counts from more than one of it: 60 seconds are `60s`.
    Ok(Value::str(
        units
            .into_iter()
            .find(|(unit, _)| nanos > *unit)
            .map_or_else(
                || "0s".to_owned(),
                |(unit, name)| format!("{}{name}", nanos / unit),
            ),
    ))
}

fn to_date(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    match parse::parse(args.str(0)?, args.str(1)?) {
        Ok(time) => Ok(Value::Time(time.into())),
        // Sprig gives Go's zero time for what is none.
        Err(NotATime::Mismatch) => Ok(value(zero(), TimeZone::UTC)),
        Err(NotATime::OutOfRange) => Err(out_of_range("toDate")),
    }
}

/// The start of the year 1.
fn zero() -> Timestamp {
    Timestamp::constant(-62_135_596_800, 0)
}

fn must_to_date(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let (layout, text) = (args.str(0)?, args.str(1)?);
    match parse::parse(layout, text) {
        Ok(time) => Ok(Value::Time(time.into())),
        Err(NotATime::Mismatch) => Err(Fault::new(format!(
            "mustToDate: {text:?} is not a time of the layout {layout:?}"
        ))
        .hinting("a layout is written with Go's reference time, 2006-01-02 15:04:05")),
        Err(NotATime::OutOfRange) => Err(out_of_range("mustToDate")),
    }
}

fn unix_epoch(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let nanos = time(args, 0)?.at.as_nanosecond();
    Ok(Value::str(nanos.div_euclid(1_000_000_000).to_string()))
}

#[cfg(test)]
mod tests {
    use crate::functions::golden;

    #[test]
    fn as_go() {
        golden::check(include_str!("golden/dates.jsonl"));
    }
}
