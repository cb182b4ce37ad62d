//! Writes one value with one verb and its flags.

use crate::error::Fault;
use crate::functions::{dates, type_name};
use crate::limits::Meter;
use crate::value::{IntKind, List, ListKind, Map, MapKind, Value, Version};

use super::{float, integer, moment, quote};

/// Flags, width and precision of one directive.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spec {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`
    pub(super) plus_v: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
}

impl Spec {
    /// `#` and `+` mean something else with `%v`.
    pub(super) fn for_value(&mut self) {
        self.sharp_v = std::mem::take(&mut self.sharp);
        self.plus_v = std::mem::take(&mut self.plus);
    }

    /// Padding is by zeros only on the left.
    pub(super) fn zero_padded(&self) -> bool {
        self.zero && !self.minus
    }
}

/// Whether a value's own `String` method is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Methods {
    Asked,
    /// Inside `%!d(…)`: Go shows the bare value there.
    Ignored,
}

pub(super) struct Printer<'m> {
    out: String,
    pub(super) spec: Spec,
    meter: &'m mut Meter,
    methods: Methods,
}

impl<'m> Printer<'m> {
    pub(super) fn new(meter: &'m mut Meter) -> Self {
        Self {
            out: String::new(),
            spec: Spec::default(),
            meter,
            methods: Methods::Asked,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), Fault> {
        self.meter.bytes(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    pub(super) fn write_char(&mut self, char: char) -> Result<(), Fault> {
        self.meter.bytes(char.len_utf8())?;
        self.out.push(char);
        Ok(())
    }

    /// So many bytes are about to be made beside the output.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        self.meter.bytes(bytes)
    }

    pub(super) fn fill(&mut self, count: usize, fill: char) -> Result<(), Fault> {
        self.meter.bytes(count)?;
        self.out.extend(std::iter::repeat_n(fill, count));
        Ok(())
    }

    /// Writes `text`, filled up to the width.
    pub(super) fn pad(&mut self, text: &str) -> Result<(), Fault> {
        let fill = if self.spec.zero_padded() { '0' } else { ' ' };
        self.pad_by(text, fill)
    }

    pub(super) fn pad_by(&mut self, text: &str, fill: char) -> Result<(), Fault> {
        let missing = match self.spec.width {
            None | Some(0) => 0,
            Some(width) => width.saturating_sub(text.chars().count()),
        };
        if self.spec.minus {
            self.write(text)?;
            self.fill(missing, fill)
        } else {
            self.fill(missing, fill)?;
            self.write(text)
        }
    }

    /// One argument of a print function.
    pub(super) fn argument(&mut self, value: &Value, verb: char) -> Result<(), Fault> {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad("<nil>"),
            (Value::Nil, _) => self.bad_verb(value, verb),
            (_, 'T') => self.text(type_name(value)),
            (Value::List(_) | Value::Map(_) | Value::Version(_), 'p') => Err(address(verb)),
            (_, 'p') => self.bad_verb(value, verb),
            _ => self.value(value, verb, 0),
        }
    }

    /// `depth` is 0 for the argument itself.
    fn value(&mut self, value: &Value, verb: char, depth: u32) -> Result<(), Fault> {
        self.meter.step()?;
        match value {
            Value::Nil if self.spec.sharp_v => self.write("interface {}(nil)"),
            Value::Nil => self.write("<nil>"),
            Value::Bool(value) => match verb {
                't' | 'v' => self.pad(if *value { "true" } else { "false" }),
                _ => self.bad_verb(&Value::Bool(*value), verb),
            },
            Value::Int(number, kind) => self.int(*number, *kind, verb),
            Value::Float(number) => self.float(*number, verb),
            Value::Str(text) => self.string(text, verb, value),
            Value::List(list) => self.list(list, verb, depth),
            Value::Map(map) => self.map(map, verb, depth),
            Value::Time(time) => self.time(time, verb),
            Value::Duration(nanos) => self.duration(*nanos, verb),
            Value::Version(version) => self.version(version, verb, depth),
        }
    }

    fn int(&mut self, number: i64, kind: IntKind, verb: char) -> Result<(), Fault> {
        if let Some(name) = moment::name(number, kind)
            && self.methods == Methods::Asked
            && !self.spec.sharp_v
            && self.texts(&name, verb)?
        {
            return Ok(());
        }
        if integer::write(self, number, kind, verb)? {
            return Ok(());
        }
        self.bad_verb(&Value::Int(number, kind), verb)
    }

    fn float(&mut self, number: f64, verb: char) -> Result<(), Fault> {
        let (form, precision) = match verb {
            'v' => ('g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb, None),
            'f' | 'e' | 'E' => (verb, Some(6)),
            'F' => ('f', Some(6)),
            _ => return self.bad_verb(&Value::Float(number), verb),
        };
        float::write(self, number, form, precision)
    }

    fn string(&mut self, text: &str, verb: char, value: &Value) -> Result<(), Fault> {
        if self.texts(text, verb)? {
            return Ok(());
        }
        self.bad_verb(value, verb)
    }

    /// A text with this verb; false if the verb is none for texts.
    fn texts(&mut self, text: &str, verb: char) -> Result<bool, Fault> {
        match verb {
            'v' if self.spec.sharp_v => self.quoted(text)?,
            'v' | 's' => self.text(text)?,
            'x' | 'X' => self.hex(text, verb)?,
            'q' => self.quoted(text)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The first `precision` characters.
    fn cut<'t>(&self, text: &'t str) -> &'t str {
        self.spec
            .precision
            .and_then(|count| text.char_indices().nth(count))
            .and_then(|(end, _)| text.get(..end))
            .unwrap_or(text)
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        self.meter.steps(text.len() / 64)?;
        let text = self.cut(text);
        self.pad(text)
    }

    fn quoted(&mut self, text: &str) -> Result<(), Fault> {
        let text = self.cut(text);
        // A character becomes ten at most (`\U0010ffff`), of four bytes.
        self.meter.bytes(text.len().saturating_mul(4))?;
        if self.spec.sharp && quote::can_backquote(text) {
            return self.pad(&format!("`{text}`"));
        }
        let alphabet = quote::Alphabet::of(self.spec.plus);
        self.pad(&quote::quote(text, alphabet))
    }

    /// The bytes of a text, `precision` of them at most.
    fn hex(&mut self, text: &str, verb: char) -> Result<(), Fault> {
        let spec = self.spec;
        let bytes = text.as_bytes();
        let count = bytes.len().min(spec.precision.unwrap_or(usize::MAX));
        if count == 0 {
            let fill = if spec.zero_padded() { '0' } else { ' ' };
            return self.fill(spec.width.unwrap_or(0), fill);
        }
        self.meter.bytes(count.saturating_mul(5))?;
        let mut out = String::with_capacity(count.saturating_mul(2));
        for (place, byte) in bytes.iter().take(count).enumerate() {
            if spec.space && place > 0 {
                out.push(' ');
            }
            if spec.sharp && (place == 0 || spec.space) {
                out.push('0');
                out.push(verb);
            }
            out.push_str(&if verb == 'x' {
                format!("{byte:02x}")
            } else {
                format!("{byte:02X}")
            });
        }
        self.pad(&out)
    }

    fn list(&mut self, list: &List, verb: char, depth: u32) -> Result<(), Fault> {
        if verb == 'w' {
            return self.bad_verb(&Value::List(list.clone()), verb);
        }
        self.meter.depth(depth)?;
        let sharp = self.spec.sharp_v;
        if sharp {
            self.write(type_name(&Value::List(list.clone())))?;
            if list.is_nil() {
                return self.write("(nil)");
            }
        }
        self.write(if sharp { "{" } else { "[" })?;
        for (place, item) in list.items().iter().enumerate() {
            if place > 0 {
                self.write(if sharp { ", " } else { " " })?;
            }
            match (item, list.kind) {
                // An empty `[]interface {}` in a `[][]interface {}`.
                (Value::Nil, ListKind::Lists) => {
                    self.list(&List::new(ListKind::Any, Vec::new()), verb, depth + 1)?;
                }
                _ => self.value(item, verb, depth + 1)?,
            }
        }
        self.write(if sharp { "}" } else { "]" })
    }

    fn map(&mut self, map: &Map, verb: char, depth: u32) -> Result<(), Fault> {
        if verb == 'w' {
            return self.bad_verb(&Value::Map(map.clone()), verb);
        }
        self.meter.depth(depth)?;
        self.meter.steps(map.len())?;
        let sharp = self.spec.sharp_v;
        if sharp && map.is_nil() {
            return self.write("map[string]interface {}(nil)");
        }
        self.write(match (sharp, map.kind) {
            (false, _) => "map[",
            (true, MapKind::Any) => "map[string]interface {}{",
            (true, MapKind::Str) => "map[string]string{",
        })?;
        for (place, (key, value)) in map.entries().iter().enumerate() {
            if place > 0 {
                self.write(if sharp { ", " } else { " " })?;
            }
            self.string(key, verb, &Value::Str(key.clone()))?;
            self.write(":")?;
            self.value(value, verb, depth + 1)?;
        }
        self.write(if sharp { "}" } else { "]" })
    }

    fn time(&mut self, time: &crate::value::Time, verb: char) -> Result<(), Fault> {
        match verb {
            'v' if self.spec.sharp_v => self.text(&moment::go_string(time)),
            // What its fields are, Go tells with addresses of its memory.
            _ if self.methods == Methods::Ignored => Err(address(verb)),
            'v' | 's' | 'x' | 'X' | 'q' => {
                self.texts(&dates::time_text(time), verb)?;
                Ok(())
            }
            _ => Err(address(verb)),
        }
    }

    fn duration(&mut self, nanos: i64, verb: char) -> Result<(), Fault> {
        let bare = self.methods == Methods::Ignored || self.spec.sharp_v;
        if !bare && self.texts(&dates::duration_text(nanos), verb)? {
            return Ok(());
        }
        if integer::write(self, nanos, IntKind::Int64, verb)? {
            return Ok(());
        }
        self.bad_verb(&Value::Duration(nanos), verb)
    }

    fn version(&mut self, version: &Version, verb: char, depth: u32) -> Result<(), Fault> {
        let asked = self.methods == Methods::Asked && !self.spec.sharp_v;
        if asked && self.texts(&version.to_string(), verb)? {
            return Ok(());
        }
        if depth > 0 {
            return Err(address(verb));
        }
        self.write(if self.spec.sharp_v {
            "&semver.Version{"
        } else {
            "&{"
        })?;
        for (place, (name, value)) in fields(version).into_iter().enumerate() {
            if place > 0 {
                self.write(if self.spec.sharp_v { ", " } else { " " })?;
            }
            if self.spec.sharp_v || self.spec.plus_v {
                self.write(name)?;
                self.write(":")?;
            }
            self.value(&value, verb, 1)?;
        }
        self.write("}")
    }

    /// `%!d(string=x)`
    pub(super) fn bad_verb(&mut self, value: &Value, verb: char) -> Result<(), Fault> {
        self.write("%!")?;
        self.write_char(verb)?;
        self.write("(")?;
        if matches!(value, Value::Nil) {
            self.write("<nil>")?;
        } else {
            self.write(type_name(value))?;
            self.write("=")?;
            let before = std::mem::replace(&mut self.methods, Methods::Ignored);
            self.value(value, 'v', 0)?;
            self.methods = before;
        }
        self.write(")")
    }
}

fn fields(version: &Version) -> [(&'static str, Value); 6] {
    let number = |value: u64| Value::Int(value.cast_signed(), IntKind::Uint64);
    [
        ("major", number(version.major)),
        ("minor", number(version.minor)),
        ("patch", number(version.patch)),
        ("pre", Value::str(version.prerelease.as_str())),
        ("metadata", Value::str(version.metadata.as_str())),
        ("original", Value::str(version.original.as_str())),
    ]
}

fn address(verb: char) -> Fault {
    Fault::new(format!(
        "printf: %{verb} of this value would print an address of memory"
    ))
    .hinting("use %v")
}
