//! The inside of an action: declarations, commands and operands.

use crate::functions;

use super::ast::{Binding, Callee, Command, Operand, Pipe, Symbol, Term};
use super::lexer::{Kind, Token};
use super::literal;
use super::parser::{Parsed, Parser};
use super::suggest;

/// A name is looked up among all that are declared around it: more would make that slow.
const MOST_VARIABLES: usize = 250;

impl Parser<'_> {
    /// Up to and with `end`. `context` is what the errors call it; only a range may declare two variables.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let first = self.peek_past_space();
        let mut pipe = Pipe {
            place: self.place(&first),
            variables: Vec::new(),
            binding: Binding::Declare,
            commands: Vec::new(),
        };
        while self.declaration(&mut pipe, context)? == More::Yes {}
        loop {
            let token = self.peek_past_space();
            if token.kind == end {
                self.advance();
                self.check(&pipe, context, &token)?;
                return Ok(pipe);
            }
            if !token.kind.starts_operand() {
                self.advance();
                return Err(self.unexpected(&token, context));
            }
            let command = self.command()?;
            pipe.commands.push(command);
        }
    }

    /// `$x :=`, `$x =`, or the `$i,` of a range, which promises another.
    fn declaration(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<More> {
        let variable = self.peek_past_space();
        if variable.kind != Kind::Variable {
            return Ok(More::No);
        }
        let mark = self.mark();
        self.advance();
        let next = self.peek_past_space();
        if matches!(next.kind, Kind::Assign | Kind::Declare) {
            pipe.binding = if next.kind == Kind::Assign {
                Binding::Assign
            } else {
                Binding::Declare
            };
            self.advance();
            self.declare(pipe, variable.text)?;
            return Ok(More::No);
        }
        if next.kind != Kind::Char || next.text != "," {
            self.back_to(mark);
            return Ok(More::No);
        }
        self.advance();
        self.declare(pipe, variable.text)?;
        if context != "range" || pipe.variables.len() >= 2 {
            return Err(self
                .error(format!("too many variables are declared in the {context}"))
                .hinting("only range declares two"));
        }
        let follows = self.peek_past_space().kind;
        if matches!(
            follows,
            Kind::Variable | Kind::RightDelim | Kind::RightParen
        ) {
            return Ok(More::Yes);
        }
        Err(self.error("a range can only declare variables"))
    }

    fn declare(&mut self, pipe: &mut Pipe, name: &str) -> Parsed<()> {
        if self.scope.len() >= MOST_VARIABLES {
            return Err(self.error(format!(
                "more than {MOST_VARIABLES} variables are declared in one block"
            )));
        }
        let symbol = self.symbol(name);
        pipe.variables.push(symbol);
        self.scope.push(symbol);
        Ok(())
    }

    fn check(&self, pipe: &Pipe, context: &str, end: &Token<'_>) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return Err(self.error_at(end.at, format!("the {context} has no value")));
        }
        for command in pipe.commands.iter().skip(1) {
            match command.head.term {
                Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Str(_) => {
                    return Err(self
                        .error_at(
                            command.head.place.at,
                            "nothing can be piped into a constant",
                        )
                        .hinting("name a function behind the |"));
                }
                Term::Field(_)
                | Term::Variable(..)
                | Term::Chain(..)
                | Term::Pipe(_)
                | Term::Function(_) => {}
            }
        }
        Ok(())
    }

    /// Operands up to a `|`, which is passed, or the end of the pipeline, which is not.
    fn command(&mut self) -> Parsed<Command> {
        let first = self.peek_past_space();
        let mut operands = Vec::new();
        loop {
            self.peek_past_space();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.peek();
            if matches!(token.kind, Kind::RightDelim | Kind::RightParen) {
                break;
            }
            self.advance();
            if token.kind == Kind::Pipe {
                break;
            }
            if token.kind != Kind::Space {
                return Err(self.unexpected(&token, "action"));
            }
        }
        let mut operands = operands.into_iter();
        match operands.next() {
            Some(head) => Ok(Command {
                head,
                args: operands.collect(),
            }),
            None => Err(self.error_at(first.at, "a command is empty")),
        }
    }

    /// A term and the fields behind it.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let token = self.peek_past_space();
        let Some(term) = self.term(&token)? else {
            return Ok(None);
        };
        let place = self.place(&token);
        if self.peek().kind != Kind::Field {
            return Ok(Some(Operand { place, term }));
        }
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(Box::from(
                self.advance().text.strip_prefix('.').unwrap_or_default(),
            ));
        }
        let term = match term {
            Term::Field(mut names) => {
                names.extend(fields);
                Term::Field(names)
            }
            Term::Variable(symbol, mut names) => {
                names.extend(fields);
                Term::Variable(symbol, names)
            }
            Term::Bool(_) | Term::Str(_) | Term::Number(_) | Term::Nil | Term::Dot => {
                return Err(self.error_at(
                    token.at,
                    format!(
                        "unexpected . after {}: a constant has no fields",
                        token.text
                    ),
                ));
            }
            Term::Chain(..) | Term::Pipe(_) | Term::Function(_) => {
                Term::Chain(Box::new(Operand { place, term }), fields)
            }
        };
        Ok(Some(Operand { place, term }))
    }

    fn term(&mut self, token: &Token<'_>) -> Parsed<Option<Term>> {
        if !token.kind.starts_operand() {
            return Ok(None);
        }
        self.advance();
        if token.kind == Kind::LeftParen {
            return self.parenthesis().map(Some);
        }
        let text = token.text;
        let wrong = |what: &str| self.error_at(token.at, format!("{text} {what}"));
        let term = match token.kind {
            Kind::Identifier => Term::Function(self.callee(token)?),
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Bool => Term::Bool(text == "true"),
            Kind::Variable => Term::Variable(self.defined_variable(token)?, Vec::new()),
            Kind::Field => Term::Field(vec![text.strip_prefix('.').unwrap_or_default().into()]),
            Kind::CharConstant => Term::Number(literal::character(text).ok_or_else(|| {
                wrong("is no character").hinting("a text stands in double quotes")
            })?),
            Kind::Complex => {
                Term::Number(literal::complex(text).ok_or_else(|| wrong("is no number"))?)
            }
            Kind::Number => Term::Number(
                literal::number(text).map_err(|message| self.error_at(token.at, message))?,
            ),
            Kind::String | Kind::RawString => {
                let unquoted = literal::unquote(text).ok_or_else(|| {
                    wrong("has an unknown escape").hinting("write a backslash as \\\\")
                })?;
                Term::Str(self.constant(unquoted))
            }
            // None of these starts an operand.
            Kind::LeftParen
            | Kind::Error
            | Kind::Char
            | Kind::Assign
            | Kind::Declare
            | Kind::Eof
            | Kind::LeftDelim
            | Kind::Pipe
            | Kind::RightDelim
            | Kind::RightParen
            | Kind::Space
            | Kind::Text
            | Kind::Keyword(_) => return Ok(None),
        };
        Ok(Some(term))
    }

    /// A pipeline in parentheses; the first is past.
    fn parenthesis(&mut self) -> Parsed<Term> {
        self.deeper()?;
        let pipe = self.pipeline("parenthesis", Kind::RightParen)?;
        self.shallower();
        Ok(Term::Pipe(Box::new(pipe)))
    }

    fn defined_variable(&mut self, token: &Token<'_>) -> Parsed<Symbol> {
        let name = token.text;
        let symbol = self.symbol(name);
        if self.scope.contains(&symbol) {
            return Ok(symbol);
        }
        Err(self
            .error_at(token.at, format!("the variable {name} is not defined"))
            .hinting(format!(
                "declare it before, with {name} := …; a variable ends with the block that declares it"
            )))
    }

    fn callee(&self, token: &Token<'_>) -> Parsed<Callee> {
        match token.text {
            "and" => Ok(Callee::And),
            "or" => Ok(Callee::Or),
            name => functions::find(name).map(Callee::Function).ok_or_else(|| {
                let mut error = self.error_at(token.at, format!("no function {name:?}"));
                error.hint = suggest::function(name);
                error
            }),
        }
    }
}

#[derive(PartialEq, Eq)]
enum More {
    Yes,
    No,
}
