//! Bodies of the REST API (spec 5), one file per noun. Field names are a contract with clients that we do not control.

// pub mod cluster; // once kinds::cluster has landed
pub mod problem;
