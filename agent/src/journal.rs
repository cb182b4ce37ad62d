//! What outlives a restart: the agent's identity, one record for each grant, one of the deny policies, one of what the hub's
//! audit log does not have yet, and two beside them: ended UIDs, and the clock's mark, which is small because it is written
//! often. All are Secrets of the agent's namespace. Records are authenticated with a key that only the identity Secret holds
//! (S19): who can write Secrets here but not read that one cannot make the agent deploy anything.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use breakglass_agent_core::held::Held;
use breakglass_agent_core::high_water::Mark;
use breakglass_agent_core::holdings::Memory;
use breakglass_agent_core::plan::outcome::ApiFailure;
use breakglass_agent_core::policies::HeldPolicies;
use breakglass_agent_core::recorder::HeldRecords;
use breakglass_agent_core::workload::Seed;
use breakglass_protocol::ids::GrantUid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::identity::{Identity, JournalKey};

/// Largest record. Kubernetes takes 1 MiB of a Secret's data; the rest is room for the authentication code.
pub const MAX_RECORD: usize = 900 * 1024;
/// The identity's Secret.
pub const IDENTITY: &str = "breakglass-agent-identity";
/// The Secret of what is remembered beside the grants.
const MEMORY: &str = "breakglass-agent-memory";
/// The Secret of the clock's mark.
const CLOCK: &str = "breakglass-agent-clock";
/// The Secret of the deny policies.
const POLICIES: &str = "breakglass-agent-policies";
/// The Secret of what the webhook decided and the hub does not have yet.
const AUDIT: &str = "breakglass-agent-audit";

mod secrets;

/// Why the journal cannot be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    #[error("journal: {}", .0.message)]
    Api(ApiFailure),
    #[error(
        "journal: the record of grant {uid} has {bytes} bytes, over the limit of {MAX_RECORD}; its template is too large for this cluster"
    )]
    TooLarge { uid: GrantUid, bytes: usize },
    #[error("journal: Secret {name}: {why}; if nobody tampered with it, delete it")]
    Damaged { name: String, why: String },
    #[error("journal: {0}")]
    Encode(String),
}

impl From<ApiFailure> for JournalError {
    fn from(failure: ApiFailure) -> Self {
        Self::Api(failure)
    }
}

/// What was found after a start.
#[derive(Debug, Default)]
pub struct Loaded {
    pub held: Vec<Held>,
    pub memory: Memory,
    /// The clock's mark; empty if nothing ran, or if it cannot be believed.
    pub mark: Mark,
    /// `None` before the hub sent any; otherwise why they cannot be believed.
    pub policies: Option<Result<HeldPolicies, String>>,
    /// What the hub's audit log does not have yet, or why that cannot be believed.
    pub audit: Option<Result<HeldRecords, String>>,
    /// Records that could not be believed; told, left alone, not used.
    pub refused: Vec<String>,
}

/// The journal of one agent. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    cluster: Cluster,
    namespace: String,
    key: hmac::Key,
}

#[derive(Clone, Deserialize)]
struct Secret {
    metadata: SecretMeta,
    #[serde(default)]
    data: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
struct SecretMeta {
    name: String,
}

impl Secret {
    fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        STANDARD.decode(self.data.get(key)?).ok()
    }
}

/// Reads the agent's identity; `None` before its first enrolment.
///
/// # Errors
/// If the Secret cannot be read or does not hold an identity.
pub async fn load_identity(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Option<Identity>, JournalError> {
    let Some(secret) = cluster.get_secret(namespace, IDENTITY).await? else {
        return Ok(None);
    };
    let damaged = |why: &str| JournalError::Damaged {
        name: IDENTITY.to_owned(),
        why: why.to_owned(),
    };
    let bytes = secret
        .bytes("identity")
        .ok_or_else(|| damaged("it has no key `identity`"))?;
    // Its own text is not told: it would be key material.
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| damaged("its content is not an identity"))
}

