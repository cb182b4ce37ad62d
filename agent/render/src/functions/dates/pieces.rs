//! The pieces that a time's text is made of: each takes one off the start, or says that it is not there.

use super::layout::Element;

#[derive(Clone, Copy)]
pub(super) enum Width {
    OneOrTwo,
    Two,
}

impl Width {
    pub(super) fn of(element: Element) -> Self {
        let two = matches!(
            element,
            Element::ZeroMonth
                | Element::ZeroDay
                | Element::ZeroHour12
                | Element::ZeroMinute
                | Element::ZeroSecond
        );
        if two { Self::Two } else { Self::OneOrTwo }
    }
}

pub(super) fn number(text: &[u8], width: Width) -> Option<(i64, &[u8])> {
    let length = match (text, width) {
        ([a, b, ..], _) if a.is_ascii_digit() && b.is_ascii_digit() => 2,
        ([a, ..], Width::OneOrTwo) if a.is_ascii_digit() => 1,
        _ => return None,
    };
    let (number, rest) = text.split_at_checked(length)?;
    Some((digits(number)?, rest))
}

pub(super) fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0_i64, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum.wrapping_mul(10).wrapping_add(i64::from(byte - b'0')))
    })
}

/// As [`digits`], a sign before them.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', rest @ ..] => digits(rest).map(|number| -number),
        [b'+', rest @ ..] => digits(rest),
        _ => digits(text),
    }
}

pub(super) fn within(number: i64, low: i64, high: i64) -> Option<i64> {
    (low..=high).contains(&number).then_some(number)
}

/// A separator and digits: the first nine of them count.
pub(super) fn nanos(fraction: &[u8]) -> Option<i64> {
    let (separator, all) = fraction.split_first()?;
    if !matches!(separator, b'.' | b',') {
        return None;
    }
    let counted = all.get(..9).unwrap_or(all);
    let missing = u32::try_from(9 - counted.len()).ok()?;
    let number = within(signed(counted)?, 0, 999_999_999)?;
    Some(number * 10_i64.pow(missing))
}

pub(super) fn named<'a>(
    names: &[&str],
    length: usize,
    text: &'a [u8],
    place: &mut Option<i64>,
) -> Option<&'a [u8]> {
    for (number, name) in (1..).zip(names) {
        let name = name.get(..length).unwrap_or(name);
        if let Some((start, rest)) = text.split_at_checked(name.len())
            && start.eq_ignore_ascii_case(name.as_bytes())
        {
            *place = Some(number);
            return Some(rest);
        }
    }
    None
}

/// Takes what stands between elements; one blank stands for any number of them.
pub(super) fn skip<'a>(mut text: &'a [u8], mut prefix: &[u8]) -> Option<&'a [u8]> {
    while let Some((first, rest)) = prefix.split_first() {
        if *first == b' ' {
            if text.first().is_some_and(|byte| *byte != b' ') {
                return None;
            }
            prefix = without_blanks(prefix);
            text = without_blanks(text);
            continue;
        }
        text = text.strip_prefix(&[*first])?;
        prefix = rest;
    }
    Some(text)
}

fn without_blanks(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = text.strip_prefix(b" ") {
        text = rest;
    }
    text
}

/// How many bytes look like the abbreviation of a zone.
pub(super) fn zone_name_length(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_offset_length(rest));
    }
    if matches!(text.first(), Some(b'+' | b'-')) {
        return Some(signed_offset_length(text)).filter(|length| *length > 0);
    }
    let upper = text
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    match upper {
        5 => (text.get(4) == Some(&b'T')).then_some(5),
        4 => (text.get(3) == Some(&b'T') || text.starts_with(b"WITA")).then_some(4),
        3 => Some(3),
        _ => None,
    }
}

/// A sign and a number up to 23; 0 if there is none.
fn signed_offset_length(text: &[u8]) -> usize {
    let Some((b'+' | b'-', rest)) = text.split_first() else {
        return 0;
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = rest.get(..length).unwrap_or_default();
    let hours = number.iter().fold(0_u64, |sum, byte| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(byte - b'0'))
    });
    if length == 0 || hours > 23 {
        return 0;
    }
    length + 1
}
