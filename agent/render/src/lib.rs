//! Users' template texts become manifests (spec 2). Pure: no IO, no clock, no randomness; the agent renders with it, the
//! hub checks with it when a template is loaded, `bgctl` renders with it offline.
//!
//! The path of a text: [`compile`] reads it in its dialect (`go`: text/template with Sprig's functions, an engine of our
//! own because the bytes decide; `jinja`: minijinja) → [`Template::render`] runs it over an [`Input`], bounded by
//! [`limits::Limits`] → the text becomes documents.
//!
//! A value keeps the type that Go would give it ([`value::Value`]): whether `eq .x 42` is an error depends on it. Every
//! function stands in one table with its parameters' types ([`functions`]), which both dialects call.

mod calendar;
pub mod check;
mod context;
mod documents;
mod error;
mod functions;
mod go;
pub mod grant;
mod jinja;
mod limits;
pub mod offline;
mod print;
mod random;
mod safety;
mod template;
mod value;

pub use context::{Context, Facts, one_line};
pub use error::{Fault, Position, TemplateError};
pub use limits::Limits;
pub use template::{Input, Rendered, Template, compile};
pub use value::{IntKind, List, ListKind, Map, MapKind, Value};
