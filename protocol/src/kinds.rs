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
mod crd;
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
pub(crate) mod schema;
pub mod selector;
pub mod terminal_sharing;
pub mod variables;

pub use self::crd::{CrdError, crd, crd_document, crds, crds_yaml};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, ObjectMeta, Time};

/// `apiVersion` of all six.
pub const API_VERSION: &str = "breakglass.t-caas.telekom.com/v1alpha1";

/// The six kinds, as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    DebugPodTemplate,
    DebugSessionTemplate,
    DebugSessionClusterBinding,
    DebugSession,
    DenyPolicy,
    Cluster,
}

impl Kind {
    /// All six, in the order of spec 1.
    pub const ALL: [Self; 6] = [
        Self::DebugPodTemplate,
        Self::DebugSessionTemplate,
        Self::DebugSessionClusterBinding,
        Self::DebugSession,
        Self::DenyPolicy,
        Self::Cluster,
    ];

    /// As it is written in `kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DebugPodTemplate => "DebugPodTemplate",
            Self::DebugSessionTemplate => "DebugSessionTemplate",
            Self::DebugSessionClusterBinding => "DebugSessionClusterBinding",
            Self::DebugSession => "DebugSession",
            Self::DenyPolicy => "DenyPolicy",
            Self::Cluster => "Cluster",
        }
    }

    /// The kind with this name, if it is one of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether its objects live in a namespace.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        match self {
            Self::DebugSessionClusterBinding | Self::DebugSession => true,
            Self::DebugPodTemplate
            | Self::DebugSessionTemplate
            | Self::DenyPolicy
            | Self::Cluster => false,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
