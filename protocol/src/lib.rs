//! Every word that crosses a boundary of the product, and nothing else: no IO, no clock, no randomness.
//!
//! * [`kinds`]: the six kinds that users write as YAML, with their field checks and CRDs.
//! * [`manifest`]: strict decoding of files and REST bodies, with file, line and field path in every error.
//! * [`api`]: REST bodies; [`api::problem`] is the one error body.
//! * [`wire`]: what hub and agent say to each other. Frames are bincode ([`wire::codec`] alone names it), the
//!   bodies that grow over the years (grants, reports) are JSON inside a frame.
//! * [`person`], [`ids`], [`pattern`], [`duration`]: the small words that all of these share.
//! * [`limits`]: sizes and times that both ends agree on, each with its why.
//!
//! The path of a session through these types: `api::debug_session::CreateDebugSession` (asked) →
//! `kinds::debug_session::DebugSession` (stored) → `wire::grant::Grant` (sent to the agent) →
//! `wire::report::Report` (seen in the cluster) → `DebugSession.status` (told to people).

pub mod api;
pub mod duration;
pub mod ids;
pub mod join_token;
pub mod kinds;
pub mod labels;
pub mod limits;
pub mod manifest;
pub mod pattern;
pub mod person;
pub mod quantity;
pub mod wire;
