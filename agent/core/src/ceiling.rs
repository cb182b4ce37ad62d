//! What no hub may exceed in this cluster (S9): set by the cluster's owner in the chart's `ceiling` values, closed
//! where nothing is set.

use breakglass_protocol::duration::{self, DurationText};
use breakglass_protocol::labels;
use breakglass_protocol::pattern::PatternSet;
use breakglass_protocol::wire::grant::{Grant, Work};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deadline::millis_between;
use crate::workload::Rendered;

mod extra;
mod image;
mod place;
mod pod;
mod rbac;

pub use extra::leave_out_unlisted;
pub use place::{ImpersonationCeiling, settle_namespace};
pub use rbac::GrantableRule;

/// The session mode that this build deploys.
pub(crate) const WORKLOAD_MODE: &str = "workload";
/// Kinds that give no more than the namespace's own pods have (S9).
pub const DEFAULT_KINDS: [&str; 8] = [
    "ConfigMap",
    "Secret",
    "PersistentVolumeClaim",
    "Service",
    "NetworkPolicy",
    "ServiceAccount",
    "PodDisruptionBudget",
    "ResourceQuota",
];
/// How far the hub's clock may be ahead of this cluster's before a session of exactly the longest duration is refused.
const CLOCK_DIFFERENCE_MS: u64 = 60_000;

/// The cluster owner's limits; the chart writes them to `ceiling.yaml` of the agent's ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ceiling {
    /// Namespaces that sessions may use; globs. Default: `breakglass-debug`.
    pub namespaces: Vec<String>,
    /// Whether sessions may make those of them that do not exist. Default: no.
    pub create_namespaces: bool,
    /// Labels of Kubernetes's own (`*.kubernetes.io/*`) that a namespace so made may have: `key` or `key=value`, globs.
    /// Default: none.
    pub namespace_labels: Vec<String>,
    /// As whom sessions may deploy, other than as the agent.
    pub impersonation: ImpersonationCeiling,
    /// Images that session pods may run (S14): `*` never crosses `/`, a lone `*` is any. Default: any; an empty list
    /// means none.
    pub images: Vec<String>,
    /// Privileged containers, and what comes to the same (unmasked `/proc`, unconfined seccomp or AppArmor, Windows
    /// host processes).
    pub privileged: bool,
    /// The node's network, and ports on the node (`hostPort`).
    pub host_network: bool,
    #[serde(rename = "hostPID")]
    pub host_pid: bool,
    #[serde(rename = "hostIPC")]
    pub host_ipc: bool,
    /// Paths of the node that may be mounted, each with everything below it. Default: none.
    pub host_paths: Vec<String>,
    /// Capabilities that may be added. Default: none.
    pub capabilities: Vec<String>,
    /// ServiceAccounts (of the session's namespace; globs) that session pods may run as, with their token if the
    /// template asks for it, also those that the session makes. `default` without a token is always permitted. Default:
    /// none.
    pub service_accounts: Vec<String>,
    /// Kinds of objects that sessions may have beside their workload: `Kind` for Kubernetes's own, `Kind.group` for all
    /// others. Default: [`DEFAULT_KINDS`].
    pub extra_kinds: Vec<String>,
    /// What Roles made for a session may permit, if `extraKinds` lists RBAC kinds. Default: nothing.
    pub grantable_rules: Vec<GrantableRule>,
    /// Longest life of a session in this cluster, all renewals counted. Default: `8h`.
    pub max_duration: DurationText,
    /// Session modes. Default: `workload`.
    pub modes: Vec<String>,
    /// Whether the hub's deny policies are judged by (S16). They give nobody anything, but can refuse anything to
    /// everybody but Kubernetes's own parts and `system:masters`. Default: yes.
    pub deny_policies: bool,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self {
            namespaces: vec![labels::DEFAULT_TARGET_NAMESPACE.to_owned()],
            create_namespaces: false,
            namespace_labels: Vec::new(),
            impersonation: ImpersonationCeiling::default(),
            images: vec!["*".to_owned()],
            privileged: false,
            host_network: false,
            host_pid: false,
            host_ipc: false,
            host_paths: Vec::new(),
            capabilities: Vec::new(),
            service_accounts: Vec::new(),
            extra_kinds: DEFAULT_KINDS.map(str::to_owned).to_vec(),
            grantable_rules: Vec::new(),
            max_duration: default_duration(),
            modes: vec![WORKLOAD_MODE.to_owned()],
            deny_policies: true,
        }
    }
}

/// Eight hours: a working day (S9).
fn default_duration() -> DurationText {
    DurationText::from(std::time::Duration::from_secs(8 * 3600))
}

/// What is wrong with a ceiling as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ceiling.{field} {why}")]
pub struct CeilingError {
    pub field: &'static str,
    pub why: String,
}

