//! One binary for all integration tests of the crate.

mod bad_manifests;
mod crds;
mod samples;
