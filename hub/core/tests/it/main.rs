//! The rules, tested through the crate's public face.

// The fixtures are tests too: a panic there is the report, and only what a test names is of interest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod access;
mod auxiliary;
mod bindings;
mod fixture;
mod grant;
mod lifecycle;
mod lifecycle_model;
mod link;
mod notice;
mod observed;
mod offer;
mod place;
mod placement;
mod reach;
mod removal;
mod renewal;
mod request;
mod stored;
mod templates;
mod variables;
