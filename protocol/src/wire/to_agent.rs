//! Frames from the hub to an agent. The order of variants is the wire format: append only.

use serde::{Deserialize, Serialize};

use super::close::Close;
use super::hello::Welcome;
use crate::ids::{CallId, GrantUid, Revision};

/// One frame to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    Welcome(Welcome),
    /// `count` grants follow, then `SnapshotEnd`. Nothing is dropped by the agent before that (D17).
    SnapshotBegin(SnapshotBegin),
    /// A grant as it should be now: new, changed (people, renewal) or to be ended.
    Grant(GrantFrame),
    /// The snapshot is complete: grants that it did not hold are to be ended.
    SnapshotEnd(SnapshotEnd),
    /// The hub has stored the grant's final report; the agent may forget all but its UID.
    Settled(Settled),
    Call(Call),
    /// The certificate that the agent asked for with `RenewCertificate`.
    Certificate(Certificate),
    Close(Close),
    /// Every deny policy that covers the cluster, replacing those before. Sent to agents whose Hello lists
    /// [`super::policy::FEATURE`]: before each snapshot, and when it changes.
    Policies(PoliciesFrame),
    /// The records of an [`super::to_hub::AuditFrame`] are stored, or were before.
    AuditAccepted(AuditAccepted),
}

/// See [`ToAgent::AuditAccepted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditAccepted {
    /// As in the frame.
    pub boot: String,
    /// The number of the frame's last record.
    pub through: u64,
}

/// Envelope of a set of deny policies (D17).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoliciesFrame {
    /// When the set was read; of two on one connection the newer counts.
    pub revision: Revision,
    /// Features without which the agent must refuse the set and keep the one before.
    pub requires: Vec<String>,
    /// [`super::policy::PolicySet`] as JSON, at most [`crate::limits::MAX_POLICIES_BYTES`].
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotBegin {
    pub revision: Revision,
    pub count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEnd {
    pub revision: Revision,
}

/// Envelope of a grant (D17).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantFrame {
    pub revision: Revision,
    pub uid: GrantUid,
    /// Features without which the agent must refuse this grant: an ignored restriction would fail open.
    pub requires: Vec<String>,
    /// Milliseconds until `expiresAt` by the hub's clock when this was sent; the agent ends at whichever comes first
    /// of its wall clock and this much monotonic time after receipt (S12).
    pub remaining_ms: u64,
    /// [`super::grant::Grant`] as JSON, at most [`crate::limits::MAX_GRANT_BYTES`].
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    pub uid: GrantUid,
}

/// A question to the agent; answered with [`super::to_hub::Answer`] of the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub id: CallId,
    pub ask: Ask,
}

/// What the hub may ask. Append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Sign this request for the API server's webhook client certificate with the agent's own webhook root (D20).
    SignWebhookClient(SignWebhookClient),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignWebhookClient {
    /// PKCS#10, DER. Only its public key is used.
    #[serde(with = "serde_bytes")]
    pub csr_der: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The agent's new certificate, PEM.
    pub certificate_pem: String,
    /// The CA bundle for the hub, PEM: may hold a coming CA beside today's.
    pub ca_pem: String,
}
