//! A parsed template. It holds no shared values, so that it can be kept and sent.

use crate::error::Position;
use crate::functions::Function;

use super::literal::Number;

/// A piece of the template: line and column, and the action around it (bytes of the text).
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: Position,
    /// Where the action's `{{` is.
    pub(super) action: usize,
}

/// A variable's name; all names of a template are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol(pub(super) usize);

/// `$`
pub(super) const ROOT: Symbol = Symbol(0);

/// A constant text; all of a template are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constant(pub(super) usize);

#[derive(Debug)]
pub(super) enum Node {
    Text(Position, Box<str>),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(Place, Box<str>, Option<Pipe>),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) place: Place,
    pub(super) variables: Vec<Symbol>,
    pub(super) binding: Binding,
    pub(super) commands: Vec<Command>,
}

/// `:=` or `=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Declare,
    Assign,
}

/// The first operand, and what it is given.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) head: Operand,
    pub(super) args: Vec<Operand>,
}

#[derive(Debug)]
pub(super) struct Operand {
    pub(super) place: Place,
    pub(super) term: Term,
}

#[derive(Debug)]
pub(super) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    Str(Constant),
    /// `.a.b`
    Field(Vec<Box<str>>),
    /// `$x.a.b`
    Variable(Symbol, Vec<Box<str>>),
    /// `(…).a.b`, `function.a`
    Chain(Box<Operand>, Vec<Box<str>>),
    Pipe(Box<Pipe>),
    Function(Callee),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Callee {
    And,
    Or,
    Function(&'static Function),
}

/// Every pipeline below these nodes, with those in parentheses, outermost first.
pub(super) fn each_operand<'a>(nodes: &'a [Node], visit: &mut dyn FnMut(&'a Operand)) {
    for node in nodes {
        match node {
            Node::Text(..) | Node::Break | Node::Continue => {}
            Node::Action(pipe) => pipe_operands(pipe, visit),
            Node::Template(_, _, pipe) => {
                if let Some(pipe) = pipe {
                    pipe_operands(pipe, visit);
                }
            }
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                pipe_operands(&branch.pipe, visit);
                each_operand(&branch.body, visit);
                each_operand(branch.otherwise.as_deref().unwrap_or_default(), visit);
            }
        }
    }
}

fn pipe_operands<'a>(pipe: &'a Pipe, visit: &mut dyn FnMut(&'a Operand)) {
    for Command { head, args } in &pipe.commands {
        operand(head, visit);
        for arg in args {
            operand(arg, visit);
        }
    }
}

fn operand<'a>(of: &'a Operand, visit: &mut dyn FnMut(&'a Operand)) {
    visit(of);
    match &of.term {
        Term::Chain(inner, _) => operand(inner, visit),
        Term::Pipe(pipe) => pipe_operands(pipe, visit),
        Term::Dot
        | Term::Nil
        | Term::Bool(_)
        | Term::Number(_)
        | Term::Str(_)
        | Term::Field(_)
        | Term::Variable(..)
        | Term::Function(_) => {}
    }
}
