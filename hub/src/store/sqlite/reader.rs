//! Reads: a few connections, each used by one blocking thread at a time.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use breakglass_hub_core::audit::chain::NotAHash;
use breakglass_protocol::ids::Revision;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::schema::{self, OpenError};
use super::{restored, stored};
use crate::store::{
    AuditQuery, AuditRecord, Json, Key, ListQuery, MAX_PAGE, Object, ObjectKind, Owner, Page,
    StoreError, Version,
};
use std::sync::Arc;

/// Connections that read. The hub has few cores and reads take well under a millisecond.
const READERS: usize = 4;
/// How long a read waits for a connection before the caller is told that the hub is busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// A page ends early when it holds this much, so that a list of the largest objects stays bounded.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// The connections that read.
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
}

/// What goes wrong inside one read.
#[derive(Debug)]
pub(super) enum ReadError {
    Sqlite(rusqlite::Error),
    Unreadable { subject: String, message: String },
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let idle = (0..READERS)
            .map(|_| schema::open_for_reading(path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            idle: Mutex::new(idle),
            free: Semaphore::new(READERS),
        })
    }

    /// Runs `read` in one read transaction on a blocking thread.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        attempt: &'static str,
        read: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.turn(attempt).await?;
        let connection = self.lock().pop().ok_or(StoreError::Busy { attempt })?;
        let readers = self.clone();
        let result = tokio::task::spawn_blocking(move || {
            let result = in_transaction(&connection, read);
            readers.lock().push(connection);
            result
        })
        .await;
        drop(permit);
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(ReadError::Sqlite(error))) => Err(StoreError::Failed {
                attempt,
                message: error.to_string(),
            }),
            Ok(Err(ReadError::Unreadable { subject, message })) => {
                Err(StoreError::Unreadable { subject, message })
            }
            Err(_) => Err(StoreError::Closed),
        }
    }

    async fn turn(&self, attempt: &'static str) -> Result<SemaphorePermit<'_>, StoreError> {
        match tokio::time::timeout(PATIENCE, self.free.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Busy { attempt }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // Only pushes and pops happen under the lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One consistent view for everything that `read` asks.
fn in_transaction<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let transaction = connection.unchecked_transaction()?;
    let value = read(&transaction)?;
    transaction.finish()?;
    Ok(value)
}

pub(super) fn get(connection: &Connection, key: &Key) -> Result<Option<Object>, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT version, kind, namespace, name, owner, body FROM objects
         WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
    )?;
    let row = statement
        .query_row(
            params![key.kind.as_str(), key.namespace, key.name],
            RawObject::from_row,
        )
        .optional()?;
    row.map(RawObject::object).transpose()
}

pub(super) fn list(connection: &Connection, query: &ListQuery) -> Result<Page, ReadError> {
    let limit = query.limit.clamp(1, MAX_PAGE);
    let (after_namespace, after_name) = match &query.after {
        Some(key) => (key.namespace.as_str(), key.name.as_str()),
        None => ("", ""),
    };
    let namespace: &dyn ToSql = &query.namespace;
    let mut statement = connection.prepare_cached(
        "SELECT version, kind, namespace, name, owner, body FROM objects
         WHERE kind = ?1 AND (?2 IS NULL OR namespace = ?2) AND (namespace, name) > (?3, ?4)
         ORDER BY namespace, name LIMIT ?5",
    )?;
    // One more than asked, to know whether there is a next page.
    let rows = statement.query_map(
        params![
            query.kind.as_str(),
            namespace,
            after_namespace,
            after_name,
            stored(limit as u64 + 1)
        ],
        RawObject::from_row,
    )?;
    let objects = rows.map(|row| row.map_err(ReadError::from)?.object());
    page(objects, limit, head(connection)?.newest)
}

/// A page of what is there, until it is full by count or by size.
pub(super) fn page<E>(
    objects: impl Iterator<Item = Result<Object, E>>,
    limit: usize,
    revision: Revision,
) -> Result<Page, E> {
    let limit = limit.clamp(1, MAX_PAGE);
    let mut page = Page {
        objects: Vec::new(),
        revision,
        next: None,
    };
    let mut bytes = 0;
    for object in objects {
        if page.objects.len() == limit || bytes > PAGE_BYTES {
            page.next = page.objects.last().map(|object| object.key.clone());
            break;
        }
        let object = object?;
        bytes += object.body.as_str().len();
        page.objects.push(object);
    }
    Ok(page)
}

/// Where the sequence of changes stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) newest: Revision,
    /// Deletions up to this revision are no longer kept.
    pub(super) forgotten: Revision,
}

