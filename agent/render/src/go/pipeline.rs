//! The inside of an action: declarations, commands and operands.

use crate::functions;

use super::ast::{Binding, Callee, Command, Operand, Pipe, Term};
use super::lexer::{Kind, Token};
use super::literal;
use super::parser::{Parsed, Parser};
use super::suggest;

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
            match token.kind {
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => {
                    self.advance();
                    return Err(self.unexpected(&token, context));
                }
            }
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
        match next.kind {
            Kind::Assign | Kind::Declare => {
                pipe.binding = if next.kind == Kind::Assign {
                    Binding::Assign
                } else {
                    Binding::Declare
                };
                self.advance();
                self.declare(pipe, variable.text);
                Ok(More::No)
            }
            Kind::Char if next.text == "," => {
                self.advance();
                self.declare(pipe, variable.text);
                if context != "range" || pipe.variables.len() >= 2 {
                    return Err(self
                        .error(format!("too many variables are declared in the {context}"))
                        .hinting("only range declares two"));
                }
                match self.peek_past_space().kind {
                    Kind::Variable | Kind::RightDelim | Kind::RightParen => Ok(More::Yes),
                    _ => Err(self.error("a range can only declare variables")),
                }
            }
            _ => {
                self.back_to(mark);
                Ok(More::No)
            }
        }
    }

    fn declare(&mut self, pipe: &mut Pipe, name: &str) {
        let symbol = self.symbol(name);
        pipe.variables.push(symbol);
        self.scope.push(symbol);
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
            match token.kind {
                Kind::Space => {
                    self.advance();
                }
                Kind::RightDelim | Kind::RightParen => break,
                Kind::Pipe => {
                    self.advance();
                    break;
                }
                _ => {
                    self.advance();
                    return Err(self.unexpected(&token, "action"));
                }
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
        let term = match token.kind {
            Kind::Identifier => {
                self.advance();
                Term::Function(self.callee(token)?)
            }
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                let symbol = self.symbol(token.text);
                if !self.scope.contains(&symbol) {
                    return Err(self
                        .error_at(token.at, format!("the variable {} is not defined", token.text))
                        .hinting(format!(
                            "declare it before, with {} := …; a variable ends with the block that declares it",
                            token.text
                        )));
                }
                Term::Variable(symbol, Vec::new())
            }
            Kind::Field => Term::Field(vec![
                token.text.strip_prefix('.').unwrap_or_default().into(),
            ]),
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::CharConstant => {
                Term::Number(literal::character(token.text).ok_or_else(|| {
                    self.error_at(token.at, format!("{} is no character", token.text))
                        .hinting("a text stands in double quotes")
                })?)
            }
            Kind::Complex => {
                Term::Number(literal::complex(token.text).ok_or_else(|| {
                    self.error_at(token.at, format!("{} is no number", token.text))
                })?)
            }
            Kind::Number => Term::Number(
                literal::number(token.text).map_err(|message| self.error_at(token.at, message))?,
            ),
            Kind::String | Kind::RawString => {
                let text = literal::unquote(token.text).ok_or_else(|| {
                    self.error_at(token.at, format!("{} has an unknown escape", token.text))
                        .hinting("write a backslash as \\\\")
                })?;
                Term::Str(self.constant(text))
            }
            Kind::LeftParen => {
                self.advance();
                self.deeper()?;
                let pipe = self.pipeline("parenthesis", Kind::RightParen)?;
                self.shallower();
                return Ok(Some(Term::Pipe(Box::new(pipe))));
            }
            _ => return Ok(None),
        };
        if token.kind != Kind::Identifier {
            self.advance();
        }
        Ok(Some(term))
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
