//! Methods of times, durations and versions, as far as templates have a use for them. The first parameter of each is what
//! it is a method of; the name starts with a dot.

use std::cmp::Ordering;
use std::rc::Rc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use crate::error::Fault;
use crate::functions::{Args, Env, Function, Param, dates};
use crate::value::{IntKind, Time, Value, Version};

/// The method of this name, if the value has it.
pub(super) fn find(value: &Value, name: &str) -> Option<&'static Function> {
    let methods = match value {
        Value::Time(_) => TIME,
        Value::Duration(_) => DURATION,
        Value::Version(_) => VERSION,
        Value::Nil
        | Value::Bool(_)
        | Value::Int(..)
        | Value::Float(_)
        | Value::Str(_)
        | Value::List(_)
        | Value::Map(_) => return None,
    };
    methods
        .iter()
        .find(|method| method.name.strip_prefix('.') == Some(name))
}

type Run = fn(Args<'_>, &mut Env<'_>) -> Result<Value, Fault>;

const fn method(name: &'static str, params: &'static [Param], run: Run) -> Function {
    Function {
        name,
        params,
        rest: None,
        run,
    }
}

const OF_TIME: &[Param] = &[Param::Time];
const OF_TIMES: &[Param] = &[Param::Time, Param::Time];
const OF_DURATION: &[Param] = &[Param::Duration];
const OF_VERSION: &[Param] = &[Param::Version];
const OF_VERSIONS: &[Param] = &[Param::Version, Param::Version];

const TIME: &[Function] = &[
    method(".Format", &[Param::Time, Param::Str], |args, env| {
        let layout = args.str(1)?;
        // An element of the layout writes some thirty bytes at most.
        env.meter.bytes(layout.len().saturating_mul(16))?;
        Ok(Value::str(dates::format(time(args, 0)?, layout)))
    }),
    method(".String", OF_TIME, |args, _| {
        Ok(Value::str(dates::time_text(time(args, 0)?)))
    }),
    method(".Unix", OF_TIME, |args, _| {
        Ok(Value::int64(time(args, 0)?.at.as_second()))
    }),
    method(".UnixMilli", OF_TIME, |args, _| {
        Ok(Value::int64(time(args, 0)?.at.as_millisecond()))
    }),
    method(".UnixMicro", OF_TIME, |args, _| {
        Ok(Value::int64(time(args, 0)?.at.as_microsecond()))
    }),
    method(".UnixNano", OF_TIME, |args, _| {
        let nanos = time(args, 0)?.at.as_nanosecond();
        // Go's own answer beyond the years 1678 to 2262 is undefined.
        i64::try_from(nanos)
            .map(Value::int64)
            .map_err(|_| Fault::new(".UnixNano: the year is out of range"))
    }),
    method(".Year", OF_TIME, |args, _| {
        part(args, |at| at.year().into())
    }),
    method(".Day", OF_TIME, |args, _| part(args, |at| at.day().into())),
    method(".Hour", OF_TIME, |args, _| {
        part(args, |at| at.hour().into())
    }),
    method(".Minute", OF_TIME, |args, _| {
        part(args, |at| at.minute().into())
    }),
    method(".Second", OF_TIME, |args, _| {
        part(args, |at| at.second().into())
    }),
    method(".Nanosecond", OF_TIME, |args, _| {
        part(args, |at| at.subsec_nanosecond().into())
    }),
    method(".YearDay", OF_TIME, |args, _| {
        part(args, |at| at.day_of_year().into())
    }),
    method(".Month", OF_TIME, |_, _| {
        Err(Fault::new(".Month is not available here")
            .hinting("use .Format \"January\", or .Format \"1\" for its number"))
    }),
    method(".Weekday", OF_TIME, |_, _| {
        Err(Fault::new(".Weekday is not available here").hinting("use .Format \"Monday\""))
    }),
    method(".IsZero", OF_TIME, |args, _| {
        let zero = Timestamp::from_second(-62_135_596_800).ok();
        Ok(Value::Bool(Some(time(args, 0)?.at) == zero))
    }),
    method(".After", OF_TIMES, |args, _| order(args, Ordering::Greater)),
    method(".Before", OF_TIMES, |args, _| order(args, Ordering::Less)),
    method(".Equal", OF_TIMES, |args, _| order(args, Ordering::Equal)),
    method(".Compare", OF_TIMES, |args, _| {
        Ok(signum(time(args, 0)?.at.cmp(&time(args, 1)?.at)))
    }),
    method(".Sub", OF_TIMES, |args, _| {
        let between = time(args, 0)?.at.duration_since(time(args, 1)?.at);
        // As Go does, the longest duration stands for all that are longer.
        let nanos = between.as_nanos();
        let most = if nanos < 0 { i64::MIN } else { i64::MAX };
        Ok(Value::Duration(i64::try_from(nanos).unwrap_or(most)))
    }),
    method(".Add", &[Param::Time, Param::Duration], |args, _| {
        let of = time(args, 0)?;
        let nanos = SignedDuration::from_nanos(duration(args, 1)?);
        let at = of.at.checked_add(nanos).map_err(|_| too_far(".Add"))?;
        Ok(shown(at, of.zone.clone()))
    }),
    method(
        ".AddDate",
        &[Param::Time, Param::Int, Param::Int, Param::Int],
        add_date,
    ),
    method(".UTC", OF_TIME, |args, _| {
        Ok(shown(time(args, 0)?.at, TimeZone::UTC))
    }),
    // "Local" is UTC here.
    method(".Local", OF_TIME, |args, _| {
        Ok(shown(time(args, 0)?.at, TimeZone::UTC))
    }),
];

