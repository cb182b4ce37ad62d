//! Bodies of `/clusters` (D15, D20).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::cluster::Cluster;

/// `POST /clusters`: what an administrator says of a new cluster. Only admins set these (S19).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterCluster {
    /// A DNS label of at most 63 characters, unique in the hub.
    pub name: String,
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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Answer to `POST /clusters`. The token is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRegistered {
    pub cluster: Cluster,
    /// Single use; see `expiresAt`.
    pub join_token: String,
    /// SHA-256 of the hub CA's SubjectPublicKeyInfo, lower-case hex.
    pub ca_pin: String,
    /// Ready to paste: makes the token's Secret and installs the agent.
    pub helm_command: String,
    /// RFC 3339, UTC: when the token stops working.
    pub expires_at: String,
}

/// `GET /clusters`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterList {
    pub clusters: Vec<Cluster>,
    pub total: usize,
}

/// `POST /clusters/{name}/webhook-config`: the client made the key, only the request travels (D20).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookConfigRequest {
    /// PKCS#10, PEM. Only its public key is used.
    pub csr_pem: String,
}

/// What the API server needs to call the agent's webhook.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookConfig {
    /// `https://<ClusterIP>:<port>/authorize`.
    pub url: String,
    /// The webhook's own root, PEM.
    pub ca_pem: String,
    /// The API server's client certificate, PEM.
    pub certificate_pem: String,
    /// RFC 3339, UTC: when the client certificate ends.
    pub expires_at: String,
}
