//! `Cluster`: a registered target cluster. Its spec and labels come from hub administrators only (S19).

use super::check::{Checks, FieldError};
use crate::person::is_unseen;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What administrators say of a cluster.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "breakglass.t-caas.telekom.com",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    shortname = "dcl",
    status = "ClusterStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    derive = "schemars::JsonSchema",
    printcolumn = r#"{"name":"Display Name","type":"string","jsonPath":".spec.displayName"}"#,
    printcolumn = r#"{"name":"Environment","type":"string","jsonPath":".spec.environment"}"#,
    printcolumn = r#"{"name":"Connected","type":"boolean","jsonPath":".status.connected"}"#,
    printcolumn = r#"{"name":"Agent","type":"string","jsonPath":".status.agentVersion"}"#,
    printcolumn = r#"{"name":"Kubernetes","type":"string","jsonPath":".status.kubernetesVersion"}"#,
    printcolumn = r#"{"name":"Last Seen","type":"date","jsonPath":".status.lastSeen"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Whether an administrator has accepted the agent's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    /// How the hub's names of people and groups read in the cluster. Absent: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_names: Option<UserNames>,
}

/// How the hub's names of people and groups read in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserNames {
    /// Put before the name of a person, as `--oidc-username-prefix` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Put before the name of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_prefix: Option<String>,
    /// What of a person is their name there. Absent: name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<UserNameClaim>,
}

/// What of a person is their name in a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserNameClaim {
    #[default]
    Name,
    Email,
    Sub,
}

/// What the hub knows of a cluster and its agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// What the agent can do: `workload`, `authorization-webhook`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// End of the agent's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires_at: Option<Time>,
    /// The agent's key, by which an administrator recognises it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_identity: Option<AgentIdentity>,
    /// The limits that the cluster's owner set, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Value>,
    /// End of the newest client certificate that an API server shows to the agent's webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_client_expires_at: Option<Time>,
    /// When the API server last called the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_called_at: Option<Time>,
    /// When an administrator took the agent's right to connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The agent's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentIdentity {
    /// SHA-256 of the public key (SubjectPublicKeyInfo), lower-case hex.
    pub fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_at: Option<Time>,
}

impl Cluster {
    /// Everything wrong with the fields that a schema cannot say.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut checks = Checks::of_spec();
        checks.within_some("userNames", self.spec.user_names.as_ref(), |names, checks| {
            for (field, prefix) in [("prefix", &names.prefix), ("groupsPrefix", &names.groups_prefix)] {
                if prefix.as_ref().is_some_and(|prefix| prefix.chars().any(is_unseen)) {
                    checks.refuse(field, "holds a character that cannot be seen or changes how text reads; remove it");
                }
                if prefix.as_ref().is_some_and(|prefix| prefix.starts_with("system:")) {
                    checks.refuse(field, "starts with \"system:\", which is Kubernetes's own");
                }
            }
        });
        checks.into_errors()
    }
}
