//! Go's text/template, as Go runs it: an engine of our own, because the bytes decide.
//!
//! A text passes `lexer` → `parser` (with `blocks`, `pipeline` for the inside of actions, `literal` for constants) → `ast`;
//! `machine` walks the nodes (with `range` and `scope`), `eval` gives pipelines their values, `call` checks arguments and runs functions, `fields`
//! follows chains such as `.a.b`, `methods` are what times, durations and versions have. The same text is parsed once
//! and rendered often: [`Template`] is `Send` and `Sync`.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::error::{Position, TemplateError};
use crate::limits::Limits;
use crate::value::Value;

mod ast;
mod blocks;
mod call;
mod eval;
mod fields;
mod lexer;
mod literal;
mod machine;
mod methods;
mod parser;
mod pipeline;
mod range;
mod scope;
mod suggest;

use ast::{Node, ROOT, Term};

/// A template that was read without an error.
#[derive(Debug)]
pub(crate) struct Template {
    /// Its name, for errors.
    place: Box<str>,
    text: Box<str>,
    root: Vec<Node>,
    /// What `define` and `block` named.
    defined: HashMap<Box<str>, Vec<Node>>,
    constants: Vec<Box<str>>,
    /// Of variables, by their symbols.
    names: Vec<Box<str>>,
}

/// What one rendering is given beside its context.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What `now` gives.
    pub(crate) now: Timestamp,
    /// Of the random functions.
    pub(crate) seed: [u8; 32],
    pub(crate) limits: Limits,
}

/// What a template gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    /// From which byte of the text on a piece of the template wrote it, in order.
    pub(crate) origins: Vec<(usize, Position)>,
    /// How many steps it took.
    pub(crate) steps: u64,
}

/// Reads a template; the error has line and column. `place` is its name in errors.
pub(crate) fn parse(place: &str, text: &str, limits: &Limits) -> Result<Template, TemplateError> {
    parser::parse(place, text, limits)
}

impl Template {
    /// Runs the template over a context.
    pub(crate) fn render(&self, dot: &Value, run: &Run) -> Result<Rendered, TemplateError> {
        machine::render(self, dot, run)
    }

    /// Every `NAME` of `.vars.NAME`, `.Vars.NAME` and the same behind `$`, as it is written, in order.
    pub(crate) fn variables(&self) -> Vec<(String, Position)> {
        let mut found = Vec::new();
        let mut visit = |operand: &ast::Operand| {
            let names = match &operand.term {
                Term::Field(names) => names,
                Term::Variable(ROOT, names) => names,
                Term::Dot
                | Term::Nil
                | Term::Bool(_)
                | Term::Number(_)
                | Term::Str(_)
                | Term::Variable(..)
                | Term::Chain(..)
                | Term::Pipe(_)
                | Term::Function(_) => return,
            };
            if let [first, name, ..] = names.as_slice()
                && matches!(&**first, "vars" | "Vars")
            {
                found.push((name.to_string(), operand.place.at));
            }
        };
        ast::each_operand(&self.root, &mut visit);
        for nodes in self.defined.values() {
            ast::each_operand(nodes, &mut visit);
        }
        found.sort_by(|left, right| (left.1, &left.0).cmp(&(right.1, &right.0)));
        found
    }
}

/// The action that starts at this byte, as its author wrote it, on one line and not too long.
fn expression_at(text: &str, action: usize) -> String {
    /// Longer ones only hide the message.
    const LONGEST: usize = 160;
    let Some(from) = text.get(action..).filter(|text| text.starts_with("{{")) else {
        return String::new();
    };
    let end = from.find("}}").map_or(from.len(), |end| end + 2);
    let mut shown = String::new();
    for word in from.get(..end).unwrap_or(from).split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
        if shown.len() > LONGEST {
            let cut = shown.floor_char_boundary(LONGEST);
            shown.truncate(cut);
            shown.push('…');
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests;
