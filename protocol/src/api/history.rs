//! What happened to a session: `GET /debug-sessions/{name}/events` for everybody who may see it, `…/audit` for its owner,
//! its approvers and admins (S20).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One page of events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionEvents {
    pub events: Vec<SessionEvent>,
    /// Where the next page starts; absent on the last.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<String>,
}

/// Something that happened to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionEvent {
    /// RFC 3339, UTC.
    pub at: String,
    /// One word, such as `requested`, `approved`, `joined`, `terminated`.
    pub event: String,
    pub by: Who,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// More about it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Who {
    pub kind: WhoKind,
    /// The person's name, the agent's cluster, the hub's job; absent where nobody can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WhoKind {
    Person,
    Agent,
    Hub,
    Unknown,
}

/// One page of the record, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecords {
    pub records: Vec<AuditRecord>,
    /// Where the next page starts; absent on the last.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<String>,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Its place in the hub's whole record.
    pub sequence: u64,
    #[serde(flatten)]
    pub event: SessionEvent,
    /// Of a person: who vouched for them, and as whom (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where the request came from: an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}
