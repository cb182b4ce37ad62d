//! One rendering by the engine, as the oracle does one by Go.

use breakglass_render::probe;
use serde_json::Value as Json;

/// A template that is parsed once.
pub(crate) struct Once(probe::Once);

impl Once {
    pub(crate) fn parse(template: &str, context: &Json) -> Result<Self, String> {
        probe::Once::parse(template, context).map(Self)
    }

    pub(crate) fn render(&self) -> Result<String, String> {
        self.0.render()
    }
}

/// The rendered text, or the error as its author reads it.
pub(crate) fn render(template: &str, context: &Json) -> Result<String, String> {
    Once::parse(template, context)?.render()
}
