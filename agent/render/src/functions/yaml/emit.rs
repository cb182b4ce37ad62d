//! Values as `sigs.k8s.io/yaml` writes them: to JSON, that read as YAML, and written by the library's emitter. Here in
//! one step, with what JSON on the way does to numbers and texts.

use std::fmt::Write as _;

use super::order;
use super::passage::{check_key, through_json};
use super::scalar::{Role, Style, is_break, is_printable, is_simple_key, style};
use crate::functions::dates;
use crate::functions::json::{NoJson, number_text, version_text};
use crate::limits::Meter;
use crate::value::{List, Map, Value};

/// Lines are folded behind this column.
const WIDTH: usize = 80;

/// The document of a value.
pub(super) fn document(value: &Value, meter: &mut Meter) -> Result<String, NoJson> {
    let mut emitter = Emitter {
        meter,
        out: String::new(),
        column: 0,
        indent: None,
        after_blank: true,
        at_indent: true,
    };
    emitter.node(value, Place::Other, 1)?;
    emitter.start_line();
    Ok(emitter.out)
}

/// Where a node stands, as far as lists care.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    MapValue,
    Other,
}

struct Emitter<'m> {
    meter: &'m mut Meter,
    out: String,
    /// Characters in the line so far.
    column: usize,
    /// None outside of any list, map and scalar.
    indent: Option<usize>,
    /// The last character was a blank, or there is none in the line.
    after_blank: bool,
    /// Nothing stands in the line but its indentation, and indicators that count as such.
    at_indent: bool,
}

