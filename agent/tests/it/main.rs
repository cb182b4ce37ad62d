//! The agent as a program: real sockets, real TLS, real files; a hub and an API server made by the tests.

// What the lints let test functions do, the tests' own hubs and clients may do too: a panic there is the report.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod cluster;
mod enrol;
mod fake_api;
mod fake_hub;
mod link;
mod story;
mod webhook;
