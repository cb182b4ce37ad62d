//! Values as Go's `encoding/json` writes them.

use std::fmt::Write as _;

use crate::error::Fault;
use crate::functions::dates;
use crate::limits::Meter;
use crate::print;
use crate::value::{Value, Version};

/// Why there is no JSON of a value.
#[derive(Debug)]
pub(crate) enum NoJson {
    /// The rendering is at its limits: the template ends here.
    Limit(Fault),
    /// JSON cannot say it; Go has an error too, which some functions swallow.
    Unsupported(String),
}

impl From<Fault> for NoJson {
    fn from(fault: Fault) -> Self {
        Self::Limit(fault)
    }
}

/// What else is escaped than JSON itself asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// `<`, `>`, `&` too.
    Html,
    Plain,
}

/// How the parts are laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Compact,
    /// A line for each, two blanks a level.
    Indented,
}

pub(crate) struct Writer<'m> {
    pub(crate) meter: &'m mut Meter,
    pub(crate) escapes: Escapes,
    pub(crate) layout: Layout,
    pub(crate) out: String,
}

impl Writer<'_> {
    pub(crate) fn value(&mut self, value: &Value, depth: u32) -> Result<(), NoJson> {
        self.meter.depth(depth)?;
        self.meter.step()?;
        match value {
            Value::Nil => self.raw("null"),
            Value::List(list) if list.is_nil() => self.raw("null"),
            Value::Map(map) if map.is_nil() => self.raw("null"),
            Value::Bool(true) => self.raw("true"),
            Value::Bool(false) => self.raw("false"),
            Value::Int(number, _) | Value::Duration(number) => self.raw(&number.to_string()),
            Value::Float(number) => {
                let text = number_text(*number).ok_or_else(|| not_finite(*number))?;
                self.raw(&text)
            }
            Value::Str(text) => self.text(text),
            Value::Time(time) => {
                let text = dates::json_text(time).ok_or_else(|| {
                    NoJson::Unsupported("the time's year or offset has no RFC 3339 text".to_owned())
                })?;
                self.text(&text)
            }
            Value::Version(version) => self.text(&version_text(version)),
            Value::List(list) => self.parts(b"[]", list.items().iter(), depth, |writer, item| {
                writer.value(item, depth.saturating_add(1))
            }),
            Value::Map(map) => {
                self.meter.steps(map.len())?;
                let entries = map.entries();
                self.parts(b"{}", entries.iter(), depth, |writer, (key, value)| {
                    writer.text(key)?;
                    writer.raw(match writer.layout {
                        Layout::Compact => ":",
                        Layout::Indented => ": ",
                    })?;
                    writer.value(value, depth.saturating_add(1))
                })
            }
        }
    }

    fn parts<T>(
        &mut self,
        brackets: &[u8; 2],
        parts: impl ExactSizeIterator<Item = T>,
        depth: u32,
        mut write: impl FnMut(&mut Self, T) -> Result<(), NoJson>,
    ) -> Result<(), NoJson> {
        let [open, close] = brackets.map(char::from);
        let empty = parts.len() == 0;
        self.meter.bytes(2)?;
        self.out.push(open);
        for (place, part) in parts.enumerate() {
            if place > 0 {
                self.raw(",")?;
            }
            self.line(depth.saturating_add(1))?;
            write(self, part)?;
        }
        if !empty {
            self.line(depth)?;
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: u32) -> Result<(), NoJson> {
        if self.layout == Layout::Indented {
            // The first value has depth 1.
            let width = 2 * depth.saturating_sub(1) as usize;
            self.meter.bytes(width + 1)?;
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', width));
        }
        Ok(())
    }

    fn raw(&mut self, text: &str) -> Result<(), NoJson> {
        self.meter.bytes(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), NoJson> {
        // Six bytes for one at worst; nearly never any more than the text.
        self.meter.bytes(text.len() + 2)?;
        self.out.push('"');
        let mut plain = 0;
        for (place, c) in text.char_indices() {
            if !self.needs_escape(c) {
                continue;
            }
            self.out
                .push_str(text.get(plain..place).unwrap_or_default());
            plain = place + c.len_utf8();
            self.meter.bytes(5)?;
            let _ = match c {
                '"' | '\\' => write!(self.out, "\\{c}"),
                '\u{8}' => write!(self.out, "\\b"),
                '\u{c}' => write!(self.out, "\\f"),
                '\n' => write!(self.out, "\\n"),
                '\r' => write!(self.out, "\\r"),
                '\t' => write!(self.out, "\\t"),
                _ => write!(self.out, "\\u{:04x}", u32::from(c)),
            };
        }
        self.out.push_str(text.get(plain..).unwrap_or_default());
        self.out.push('"');
        Ok(())
    }

    fn needs_escape(&self, c: char) -> bool {
        match c {
            '"' | '\\' | '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => true,
            '<' | '>' | '&' => self.escapes == Escapes::Html,
            _ => false,
        }
    }
}

fn not_finite(number: f64) -> NoJson {
    NoJson::Unsupported(format!("{number} is not a number that JSON has"))
}

/// A `float64` as JSON: no exponent from 1e-6 up to below 1e21. `None` for what is not finite.
pub(crate) fn number_text(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let absolute = number.abs();
    if absolute == 0.0 || (1e-6..1e21).contains(&absolute) {
        return Some(print::shortest_plain(number));
    }
    let text = print::shortest(number);
    Some(match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    })
}

/// `Version.String()`.
pub(crate) fn version_text(version: &Version) -> String {
    let Version {
        major,
        minor,
        patch,
        prerelease,
        metadata,
        ..
    } = version;
    let mut text = format!("{major}.{minor}.{patch}");
    if !prerelease.is_empty() {
        let _ = write!(text, "-{prerelease}");
    }
    if !metadata.is_empty() {
        let _ = write!(text, "+{metadata}");
    }
    text
}
