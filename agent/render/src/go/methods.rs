//! Methods of times, durations and versions, as far as templates have a use for them. The first parameter of each is what
//! it is a method of; the name starts with a dot.

use std::cmp::Ordering;
use std::rc::Rc;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use crate::error::Fault;
use crate::functions::versions::order;
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

/// In seconds since 1970.
const YEAR_ONE: i64 = -62_135_596_800;

const OF_TIME: &[Param] = &[Param::Time];
const OF_TIMES: &[Param] = &[Param::Time, Param::Time];
const OF_TIME_AND_DURATION: &[Param] = &[Param::Time, Param::Duration];
const OF_DURATION: &[Param] = &[Param::Duration];
const OF_VERSION: &[Param] = &[Param::Version];
const OF_VERSIONS: &[Param] = &[Param::Version, Param::Version];

const TIME: &[Function] = &[
    Function::new(".Format", &[Param::Time, Param::Str], |args, env| {
        let layout = args.str(1)?;
        // An element of the layout writes some thirty bytes at most.
        env.meter.bytes(layout.len().saturating_mul(16))?;
        Ok(Value::str(dates::format(time(args, 0)?, layout)))
    }),
    Function::new(".String", OF_TIME, |args, _| {
        Ok(Value::str(dates::time_text(time(args, 0)?)))
    }),
    Function::new(".Unix", OF_TIME, |args, _| {
        Ok(Value::int64(time(args, 0)?.at.as_second()))
    }),
    Function::new(".UnixMilli", OF_TIME, |args, _| {
        Ok(Value::int64(time(args, 0)?.at.as_millisecond()))
    }),
    Function::new(".UnixMicro", OF_TIME, |args, _| {
        Ok(Value::int64(time(args, 0)?.at.as_microsecond()))
    }),
    Function::new(".UnixNano", OF_TIME, |args, _| {
        let nanos = time(args, 0)?.at.as_nanosecond();
        // Go's own answer beyond the years 1678 to 2262 is undefined.
        i64::try_from(nanos)
            .map(Value::int64)
            .map_err(|_| Fault::new(".UnixNano: the year is out of range"))
    }),
    Function::new(".Year", OF_TIME, |args, _| {
        part(args, |at| at.year().into())
    }),
    Function::new(".Day", OF_TIME, |args, _| part(args, |at| at.day().into())),
    Function::new(".Hour", OF_TIME, |args, _| {
        part(args, |at| at.hour().into())
    }),
    Function::new(".Minute", OF_TIME, |args, _| {
        part(args, |at| at.minute().into())
    }),
    Function::new(".Second", OF_TIME, |args, _| {
        part(args, |at| at.second().into())
    }),
    Function::new(".Nanosecond", OF_TIME, |args, _| {
        part(args, |at| at.subsec_nanosecond().into())
    }),
    Function::new(".YearDay", OF_TIME, |args, _| {
        part(args, |at| at.day_of_year().into())
    }),
    Function::new(".Month", OF_TIME, |args, _| {
        let local = local(time(args, 0)?);
        Ok(Value::Int(local.month().into(), IntKind::Month))
    }),
    Function::new(".Weekday", OF_TIME, |args, _| {
        let day = local(time(args, 0)?).weekday().to_sunday_zero_offset();
        Ok(Value::Int(day.into(), IntKind::Weekday))
    }),
    Function::new(".Location", OF_TIME, |args, _| {
        Ok(Value::str(location(time(args, 0)?)))
    }),
    Function::new(".IsZero", OF_TIME, |args, _| {
        let zero = Timestamp::from_second(YEAR_ONE).ok();
        Ok(Value::Bool(Some(time(args, 0)?.at) == zero))
    }),
    Function::new(".After", OF_TIMES, |args, _| {
        is_ordered(args, Ordering::Greater)
    }),
    Function::new(".Before", OF_TIMES, |args, _| {
        is_ordered(args, Ordering::Less)
    }),
    Function::new(".Equal", OF_TIMES, |args, _| {
        is_ordered(args, Ordering::Equal)
    }),
    Function::new(".Compare", OF_TIMES, |args, _| {
        Ok(signum(time(args, 0)?.at.cmp(&time(args, 1)?.at)))
    }),
    Function::new(".Sub", OF_TIMES, |args, _| {
        let between = time(args, 0)?.at.duration_since(time(args, 1)?.at);
        // As Go does, the longest duration stands for all that are longer.
        let nanos = between.as_nanos();
        let most = if nanos < 0 { i64::MIN } else { i64::MAX };
        Ok(Value::Duration(i64::try_from(nanos).unwrap_or(most)))
    }),
    Function::new(".Add", OF_TIME_AND_DURATION, |args, _| {
        let of = time(args, 0)?;
        let nanos = SignedDuration::from_nanos(duration(args, 1)?);
        let at = of.at.checked_add(nanos).map_err(|_| too_far(".Add"))?;
        Ok(shown(at, of.zone.clone()))
    }),
    Function::new(
        ".AddDate",
        &[Param::Time, Param::Int, Param::Int, Param::Int],
        add_date,
    ),
    Function::new(".UTC", OF_TIME, |args, _| {
        Ok(shown(time(args, 0)?.at, TimeZone::UTC))
    }),
    Function::new(".Truncate", OF_TIME_AND_DURATION, |args, _| {
        let (of, unit) = (time(args, 0)?, duration(args, 1)?);
        since_year_one(of, |nanos| {
            nanos - nanos.rem_euclid(i128::from(unit.max(1)))
        })
    }),
    Function::new(".Round", OF_TIME_AND_DURATION, |args, _| {
        let (of, unit) = (time(args, 0)?, duration(args, 1)?);
        let unit = i128::from(unit.max(1));
        since_year_one(of, |nanos| {
            let rest = nanos.rem_euclid(unit);
            nanos - rest + if rest * 2 < unit { 0 } else { unit }
        })
    }),
    // "Local" is UTC here.
    Function::new(".Local", OF_TIME, |args, _| {
        Ok(shown(time(args, 0)?.at, TimeZone::UTC))
    }),
];