impl Ceiling {
    /// Checks the values that a decoder cannot; to be called after loading.
    ///
    /// # Errors
    /// The first field that makes no sense. The agent must not start with it.
    pub fn check(&self) -> Result<(), CeilingError> {
        let wrong = |field, why: String| Err(CeilingError { field, why });
        if let Err(e) = PatternSet::new(&self.namespaces) {
            return wrong("namespaces", e.to_string());
        }
        for label in &self.namespace_labels {
            if let Err(why) = place::check_label(label) {
                return wrong("namespaceLabels", why);
            }
        }
        for account in &self.impersonation.service_accounts {
            if let Err(why) = place::check_account(account) {
                return wrong("impersonation.serviceAccounts", why);
            }
        }
        for pattern in &self.images {
            if let Err(why) = image::check_pattern(pattern) {
                return wrong("images", why);
            }
        }
        for path in &self.host_paths {
            if !path.starts_with('/') || !pod::is_plain_path(path) {
                let why = format!("holds {path:?}; write an absolute path without \"..\"");
                return wrong("hostPaths", why);
            }
        }
        if let Err(e) = PatternSet::new(&self.service_accounts) {
            return wrong("serviceAccounts", e.to_string());
        }
        for kind in &self.extra_kinds {
            if let Err(why) = extra::check_entry(kind) {
                return wrong("extraKinds", why);
            }
        }
        if self.max_duration.duration().is_zero() {
            return wrong("maxDuration", "is zero; write for instance 8h".to_owned());
        }
        for mode in &self.modes {
            if mode != WORKLOAD_MODE {
                let why = format!("holds {mode:?}; this agent knows: {WORKLOAD_MODE}");
                return wrong("modes", why);
            }
        }
        Ok(())
    }

    /// The latest end of a session that was first received then.
    #[must_use]
    pub fn latest_end(&self, received_at: Timestamp) -> Timestamp {
        received_at
            .checked_add(self.max_duration.duration())
            .unwrap_or(Timestamp::MAX)
    }
}

/// One limit that a grant exceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, but this cluster's ceiling permits {limit}; {}", .remedy.words(.rule))]
pub struct CeilingRefusal {
    /// The field of the ceiling, as in the chart's values.
    pub rule: &'static str,
    /// Where in the grant.
    pub field: String,
    pub value: String,
    pub limit: String,
    pub remedy: Remedy,
}

/// Who can do something about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The cluster's owner, by the field of the ceiling.
    Ceiling,
    /// Only the template's author: no setting opens it.
    Template,
}

impl Remedy {
    fn words(self, rule: &str) -> String {
        match self {
            Self::Ceiling => {
                format!("its owner can open it with the agent chart's value ceiling.{rule}")
            }
            Self::Template => "no setting opens it, so change the template".to_owned(),
        }
    }
}

/// Whether the grant stays within the ceiling. `received_at` is its first receipt by this agent's clock: a hub cannot
/// shift the longest duration by naming another start.
///
/// # Errors
/// Every limit that it exceeds.
pub fn judge_grant(
    ceiling: &Ceiling,
    grant: &Grant,
    rendered: &Rendered,
    received_at: Timestamp,
) -> Result<(), Vec<CeilingRefusal>> {
    let mut refusals = Vec::new();
    judge_mode(ceiling, grant, &mut refusals);
    judge_namespace(ceiling, grant, &mut refusals);
    place::judge_impersonation(ceiling, grant, &mut refusals);
    judge_duration(ceiling, grant, received_at, &mut refusals);
    match rendered.pod_spec() {
        Some(spec) => pod::judge(ceiling, "spec", spec, &mut refusals),
        None => refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "modes",
            field: "the workload".to_owned(),
            value: "missing".to_owned(),
            limit: "only sessions with one".to_owned(),
        }),
    }
    extra::judge(ceiling, grant, rendered, &mut refusals);
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(refusals)
    }
}

fn judge_mode(ceiling: &Ceiling, grant: &Grant, refusals: &mut Vec<CeilingRefusal>) {
    let mode = match grant.work {
        Work::Workload(_) => WORKLOAD_MODE,
    };
    if !ceiling.modes.iter().any(|permitted| permitted == mode) {
        refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "modes",
            field: "mode".to_owned(),
            value: mode.to_owned(),
            limit: listed(&ceiling.modes),
        });
    }
}

fn judge_namespace(ceiling: &Ceiling, grant: &Grant, refusals: &mut Vec<CeilingRefusal>) {
    let permitted =
        PatternSet::new(&ceiling.namespaces).is_ok_and(|set| set.matches(&grant.target_namespace));
    if !permitted {
        refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "namespaces",
            field: "targetNamespace".to_owned(),
            value: grant.target_namespace.clone(),
            limit: listed(&ceiling.namespaces),
        });
    }
}

fn judge_duration(
    ceiling: &Ceiling,
    grant: &Grant,
    received_at: Timestamp,
    refusals: &mut Vec<CeilingRefusal>,
) {
    let longest = u64::try_from(ceiling.max_duration.duration().as_millis()).unwrap_or(u64::MAX);
    let asked = millis_between(grant.starts_at, grant.expires_at)
        .max(millis_between(received_at, grant.expires_at));
    if asked > longest.saturating_add(CLOCK_DIFFERENCE_MS) {
        refusals.push(CeilingRefusal {
            remedy: Remedy::Ceiling,
            rule: "maxDuration",
            field: "the session's duration".to_owned(),
            value: duration::format(std::time::Duration::from_secs(asked / 1000)),
            limit: ceiling.max_duration.to_string(),
        });
    }
}

/// A list for people.
fn listed(values: &[String]) -> String {
    if values.is_empty() {
        "none".to_owned()
    } else {
        values.join(", ")
    }
}

#[cfg(test)]
mod tests;
