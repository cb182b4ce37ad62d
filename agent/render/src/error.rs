//! What is wrong with a template, for its author.

use std::fmt;

/// A place in a template's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// 1 is the first.
    pub line: u32,
    /// In characters; 1 is the first.
    pub column: u32,
}

/// Why a function or operation does not give a value; the engine adds where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in words that name function and argument.
    pub message: String,
    /// What to do about it, if that is known.
    pub hint: Option<String>,
}

impl Fault {
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    #[must_use]
    pub fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error with its place. `Display` is one line: `PLACE:LINE:COLUMN: MESSAGE in {{ EXPRESSION }}; HINT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// The template's name: a file, or a field of an object.
    pub place: String,
    pub position: Position,
    /// The action or expression, as the author wrote it; empty if the error is of no single one.
    pub expression: String,
    pub message: String,
    pub hint: Option<String>,
}

impl TemplateError {
    #[must_use]
    pub fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Message, expression and hint; without place and position.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = self.message.clone();
        if !self.expression.is_empty() {
            words.push_str(" in ");
            words.push_str(&self.expression);
        }
        if let Some(hint) = &self.hint {
            words.push_str("; ");
            words.push_str(hint);
        }
        words
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "{}:{line}:{column}: {}", self.place, self.words())
    }
}