impl Emitter<'_> {
    fn node(&mut self, value: &Value, place: Place, depth: u32) -> Result<(), NoJson> {
        self.meter.depth(depth)?;
        self.meter.step()?;
        match value {
            Value::Nil => self.plain("null"),
            Value::List(list) if list.is_nil() => self.plain("null"),
            Value::Map(map) if map.is_nil() => self.plain("null"),
            Value::Bool(true) => self.plain("true"),
            Value::Bool(false) => self.plain("false"),
            Value::Int(number, _) | Value::Duration(number) => self.plain(&number.to_string()),
            Value::Float(number) => self.plain(&float_text(*number)?),
            Value::Str(text) => self.text(&through_json(text)?, Role::Other),
            Value::Time(time) => {
                let text = dates::json_text(time)
                    .ok_or_else(|| NoJson::Unsupported("the time has no text".to_owned()))?;
                self.text(&text, Role::Other)
            }
            Value::Version(version) => {
                self.text(&through_json(&version_text(version))?, Role::Other)
            }
            Value::List(list) => self.list(list, place, depth),
            Value::Map(map) => self.map(map, depth),
        }
    }

    fn list(&mut self, list: &List, place: Place, depth: u32) -> Result<(), NoJson> {
        if list.items().is_empty() {
            return self.empty('[', ']');
        }
        let outer = self.indent;
        // Lists stand in the column of their key.
        self.indent = Some(match outer {
            None => 0,
            Some(indent) if place == Place::MapValue && !self.at_indent => indent,
            Some(indent) => indent + 2,
        });
        for item in list.items() {
            self.charge(2)?;
            self.start_line();
            self.indicator('-', self.at_indent);
            self.node(item, Place::Other, depth.saturating_add(1))?;
        }
        self.indent = outer;
        Ok(())
    }

    fn map(&mut self, map: &Map, depth: u32) -> Result<(), NoJson> {
        if map.is_empty() {
            return self.empty('{', '}');
        }
        self.meter.steps(map.len())?;
        let outer = self.indent;
        self.indent = Some(outer.map_or(0, |indent| indent + 2));
        for (key, value) in order::sort(map.entries()) {
            check_key(&key)?;
            self.charge(4)?;
            self.start_line();
            if is_simple_key(&key) {
                self.text(&key, Role::SimpleKey)?;
                self.out.push(':');
                self.column += 1;
                (self.after_blank, self.at_indent) = (false, false);
            } else {
                self.indicator('?', self.at_indent);
                self.text(&key, Role::Other)?;
                self.charge(4)?;
                self.start_line();
                self.indicator(':', self.at_indent);
            }
            self.node(&value, Place::MapValue, depth.saturating_add(1))?;
        }
        self.indent = outer;
        Ok(())
    }

    fn empty(&mut self, open: char, close: char) -> Result<(), NoJson> {
        self.charge(2)?;
        self.indicator(open, false);
        self.out.push(close);
        self.column += 1;
        (self.after_blank, self.at_indent) = (false, false);
        Ok(())
    }

    /// To be asked before so many bytes and a line's indentation are written.
    fn charge(&mut self, bytes: usize) -> Result<(), NoJson> {
        let indent = self.indent.unwrap_or(0);
        Ok(self.meter.bytes(bytes.saturating_add(indent + 3))?)
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn end_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn blank(&mut self) {
        if !self.after_blank {
            self.put(' ');
        }
    }

    /// Goes to the indentation, in a new line unless this one has nothing else.
    fn start_line(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.at_indent || self.column > indent || (self.column == indent && !self.after_blank) {
            self.end_line();
        }
        while self.column < indent {
            self.put(' ');
        }
        (self.after_blank, self.at_indent) = (true, true);
    }

    fn indicator(&mut self, c: char, at_indent: bool) {
        self.blank();
        self.put(c);
        // Behind `-`, `?` and `:` a list or map may start in the same line.
        let opens = matches!(c, '-' | '?' | ':');
        self.after_blank = !opens && matches!(c, '[' | '{');
        self.at_indent = at_indent;
    }

    fn plain(&mut self, text: &str) -> Result<(), NoJson> {
        self.charge(text.len())?;
        self.blank();
        self.out.push_str(text);
        self.column += text.len();
        (self.after_blank, self.at_indent) = (false, false);
        Ok(())
    }

    fn text(&mut self, text: &str, role: Role) -> Result<(), NoJson> {
        let outer = self.indent;
        self.indent = Some(outer.unwrap_or(0) + 2);
        let style = style(text, role);
        let lines = match style {
            Style::Literal => text.matches(is_break).count(),
            Style::Plain | Style::Single | Style::Double => text.len() / WIDTH,
        };
        let indent = self.indent.unwrap_or(0);
        self.charge(text.len().saturating_add(lines.saturating_mul(indent + 1)))?;
        match style {
            Style::Plain | Style::Single => self.flowing(text, style, role),
            Style::Double => self.double(text, role)?,
            Style::Literal => self.literal(text),
        }
        self.indent = outer;
        Ok(())
    }

    /// Plain or in single quotes.
    fn flowing(&mut self, text: &str, style: Style, role: Role) {
        self.blank();
        let quoted = style == Style::Single;
        if quoted {
            self.put('\'');
            (self.after_blank, self.at_indent) = (false, false);
        }
        let (mut after_space, mut after_break) = (false, false);
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            if c == ' ' {
                let next = chars.peek();
                let fold = role == Role::Other
                    && !after_space
                    && self.column > WIDTH
                    && next != Some(&' ')
                    && !(quoted && (first || next.is_none()));
                if fold {
                    self.start_line();
                } else {
                    self.put(c);
                }
                after_space = true;
            } else if is_break(c) {
                if !after_break && c == '\n' {
                    self.end_line();
                }
                self.out.push(c);
                self.column = 0;
                self.at_indent = true;
                after_break = true;
            } else {
                if after_break {
                    self.start_line();
                }
                if quoted && c == '\'' {
                    self.put(c);
                }
                self.put(c);
                self.at_indent = false;
                (after_space, after_break) = (false, false);
            }
            first = false;
        }
        if quoted {
            self.put('\'');
        }
        (self.after_blank, self.at_indent) = (false, false);
    }

    fn double(&mut self, text: &str, role: Role) -> Result<(), NoJson> {
        self.blank();
        self.put('"');
        (self.after_blank, self.at_indent) = (false, false);
        // The library takes every character of a text for a byte order mark if the first one is.
        let all = text.starts_with('\u{feff}');
        let mut after_space = false;
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            if all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                self.meter.bytes(9)?;
                let before = self.out.len();
                escape(&mut self.out, c);
                self.column += self.out.len() - before;
                after_space = false;
            } else if c == ' ' {
                let fold = role == Role::Other
                    && !after_space
                    && self.column > WIDTH
                    && !first
                    && chars.peek().is_some();
                if fold {
                    self.start_line();
                    if chars.peek() == Some(&' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                after_space = true;
            } else {
                self.put(c);
                after_space = false;
            }
            first = false;
        }
        self.put('"');
        (self.after_blank, self.at_indent) = (false, false);
        Ok(())
    }

    fn literal(&mut self, text: &str) {
        self.blank();
        self.put('|');
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.put('2');
        }
        let mut backward = text.chars().rev();
        let (last, before) = (backward.next(), backward.next());
        if !last.is_some_and(is_break) {
            self.put('-');
        } else if before.is_none_or(is_break) {
            self.put('+');
        }
        self.end_line();
        (self.after_blank, self.at_indent) = (true, true);
        let mut after_break = true;
        for c in text.chars() {
            if is_break(c) {
                self.out.push(c);
                self.column = 0;
                self.at_indent = true;
                after_break = true;
            } else {
                if after_break {
                    self.start_line();
                }
                self.put(c);
                self.at_indent = false;
                after_break = false;
            }
        }
    }
}

fn escape(out: &mut String, c: char) {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            // Writing to a String cannot fail.
            let _ = match code {
                0..=0xff => write!(out, "\\x{code:02X}"),
                0x100..=0xffff => write!(out, "\\u{code:04X}"),
                _ => write!(out, "\\U{code:08X}"),
            };
            return;
        }
    };
    out.push('\\');
    out.push(short);
}

/// A `float64`: JSON's text if that is a whole number of 64 bits, else at most six digits before an exponent comes.
fn float_text(number: f64) -> Result<String, NoJson> {
    let json = number_text(number)
        .ok_or_else(|| NoJson::Unsupported(format!("{number} is not a number that JSON has")))?;
    if json == "-0" {
        return Ok("0".to_owned());
    }
    if json.parse::<i64>().is_ok() || json.parse::<u64>().is_ok() {
        return Ok(json);
    }
    let scientific = crate::print::shortest(number);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return Ok(number.to_string());
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    Ok(format!("{digits}e{sign}{:02}", exponent.unsigned_abs()))
}
