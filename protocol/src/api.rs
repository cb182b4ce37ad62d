//! Bodies of the REST API (spec 5), one file per noun. Field names are a contract with clients that we do not control.

pub mod binding;
pub mod cluster;
pub mod debug_session;
pub mod deny_policy;
pub mod explain;
pub mod history;
pub mod manifest;
pub mod offer;
pub mod people;
pub mod problem;
pub mod template;
pub mod watch;
