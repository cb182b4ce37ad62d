//! Pipelines, commands and operands: what they are worth.

use crate::error::Fault;
use crate::functions::{self, Param, expected};
use crate::value::Value;

use super::ast::{Binding, Command, Operand, Pipe, Term};
use super::literal::{Ideal, Number};
use super::machine::{Held, Machine};

impl<'t> Machine<'t> {
    pub(super) fn pipeline(&mut self, dot: &Held, pipe: &'t Pipe) -> Result<Held, Fault> {
        self.here = pipe.place;
        let mut piped: Option<Held> = None;
        for command in &pipe.commands {
            self.meter.step()?;
            let held = self.command(dot, command, piped)?;
            // Once it passed a command, null is no value.
            let is_null = matches!(held, Held::Null);
            piped = Some(if is_null { Held::Missing } else { held });
        }
        let held = piped.unwrap_or(Held::Missing);
        for symbol in &pipe.variables {
            match pipe.binding {
                Binding::Declare => self.declare(*symbol, held.clone())?,
                Binding::Assign => {
                    self.here = pipe.place;
                    self.assign(*symbol, held.clone())?;
                }
            }
        }
        Ok(held)
    }

    /// One command; `piped` is what the command before gave.
    fn command(
        &mut self,
        dot: &Held,
        command: &'t Command,
        piped: Option<Held>,
    ) -> Result<Held, Fault> {
        let Command { head, args } = command;
        self.here = head.place;
        match &head.term {
            Term::Field(names) => self.chain(dot, dot, head, names, args, piped),
            Term::Variable(symbol, names) if !names.is_empty() => {
                let start = self.variable(*symbol)?.clone();
                self.chain(dot, &start, head, names, args, piped)
            }
            Term::Chain(inner, names) => {
                let start = self.start_of_chain(dot, inner)?;
                self.here = head.place;
                self.chain(dot, &start, head, names, args, piped)
            }
            Term::Function(callee) => self.call(dot, head.place, *callee, args, piped),
            Term::Dot
            | Term::Nil
            | Term::Bool(_)
            | Term::Number(_)
            | Term::Str(_)
            | Term::Variable(..)
            | Term::Pipe(_) => {
                if !args.is_empty() || piped.is_some() {
                    return Err(Fault::new(format!(
                        "{} is no function: it cannot be given an argument",
                        self.written(head)
                    ))
                    .hinting("separate with | only what a function is given"));
                }
                if matches!(head.term, Term::Nil) {
                    return Err(Fault::new("nil is no command")
                        .hinting("nil can only be an argument of a function"));
                }
                self.operand(dot, head)
            }
        }
    }

    /// What a chain such as `(…).a` starts from.
    pub(super) fn start_of_chain(&mut self, dot: &Held, inner: &'t Operand) -> Result<Held, Fault> {
        if matches!(inner.term, Term::Nil) {
            return Err(Fault::new("nil has no fields"));
        }
        let held = self.operand(dot, inner)?;
        // The nil of a function is one that Go looks into; behind brackets it is what is not there.
        Ok(match (&inner.term, held) {
            (Term::Function(_), Held::Missing) => Held::Null,
            (_, held) => held,
        })
    }

