//! Rendering with a context from a file, for authors: the very code that the agent uses, but the bytes are shown.

use breakglass_protocol::wire::grant::{AuxiliarySource, TemplateText};
use jiff::Timestamp;
use serde_json::Value;

use crate::context::Context;
use crate::documents::Scene;
use crate::grant::{self, RenderError};
use crate::limits::Budget;

/// What a text must give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A pod first, then objects.
    Pod,
    /// The fields of `podOverrides`.
    Overrides,
    /// Objects.
    Objects,
}

/// A text rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// What the agent would refuse, were the context's `vars`, names and reason typed by a requester (S13).
    pub warning: Option<String>,
}

/// Renders a text and checks that it gives what is wanted.
///
/// # Errors
/// As the agent would have them.
pub fn render(
    text: &TemplateText,
    wanted: Wanted,
    context: &Context,
    now: Timestamp,
    seed: [u8; 32],
) -> Result<Shown, RenderError> {
    let budget = Budget::new();
    let scene = Scene::of_context(context, now, seed, &budget);
    let documents = scene.documents(text)?;
    let shown = documents.text().to_owned();
    match wanted {
        Wanted::Pod => {
            documents.into_pod()?;
        }
        Wanted::Overrides => {
            grant::render_overrides(&scene, text)?;
        }
        Wanted::Objects => {
            documents.into_objects()?;
        }
    }
    let warning = scene.suspicious().documents(text).err();
    Ok(Shown {
        text: shown,
        warning: warning.map(|error| error.to_string()),
    })
}

/// Renders the strings of a structured auxiliary resource.
///
/// # Errors
/// As the agent would have them.
pub fn render_structured(
    source: &AuxiliarySource,
    context: &Context,
    now: Timestamp,
    seed: [u8; 32],
) -> Result<Vec<Value>, RenderError> {
    let budget = Budget::new();
    grant::render_auxiliary(&Scene::of_context(context, now, seed, &budget), source)
}
