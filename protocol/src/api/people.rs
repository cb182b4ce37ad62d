//! Bodies of `/people`: who is barred from debug sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /people/bar`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BarPerson {
    /// Their name; also a verified e-mail address or the subject of their token.
    pub user: String,
    /// For the other admins and the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `POST /people/unbar`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnbarPerson {
    /// As it was barred.
    pub user: String,
}

/// `GET /people/barred`, and the answer to a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BarredPeople {
    pub people: Vec<BarredPerson>,
    pub total: usize,
}

/// One barred person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BarredPerson {
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub barred_by: String,
    /// RFC 3339, UTC.
    pub barred_at: String,
}
