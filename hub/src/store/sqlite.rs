//! The store in one SQLite file: nothing to install, one writer thread, a few readers, write-ahead log.
//!
//! A commit travels: caller → bounded queue → writer thread → one transaction for all commits that wait (so that one
//! `fsync` serves many) → reply, and the change to every watch. Reads run on blocking threads with connections of their
//! own and never wait for the writer; objects of the kinds of which there are few are read from memory.

mod backup;
mod chain;
mod changes;
mod checkpoint;
#[cfg(test)]
mod crash;
mod kept;
mod reader;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;

use breakglass_hub_core::audit::chain::Head;
use breakglass_protocol::ids::Revision;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::broadcast;

use super::{
    Answer, AuditQuery, AuditRecord, Commit, CommitError, Committed, Key, ListQuery, MAX_PAGE,
    Object, ObjectKind, Page, Store, Watch, WatchFrom,
};
use checkpoint::Checkpoints;
use kept::Kept;
use reader::Readers;
use writer::{Writer, Writes};

pub use backup::{Attached, CopyError, Extent, adopt, copy};
pub use chain::{VerifyError, newest_event, verify};
pub use schema::OpenError;

/// See the module.
pub struct SqliteStore {
    writer: Writer,
    readers: Arc<Readers>,
    kept: Arc<Kept>,
    announcements: broadcast::Sender<changes::Announcement>,
}

impl SqliteStore {
    /// Opens or makes the database. Blocks: opening reads the whole file once to check it.
    ///
    /// # Errors
    /// See [`OpenError`]: nothing is changed in a file that is damaged, not ours, newer than this build or not writable.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_keeping(path, ObjectKind::is_few)
    }

    /// As [`SqliteStore::open`], with the kinds in memory that `keeps` says.
    pub(super) fn open_keeping(
        path: &Path,
        keeps: fn(ObjectKind) -> bool,
    ) -> Result<Self, OpenError> {
        Self::with(schema::open_for_writing(path)?, path, keeps)
    }

    /// The store on a connection that writes to the checked file at `path`.
    fn with(
        connection: Connection,
        path: &Path,
        keeps: fn(ObjectKind) -> bool,
    ) -> Result<Self, OpenError> {
        let kept = Kept::load(&connection, keeps).map_err(|error| schema::unread(path, error))?;
        let kept = Arc::new(kept);
        let readers = Arc::new(Readers::open(path)?);
        let (announcements, _) = broadcast::channel(changes::ANNOUNCEMENTS);
        let newest = schema::newest(&connection, path)?;
        let checkpoints = Checkpoints::start(path)?;
        let writes = Writes::new(kept.clone(), newest, announcements.clone(), checkpoints);
        let writer = Writer::start(connection, writes).map_err(|source| OpenError::Thread {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            writer,
            readers,
            kept,
            announcements,
        })
    }
}

impl Store for SqliteStore {
    fn get(&self, key: Key) -> Answer<'_, Option<Object>> {
        if self.kept.holds(key.kind) {
            return std::future::ready(Ok(self.kept.get(&key))).boxed();
        }
        self.readers
            .read("reading an object", move |connection| {
                reader::get(connection, &key)
            })
            .boxed()
    }

    fn get_many(&self, keys: Vec<Key>) -> Answer<'_, Vec<Option<Object>>> {
        self.readers
            .read("reading objects", move |connection| {
                let keys = keys.iter().take(MAX_PAGE);
                keys.map(|key| reader::get(connection, key)).collect()
            })
            .boxed()
    }

    fn head(&self) -> Answer<'_, Revision> {
        std::future::ready(Ok(self.writer.head())).boxed()
    }

    fn list(&self, query: ListQuery) -> Answer<'_, Page> {
        if self.kept.holds(query.kind) {
            // The revision first: what is told as of it is in the page then.
            let revision = self.writer.head();
            return std::future::ready(Ok(self.kept.list(&query, revision))).boxed();
        }
        self.readers
            .read("listing objects", move |connection| {
                reader::list(connection, &query)
            })
            .boxed()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.writer.commit(commit).boxed()
    }

    fn watch(&self, from: WatchFrom) -> Answer<'_, Watch> {
        // Subscribed before anything is read: what is committed in between comes twice and is told once.
        let announcements = self.announcements.subscribe();
        changes::watch(self.readers.clone(), announcements, from).boxed()
    }

    fn audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditRecord>> {
        self.readers
            .read("reading the audit log", move |connection| {
                reader::audit(connection, &query)
            })
            .boxed()
    }

    fn audit_head(&self) -> Answer<'_, Head> {
        self.readers
            .read("reading the audit log's head", |connection| {
                Ok(chain::head(connection)?)
            })
            .boxed()
    }
}

/// A number as SQLite keeps it. Sequences of ours start at 0 and grow by one: 2^63 is never reached.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of ours as read; SQLite's sign is never used.
fn restored(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
