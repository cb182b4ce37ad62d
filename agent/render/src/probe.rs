//! The Go dialect by itself, for what holds it against Go's own engine (`tests/`, `benches/`): no kinds, no documents.

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::error::TemplateError;
use crate::go::{self, Run};
use crate::limits::Limits;
use crate::value::Value;

/// A template that is parsed once.
#[derive(Debug)]
pub struct Probe(go::Template);

impl Probe {
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        go::parse("case", text, &Limits::default()).map(Self)
    }

    /// Runs it over a context as it is, without other spellings; the seed of random functions is fixed.
    ///
    /// # Errors
    /// What Go would refuse, or a limit.
    pub fn render(&self, context: &Json, now: Timestamp) -> Result<String, TemplateError> {
        let run = Run {
            now,
            seed: [7; 32],
            limits: Limits::default(),
        };
        let rendered = self.0.render(&Value::from(context), &run)?;
        Ok(rendered.text)
    }
}
