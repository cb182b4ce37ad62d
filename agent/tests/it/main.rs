//! The agent as a program: real sockets, real TLS, real files; a hub and an API server made by the tests.

mod cluster;
mod enrol;
mod fake_api;
mod fake_hub;
mod link;
mod webhook;
