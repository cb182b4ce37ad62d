//! Chains such as `.a.b`, and what to say when one ends in nothing.

use crate::error::Fault;
use crate::functions::type_name;
use crate::value::{Map, Value};

use super::ast::{Operand, Pipe, Term};
use super::call::Called;
use super::machine::{Held, Machine};
use super::methods;

/// More names than that are no help.
const MOST_NAMES: usize = 20;

impl<'t> Machine<'t> {
    /// Follows the names from `start`; the last may be a method and take the arguments.
    pub(super) fn chain(
        &mut self,
        dot: &Held,
        start: &Held,
        whole: &'t Operand,
        names: &'t [Box<str>],
        args: &'t [Operand],
        piped: Option<Held>,
    ) -> Result<Held, Fault> {
        let Some((last, before)) = names.split_last() else {
            return Ok(start.clone());
        };
        self.meter.steps(names.len())?;
        let Some((first, between)) = before.split_first() else {
            return self.field(dot, start, whole, last, args, piped);
        };
        let mut held = self.field(dot, start, whole, first, &[], None)?;
        for name in between {
            held = self.field(dot, &held, whole, name, &[], None)?;
        }
        self.field(dot, &held, whole, last, args, piped)
    }

    fn field(
        &mut self,
        dot: &Held,
        held: &Held,
        whole: &'t Operand,
        name: &str,
        args: &'t [Operand],
        piped: Option<Held>,
    ) -> Result<Held, Fault> {
        let given = !args.is_empty() || piped.is_some();
        match held {
            // What is not there has no fields either, whatever they are given.
            Held::Missing => Ok(Held::Missing),
            Held::Null => Err(Fault::new(format!(
                "{}: there is null, which has no field {name}",
                self.written(whole)
            ))
            .hinting("ask with {{ if }} or {{ with }} before")),
            Held::Value(Value::Map(map)) => {
                if given {
                    return Err(Fault::new(format!(
                        "{name} is a field of a map: it cannot be given arguments"
                    )));
                }
                Ok(map.field(name).map_or(Held::Missing, Held::entry))
            }
            Held::Value(value) => match methods::find(value, name) {
                Some(method) => {
                    let called = Called::method(method, value);
                    self.run(dot, whole.place, called, args, piped)
                }
                None => Err(Fault::new(format!(
                    "{}: there is a {}, which has no field {name}",
                    self.written(whole),
                    type_name(value)
                ))),
            },
        }
    }

    /// An operand in words.
    pub(super) fn written(&self, operand: &Operand) -> String {
        match &operand.term {
            Term::Dot => String::from("."),
            Term::Nil => String::from("nil"),
            Term::Bool(value) => value.to_string(),
            Term::Number(number) => number.text.to_string(),
            Term::Str(constant) => {
                let text = self.template.constants.get(constant.0);
                let text = text.map_or("", |text| text);
                format!(
                    "{:?}",
                    text.get(..text.floor_char_boundary(40)).unwrap_or(text)
                )
            }
            Term::Field(names) => format!(".{}", names.join(".")),
            Term::Variable(symbol, names) if names.is_empty() => self.name(*symbol).to_owned(),
            Term::Variable(symbol, names) => {
                format!("{}.{}", self.name(*symbol), names.join("."))
            }
            Term::Chain(_, names) => format!("(…).{}", names.join(".")),
            Term::Pipe(_) => String::from("(…)"),
            Term::Function(super::ast::Callee::And) => String::from("and"),
            Term::Function(super::ast::Callee::Or) => String::from("or"),
            Term::Function(super::ast::Callee::Function(function)) => function.name.to_owned(),
        }
    }

    /// The action's pipeline has no value to print.
    pub(super) fn no_value(&mut self, dot: &Held, pipe: &'t Pipe) -> Fault {
        self.here = pipe.place;
        let only = match pipe.commands.as_slice() {
            [command] if command.args.is_empty() => Some(&command.head),
            _ => None,
        };
        only.and_then(|operand| self.absent(dot, operand))
            .unwrap_or_else(|| {
                Fault::new("there is no value to write").hinting(
                    "a missing key has no value: give one with default, or ask with {{ if }}",
                )
            })
    }

    /// Says of a missing argument which key it is that is missing.
    pub(super) fn explain(&self, fault: Fault, dot: &Held, operand: &Operand) -> Fault {
        if !fault.message.starts_with("no value is given") {
            return fault;
        }
        match self.absent(dot, operand) {
            Some(absent) => Fault {
                message: format!("{}: {}", fault.message, absent.message),
                hint: absent.hint,
            },
            None => fault,
        }
    }

    /// Which key of a chain is not there, and which are.
    fn absent(&self, dot: &Held, operand: &Operand) -> Option<Fault> {
        let (mut shown, start, names) = match &operand.term {
            Term::Field(names) => (String::new(), dot.clone(), names),
            Term::Variable(symbol, names) => {
                let start = self.variable(*symbol).ok()?.clone();
                (self.name(*symbol).to_owned(), start, names)
            }
            Term::Dot
            | Term::Nil
            | Term::Bool(_)
            | Term::Number(_)
            | Term::Str(_)
            | Term::Chain(..)
            | Term::Pipe(_)
            | Term::Function(_) => return None,
        };
        let mut held = start;
        for name in names {
            let Held::Value(Value::Map(map)) = &held else {
                return None;
            };
            let next = map.field(name);
            let holder = if shown.is_empty() {
                String::from(".")
            } else {
                shown.clone()
            };
            shown = format!("{shown}.{name}");
            match next {
                None => {
                    return Some(
                        Fault::new(format!("{shown} is not set")).hinting(keys(&holder, map, name)),
                    );
                }
                Some(Value::Nil) => {
                    return Some(
                        Fault::new(format!("{shown} is null"))
                            .hinting("give a value with default, or ask with {{ if }}"),
                    );
                }
                Some(value) => held = Held::Value(value),
            }
        }
        None
    }
}

/// `.vars has: cpuLimit, image`
fn keys(holder: &str, map: &Map, wanted: &str) -> String {
    if map.len() > 1000 {
        return format!("{holder} has {} other keys", map.len());
    }
    let entries = map.entries();
    if entries.is_empty() {
        return format!("{holder} is empty");
    }
    let names = || entries.iter().map(|(key, _)| &**key);
    let near = match breakglass_protocol::manifest::nearest_word(wanted, names()) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    };
    let shown: Vec<&str> = names().take(MOST_NAMES).collect();
    let more = if entries.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    format!("{holder} has: {}{more}{near}", shown.join(", "))
}