const DURATION: &[Function] = &[
    method(".String", OF_DURATION, |args, _| {
        Ok(Value::str(dates::duration_text(duration(args, 0)?)))
    }),
    method(".Hours", OF_DURATION, |args, _| {
        whole_and_rest(args, 3_600_000_000_000)
    }),
    method(".Minutes", OF_DURATION, |args, _| {
        whole_and_rest(args, 60_000_000_000)
    }),
    method(".Seconds", OF_DURATION, |args, _| {
        whole_and_rest(args, 1_000_000_000)
    }),
    method(".Milliseconds", OF_DURATION, |args, _| {
        Ok(Value::int64(duration(args, 0)? / 1_000_000))
    }),
    method(".Microseconds", OF_DURATION, |args, _| {
        Ok(Value::int64(duration(args, 0)? / 1_000))
    }),
    method(".Nanoseconds", OF_DURATION, |args, _| {
        Ok(Value::int64(duration(args, 0)?))
    }),
    method(".Abs", OF_DURATION, |args, _| {
        Ok(Value::Duration(duration(args, 0)?.saturating_abs()))
    }),
    method(
        ".Truncate",
        &[Param::Duration, Param::Duration],
        |args, _| {
            let (of, unit) = (duration(args, 0)?, duration(args, 1)?);
            let rest = if unit <= 0 { 0 } else { of % unit };
            Ok(Value::Duration(of - rest))
        },
    ),
    method(".Round", &[Param::Duration, Param::Duration], |args, _| {
        Ok(Value::Duration(round(
            duration(args, 0)?,
            duration(args, 1)?,
        )))
    }),
];

const VERSION: &[Function] = &[
    method(".Major", OF_VERSION, |args, _| {
        Ok(number(version(args, 0)?.major))
    }),
    method(".Minor", OF_VERSION, |args, _| {
        Ok(number(version(args, 0)?.minor))
    }),
    method(".Patch", OF_VERSION, |args, _| {
        Ok(number(version(args, 0)?.patch))
    }),
    method(".Prerelease", OF_VERSION, |args, _| {
        Ok(Value::str(version(args, 0)?.prerelease.as_str()))
    }),
    method(".Metadata", OF_VERSION, |args, _| {
        Ok(Value::str(version(args, 0)?.metadata.as_str()))
    }),
    method(".Original", OF_VERSION, |args, _| {
        Ok(Value::str(version(args, 0)?.original.as_str()))
    }),
    method(".String", OF_VERSION, |args, _| {
        Ok(Value::str(version(args, 0)?.to_string()))
    }),
    method(".Compare", OF_VERSIONS, |args, _| {
        Ok(signum(precedence(args)?))
    }),
    method(".Equal", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_eq()))
    }),
    method(".LessThan", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_lt()))
    }),
    method(".LessThanEqual", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_le()))
    }),
    method(".GreaterThan", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_gt()))
    }),
    method(".GreaterThanEqual", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_ge()))
    }),
];