    /// An operand that is not asked for a type.
    pub(super) fn operand(&mut self, dot: &Held, operand: &'t Operand) -> Result<Held, Fault> {
        self.here = operand.place;
        match &operand.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Held::Missing),
            Term::Bool(value) => Ok(Held::Value(Value::Bool(*value))),
            Term::Number(number) => self.ideal(number),
            Term::Str(constant) => Ok(Held::Value(self.constant(*constant))),
            Term::Field(names) => self.chain(dot, dot, operand, names, &[], None),
            Term::Variable(symbol, names) => {
                let start = self.variable(*symbol)?.clone();
                if names.is_empty() {
                    return Ok(start);
                }
                self.chain(dot, &start, operand, names, &[], None)
            }
            Term::Chain(inner, names) => {
                let start = self.start_of_chain(dot, inner)?;
                self.here = operand.place;
                self.chain(dot, &start, operand, names, &[], None)
            }
            Term::Pipe(pipe) => {
                self.deeper()?;
                let held = self.pipeline(dot, pipe)?;
                self.shallower();
                Ok(held)
            }
            Term::Function(callee) => self.call(dot, operand.place, *callee, &[], None),
        }
    }

    fn ideal(&self, number: &Number) -> Result<Held, Fault> {
        match number.ideal {
            Ideal::Int(int) => Ok(Held::Value(Value::int(int))),
            Ideal::Float(float) => Ok(Held::Value(Value::Float(float))),
            Ideal::Overflow => Err(Fault::new(format!(
                "{} is more than an int holds",
                number.text
            ))),
            Ideal::Complex => Err(Fault::new(format!(
                "{} is a complex number: templates have no use for one",
                number.text
            ))),
        }
    }

    /// An argument, as the parameter's type asks for it.
    pub(super) fn argument(
        &mut self,
        dot: &Held,
        param: Param,
        operand: &'t Operand,
    ) -> Result<Value, Fault> {
        self.here = operand.place;
        match &operand.term {
            Term::Nil => match param {
                Param::Any | Param::Map | Param::Version => Ok(Value::Nil),
                Param::Str
                | Param::Int
                | Param::Float
                | Param::Bool
                | Param::Time
                | Param::Duration => Err(Fault::new(format!(
                    "nil is given where a {} is expected",
                    expected(param)
                ))),
            },
            Term::Bool(_) | Term::Number(_) | Term::Str(_) => self.literal(param, operand),
            Term::Dot
            | Term::Field(_)
            | Term::Variable(..)
            | Term::Chain(..)
            | Term::Pipe(_)
            | Term::Function(_) => {
                let held = self.operand(dot, operand)?;
                self.here = operand.place;
                self.fitting(held, param)
                    .map_err(|fault| self.explain(fault, dot, operand))
            }
        }
    }

    /// A constant takes the type that the parameter asks for, if it can.
    fn literal(&mut self, param: Param, operand: &'t Operand) -> Result<Value, Fault> {
        let value = match (&operand.term, param) {
            (_, Param::Any) => return Ok(self.untyped(operand)?.into_value()),
            (Term::Str(constant), Param::Str) => Some(self.constant(*constant)),
            (Term::Bool(value), Param::Bool) => Some(Value::Bool(*value)),
            (Term::Number(number), Param::Int) => number.int.map(Value::int),
            (Term::Number(number), Param::Duration) => number.int.map(Value::Duration),
            (Term::Number(number), Param::Float) => number.float.map(Value::Float),
            (_, _) => None,
        };
        value.ok_or_else(|| {
            Fault::new(format!(
                "{} is given where a {} is expected",
                self.written(operand),
                expected(param)
            ))
        })
    }

    fn untyped(&mut self, operand: &'t Operand) -> Result<Held, Fault> {
        match &operand.term {
            Term::Bool(value) => Ok(Held::Value(Value::Bool(*value))),
            Term::Str(constant) => Ok(Held::Value(self.constant(*constant))),
            Term::Number(number) => self.ideal(number),
            Term::Dot
            | Term::Nil
            | Term::Field(_)
            | Term::Variable(..)
            | Term::Chain(..)
            | Term::Pipe(_)
            | Term::Function(_) => Ok(Held::Missing),
        }
    }

    /// Whether a value may be given for a parameter, by Go's rules: types are the same, or the parameter takes any.
    pub(super) fn fitting(&self, held: Held, param: Param) -> Result<Value, Fault> {
        let value = match (held, param) {
            (Held::Missing | Held::Null, Param::Any) => return Ok(Value::Nil),
            (Held::Missing, Param::Map) => return Ok(Value::Nil),
            (Held::Missing, _) => {
                return Err(Fault::new(format!(
                    "no value is given where a {} is expected",
                    expected(param)
                )));
            }
            (Held::Null, _) => {
                return Err(Fault::new(format!(
                    "null is given where a {} is expected",
                    expected(param)
                )));
            }
            (Held::Value(value), _) => value,
        };
        match functions::misfit(&value, param) {
            None => Ok(value),
            Some(fault) => Err(fault),
        }
    }
}
