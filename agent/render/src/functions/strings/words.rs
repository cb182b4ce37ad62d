//! `camelcase`, `snakecase`, `kebabcase`: xstrings' idea of what a word is.

use super::super::{Args, Env};
use super::characters::{is_letter, is_number, is_punct, is_upper, to_lower, to_upper};
use super::read;
use crate::error::Fault;
use crate::value::Value;

/// Each character may get a connector before it, and another case.
const GROWTH: usize = 4;

fn charge(text: &str, env: &mut Env<'_>) -> Result<(), Fault> {
    read(text, env.meter)?;
    env.meter.bytes(text.len().saturating_mul(GROWTH))
}

/// `some_words` becomes `SomeWords`; connectors at the start stay.
pub(super) fn camelcase(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    charge(text, env)?;
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut current = None;
    let mut was_upper = false;
    for char in chars.by_ref() {
        if is_connector(char) {
            current = Some(char);
            out.push(char);
            continue;
        }
        was_upper = is_upper(char);
        current = Some(to_upper(char));
        break;
    }
    // A text of connectors alone has its last one twice: xstrings does so.
    let Some(mut current) = current else {
        return Ok(Value::str(""));
    };
    for char in chars {
        let before = std::mem::replace(&mut current, char);
        if is_connector(before) {
            if is_connector(char) {
                out.push(before);
            } else {
                was_upper = is_upper(char);
                current = to_upper(char);
            }
            continue;
        }
        if was_upper && is_upper(char) {
            current = to_lower(char);
        } else {
            was_upper = false;
        }
        out.push(before);
    }
    out.push(current);
    Ok(Value::str(out))
}

pub(super) fn snakecase(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    charge(text, env)?;
    Ok(Value::str(connected(text, '_')))
}

pub(super) fn kebabcase(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    charge(text, env)?;
    Ok(Value::str(connected(text, '-')))
}

fn is_connector(char: char) -> bool {
    char == '-' || char == '_' || char.is_whitespace()
}

/// A letter, but no common Chinese, Japanese or Korean character.
fn is_alphabet(char: char) -> bool {
    let is_ideograph = matches!(
        char,
        '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}'
    );
    !is_ideograph && is_letter(char)
}

/// What a run of characters is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The end of the text, or nothing but replacement characters.
    Nothing,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punct,
    Other,
}

/// One run of a text after the other, written in small letters.
struct Splitter<'t> {
    connector: char,
    out: String,
    kind: Kind,
    word: &'t str,
    left: &'t str,
}

fn connected(text: &str, connector: char) -> String {
    let mut splitter = Splitter {
        connector,
        out: String::with_capacity(text.len()),
        kind: Kind::Nothing,
        word: "",
        left: text,
    };
    splitter.advance();
    while !splitter.left.is_empty() {
        splitter.turn();
    }
    splitter.write(splitter.kind, splitter.word);
    splitter.out
}

impl<'t> Splitter<'t> {
    fn advance(&mut self) {
        let (kind, length) = run(self.left);
        self.kind = kind;
        (self.word, self.left) = self
            .left
            .split_at_checked(length)
            .unwrap_or((self.left, ""));
    }

    fn turn(&mut self) {
        let (kind, word) = (self.kind, self.word);
        if kind != Kind::Connector {
            self.write(kind, word);
        }
        self.advance();
        match kind {
            Kind::Number => {
                self.write_letters();
                self.connect(&[Kind::Nothing, Kind::Punct, Kind::Connector]);
            }
            Kind::Connector => self.write(kind, word),
            Kind::Punct => {}
            Kind::Nothing | Kind::Upper | Kind::Alphabet | Kind::Other => self.after_letters(),
        }
    }

    /// A number belongs to the letters before it (`bld4_floor`), unless small letters follow (`http_2xx`).
    fn after_letters(&mut self) {
        if self.kind != Kind::Number {
            self.connect(&[Kind::Connector, Kind::Punct]);
            return;
        }
        if self.left.is_empty() {
            return;
        }
        let number = self.word;
        self.advance();
        if self.kind != Kind::Alphabet {
            self.write(Kind::Number, number);
            self.connect(&[Kind::Connector, Kind::Punct]);
            return;
        }
        self.out.push(self.connector);
        self.write(Kind::Number, number);
        self.write_letters();
        self.connect(&[Kind::Nothing, Kind::Connector, Kind::Punct]);
    }