fn unexpected() -> Fault {
    Fault::new("a method is called on a value of another type")
}

fn time<'a>(args: Args<'a>, place: usize) -> Result<&'a Time, Fault> {
    if let Value::Time(time) = args.any(place)? {
        return Ok(time);
    }
    Err(unexpected())
}

fn duration(args: Args<'_>, place: usize) -> Result<i64, Fault> {
    if let Value::Duration(nanos) = args.any(place)? {
        return Ok(*nanos);
    }
    Err(unexpected())
}

fn version<'a>(args: Args<'a>, place: usize) -> Result<&'a Rc<Version>, Fault> {
    if let Value::Version(version) = args.any(place)? {
        return Ok(version);
    }
    Err(unexpected())
}

fn shown(at: Timestamp, zone: TimeZone) -> Value {
    Value::Time(Rc::new(Time { at, zone }))
}

fn too_far(name: &str) -> Fault {
    Fault::new(format!("{name}: the time is out of range"))
}

fn number(number: u64) -> Value {
    Value::Int(number.cast_signed(), IntKind::Uint64)
}

fn signum(order: Ordering) -> Value {
    Value::int(order as i64)
}

/// A number of the time as its zone shows it.
fn part(args: Args<'_>, read: fn(&Zoned) -> i64) -> Result<Value, Fault> {
    let time = time(args, 0)?;
    Ok(Value::int(read(&Zoned::new(time.at, time.zone.clone()))))
}

fn order(args: Args<'_>, wanted: Ordering) -> Result<Value, Fault> {
    let order = time(args, 0)?.at.cmp(&time(args, 1)?.at);
    Ok(Value::Bool(order == wanted))
}

/// Days beyond a month's end run on into the next month, as in Go.
fn add_date(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let of = time(args, 0)?;
    let fault = || too_far(".AddDate");
    let (years, months, days) = (args.int(1)?, args.int(2)?, args.int(3)?);
    let local = Zoned::new(of.at, of.zone.clone()).datetime();
    let day = i64::from(local.day());
    let months = years
        .checked_mul(12)
        .and_then(|years| years.checked_add(months))
        .ok_or_else(fault)?;
    let days = days.checked_add(day - 1).ok_or_else(fault)?;
    let span = Span::new()
        .try_months(months)
        .and_then(|span| span.try_days(days))
        .map_err(|_| fault())?;
    let moved = local
        .with()
        .day(1)
        .build()
        .and_then(|first| first.checked_add(span))
        .and_then(|moved| moved.to_zoned(of.zone.clone()))
        .map_err(|_| fault())?;
    Ok(shown(moved.timestamp(), of.zone.clone()))
}

/// The duration in a unit, added up as Go adds it up.
fn whole_and_rest(args: Args<'_>, unit: i64) -> Result<Value, Fault> {
    let nanos = duration(args, 0)?;
    let (whole, rest) = (nanos / unit, nanos % unit);
    Ok(Value::Float(whole as f64 + rest as f64 / unit as f64))
}

/// To the nearest multiple, halves away from zero; the longest stands for what is longer.
fn round(of: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return of;
    }
    let (size, unit) = (i128::from(of).abs(), i128::from(unit));
    let rest = size % unit;
    let rounded = if rest * 2 < unit {
        size - rest
    } else {
        size - rest + unit
    };
    let signed = if of < 0 { -rounded } else { rounded };
    let most = if of < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(signed).unwrap_or(most)
}

fn precedence(args: Args<'_>) -> Result<Ordering, Fault> {
    Ok(version(args, 0)?.precedence(version(args, 1)?))
}
