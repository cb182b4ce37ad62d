//! The format of `printf`: flags, widths, precisions and argument indexes.

use crate::error::Fault;
use crate::functions::type_name;
use crate::limits::Meter;
use crate::value::Value;

use super::printer::{Printer, Spec};

/// Wider than this, Go says `%!(BADWIDTH)`.
const WIDEST: i64 = 1_000_000;

pub(super) fn run(format: &str, args: &[Value], meter: &mut Meter) -> Result<String, Fault> {
    meter.steps(args.len().saturating_add(format.len() / 16))?;
    let mut run = Run {
        printer: Printer::new(meter),
        rest: format,
        args,
        next: 0,
        reordered: false,
        index: Index::Good,
    };
    while let Some((text, rest)) = run.rest.split_once('%') {
        run.printer.write(text)?;
        run.rest = rest;
        run.directive()?;
    }
    let rest = run.rest;
    run.printer.write(rest)?;
    run.extra()?;
    Ok(run.printer.finish())
}

/// Whether the directive's argument indexes are right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Good,
    Bad,
}

/// Whether an argument index stood just before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Index,
    Other,
}

struct Run<'a, 'm> {
    printer: Printer<'m>,
    /// What is left of the format.
    rest: &'a str,
    args: &'a [Value],
    /// The next argument.
    next: usize,
    /// Whether any argument index was used: then nothing counts as extra.
    reordered: bool,
    index: Index,
}

impl Run<'_, '_> {
    /// The text behind a `%`.
    fn directive(&mut self) -> Result<(), Fault> {
        self.printer.spec = Spec::default();
        self.index = Index::Good;
        self.flags();
        // A plain verb in lower case needs no more than its argument.
        let plain = self.rest.chars().next().filter(char::is_ascii_lowercase);
        if let Some(verb) = plain
            && self.next < self.args.len()
        {
            self.advance(1);
            return self.argument(verb);
        }
        let mut before = self.argument_index();
        before = self.width(before)?;
        before = self.precision(before)?;
        if before == Before::Other {
            self.argument_index();
        }
        let Some(verb) = self.rest.chars().next() else {
            return self.printer.write("%!(NOVERB)");
        };
        self.advance(verb.len_utf8());
        if verb == '%' {
            return self.printer.write("%");
        }
        if self.index == Index::Bad {
            return self.bang(verb, "(BADINDEX)");
        }
        if self.next >= self.args.len() {
            return self.bang(verb, "(MISSING)");
        }
        self.argument(verb)
    }

    fn argument(&mut self, verb: char) -> Result<(), Fault> {
        if matches!(verb, 'v' | 'w') {
            self.printer.spec.for_value();
        }
        if let Some(value) = self.args.get(self.next) {
            self.printer.argument(value, verb)?;
        }
        self.next += 1;
        Ok(())
    }

    fn bang(&mut self, verb: char, what: &str) -> Result<(), Fault> {
        self.printer.write("%!")?;
        self.printer.write_char(verb)?;
        self.printer.write(what)
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn flags(&mut self) {
        while let Some(flag) = self.rest.bytes().next() {
            let spec = &mut self.printer.spec;
            match flag {
                b'#' => spec.sharp = true,
                b'0' => spec.zero = true,
                b'+' => spec.plus = true,
                b'-' => spec.minus = true,
                b' ' => spec.space = true,
                _ => return,
            }
            self.advance(1);
        }
    }

    fn width(&mut self, before: Before) -> Result<Before, Fault> {
        if self.rest.starts_with('*') {
            self.advance(1);
            let width = self.int_argument();
            let spec = &mut self.printer.spec;
            spec.width = width.map(|width| usize::try_from(width.unsigned_abs()).unwrap_or(0));
            if width.is_some_and(i64::is_negative) {
                spec.minus = true;
                spec.zero = false;
            }
            if width.is_none() {
                self.printer.write("%!(BADWIDTH)")?;
            }
            return Ok(Before::Other);
        }
        let width = self.number();
        self.printer.spec.width = width;
        if before == Before::Index && width.is_some() {
            self.index = Index::Bad;
        }
        Ok(before)
    }

    fn precision(&mut self, before: Before) -> Result<Before, Fault> {
        // A point at the very end is the verb.
        if !self.rest.starts_with('.') || self.rest.len() < 2 {
            return Ok(before);
        }
        self.advance(1);
        if before == Before::Index {
            self.index = Index::Bad;
        }
        let before = self.argument_index();
        if self.rest.starts_with('*') {
            self.advance(1);
            let precision = self.int_argument();
            let precision = precision.and_then(|precision| usize::try_from(precision).ok());
            self.printer.spec.precision = precision;
            if precision.is_none() {
                self.printer.write("%!(BADPREC)")?;
            }
            return Ok(Before::Other);
        }
        self.printer.spec.precision = Some(self.number().unwrap_or(0));
        Ok(before)
    }

    /// Decimal digits; a number too large takes the rest of the format with it, as in Go.
    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.rest.bytes().next().filter(u8::is_ascii_digit) {
            let before = number.unwrap_or(0);
            if before > WIDEST as usize {
                self.rest = "";
                return None;
            }
            number = Some(before * 10 + usize::from(digit - b'0'));
            self.advance(1);
        }
        number
    }

    /// `*`: the next argument, if it is an integer of sensible size.
    fn int_argument(&mut self) -> Option<i64> {
        let value = self.args.get(self.next)?;
        self.next += 1;
        let number = match value {
            Value::Int(number, _) | Value::Duration(number) => *number,
            Value::Nil
            | Value::Bool(_)
            | Value::Float(_)
            | Value::Str(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Time(_)
            | Value::Version(_) => return None,
        };
        (-WIDEST..=WIDEST).contains(&number).then_some(number)
    }

    /// `[3]`
    fn argument_index(&mut self) -> Before {
        if !self.rest.starts_with('[') {
            return Before::Other;
        }
        self.reordered = true;
        let Some(end) = self.rest.find(']').filter(|_| self.rest.len() >= 3) else {
            self.advance(1);
            self.index = Index::Bad;
            return Before::Other;
        };
        let digits = self.rest.get(1..end).unwrap_or_default();
        let number = digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse::<usize>().ok())
            .flatten()
            .filter(|number| *number <= 10 * WIDEST as usize + 9);
        self.advance(end + 1);
        match number {
            Some(number) if (1..=self.args.len()).contains(&number) => {
                self.next = number - 1;
                Before::Index
            }
            Some(_) => {
                self.index = Index::Bad;
                Before::Index
            }
            None => {
                self.index = Index::Bad;
                Before::Other
            }
        }
    }

    /// Arguments that no directive asked for.
    fn extra(&mut self) -> Result<(), Fault> {
        let extra = self.args.get(self.next..).unwrap_or_default();
        if self.reordered || extra.is_empty() {
            return Ok(());
        }
        self.printer.spec = Spec::default();
        self.printer.write("%!(EXTRA ")?;
        for (place, value) in extra.iter().enumerate() {
            if place > 0 {
                self.printer.write(", ")?;
            }
            if !matches!(value, Value::Nil) {
                self.printer.write(type_name(value))?;
                self.printer.write("=")?;
            }
            self.printer.argument(value, 'v')?;
        }
        self.printer.write(")")
    }
}