    fn write_letters(&mut self) {
        while matches!(self.kind, Kind::Alphabet | Kind::Number) {
            self.write(self.kind, self.word);
            self.advance();
        }
    }

    /// A connector, unless one of these comes next.
    fn connect(&mut self, unless: &[Kind]) {
        if !unless.contains(&self.kind) {
            self.out.push(self.connector);
        }
    }

    fn write(&mut self, kind: Kind, word: &'t str) {
        if kind != Kind::Upper && kind != Kind::Connector {
            self.out.push_str(word);
            return;
        }
        for char in word.chars() {
            if is_connector(char) {
                self.out.push(self.connector);
            } else if is_upper(char) {
                self.out.push(to_lower(char));
            } else {
                self.out.push(char);
            }
        }
    }
}

/// Kind and length of the first run. Replacement characters count to what follows them.
fn run(text: &str) -> (Kind, usize) {
    if text.is_empty() {
        return (Kind::Nothing, 0);
    }
    let (first, length) = next_valid(text, char::REPLACEMENT_CHARACTER);
    if first == char::REPLACEMENT_CHARACTER {
        return (Kind::Nothing, length);
    }
    let rest = |keep: fn(char) -> bool| while_valid(text, length, first, keep).length;
    if is_connector(first) {
        (Kind::Connector, rest(is_connector))
    } else if is_punct(first) {
        (Kind::Punct, rest(is_punct))
    } else if is_upper(first) {
        (Kind::Upper, upper_run(text, length, first))
    } else if is_alphabet(first) {
        (Kind::Alphabet, rest(is_small))
    } else if is_number(first) {
        (Kind::Number, rest(is_number))
    } else {
        (Kind::Other, rest(is_other))
    }
}

fn is_small(char: char) -> bool {
    is_alphabet(char) && !is_upper(char)
}

fn is_other(char: char) -> bool {
    !(is_connector(char) || is_alphabet(char) || is_number(char) || is_punct(char))
}

/// `HTTPStatus` is `HTTP` and `Status`: the last capital before small letters begins the next word.
fn upper_run(text: &str, length: usize, first: char) -> usize {
    let left = text.get(length..).unwrap_or_default();
    if left.is_empty() {
        return length;
    }
    let (second, size) = next_valid(left, first);
    if is_upper(second) {
        let run = while_valid(text, length, first, is_upper);
        return match run.stop {
            Some(stop) if is_alphabet(stop) => run.length.saturating_sub(run.last_size),
            Some(_) | None => run.length,
        };
    }
    if is_alphabet(second) {
        return while_valid(text, length.saturating_add(size), second, is_small).length;
    }
    length
}

struct Run {
    length: usize,
    /// Of the last character kept.
    last_size: usize,
    /// The character at which it stopped.
    stop: Option<char>,
}

/// The first `length` bytes and what follows, as long as it is to keep.
fn while_valid(text: &str, length: usize, before: char, keep: fn(char) -> bool) -> Run {
    let mut run = Run {
        length,
        last_size: 0,
        stop: None,
    };
    let mut before = before;
    loop {
        let left = text.get(run.length..).unwrap_or_default();
        if left.is_empty() {
            return run;
        }
        let (char, size) = next_valid(left, before);
        if !keep(char) {
            run.stop = Some(char);
            return run;
        }
        before = char;
        run.last_size = size;
        run.length = run.length.saturating_add(size);
    }
}

/// The first character that is no replacement character (`before` if there is none) and the bytes to its end.
fn next_valid(text: &str, before: char) -> (char, usize) {
    let mut size = 0_usize;
    for char in text.chars() {
        size = size.saturating_add(char.len_utf8());
        if char != char::REPLACEMENT_CHARACTER {
            return (char, size);
        }
    }
    (before, size)
}