/// Stores the agent's identity.
///
/// # Errors
/// If the Secret cannot be written.
pub async fn save_identity(
    cluster: &Cluster,
    namespace: &str,
    identity: &Identity,
) -> Result<(), JournalError> {
    let bytes = encode(identity)?;
    let data = json!({ "identity": STANDARD.encode(bytes) });
    cluster
        .put_secret(namespace, IDENTITY, "identity", &data)
        .await?;
    Ok(())
}

/// Reads a join token from its Secret; `None` if that does not exist.
///
/// # Errors
/// If the Secret cannot be read.
pub async fn load_join_token(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Option<String>, JournalError> {
    let secret = cluster.get_secret(namespace, name).await?;
    Ok(secret
        .and_then(|secret| secret.bytes("token"))
        .and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// Deletes a join token's Secret (S18); one that is already gone is fine.
///
/// # Errors
/// If the API server refuses.
pub async fn delete_join_token(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<(), JournalError> {
    Ok(cluster.delete_secret(namespace, name).await?)
}

impl Journal {
    #[must_use]
    pub fn new(cluster: Cluster, namespace: &str, key: &JournalKey) -> Self {
        Self {
            cluster,
            namespace: namespace.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()),
        }
    }

    /// Everything that the journal holds.
    ///
    /// # Errors
    /// If the API server cannot be asked, or the memory of ended grants cannot be believed: without it an ended grant
    /// could be deployed again (S12).
    pub async fn load(&self) -> Result<Loaded, JournalError> {
        let mut loaded = Loaded::default();
        if let Some(secret) = self.cluster.get_secret(&self.namespace, MEMORY).await? {
            loaded.memory = self.open(&secret, MEMORY)?;
        }
        if let Some(secret) = self.cluster.get_secret(&self.namespace, CLOCK).await? {
            // As with the policies: without it the clock is as it would be without the Secret.
            match self.open::<Mark>(&secret, CLOCK) {
                Ok(mark) => {
                    loaded.mark = mark;
                    loaded.memory.high_water = loaded.memory.high_water.max(mark.high_water);
                }
                Err(refused) => loaded.refused.push(refused.to_string()),
            }
        }
        if let Some(secret) = self.cluster.get_secret(&self.namespace, POLICIES).await? {
            // Who could write this Secret could as well delete it: nothing is gained by not starting.
            let policies = self.open(&secret, POLICIES).map_err(|e| e.to_string());
            loaded.policies = Some(policies);
        }
        if let Some(secret) = self.cluster.get_secret(&self.namespace, AUDIT).await? {
            // As above.
            loaded.audit = Some(self.open(&secret, AUDIT).map_err(|e| e.to_string()));
        }
        let mut next = String::new();
        loop {
            let page = self.cluster.list_records(&self.namespace, &next).await?;
            for secret in page.items {
                match self.open::<Held>(&secret, &secret.metadata.name) {
                    Ok(held) if secret.metadata.name == name_of(&held.grant.uid) => {
                        loaded.held.push(held);
                    }
                    Ok(held) => loaded.refused.push(format!(
                        "journal: Secret {} holds the record of another grant, {}",
                        secret.metadata.name, held.grant.uid
                    )),
                    Err(refused) => loaded.refused.push(refused.to_string()),
                }
            }
            match page.metadata.continue_ {
                Some(token) if !token.is_empty() => next = token,
                Some(_) | None => return Ok(loaded),
            }
        }
    }

    /// One grant's record, ready to be written: taken at once, so that what is written is one moment's.
    ///
    /// # Errors
    /// If it is too large.
    pub fn seal(&self, held: &Held) -> Result<Sealed, JournalError> {
        let uid = &held.grant.uid;
        let record = encode(held)?;
        if record.len() > MAX_RECORD {
            return Err(JournalError::TooLarge {
                uid: uid.clone(),
                bytes: record.len(),
            });
        }
        Ok(self.seal_bytes(name_of(uid), "grant", &record))
    }

    /// The record beside the grants, ready to be written.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn seal_memory(&self, memory: &Memory) -> Result<Sealed, JournalError> {
        Ok(self.seal_bytes(MEMORY.to_owned(), "memory", &encode(memory)?))
    }

    /// The clock's mark, ready to be written.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn seal_mark(&self, mark: Mark) -> Result<Sealed, JournalError> {
        Ok(self.seal_bytes(CLOCK.to_owned(), "clock", &encode(&mark)?))
    }

    /// The deny policies' record, ready to be written. The hub's limit on them keeps it well below the journal's.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn seal_policies(&self, held: &HeldPolicies) -> Result<Sealed, JournalError> {
        Ok(self.seal_bytes(POLICIES.to_owned(), "policies", &encode(held)?))
    }

    /// The record of what the hub's audit log does not have yet, ready to be written. The recorder's bound keeps it well
    /// below the journal's.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn seal_audit(&self, held: &HeldRecords) -> Result<Sealed, JournalError> {
        Ok(self.seal_bytes(AUDIT.to_owned(), "audit", &encode(held)?))
    }

    /// What keys the random functions of a grant's texts: of this agent alone and the same for the same grant.
    #[must_use]
    pub fn seed(&self, uid: &GrantUid) -> Seed {
        // No record has this name, so no record's code is a seed.
        let tag = hmac::sign(
            &self.key,
            &authenticated("render-seed", uid.as_str().as_bytes()),
        );
        let mut bytes = [0; 32];
        for (byte, from) in bytes.iter_mut().zip(tag.as_ref()) {
            *byte = *from;
        }
        Seed::new(bytes)
    }

    fn seal_bytes(&self, name: String, label: &'static str, record: &[u8]) -> Sealed {
        let tag = hmac::sign(&self.key, &authenticated(&name, record));
        Sealed {
            label,
            data: json!({
                "record": STANDARD.encode(record),
                "hmac": STANDARD.encode(tag.as_ref()),
            }),
            name,
        }
    }

    /// Writes a record.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub async fn save(&self, sealed: Sealed) -> Result<(), JournalError> {
        self.cluster
            .put_secret(&self.namespace, &sealed.name, sealed.label, &sealed.data)
            .await?;
        Ok(())
    }

    /// Deletes a grant's record; one that is already gone is fine.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub async fn forget(&self, uid: &GrantUid) -> Result<(), JournalError> {
        let name = name_of(uid);
        Ok(self.cluster.delete_secret(&self.namespace, &name).await?)
    }

    fn open<T: DeserializeOwned>(&self, secret: &Secret, name: &str) -> Result<T, JournalError> {
        let damaged = |why: &str| JournalError::Damaged {
            name: name.to_owned(),
            why: why.to_owned(),
        };
        let record = secret
            .bytes("record")
            .ok_or_else(|| damaged("it has no key `record`"))?;
        let tag = secret
            .bytes("hmac")
            .ok_or_else(|| damaged("it has no key `hmac`"))?;
        hmac::verify(&self.key, &authenticated(name, &record), &tag)
            .map_err(|_| damaged("it was not written by this agent"))?;
        serde_json::from_slice(&record)
            .map_err(|e| damaged(&format!("this version cannot read it: {e}")))
    }
}

/// A record that is ready to be written.
#[derive(Debug)]
pub struct Sealed {
    name: String,
    label: &'static str,
    data: Value,
}

/// What the code covers: the record under its name, so that none can stand in for another.
fn authenticated(name: &str, record: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 1 + record.len());
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(record);
    bytes
}

fn name_of(uid: &GrantUid) -> String {
    format!("breakglass-grant-{uid}")
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, JournalError> {
    serde_json::to_vec(value).map_err(|e| JournalError::Encode(e.to_string()))
}
