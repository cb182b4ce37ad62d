//! The store: the only truth of the hub (invariant 2). One trait, so that the rules hold on a file (`sqlite`) and, later,
//! on the hub's own Kubernetes API server alike.
//!
//! * Its only write is [`Store::commit`]: one object with its audit events, if the object is still at the version that
//!   the writer read (D18). Who loses reads again, runs its pure transition again, and tries again.
//! * Its watch gives changes in order of revision and can be resumed after any revision; who reads slowly is caught up
//!   from the stored state and sees the newest state of each object instead of every one in between.
//!
//! What it keeps is JSON: for the six kinds, exactly the kind's own JSON. [`typed`] reads and writes them as types.

mod error;
mod json;
mod kinds;
pub mod sqlite;
pub mod typed;

#[cfg(test)]
mod conformance;

use std::fmt;
use std::sync::Arc;

use breakglass_hub_core::audit::AuditEvent;
use breakglass_hub_core::audit::chain::{ChainHash, Head};
use breakglass_protocol::ids::Revision;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use error::{CommitError, NotWritable, StoreError};
pub use json::Json;

/// Largest stored object, as JSON: a session's snapshot (a grant is at most 512 KiB) with the largest report (2 MiB).
pub const MAX_OBJECT_BYTES: usize = 3 * 1024 * 1024;
/// Most objects in one page of a list: at a few KiB each a page stays within a few MiB.
pub const MAX_PAGE: usize = 500;
/// Most audit events in one commit: a verb makes one or two, a job that ends a session a handful.
pub const MAX_EVENTS_PER_COMMIT: usize = 64;

/// What kind of object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectKind {
    /// One per cluster: which of its agent's audit records the hub has.
    AgentRecords,
    /// The one list of people who are barred.
    Bars,
    Cluster,
    /// How far one reader of the audit log came: a destination, or the notifier.
    Cursor,
    DebugPodTemplate,
    DebugSession,
    DebugSessionClusterBinding,
    DebugSessionTemplate,
    /// One notification on its way to one channel.
    Delivery,
    DenyPolicy,
    /// One per cluster: its join token (hashed) and the certificates that speak for it. One object, so that redeeming
    /// a token and issuing a certificate are one compare-and-set (S18).
    Enrolment,
    /// Which sessions count against a limit of one template or binding (D18).
    Ledger,
    /// Counts events of things that change no object of their own (refusals, logins): what they are committed with.
    Tally,
    /// That a session's people were told of its coming end, for which renewal.
    Warning,
}

/// When a power failure cannot take back what was acknowledged. Nothing acknowledged is lost when only the hub dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before it is acknowledged.
    Acknowledged,
    /// With the next write of another kind, at the latest.
    WithTheNext,
}

impl ObjectKind {
    /// See [`Durability`].
    #[must_use]
    pub fn durability(self) -> Durability {
        match self {
            // A place is taken before its session is written, and given back after the session's end is: one that is lost
            // without its session is none, and the job `ledgers` repairs the others.
            Self::Ledger => Durability::WithTheNext,
            Self::AgentRecords
            | Self::Bars
            | Self::Cluster
            | Self::Cursor
            | Self::DebugPodTemplate
            | Self::DebugSession
            | Self::DebugSessionClusterBinding
            | Self::DebugSessionTemplate
            | Self::Delivery
            | Self::DenyPolicy
            | Self::Enrolment
            | Self::Tally
            | Self::Warning => Durability::Acknowledged,
        }
    }

    /// Whether a hub has as many of them as admins and clusters make, not as many as people ask for.
    #[must_use]
    pub const fn is_few(self) -> bool {
        match self {
            Self::AgentRecords
            | Self::Bars
            | Self::Cluster
            | Self::Cursor
            | Self::DebugPodTemplate
            | Self::DebugSessionClusterBinding
            | Self::DebugSessionTemplate
            | Self::DenyPolicy
            | Self::Enrolment
            | Self::Ledger
            | Self::Tally => true,
            Self::DebugSession | Self::Delivery | Self::Warning => false,
        }
    }

    pub const ALL: [Self; 14] = [
        Self::AgentRecords,
        Self::Bars,
        Self::Cluster,
        Self::Cursor,
        Self::DebugPodTemplate,
        Self::DebugSession,
        Self::DebugSessionClusterBinding,
        Self::DebugSessionTemplate,
        Self::Delivery,
        Self::DenyPolicy,
        Self::Enrolment,
        Self::Ledger,
        Self::Tally,
        Self::Warning,
    ];

    /// The kind's name, as in its manifests and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentRecords => "AgentRecords",
            Self::Bars => "Bars",
            Self::Cluster => "Cluster",
            Self::Cursor => "Cursor",
            Self::DebugPodTemplate => "DebugPodTemplate",
            Self::DebugSession => "DebugSession",
            Self::DebugSessionClusterBinding => "DebugSessionClusterBinding",
            Self::DebugSessionTemplate => "DebugSessionTemplate",
            Self::Delivery => "Delivery",
            Self::DenyPolicy => "DenyPolicy",
            Self::Enrolment => "Enrolment",
            Self::Ledger => "Ledger",
            Self::Tally => "Tally",
            Self::Warning => "Warning",
        }
    }

    /// The kind of that name, if it is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which object. Ordered as lists are: kind, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub kind: ObjectKind,
    /// Empty for kinds of cluster scope.
    pub namespace: String,
    pub name: String,
}

impl Key {
    /// The key of an object of a kind without namespace.
    #[must_use]
    pub fn cluster_scoped(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            namespace: String::new(),
            name: name.into(),
        }
    }

    /// The key of an object in a namespace.
    #[must_use]
    pub fn namespaced(
        kind: ObjectKind,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// The revision at which an object was last written. Never used twice in a store's life, so that a version read before
/// a deletion never matches what was created after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub Revision);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.0)
    }
}

