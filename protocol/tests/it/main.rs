//! One binary for all integration tests of the crate.

// Clippy's exception for tests covers test functions only, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_manifests;
mod crds;
mod every_field;
mod samples;
mod values;
mod wire;
