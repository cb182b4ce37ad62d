//! Durations as users write them: `45m`, `1h30m`, `30m2h`, `7d`. Units are summed in any order; a day is 24 hours.
//! Own parser, because no crate reads exactly what users' manifests hold (D24).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Longest duration: ten years. Longer than any retention, and far from any overflow in sums of times.
pub const MAX: Duration = Duration::from_secs(3650 * DAY);
/// Longest text: every unit once with twelve digits fits.
const MAX_BYTES: usize = 128;
/// What a duration looks like; also the pattern in CRDs.
pub const PATTERN: &str = "^([0-9]+(ns|us|ms|s|m|h|d))+$";
const DAY: u64 = 24 * 60 * 60;
const HINT: &str = "write whole numbers with units ns, us, ms, s, m, h or d, such as 45m or 1h30m";

/// Why a text is not a duration. Worded to follow the field's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("is empty; {HINT}")]
    Empty,
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLongText,
    #[error("is not a duration: a number is missing before {0:?}; {HINT}")]
    NoNumber(String),
    #[error("is not a duration: a unit is missing after {0}; {HINT}")]
    NoUnit(String),
    #[error("is not a duration: {0:?} is not a unit; {HINT}")]
    UnknownUnit(String),
    #[error("is longer than 3650d, the longest duration")]
    TooLong,
}

/// Reads a duration.
///
/// # Errors
/// What is wrong with the text, and what to write instead.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text.len() > MAX_BYTES {
        return Err(DurationError::TooLongText);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = parse_part(rest)?;
        total = total.checked_add(part).ok_or(DurationError::TooLong)?;
        if total > MAX {
            return Err(DurationError::TooLong);
        }
        rest = after;
    }
    Ok(total)
}

/// One number with its unit, and what follows.
fn parse_part(text: &str) -> Result<(Duration, &str), DurationError> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(unit_at);
    let unit_end = rest
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    if digits.is_empty() {
        return Err(DurationError::NoNumber(text.to_owned()));
    }
    // Twenty digits or more are longer than MAX in any unit.
    let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
    let seconds = |per_unit: u64| {
        number
            .checked_mul(per_unit)
            .map(Duration::from_secs)
            .ok_or(DurationError::TooLong)
    };
    let part = match unit {
        "ns" => Duration::from_nanos(number),
        "us" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => seconds(1)?,
        "m" => seconds(60)?,
        "h" => seconds(60 * 60)?,
        "d" => seconds(DAY)?,
        "" => return Err(DurationError::NoUnit(digits.to_owned())),
        other => return Err(DurationError::UnknownUnit(other.to_owned())),
    };
    Ok((part, rest))
}

/// The shortest usual spelling: `1d12h`, `45m`, `0s`. [`parse`] reads it back to the same duration.
#[must_use]
pub fn format(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let nanos = u64::from(duration.subsec_nanos());
    let parts = [
        (seconds / DAY, "d"),
        (seconds % DAY / 3600, "h"),
        (seconds % 3600 / 60, "m"),
        (seconds % 60, "s"),
        (nanos / 1_000_000, "ms"),
        (nanos / 1_000 % 1_000, "us"),
        (nanos % 1_000, "ns"),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// A duration that keeps the user's spelling, so that what they wrote is what they read back. Always parses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DurationText {
    text: String,
    duration: Duration,
}

impl DurationText {
    /// Reads a duration and keeps its spelling.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn parse(text: impl Into<String>) -> Result<Self, DurationError> {
        let text = text.into();
        let duration = parse(&text)?;
        Ok(Self { text, duration })
    }

    /// As the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl From<Duration> for DurationText {
    /// In canonical spelling, cut to [`MAX`].
    fn from(duration: Duration) -> Self {
        let duration = duration.min(MAX);
        Self {
            text: format(duration),
            duration,
        }
    }
}

impl TryFrom<String> for DurationText {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        Self::parse(text)
    }
}

impl From<DurationText> for String {
    fn from(duration: DurationText) -> Self {
        duration.text
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurationText({:?})", self.text)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "x-check": "duration" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_manifests_hold() {
        for (text, seconds) in [
            ("0s", 0),
            ("45m", 2700),
            ("1h30m", 5400),
            ("30m2h", 9000),
            ("1h1h", 7200),
            ("7d12h", 648_000),
            ("90d", 7_776_000),
            ("3650d", 315_360_000),
            ("0001h", 3600),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("1ms2us3ns"), Ok(Duration::from_nanos(1_002_003)));
    }

    #[test]
    fn refuses_what_is_not_a_duration() {
        use DurationError as E;
        for (text, error) in [
            ("", E::Empty),
            ("1", E::NoUnit("1".into())),
            ("1h30", E::NoUnit("30".into())),
            ("h", E::NoNumber("h".into())),
            ("-1h", E::NoNumber("-1h".into())),
            ("+1h", E::NoNumber("+1h".into())),
            (" 1h", E::NoNumber(" 1h".into())),
            ("1h ", E::UnknownUnit("h ".into())),
            ("1.5h", E::UnknownUnit(".".into())),
            ("1µs", E::UnknownUnit("µs".into())),
            ("1w", E::UnknownUnit("w".into())),
            ("1H", E::UnknownUnit("H".into())),
            ("3651d", E::TooLong),
            ("3650d1ns", E::TooLong),
            ("18446744073709551615d", E::TooLong),
            ("99999999999999999999999s", E::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        assert_eq!(parse(&"1s".repeat(100)), Err(E::TooLongText));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(nanos in 0..=u64::try_from(MAX.as_nanos()).unwrap()) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[0-9nsumhd. -]{0,40}|\\PC{0,20}") {
            let pattern = regex::Regex::new(PATTERN).unwrap();
            let parsed = parse(&text);
            prop_assert!(parsed == Err(DurationError::TooLong) || parsed.is_ok() == pattern.is_match(&text));
        }
    }
}