/// Who may write an object: it stands beside the object, never in metadata that users write (D22).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// The API and the hub's own jobs.
    Hub,
    /// A file in the templates folder, by its path below that folder.
    File(String),
}

/// An object as stored. With another body than JSON it is one that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<Body = Json> {
    pub key: Key,
    pub version: Version,
    pub owner: Owner,
    pub body: Body,
}

impl Object {
    /// The object with its JSON read as a type, or as a tree of values.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if what is stored does not fit.
    pub fn read<Body: DeserializeOwned>(&self) -> Result<Object<Body>, StoreError> {
        let body = self.body.read().map_err(|error| StoreError::Unreadable {
            subject: self.key.to_string(),
            message: error.to_string(),
        })?;
        Ok(Object {
            key: self.key.clone(),
            version: self.version,
            owner: self.owner.clone(),
            body,
        })
    }
}

/// What a writer saw before it decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing of that key.
    Absent,
    At(Version),
}

/// One write.
#[derive(Clone, Debug)]
pub struct Commit {
    pub key: Key,
    pub change: Write,
    pub expected: Expected,
    /// Recorded in the same transaction; none of them without the write.
    pub events: Vec<AuditEvent>,
}

#[derive(Clone, Debug)]
pub enum Write {
    Put { owner: Owner, body: Json },
    Delete,
}

/// What is true after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version to expect at the next write; of a deletion, the revision that it made.
    pub version: Version,
}

/// Which objects to list, in order of their keys.
#[derive(Clone, Debug)]
pub struct ListQuery {
    pub kind: ObjectKind,
    /// `None`: in every namespace.
    pub namespace: Option<String>,
    /// The last key of the page before.
    pub after: Option<Key>,
    /// At most [`MAX_PAGE`].
    pub limit: usize,
}

impl ListQuery {
    /// The first page of everything of a kind.
    #[must_use]
    pub const fn all(kind: ObjectKind) -> Self {
        Self {
            kind,
            namespace: None,
            after: None,
            limit: MAX_PAGE,
        }
    }

    /// The first of the pages in which a task reads all sessions. Read into memory a session takes ten times its room
    /// on disk, and the allocator gives little of it back: pages are small, and the hub with them.
    #[must_use]
    pub const fn all_sessions() -> Self {
        Self {
            kind: ObjectKind::DebugSession,
            namespace: None,
            after: None,
            limit: 50,
        }
    }
}

/// One page of a list, read at one moment.
#[derive(Clone, Debug)]
pub struct Page {
    pub objects: Vec<Object>,
    /// The revision of that moment: a watch from the first page's revision misses nothing.
    pub revision: Revision,
    /// Pass as [`ListQuery::after`] for the next page; `None` at the end.
    pub next: Option<Key>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchFrom {
    /// Only what changes from now on.
    Now,
    /// Everything after a revision that was read or seen before.
    After(Revision),
}

/// One object changed.
#[derive(Clone, Debug)]
pub struct Change {
    pub revision: Revision,
    pub key: Key,
    /// The object as of that revision; `None`: it was deleted.
    pub object: Option<Arc<Object>>,
}

/// A running watch. Dropping it ends it.
pub struct Watch {
    changes: BoxStream<'static, Result<Change, WatchError>>,
}

impl Watch {
    #[must_use]
    pub fn new(changes: BoxStream<'static, Result<Change, WatchError>>) -> Self {
        Self { changes }
    }

    /// Waits for the next change.
    ///
    /// # Errors
    /// [`WatchError::Resync`] if changes were forgotten that this watch has not seen: list again and watch from that
    /// list's revision. [`WatchError::Closed`] when the store shuts down. After an error only errors follow.
    pub async fn next(&mut self) -> Result<Change, WatchError> {
        self.changes.next().await.unwrap_or(Err(WatchError::Closed))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    #[error("changes after revision {} are no longer kept; list again", .after.0)]
    Resync { after: Revision },
    #[error("the store is closed")]
    Closed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which audit events to read, oldest first.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// Only events of this object.
    pub of: Option<Key>,
    /// The last sequence number of the page before; 0 for the first.
    pub after: u64,
    /// At most [`MAX_PAGE`].
    pub limit: usize,
}

/// An audit event as recorded.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Grows by one with each event; a gap would mean that somebody edited the database.
    pub sequence: u64,
    /// Of the event before and this one.
    pub hash: ChainHash,
    pub event: AuditEvent,
}

/// What reads of the store answer.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// See the module.
pub trait Store: Send + Sync + 'static {
    /// One object, if it is there.
    fn get(&self, key: Key) -> Answer<'_, Option<Object>>;
    /// Several objects as of one moment, in the order of the keys, `None` for what is not there. At most [`MAX_PAGE`].
    fn get_many(&self, keys: Vec<Key>) -> Answer<'_, Vec<Option<Object>>>;
    /// The revision of a commit that no acknowledged one is newer than: what was built from the watch up to here misses
    /// nothing that anybody was told of.
    fn head(&self) -> Answer<'_, Revision>;
    /// One page of objects.
    fn list(&self, query: ListQuery) -> Answer<'_, Page>;
    /// The only write. It is durable when the future resolves; a future that is dropped leaves the outcome unknown.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>>;
    /// Changes in order of revision.
    fn watch(&self, from: WatchFrom) -> Answer<'_, Watch>;
    /// One page of the audit log.
    fn audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditRecord>>;
    /// The newest event of the audit log.
    fn audit_head(&self) -> Answer<'_, Head>;
}
