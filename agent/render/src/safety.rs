//! Values are data (S13): whether what people typed changed the shape of what was rendered. Two renderings are compared,
//! one with the real values and one in which the same values hold letters only; they must be one YAML structure:
//!
//! - the same events in the same order: documents, maps, lists, scalars, comments, aliases, with the same tags and anchors;
//! - the same text, byte for byte, outside scalars and comments: so nothing typed has left the scalar that it stands in;
//! - scalars that differ are of one kind (a text stays a text), and hold what was typed: as it is, or as a function made
//!   it; never what an escape sequence in it made.

use granit_parser::{Event, Parser, ScalarStyle};

use crate::context::is_neutral;

/// Where and how a value changed more than its own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// In the real rendering; 1 is its first line.
    pub(crate) line: u32,
    pub(crate) why: &'static str,
}

const STRUCTURE: &str = "what was typed would change the structure of the YAML";
const OUTSIDE: &str =
    "a part of what was typed would not be in the value (a comment, or blanks at an end)";
const KIND: &str =
    "what was typed would change the kind of the value, such as a text into a number or null";
const ESCAPED: &str =
    "what was typed would be read as quotes or an escape sequence, and not be the value";

/// Compares two renderings of one template.
pub(crate) fn compare(real: &str, neutral: &str) -> Result<(), Changed> {
    let (real, neutral) = (read(real)?, read(neutral)?);
    let mut places = real.iter().zip(&neutral);
    if let Some((here, _)) = places
        .clone()
        .find(|(here, there)| here.shape != there.shape)
    {
        return Err(here.changed(STRUCTURE));
    }
    if real.len() != neutral.len() {
        let line = real.last().map_or(1, |part| part.line);
        return Err(Changed {
            line,
            why: STRUCTURE,
        });
    }
    if let Some((here, _)) = places
        .clone()
        .find(|(here, there)| here.before != there.before)
    {
        return Err(here.changed(OUTSIDE));
    }
    places.try_for_each(|(here, there)| judge_scalar(here, there))
}

/// One event, with the text since the one before it.
struct Part<'a> {
    line: u32,
    shape: Shape,
    /// The text between the previous scalar or comment and this one.
    before: &'a str,
    scalar: Option<Scalar<'a>>,
}

impl Part<'_> {
    fn changed(&self, why: &'static str) -> Changed {
        Changed {
            line: self.line,
            why,
        }
    }
}

struct Scalar<'a> {
    value: std::borrow::Cow<'a, str>,
    /// As it is written, with its quotes.
    source: &'a str,
    style: ScalarStyle,
}

#[derive(PartialEq, Eq)]
enum Shape {
    Mark(&'static str),
    Comment,
    Node {
        kind: &'static str,
        anchor: usize,
        tag: Option<String>,
    },
    Alias(usize),
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's events may become more"
)]
fn read(text: &str) -> Result<Vec<Part<'_>>, Changed> {
    let mut parts = Vec::new();
    let mut end = 0;
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| Changed {
            line: u32::try_from(error.marker().line()).unwrap_or(1).max(1),
            why: "what was typed makes it unreadable as YAML",
        })?;
        let (start, stop) = (
            span.start.byte_offset().unwrap_or(end).max(end),
            span.end.byte_offset().unwrap_or(end).max(end),
        );
        let tag_of = |tag: Option<std::borrow::Cow<'_, granit_parser::Tag>>| {
            tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()))
        };
        let mut scalar = None;
        let shape = match event {
            Event::Scalar(value, style, anchor, tag) => {
                scalar = Some(Scalar {
                    value,
                    source: text.get(start..stop).unwrap_or_default(),
                    style,
                });
                Shape::Node {
                    kind: "scalar",
                    anchor,
                    tag: tag_of(tag),
                }
            }
            Event::SequenceStart(_, anchor, tag) => Shape::Node {
                kind: "list",
                anchor,
                tag: tag_of(tag),
            },
            Event::MappingStart(_, anchor, tag) => Shape::Node {
                kind: "map",
                anchor,
                tag: tag_of(tag),
            },
            Event::Alias(anchor) => Shape::Alias(anchor),
            Event::Comment(..) => Shape::Comment,
            Event::SequenceEnd => Shape::Mark("list end"),
            Event::MappingEnd => Shape::Mark("map end"),
            Event::DocumentStart(..) => Shape::Mark("document"),
            Event::DocumentEnd => Shape::Mark("document end"),
            Event::StreamStart | Event::StreamEnd => Shape::Mark("stream"),
            // Not asked for.
            _ => Shape::Mark("other"),
        };
        let holds_text = scalar.is_some() || shape == Shape::Comment;
        let before = if holds_text {
            let before = text.get(end..start).unwrap_or_default();
            end = stop;
            before
        } else {
            ""
        };
        parts.push(Part {
            line: u32::try_from(span.start.line()).unwrap_or(1).max(1),
            shape,
            before,
            scalar,
        });
    }
    parts.push(Part {
        line: parts.last().map_or(1, |part| part.line),
        shape: Shape::Mark("end"),
        before: text.get(end..).unwrap_or_default(),
        scalar: None,
    });
    Ok(parts)
}

