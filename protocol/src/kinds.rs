//! The six kinds that users write as YAML (spec 1 section 2), one file per kind, and what they share, one file per
//! subject.
//!
//! An absent field is `None` or empty: defaults are applied once, by the hub, on the merged result of template and
//! binding (D13), so no type here fills one in and no CRD carries a `default`.

pub mod access;
pub mod audit;
pub mod auxiliary;
pub mod check;
pub mod cluster;
pub mod constraints;
pub mod debug_pod_template;
pub mod debug_session;
pub mod debug_session_cluster_binding;
pub mod debug_session_template;
pub mod deny_policy;
pub mod impersonation;
pub mod kubectl_debug;
pub mod namespace_constraints;
pub mod namespace_filter;
pub mod notification;
pub mod pod_operations;
pub mod pod_overrides;
pub mod quota;
pub mod reasons;
pub mod references;
pub mod scheduling;
pub mod selector;
pub mod terminal_sharing;
pub mod variables;

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, ObjectMeta, Time};

/// `apiVersion` of all six.
pub const API_VERSION: &str = "breakglass.t-caas.telekom.com/v1alpha1";
