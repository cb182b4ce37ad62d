//! Characters as Go sees them: by the general categories of Unicode 15.0, and with case mappings that give one
//! character for one.

use std::sync::OnceLock;

use regex::Regex;

/// A class of characters; compiled when a character outside of ASCII first asks for it.
struct Class {
    pattern: &'static str,
    regex: OnceLock<Option<Regex>>,
}

impl Class {
    const fn new(pattern: &'static str) -> Self {
        Self {
            pattern,
            regex: OnceLock::new(),
        }
    }

    fn has(&self, char: char) -> bool {
        let regex = self.regex.get_or_init(|| Regex::new(self.pattern).ok());
        let mut buffer = [0; 4];
        regex
            .as_ref()
            .is_some_and(|regex| regex.is_match(char.encode_utf8(&mut buffer)))
    }
}

static ASSIGNED: Class = Class::new(r"\p{age:15.0}");
static UPPER: Class = Class::new(r"[\p{Lu}&&\p{age:15.0}]");
static TITLE: Class = Class::new(r"[\p{Lt}&&\p{age:15.0}]");
static LOWER: Class = Class::new(r"[\p{Ll}&&\p{age:15.0}]");
static LETTER: Class = Class::new(r"[\p{L}&&\p{age:15.0}]");
static NUMBER: Class = Class::new(r"[\p{N}&&\p{age:15.0}]");
static PUNCT: Class = Class::new(r"[\p{P}&&\p{age:15.0}]");

pub(super) fn is_upper(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_uppercase();
    }
    UPPER.has(char)
}

pub(super) fn is_title(char: char) -> bool {
    !char.is_ascii() && TITLE.has(char)
}

pub(super) fn is_lower(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_lowercase();
    }
    LOWER.has(char)
}

pub(super) fn is_letter(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_alphabetic();
    }
    LETTER.has(char)
}

pub(super) fn is_number(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_digit();
    }
    NUMBER.has(char)
}

pub(super) fn is_punct(char: char) -> bool {
    if char.is_ascii() {
        // Go's categories count these among symbols.
        return char.is_ascii_punctuation()
            && !matches!(char, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    }
    PUNCT.has(char)
}

pub(super) fn to_upper(char: char) -> char {
    if char.is_ascii() {
        return char.to_ascii_uppercase();
    }
    let mut mapped = char.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => known(char, one),
        _ => simple_upper(char),
    }
}

pub(super) fn to_lower(char: char) -> char {
    if char.is_ascii() {
        return char.to_ascii_lowercase();
    }
    let mut mapped = char.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => known(char, one),
        // The one character whose small form is two: Go keeps the letter and drops the dot.
        _ => 'i',
    }
}

pub(super) fn to_title(char: char) -> char {
    match char {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => char,
        other => to_upper(other),
    }
}

/// A mapping that is younger than Go's tables is none.
fn known(char: char, mapped: char) -> char {
    if mapped != char && ASSIGNED.has(mapped) && ASSIGNED.has(char) {
        mapped
    } else {
        char
    }
}

/// The one-character capital of those whose full one is several: Greek vowels with a iota below.
fn simple_upper(char: char) -> char {
    let above = match char {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(char).saturating_add(above)).unwrap_or(char)
}
