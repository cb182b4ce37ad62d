//! Frames from an agent to the hub. The order of variants is the wire format: append only. No frame names a cluster:
//! the certificate of the connection does (invariant 6).

use serde::{Deserialize, Serialize};

use super::close::Close;
use super::hello::Hello;
use crate::ids::{CallId, GrantUid, Revision};

/// One frame to the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToHub {
    Hello(Hello),
    /// What the agent sees of one grant; the newest replaces all older ones.
    Report(ReportFrame),
    /// What the agent says of itself and its cluster.
    Status(StatusFrame),
    /// Every frame up to this revision was taken in (and, for grants, written to the journal).
    Acknowledged(Acknowledged),
    Answer(Answer),
    /// A new certificate, please, for the key in this request.
    RenewCertificate(RenewCertificate),
    Close(Close),
    /// What the webhook decided. Sent to hubs whose Welcome lists [`super::access::FEATURE`], the next one only after
    /// [`super::to_agent::ToAgent::AuditAccepted`].
    Audit(AuditFrame),
}

/// Records of one start of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFrame {
    /// The start that numbered the records (a UUID); records that waited in the journal keep theirs.
    pub boot: String,
    /// A list of [`super::access::AccessRecord`] as JSON, in ascending order, at most
    /// [`crate::limits::MAX_AUDIT_RECORDS`] and [`crate::limits::MAX_AUDIT_BYTES`].
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFrame {
    pub uid: GrantUid,
    /// [`super::report::Report`] as JSON, at most [`crate::limits::MAX_REPORT_BYTES`].
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusFrame {
    /// [`super::report::AgentStatus`] as JSON.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    pub revision: Revision,
}

/// The answer to a [`super::to_agent::Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub id: CallId,
    /// The answer, or what a person can do about its absence.
    pub result: Result<Answered, Declined>,
}

/// What was asked for. Append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answered {
    WebhookClient(WebhookClient),
}

/// Everything the API server needs to call the agent's webhook (D20).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookClient {
    /// The client certificate, PEM.
    pub certificate_pem: String,
    /// The webhook's own root, PEM.
    pub ca_pem: String,
    /// `https://<ClusterIP>:<port>/authorize`.
    pub url: String,
    /// End of the certificate, seconds since 1970.
    pub expires_at: i64,
}

/// A question that could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    pub blame: Blame,
    pub message: String,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blame {
    /// The asker's: a malformed request.
    Asker,
    /// The cluster's: it refused or could not.
    Cluster,
    /// The agent's own.
    Agent,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewCertificate {
    /// PKCS#10, DER. Only its public key is used (S18).
    #[serde(with = "serde_bytes")]
    pub csr_der: Vec<u8>,
}
