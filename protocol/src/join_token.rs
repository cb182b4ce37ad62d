//! The join token: what an administrator carries from `bgctl cluster register` into the cluster (D8). It holds
//! everything the agent needs to find the hub and to know that it is the right one, and a secret that works once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

const PREFIX: &str = "bgjoin1.";
/// A token is about 300 bytes; a longer one is not a token.
const MAX_TOKEN_BYTES: usize = 4096;

/// The content of a join token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinToken {
    /// `host:port` of the hub's listener for agents, as the cluster reaches it.
    pub hub: String,
    /// The cluster that this token enrols.
    pub cluster: String,
    /// SHA-256 of the hub CA's SubjectPublicKeyInfo, lower-case hex.
    pub ca_pin: String,
    /// Which token this is.
    pub id: String,
    /// The secret half; the hub keeps only its hash.
    pub secret: String,
}

/// A token that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a join token of this product ({0}); get a new one with `bgctl cluster register NAME`"
)]
pub struct BadJoinToken(&'static str);

impl JoinToken {
    /// The token as one word, safe in shells, YAML and Secrets.
    #[must_use]
    pub fn encode(&self) -> String {
        // Serialising a struct of strings cannot fail; an empty token would be refused by `decode`.
        let body = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(body))
    }

    /// Reads a token, with the white space that copying adds.
    ///
    /// # Errors
    /// If the text is not a token.
    pub fn decode(text: &str) -> Result<Self, BadJoinToken> {
        let text = text.trim();
        if text.len() > MAX_TOKEN_BYTES {
            return Err(BadJoinToken("it is too long"));
        }
        let body = text
            .strip_prefix(PREFIX)
            .ok_or(BadJoinToken("it does not start with bgjoin1."))?;
        let bytes = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| BadJoinToken("it was cut or changed"))?;
        serde_json::from_slice(&bytes).map_err(|_| BadJoinToken("its content is not complete"))
    }
}

/// Never shows the secret.
impl std::fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinToken")
            .field("hub", &self.hub)
            .field("cluster", &self.cluster)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_copying_and_tells_what_is_wrong() {
        let token = JoinToken {
            hub: "10.0.0.1:8444".into(),
            cluster: "west".into(),
            ca_pin: "ab".repeat(32),
            id: "t1".into(),
            secret: "s3cret".into(),
        };
        let text = token.encode();
        assert_eq!(JoinToken::decode(&format!("  {text}\n")), Ok(token.clone()));
        assert!(JoinToken::decode(&text[..text.len() - 3]).is_err());
        assert!(JoinToken::decode("hello").is_err());
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