const DURATION: &[Function] = &[
    Function::new(".String", OF_DURATION, |args, _| {
        Ok(Value::str(dates::duration_text(duration(args, 0)?)))
    }),
    Function::new(".Hours", OF_DURATION, |args, _| {
        whole_and_rest(args, 3_600_000_000_000)
    }),
    Function::new(".Minutes", OF_DURATION, |args, _| {
        whole_and_rest(args, 60_000_000_000)
    }),
    Function::new(".Seconds", OF_DURATION, |args, _| {
        whole_and_rest(args, 1_000_000_000)
    }),
    Function::new(".Milliseconds", OF_DURATION, |args, _| {
        Ok(Value::int64(duration(args, 0)? / 1_000_000))
    }),
    Function::new(".Microseconds", OF_DURATION, |args, _| {
        Ok(Value::int64(duration(args, 0)? / 1_000))
    }),
    Function::new(".Nanoseconds", OF_DURATION, |args, _| {
        Ok(Value::int64(duration(args, 0)?))
    }),
    Function::new(".Abs", OF_DURATION, |args, _| {
        Ok(Value::Duration(duration(args, 0)?.saturating_abs()))
    }),
    Function::new(
        ".Truncate",
        &[Param::Duration, Param::Duration],
        |args, _| {
            let (of, unit) = (duration(args, 0)?, duration(args, 1)?);
            let rest = if unit <= 0 { 0 } else { of % unit };
            Ok(Value::Duration(of - rest))
        },
    ),
    Function::new(".Round", &[Param::Duration, Param::Duration], |args, _| {
        Ok(Value::Duration(round(
            duration(args, 0)?,
            duration(args, 1)?,
        )))
    }),
];

