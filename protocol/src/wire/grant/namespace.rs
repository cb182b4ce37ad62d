//! What an agent decides on the live namespace (S17, D23), and as whom it deploys (S10).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kinds::debug_session_template::FailMode;
use crate::kinds::selector::LabelSelector;

/// What the hub could not decide by the namespace's name. Comes with [`super::feature::NAMESPACES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceRule {
    /// The template's and the binding's label terms; every layer must permit the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<NamespaceLayer>,
    #[serde(default)]
    pub if_missing: IfMissing,
    /// Whether a namespace that cannot be read passes the label terms. It never makes one, and never opens a denied one.
    #[serde(default)]
    pub if_unreadable: FailMode,
}

/// The terms of one template or binding that only labels decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceLayer {
    /// Where they stand, for refusals: `session template placed-debug`.
    pub place: String,
    /// One of these must match. `None` if nothing is open: it was not asked for, or its name is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<LabelSelector>>,
    /// None of these may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<LabelSelector>,
}

/// What to do about a namespace that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IfMissing {
    /// The session fails.
    Fail {},
    /// It is made for the session, with these labels and our own, and removed with it.
    Create {
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
    },
}

impl Default for IfMissing {
    fn default() -> Self {
        Self::Fail {}
    }
}

/// A ServiceAccount of the cluster as whom the session's objects are made. Comes with
/// [`super::feature::IMPERSONATION`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountName {
    pub namespace: String,
    pub name: String,
}

impl ServiceAccountName {
    /// Its name as a user of the cluster.
    #[must_use]
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// `namespace/name`, as the ceiling lists it.
impl fmt::Display for ServiceAccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
