//! Bodies of `POST /agent/v1/enrol` (JSON over TLS checked against the token's CA pin).

use serde::{Deserialize, Serialize};

/// A cluster's request to join.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolRequest {
    pub token_id: String,
    pub token_secret: String,
    /// PKCS#10, PEM. Only its public key is used (S18).
    pub csr_pem: String,
}

/// The agent's identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolResponse {
    /// The cluster that the certificate names.
    pub cluster: String,
    pub certificate_pem: String,
    pub ca_pem: String,
}
