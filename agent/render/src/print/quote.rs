//! Go's quoted texts and characters.

use std::fmt::Write as _;
use std::sync::OnceLock;

use regex::Regex;

/// Which characters a quoted text may hold as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    Printable,
    Ascii,
}

impl Alphabet {
    /// `%+q` keeps to ASCII.
    pub(super) fn of(plus: bool) -> Self {
        if plus { Self::Ascii } else { Self::Printable }
    }
}

/// Go's `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII blank, of the Unicode version that
/// Go knows.
pub(crate) fn is_printable(char: char) -> bool {
    if char.is_ascii() {
        return (' '..='~').contains(&char);
    }
    // Latin-1 but for the soft hyphen, without asking the tables.
    if char < '\u{100}' {
        return char > '\u{a0}' && char != '\u{ad}';
    }
    static PRINTABLE: OnceLock<Option<Regex>> = OnceLock::new();
    PRINTABLE
        .get_or_init(|| Regex::new(r"^[\p{Age:15.0}&&[\p{L}\p{M}\p{N}\p{P}\p{S}]]$").ok())
        .as_ref()
        .is_some_and(|class| class.is_match(char.encode_utf8(&mut [0; 4])))
}

/// Whether a raw text in backquotes would show it.
pub(super) fn can_backquote(text: &str) -> bool {
    !text
        .chars()
        .any(|char| (char < ' ' && char != '\t') || matches!(char, '`' | '\u{7f}' | '\u{feff}'))
}

/// In double quotes, as a Go program writes it.
pub(super) fn quote(text: &str, alphabet: Alphabet) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        escape(char, '"', alphabet, &mut out);
    }
    out.push('"');
    out
}

/// In single quotes.
pub(super) fn quote_char(char: char, alphabet: Alphabet) -> String {
    let mut out = String::with_capacity(12);
    out.push('\'');
    escape(char, '\'', alphabet, &mut out);
    out.push('\'');
    out
}

fn escape(char: char, mark: char, alphabet: Alphabet, out: &mut String) {
    if char == mark || char == '\\' {
        out.push('\\');
        out.push(char);
        return;
    }
    let shown = match alphabet {
        Alphabet::Printable => is_printable(char),
        Alphabet::Ascii => char.is_ascii() && is_printable(char),
    };
    if shown {
        out.push(char);
        return;
    }
    let short = match char {
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        _ => {
            let code = u32::from(char);
            // Writing to a text does not fail.
            let _ = if code < 0x20 || code == 0x7f {
                write!(out, "\\x{code:02x}")
            } else if code < 0x1_0000 {
                write!(out, "\\u{code:04x}")
            } else {
                write!(out, "\\U{code:08x}")
            };
            return;
        }
    };
    out.push('\\');
    out.push(short);
}
