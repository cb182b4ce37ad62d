//! One rendering by the engine, as the oracle does one by Go.

use breakglass_render::probe::Probe;
use jiff::Timestamp;
use serde_json::Value as Json;

/// The time of a context without `.now`; the oracle has the same.
const DEFAULT_NOW: &str = "2025-03-09T14:05:06Z";

/// A template that is parsed once.
pub(crate) struct Once(Probe);

impl Once {
    pub(crate) fn parse(template: &str) -> Result<Self, String> {
        Probe::parse(template)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn render(&self, context: &Json) -> Result<String, String> {
        let now: Option<Timestamp> = context
            .get("now")
            .and_then(Json::as_str)
            .and_then(|now| now.parse().ok());
        let now = match now {
            Some(now) => now,
            None => DEFAULT_NOW
                .parse()
                .map_err(|error| format!("{DEFAULT_NOW}: {error}"))?,
        };
        self.0
            .render(context, now)
            .map_err(|error| error.to_string())
    }
}

/// The rendered text, or the error as its author reads it.
pub(crate) fn render(template: &str, context: &Json) -> Result<String, String> {
    Once::parse(template)?.render(context)
}
