//! One face for both dialects: a text is compiled once and rendered as often as wanted.

use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use jiff::Timestamp;

use crate::context::Context;
use crate::error::{Position, TemplateError};
use crate::limits::Limits;
use crate::{go, jinja};

/// What a rendering reads beside the template.
#[derive(Clone, Debug)]
pub struct Input {
    pub context: Context,
    /// What `now` gives.
    pub now: Timestamp,
    /// Keys the random functions.
    pub seed: [u8; 32],
    pub limits: Limits,
}

/// A rendered text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    /// Which place of the template wrote from this byte on; in order.
    pub origins: Vec<(usize, Position)>,
    /// How many steps it took, of [`Limits::steps`].
    pub steps: u64,
}

impl Rendered {
    /// The place of the template that wrote the first character of a line that is not blank; lines count from 1.
    #[must_use]
    pub fn origin_of_line(&self, line: u32) -> Option<Position> {
        let mut offset = 0;
        for (number, content) in (1_u32..).zip(self.text.split_inclusive('\n')) {
            if number == line {
                let blanks = content.len() - content.trim_start().len();
                return self.origin_of(offset + blanks);
            }
            offset += content.len();
        }
        None
    }

    fn origin_of(&self, offset: usize) -> Option<Position> {
        let next = self.origins.partition_point(|(start, _)| *start <= offset);
        let (start, position) = self.origins.get(next.checked_sub(1)?)?;
        // A piece of text may have several lines of its own.
        let written = self.text.get(*start..offset).unwrap_or_default();
        let lines = u32::try_from(written.matches('\n').count()).unwrap_or(0);
        Some(if lines == 0 {
            *position
        } else {
            Position {
                line: position.line.saturating_add(lines),
                column: 1,
            }
        })
    }
}

/// A dialect of templates.
trait Dialect {
    fn render(&self, input: &Input) -> Result<Rendered, TemplateError>;
    fn variables(&self) -> Vec<(String, Position)>;
}

/// A compiled text.
pub struct Template(Box<dyn Dialect + Send + Sync>);

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template")
    }
}

/// Reads a text. `place` is what errors call it: a file, or a field of an object.
///
/// # Errors
/// The first thing in the text that is not of its dialect.
pub fn compile(engine: TemplateEngine, place: &str, text: &str) -> Result<Template, TemplateError> {
    let limits = Limits::default();
    Ok(Template(match engine {
        TemplateEngine::Go => Box::new(go::parse(place, text, &limits)?),
        TemplateEngine::Jinja => Box::new(jinja::parse(place, text, &limits)?),
    }))
}

impl Template {
    /// Renders the text.
    ///
    /// # Errors
    /// The first action that does not give a value, or a limit that is met.
    pub fn render(&self, input: &Input) -> Result<Rendered, TemplateError> {
        self.0.render(input)
    }

    /// Every variable that the text names as `.vars.NAME`, with the place of its first use.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, Position)> {
        self.0.variables()
    }
}

impl Dialect for go::Template {
    fn render(&self, input: &Input) -> Result<Rendered, TemplateError> {
        let run = go::Run {
            now: input.now,
            seed: input.seed,
            limits: input.limits,
        };
        let rendered = self.render(&input.context.to_value(), &run)?;
        Ok(Rendered {
            text: rendered.text,
            origins: rendered.origins,
            steps: rendered.steps,
        })
    }

    fn variables(&self) -> Vec<(String, Position)> {
        self.variables()
    }
}

impl Dialect for jinja::Template {
    fn render(&self, input: &Input) -> Result<Rendered, TemplateError> {
        self.render(input)
    }

    fn variables(&self) -> Vec<(String, Position)> {
        self.variables()
    }
}
