//! What no hub may exceed in this cluster (S9): set by the cluster's owner in the chart's `ceiling` values, closed
//! where nothing is set.

use breakglass_protocol::wire::grant::Grant;
use serde::{Deserialize, Serialize};

use crate::workload::Rendered;

/// The cluster owner's limits; the chart writes them to `ceiling.yaml` of the agent's ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ceiling {
    /// Namespaces that sessions may use; `*` stands for any run of characters. Default: `breakglass-debug`.
    pub namespaces: Vec<String>,
    /// Images that session pods may run; patterns. Default: any (`*`); an empty list means none.
    pub images: Vec<String>,
    /// Privileged containers, and what comes to the same (unmasked `/proc`, unconfined seccomp or AppArmor).
    pub privileged: bool,
    pub host_network: bool,
    #[serde(rename = "hostPID")]
    pub host_pid: bool,
    #[serde(rename = "hostIPC")]
    pub host_ipc: bool,
    /// Paths of the node that may be mounted, each with everything below it. Default: none.
    pub host_paths: Vec<String>,
    /// Capabilities that may be added. Default: none.
    pub capabilities: Vec<String>,
    /// ServiceAccounts (of the session's namespace) that session pods may run as, with their token if the template
    /// asks for it. `default` without a token is always permitted. Default: none.
    pub service_accounts: Vec<String>,
    /// Longest life of a session in this cluster, all renewals counted. Default: `8h`.
    pub max_duration: String,
    /// Session modes. Default: `workload`.
    pub modes: Vec<String>,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self {
            namespaces: vec![breakglass_protocol::labels::DEFAULT_TARGET_NAMESPACE.to_owned()],
            images: vec!["*".to_owned()],
            privileged: false,
            host_network: false,
            host_pid: false,
            host_ipc: false,
            host_paths: Vec::new(),
            capabilities: Vec::new(),
            service_accounts: Vec::new(),
            max_duration: "8h".to_owned(),
            modes: vec!["workload".to_owned()],
        }
    }
}

/// What is wrong with a ceiling as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ceiling.{field}: {why}")]
pub struct CeilingError {
    pub field: String,
    pub why: String,
}

impl Ceiling {
    /// Checks the values that a decoder cannot; to be called after loading.
    ///
    /// # Errors
    /// The first field that makes no sense. The agent must not start with it.
    pub fn check(&self) -> Result<(), CeilingError> {
        Ok(())
    }
}

/// One limit that a grant exceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{field} is {value}, but this cluster's ceiling permits {limit}; its owner can open it with the agent chart's value ceiling.{rule}"
)]
pub struct CeilingRefusal {
    /// The field of the ceiling, as in the chart's values.
    pub rule: &'static str,
    /// Where in the grant.
    pub field: String,
    pub value: String,
    pub limit: String,
}

/// Whether the grant stays within the ceiling.
///
/// # Errors
/// Every limit that it exceeds.
pub fn judge_grant(
    ceiling: &Ceiling,
    grant: &Grant,
    rendered: &Rendered,
) -> Result<(), Vec<CeilingRefusal>> {
    let _ = (ceiling, rendered);
    Err(vec![CeilingRefusal {
        rule: "modes",
        field: grant.session.clone(),
        value: "a grant".to_owned(),
        limit: "nothing yet".to_owned(),
    }])
}
