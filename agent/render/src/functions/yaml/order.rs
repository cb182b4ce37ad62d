//! The natural order of keys: `a2` before `a10`, letters behind all else.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::OnceLock;

use regex::Regex;

use crate::value::Value;

/// Sorts entries by key. A merge sort of our own: this order is not always transitive, which the standard library's
/// sorts answer with a panic.
pub(super) fn sort(entries: Vec<(Rc<str>, Value)>) -> Vec<(Rc<str>, Value)> {
    let sorted = entries
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if compare(&a.0, &b.0) != Ordering::Greater));
    if sorted {
        return entries;
    }
    let mut left = entries;
    let right = left.split_off(left.len() / 2);
    let (left, right) = (sort(left), sort(right));
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if compare(&b.0, &a.0) == Ordering::Less => right.next(),
            (Some(_), _) => left.next(),
            (None, _) => right.next(),
        };
        match next {
            Some(entry) => out.push(entry),
            None => return out,
        }
    }
}

fn compare(a: &str, b: &str) -> Ordering {
    let place = a
        .char_indices()
        .zip(b.chars())
        .find(|((_, a), b)| a != b)
        .map(|((place, a), b)| (place, a, b));
    let Some((place, x, y)) = place else {
        return a.len().cmp(&b.len());
    };
    match (is_letter(x), is_letter(y)) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let before = a.get(..place).unwrap_or_default();
    // A zero behind other digits is worth as much as they are: 10 is more than 1 and a blank.
    let inside = (x == '0' || y == '0')
        && before
            .chars()
            .rev()
            .take_while(|c| is_digit(*c))
            .any(|c| c != '0');
    let start = i64::from(inside);
    let (number_a, length_a) = leading_number(a.get(place..).unwrap_or_default(), start);
    let (number_b, length_b) = leading_number(b.get(place..).unwrap_or_default(), start);
    number_a
        .cmp(&number_b)
        .then(length_a.cmp(&length_b))
        .then(x.cmp(&y))
}

fn leading_number(text: &str, start: i64) -> (i64, usize) {
    text.chars()
        .take_while(|c| is_digit(*c))
        .fold((start, 0), |(number, length), c| {
            let digit = i64::from(u32::from(c)) - i64::from(u32::from('0'));
            (number.wrapping_mul(10).wrapping_add(digit), length + 1)
        })
}

fn is_letter(c: char) -> bool {
    static LETTER: OnceLock<Option<Regex>> = OnceLock::new();
    c.is_ascii_alphabetic() || (!c.is_ascii() && of_class(&LETTER, r"^\p{L}$", c))
}

fn is_digit(c: char) -> bool {
    static DIGIT: OnceLock<Option<Regex>> = OnceLock::new();
    c.is_ascii_digit() || (!c.is_ascii() && of_class(&DIGIT, r"^\p{Nd}$", c))
}

fn of_class(class: &OnceLock<Option<Regex>>, pattern: &str, c: char) -> bool {
    class
        .get_or_init(|| Regex::new(pattern).ok())
        .as_ref()
        .is_some_and(|regex| regex.is_match(c.encode_utf8(&mut [0; 4])))
}