pub(super) fn head(connection: &Connection) -> Result<Head, ReadError> {
    let mut statement = connection.prepare_cached("SELECT revision, forgotten FROM sequence")?;
    Ok(statement.query_row([], |row| {
        Ok(Head {
            newest: Revision(restored(row.get(0)?)),
            forgotten: Revision(restored(row.get(1)?)),
        })
    })?)
}

/// What changed after a revision: the newest state of each object, in order.
pub(super) struct Backlog {
    pub(super) head: Head,
    pub(super) changes: Vec<(Revision, Key, Option<Object>)>,
}

/// Changes in one page of a backlog.
const BACKLOG_PAGE: usize = 200;

pub(super) fn backlog(connection: &Connection, after: Revision) -> Result<Backlog, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT version, kind, namespace, name, owner, body FROM objects WHERE version > ?1
         UNION ALL
         SELECT revision, kind, namespace, name, NULL, NULL FROM deletions WHERE revision > ?1
         ORDER BY 1 LIMIT ?2",
    )?;
    let mut rows = statement.query(params![stored(after.0), stored(BACKLOG_PAGE as u64)])?;
    let mut changes = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if bytes > PAGE_BYTES {
            break;
        }
        let revision = Revision(restored(row.get(0)?));
        if row.get_ref(5)? != ValueRef::Null {
            let raw = RawObject::from_row(row)?;
            bytes += raw.body.len();
            let object = raw.object()?;
            changes.push((revision, object.key.clone(), Some(object)));
        } else {
            let key = read_key(row.get(1)?, row.get(2)?, row.get(3)?)?;
            changes.push((revision, key, None));
        }
    }
    Ok(Backlog {
        head: head(connection)?,
        changes,
    })
}

pub(super) fn audit(
    connection: &Connection,
    query: &AuditQuery,
) -> Result<Vec<AuditRecord>, ReadError> {
    let limit = stored(query.limit.clamp(1, MAX_PAGE) as u64);
    let read = |row: &Row<'_>| {
        let (event, hash): (String, String) = (row.get(1)?, row.get(2)?);
        Ok((restored(row.get(0)?), event, hash))
    };
    let rows: Vec<(u64, String, String)> = match &query.of {
        Some(key) => connection
            .prepare_cached(
                "SELECT sequence, event, hash FROM audit
                 WHERE kind = ?1 AND namespace = ?2 AND name = ?3 AND sequence > ?4
                 ORDER BY sequence LIMIT ?5",
            )?
            .query_map(
                params![
                    key.kind.as_str(),
                    key.namespace,
                    key.name,
                    stored(query.after),
                    limit
                ],
                read,
            )?
            .collect::<Result<_, _>>()?,
        None => connection
            .prepare_cached(
                "SELECT sequence, event, hash FROM audit WHERE sequence > ?1
                 ORDER BY sequence LIMIT ?2",
            )?
            .query_map(params![stored(query.after), limit], read)?
            .collect::<Result<_, _>>()?,
    };
    rows.into_iter()
        .map(|(sequence, text, hash)| {
            let unreadable = |message| ReadError::Unreadable {
                subject: format!("audit event {sequence}"),
                message,
            };
            Ok(AuditRecord {
                sequence,
                hash: hash
                    .parse()
                    .map_err(|error: NotAHash| unreadable(format!("its hash {error}")))?,
                event: serde_json::from_str(&text)
                    .map_err(|error| unreadable(error.to_string()))?,
            })
        })
        .collect()
}

/// A row of `objects`, before its texts are read.
struct RawObject {
    version: u64,
    kind: String,
    namespace: String,
    name: String,
    owner: String,
    body: String,
}

impl RawObject {
    fn from_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            version: restored(row.get(0)?),
            kind: row.get(1)?,
            namespace: row.get(2)?,
            name: row.get(3)?,
            owner: row.get(4)?,
            body: row.get(5)?,
        })
    }

    fn object(self) -> Result<Object, ReadError> {
        let key = read_key(self.kind, self.namespace, self.name)?;
        let unreadable = |error: serde_json::Error| ReadError::Unreadable {
            subject: key.to_string(),
            message: error.to_string(),
        };
        let owner: Owner = serde_json::from_str(&self.owner).map_err(unreadable)?;
        Ok(Object {
            version: Version(Revision(self.version)),
            owner,
            body: Json::stored(self.body),
            key,
        })
    }
}

fn read_key(kind: String, namespace: String, name: String) -> Result<Key, ReadError> {
    match ObjectKind::from_name(&kind) {
        Some(kind) => Ok(Key {
            kind,
            namespace,
            name,
        }),
        None => Err(ReadError::Unreadable {
            subject: format!("{kind} {namespace}/{name}"),
            message: "this build knows no such kind".to_owned(),
        }),
    }
}
