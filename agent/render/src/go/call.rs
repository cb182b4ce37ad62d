//! Calls: how many arguments, of which types, and the function's own run.

use crate::error::Fault;
use crate::functions::{Args, Env, Function, Param};
use crate::value::Value;

use super::ast::{Callee, Operand, Place};
use super::machine::{Held, Machine};

impl<'t> Machine<'t> {
    /// Calls a function with its operands and, last, what was piped into it.
    pub(super) fn call(
        &mut self,
        dot: &Held,
        place: Place,
        callee: Callee,
        args: &'t [Operand],
        piped: Option<Held>,
    ) -> Result<Held, Fault> {
        self.here = place;
        self.meter.step()?;
        match callee {
            Callee::And => self.first_that_is(dot, Stop::False, args, piped),
            Callee::Or => self.first_that_is(dot, Stop::True, args, piped),
            Callee::Function(function) => {
                self.run(dot, place, Called::function(function), args, piped)
            }
        }
    }

    /// `and`, `or`: the first operand that decides; those behind it are not looked at.
    fn first_that_is(
        &mut self,
        dot: &Held,
        stop: Stop,
        args: &'t [Operand],
        piped: Option<Held>,
    ) -> Result<Held, Fault> {
        let mut last = None;
        for operand in args {
            let value = self.argument(dot, Param::Any, operand)?;
            if value.is_true() == (stop == Stop::True) {
                return Ok(Held::given(value));
            }
            last = Some(Held::given(value));
        }
        piped
            .or(last)
            .ok_or_else(|| Fault::new(format!("{} needs at least one argument", stop.name())))
    }

    /// A function, or a method with its receiver.
    pub(super) fn run(
        &mut self,
        dot: &Held,
        place: Place,
        called: Called<'_>,
        args: &'t [Operand],
        piped: Option<Held>,
    ) -> Result<Held, Fault> {
        let Called { function, receiver } = called;
        let count = args.len() + usize::from(piped.is_some());
        self.count(function, count)?;
        let start = self.stack.len();
        self.stack.extend(receiver.cloned());
        let hidden = self.stack.len() - start;
        let param = |index: usize| {
            let declared = function.params.get(index + hidden).copied();
            declared.or(function.rest).unwrap_or(Param::Any)
        };
        for (index, operand) in args.iter().enumerate() {
            let value = self
                .argument(dot, param(index), operand)
                .map_err(|fault| named(fault, function, index))?;
            self.stack.push(value);
        }
        if let Some(held) = piped {
            self.here = place;
            let value = self
                .fitting(held, param(args.len()))
                .map_err(|fault| named(fault, function, args.len()))?;
            self.stack.push(value);
        }
        self.here = place;
        self.meter.steps(count)?;
        let values = self.stack.get(start..).unwrap_or_default();
        let mut env = Env {
            meter: &mut self.meter,
            now: self.now,
            random: &mut self.random,
            regexes: &mut self.regexes,
        };
        let value = (function.run)(Args(values), &mut env)?;
        self.stack.truncate(start);
        Ok(Held::given(value))
    }

    /// Whether so many arguments may be given.
    fn count(&self, function: &Function, count: usize) -> Result<(), Fault> {
        let hidden = usize::from(function.name.starts_with('.'));
        let wanted = function.params.len().saturating_sub(hidden);
        let right = match function.rest {
            Some(_) => count >= wanted,
            None => count == wanted,
        };
        if right {
            return Ok(());
        }
        let least = if function.rest.is_some() {
            "at least "
        } else {
            ""
        };
        Err(Fault::new(format!(
            "{} takes {least}{wanted} {}, not {count}",
            function.name,
            if wanted == 1 { "argument" } else { "arguments" },
        ))
        .hinting("what is piped into a function is its last argument"))
    }
}

/// A function, and the value it is a method of.
pub(super) struct Called<'a> {
    function: &'static Function,
    receiver: Option<&'a Value>,
}

impl<'a> Called<'a> {
    fn function(function: &'static Function) -> Self {
        Self {
            function,
            receiver: None,
        }
    }

    /// The first parameter is the receiver; the name starts with a dot.
    pub(super) fn method(function: &'static Function, receiver: &'a Value) -> Self {
        Self {
            function,
            receiver: Some(receiver),
        }
    }
}

/// Says which argument of which function it is.
fn named(fault: Fault, function: &Function, index: usize) -> Fault {
    // Faults of inner calls name their own.
    if fault.message.starts_with("argument ") || !fault.message.contains(" is given where ") {
        return fault;
    }
    Fault {
        message: format!(
            "argument {} of {}: {}",
            index + 1,
            function.name,
            fault.message
        ),
        hint: fault.hint,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    True,
    False,
}

impl Stop {
    fn name(self) -> &'static str {
        match self {
            Self::True => "or",
            Self::False => "and",
        }
    }
}