const VERSION: &[Function] = &[
    Function::new(".Major", OF_VERSION, |args, _| {
        Ok(number(version(args, 0)?.major))
    }),
    Function::new(".Minor", OF_VERSION, |args, _| {
        Ok(number(version(args, 0)?.minor))
    }),
    Function::new(".Patch", OF_VERSION, |args, _| {
        Ok(number(version(args, 0)?.patch))
    }),
    Function::new(".Prerelease", OF_VERSION, |args, _| {
        Ok(Value::str(version(args, 0)?.prerelease.as_str()))
    }),
    Function::new(".Metadata", OF_VERSION, |args, _| {
        Ok(Value::str(version(args, 0)?.metadata.as_str()))
    }),
    Function::new(".Original", OF_VERSION, |args, _| {
        Ok(Value::str(version(args, 0)?.original.as_str()))
    }),
    Function::new(".String", OF_VERSION, |args, _| {
        Ok(Value::str(version(args, 0)?.to_string()))
    }),
    Function::new(".IncMajor", OF_VERSION, |args, _| {
        next(args, |version| {
            (version.minor, version.patch) = (0, 0);
            version.major = version.major.wrapping_add(1);
        })
    }),
    Function::new(".IncMinor", OF_VERSION, |args, _| {
        next(args, |version| {
            version.patch = 0;
            version.minor = version.minor.wrapping_add(1);
        })
    }),
    // A prerelease comes before the release of the same number: that is its next one.
    Function::new(".IncPatch", OF_VERSION, |args, _| {
        next(args, |version| {
            let step = u64::from(version.prerelease.is_empty());
            version.patch = version.patch.wrapping_add(step);
        })
    }),
    Function::new(".Compare", OF_VERSIONS, |args, _| {
        Ok(signum(precedence(args)?))
    }),
    Function::new(".Equal", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_eq()))
    }),
    Function::new(".LessThan", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_lt()))
    }),
    Function::new(".LessThanEqual", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_le()))
    }),
    Function::new(".GreaterThan", OF_VERSIONS, |args, _| {
        Ok(Value::Bool(precedence(args)?.is_gt()))
    }),
    Function::new(".GreaterThanEqual", OF_VERSIONS, |args, _| {
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

fn local(time: &Time) -> Zoned {
    Zoned::new(time.at, time.zone.clone())
}

fn location(time: &Time) -> String {
    if time.zone.to_fixed_offset().is_ok_and(Offset::is_zero) {
        return String::from("UTC");
    }
    time.zone.iana_name().unwrap_or_default().to_owned()
}

/// The time by its nanoseconds since the year 1, which is where Go counts multiples from.
fn since_year_one(of: &Time, change: impl Fn(i128) -> i128) -> Result<Value, Fault> {
    let zero = i128::from(YEAR_ONE) * 1_000_000_000;
    let nanos = change(of.at.as_nanosecond() - zero) + zero;
    let at = Timestamp::from_nanosecond(nanos).map_err(|_| too_far("the rounded time"))?;
    Ok(shown(at, of.zone.clone()))
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
    Ok(Value::int(read(&local(time))))
}

fn is_ordered(args: Args<'_>, wanted: Ordering) -> Result<Value, Fault> {
    let order = time(args, 0)?.at.cmp(&time(args, 1)?.at);
    Ok(Value::Bool(order == wanted))
}

/// Days beyond a month's end run on into the next month, as in Go.
fn add_date(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let of = time(args, 0)?;
    let fault = || too_far(".AddDate");
    let (years, months, days) = (args.int(1)?, args.int(2)?, args.int(3)?);
    let local = local(of).datetime();
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

/// A version that follows this one: no prerelease, and the leading `v` if there was one.
fn next(args: Args<'_>, change: fn(&mut Version)) -> Result<Value, Fault> {
    let mut version = Version::clone(version(args, 0)?);
    let prefix = if version.original.starts_with('v') {
        "v"
    } else {
        ""
    };
    change(&mut version);
    version.prerelease.clear();
    version.metadata.clear();
    version.original = format!("{prefix}{version}");
    Ok(Value::Version(Rc::new(version)))
}

fn precedence(args: Args<'_>) -> Result<Ordering, Fault> {
    Ok(order::compare(version(args, 0)?, version(args, 1)?))
}
