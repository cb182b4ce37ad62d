//! What the agent is: its key and certificate for the hub, its webhook's root, and the key that authenticates its
//! journal. All of it lives in one Secret of the agent's namespace; losing that Secret means enrolling anew.

use std::fmt;

use breakglass_protocol::ids::ClusterName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The agent's identity as stored. Its `Debug` shows no key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The agent's private key for the link, PEM. Made in the cluster, never sent.
    pub key_pem: String,
    /// The certificate that the hub gave for that key, PEM. Names the cluster.
    pub certificate_pem: String,
    /// What the hub's certificate is checked against, PEM bundle.
    pub hub_ca_pem: String,
    /// `host:port` of the hub's listener for agents.
    pub hub_address: String,
    pub cluster: ClusterName,
    /// The join token that this identity came from, so that a token which is still mounted is not redeemed again.
    pub token_id: String,
    pub webhook: WebhookKeys,
    /// End of the newest client certificate that was signed for the API server, for the cluster's status.
    #[serde(default)]
    pub webhook_client_expires_at: Option<Timestamp>,
    /// Authenticates journal records (S19).
    pub journal_key: JournalKey,
}

/// The webhook's own root, the third one, apart from hub and people (D20). The server's key and certificate are made
/// from it in memory at each start.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookKeys {
    pub ca_key_pem: String,
    pub ca_certificate_pem: String,
}

/// 256 bits for HMAC-SHA-256.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JournalKey([u8; 32]);

impl JournalKey {
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new key from the operating system's randomness, by way of the thread's generator.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("cluster", &self.cluster)
            .field("hub_address", &self.hub_address)
            .field("token_id", &self.token_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookKeys").finish_non_exhaustive()
    }
}

impl fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_debug_output_shows_no_key() {
        let identity = Identity {
            key_pem: "TOPSECRET-1".into(),
            certificate_pem: "c".into(),
            hub_ca_pem: "ca".into(),
            hub_address: "10.0.0.1:8444".into(),
            cluster: ClusterName::new("west"),
            token_id: "t1".into(),
            webhook: WebhookKeys {
                ca_key_pem: "TOPSECRET-2".into(),
                ca_certificate_pem: String::new(),
            },
            webhook_client_expires_at: None,
            journal_key: JournalKey::new([7; 32]),
        };
        let shown = format!(
            "{identity:?} {:?} {:?}",
            identity.webhook, identity.journal_key
        );
        assert!(
            !shown.contains("TOPSECRET") && !shown.contains("7, 7"),
            "{shown}"
        );
    }
}
