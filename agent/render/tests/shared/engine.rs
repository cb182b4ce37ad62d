//! One rendering by the engine, as the oracle does one by Go.

use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use breakglass_render::{Context, Input, Limits, Template, compile};
use jiff::Timestamp;
use serde_json::Value as Json;

/// The time of a context without `.now`; the oracle has the same.
const DEFAULT_NOW: &str = "2025-03-09T14:05:06Z";

/// A template that is parsed once, and what it is run over.
pub(crate) struct Once {
    template: Template,
    input: Input,
}

impl Once {
    pub(crate) fn parse(template: &str, context: &Json) -> Result<Self, String> {
        let Json::Object(fields) = context else {
            return Err("a context is an object".to_owned());
        };
        let now: Option<Timestamp> = fields
            .get("now")
            .and_then(Json::as_str)
            .and_then(|now| now.parse().ok());
        let now = match now {
            Some(now) => now,
            None => DEFAULT_NOW
                .parse()
                .map_err(|error| format!("{DEFAULT_NOW}: {error}"))?,
        };
        let template =
            compile(TemplateEngine::Go, "case", template).map_err(|error| error.to_string())?;
        let input = Input {
            context: Context::new(context.clone()),
            now,
            seed: [7; 32],
            limits: Limits::default(),
        };
        Ok(Self { template, input })
    }

    pub(crate) fn render(&self) -> Result<String, String> {
        self.template
            .render(&self.input)
            .map(|rendered| rendered.text)
            .map_err(|error| error.to_string())
    }
}

/// The rendered text, or the error as its author reads it.
pub(crate) fn render(template: &str, context: &Json) -> Result<String, String> {
    Once::parse(template, context)?.render()
}
