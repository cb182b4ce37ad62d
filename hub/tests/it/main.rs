//! Tests of the whole program: real SQLite, real TLS sockets on loopback, a movable clock, and actors.

// What the lints let test functions do, the hubs and people of the tests may do too: a panic there is the report.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod agents;
mod backup;
mod folder;
mod harness;
mod jobs;
mod metrics;
mod outward;
mod program;
mod rest;
mod serving;
