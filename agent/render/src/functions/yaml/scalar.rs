//! How a text is written in YAML: plain, quoted or as a block.

use super::resolve::{Plain, is_base60, resolve};

/// The style of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What stands in the way of a style.
#[derive(Default)]
struct Traits {
    indicators: bool,
    line_breaks: bool,
    special: bool,
    /// Blank or break at either end.
    blank_ends: bool,
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
}

/// Where the scalar stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A key on one line with its value.
    SimpleKey,
    Other,
}

/// Whether a key may stand on one line with its value.
pub(super) fn is_simple_key(text: &str) -> bool {
    text.len() <= 128 && !text.contains(is_break)
}

pub(super) fn style(text: &str, role: Role) -> Style {
    if text.is_empty() {
        return Style::Double;
    }
    let traits = traits(text);
    if traits.special || traits.space_break {
        return Style::Double;
    }
    if text.contains('\n') {
        return if traits.trailing_space || role == Role::SimpleKey {
            Style::Double
        } else {
            Style::Literal
        };
    }
    if resolve(text) != Plain::Text || is_base60(text) {
        return Style::Double;
    }
    if traits.break_space || (role == Role::SimpleKey && traits.line_breaks) {
        Style::Double
    } else if traits.indicators || traits.line_breaks || traits.blank_ends {
        Style::Single
    } else {
        Style::Plain
    }
}

fn traits(text: &str) -> Traits {
    let mut traits = Traits {
        indicators: text.starts_with("---") || text.starts_with("..."),
        ..Traits::default()
    };
    let (mut after_blank, mut after_space, mut after_break) = (true, false, false);
    let mut chars = text.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        let last = chars.peek().is_none();
        let before_blank = matches!(chars.peek(), None | Some(' ' | '\t'));
        traits.indicators |= match c {
            '#' => first || after_blank,
            ':' => before_blank,
            '?' | '-' => first && before_blank,
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => first,
            _ => false,
        };
        traits.special |= !is_printable(c);
        let (space, line_break) = (c == ' ', is_break(c));
        traits.line_breaks |= line_break;
        traits.blank_ends |= (first || last) && (space || line_break);
        traits.trailing_space |= last && space;
        traits.break_space |= space && after_break;
        traits.space_break |= line_break && after_space;
        (after_space, after_break) = (space, line_break);
        after_blank = space || line_break || c == '\t' || c == '\0';
        first = false;
    }
    traits
}

/// What a reader of YAML 1.1 takes for the end of a line.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What Go's library writes as it is: nothing beyond U+FFFF.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}