fn judge_scalar(here: &Part<'_>, there: &Part<'_>) -> Result<(), Changed> {
    let (Some(real), Some(neutral)) = (&here.scalar, &there.scalar) else {
        return Ok(());
    };
    if real.value == neutral.value && real.style == neutral.style {
        return Ok(());
    }
    if kind(real) != kind(neutral) {
        return Err(here.changed(KIND));
    }
    // What a function made of it is written the same way in both; quotes that were typed are in one of them only.
    let is_made = real.style == neutral.style && !has_escapes(real);
    if is_as_typed(&real.value, &neutral.value) || is_made {
        return Ok(());
    }
    Err(here.changed(ESCAPED))
}

/// Whether the real value, with everything but plain characters replaced, is the other.
fn is_as_typed(real: &str, neutral: &str) -> bool {
    let mut rest = neutral.bytes();
    real.chars().all(|c| {
        if is_neutral(c) {
            rest.next() == u8::try_from(c).ok()
        } else {
            // A function may have made it upper case.
            (0..c.len_utf8()).all(|_| matches!(rest.next(), Some(b'x' | b'X' | b' ')))
        }
    }) && rest.next().is_none()
}

fn has_escapes(scalar: &Scalar<'_>) -> bool {
    match scalar.style {
        ScalarStyle::DoubleQuoted => scalar.source.contains('\\'),
        ScalarStyle::SingleQuoted => scalar.source.trim_matches('\'').contains('\''),
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => false,
    }
}

/// What a reader makes of it: only a plain one can be anything but a text.
fn kind(scalar: &Scalar<'_>) -> &'static str {
    match scalar.style {
        ScalarStyle::Plain => {}
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => return "text",
    }
    match breakglass_protocol::manifest::read_plain(scalar.source) {
        Ok(documents) => match documents.first().map(|document| &document.value) {
            None | Some(serde_json::Value::Null) => "null",
            Some(serde_json::Value::Bool(_)) => "boolean",
            Some(serde_json::Value::Number(_)) => "number",
            Some(serde_json::Value::String(_)) => "text",
            Some(serde_json::Value::Array(_) | serde_json::Value::Object(_)) => "other",
        },
        Err(_) => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{neutral_text, one_line};

    /// Puts a typed value into a template's place, as an engine would.
    fn judge(template: &str, typed: &str) -> Result<(), Changed> {
        let typed = one_line(typed);
        let real = template.replace("@", &typed);
        let neutral = template.replace("@", &neutral_text(&typed));
        compare(&real, &neutral)
    }

    #[test]
    fn s13_ordinary_words_pass_where_an_author_puts_them() {
        for typed in [
            "busybox:1.36",
            "my team",
            "Ticket 12 (urgent!)",
            "größe",
            "a/b@c",
            "50%",
            "it's",
        ] {
            for template in ["a: @\n", "- @\n- b\n", "a: x-@\nb: 1\n", "# for @\na: 1\n"] {
                assert_eq!(judge(template, typed), Ok(()), "{template:?} {typed:?}");
            }
        }
    }

    #[test]
    fn s13_what_would_change_the_structure_is_refused() {
        for (template, typed, why) in [
            ("a: @\n", "[x, y]", STRUCTURE),
            ("a: @\n", "{x: y}", STRUCTURE),
            ("a: @\n", "&anchor x", STRUCTURE),
            ("a: @\n", "!!binary x", STRUCTURE),
            ("a: @\n", "a # b", STRUCTURE),
            ("a: [@, b]\n", "x, y", STRUCTURE),
            ("a: \"@\"\n", "x\" #", STRUCTURE),
            ("a: @\n", "~", KIND),
            ("a: @\n", "+1", KIND),
            ("a: \"@\"\n", "x\\ny", ESCAPED),
            ("a: '@'\n", "x''y", ESCAPED),
            ("a: @\n", "\"b c\"", ESCAPED),
            ("a: @\n", "'b'", ESCAPED),
            ("@\n", "a: b", STRUCTURE),
            ("a: @ \n", "b ", OUTSIDE),
        ] {
            assert_eq!(
                judge(template, typed).map_err(|changed| changed.why),
                Err(why),
                "{template:?} {typed:?}"
            );
        }
        for (template, typed) in [
            ("a: @\nb: 1\n", "x: y"),
            ("a: @\n", "*b"),
            ("a: @\n", "\"x"),
            ("a: \"@\"\n", "x\" y: \""),
            ("a: @\n", "- x"),
            ("@: 1\nb: 2\n", "? x"),
            ("a:\n  - @\n", "x: y"),
            ("a: @\n", "|"),
            ("a: @\n", ">-"),
            ("a: @\n", "<<: *x"),
            ("@\na: b\n", "--- "),
        ] {
            assert!(judge(template, typed).is_err(), "{template:?} {typed:?}");
        }
    }

    #[test]
    fn s13_what_a_function_made_of_it_passes() {
        for (real, neutral) in [
            ("a: b25l\n", "a: eHh4\n"),
            ("a: 'x: y'\n", "a: xxxy\n"),
            ("a: \"x\\\"y\"\n", "a: \"xxy\"\n"),
            ("a: my-team\n", "a: myxteam\n"),
            ("a: MY TEAM\n", "a: MYXTEAM\n"),
        ] {
            assert_eq!(compare(real, neutral), Ok(()), "{real:?}");
        }
    }
}
