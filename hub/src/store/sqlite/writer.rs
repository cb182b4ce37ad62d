//! The one thread that writes. Commits that wait together share a transaction, each in a savepoint of its own, so a
//! conflict of one does not touch the others and one `fsync` serves all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use breakglass_protocol::ids::Revision;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::chain;
use super::changes::Announcement;
use super::checkpoint::Checkpoints;
use super::kept::Kept;
use super::{restored, stored};
use crate::store::{
    Change, Commit, CommitError, Committed, Durability, Expected, Json, Key, MAX_EVENTS_PER_COMMIT,
    MAX_OBJECT_BYTES, NotWritable, Object, StoreError, Version, Write,
};

/// Commits that may wait: at one `fsync` (some milliseconds) per batch, about a second's worth in the worst case.
const QUEUE: usize = 256;
/// Commits in one transaction: bounds how long the first of them waits for the last.
const BATCH: usize = 64;
/// How long a commit waits for room in the queue before its caller is told that the hub is busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// Deletions that a watch can be resumed over. A watch is behind by seconds; a day of deletions fits many times.
const DELETIONS_KEPT: u64 = 10_000;
const ATTEMPT: &str = "writing";

type Reply = oneshot::Sender<Result<Committed, CommitError>>;

/// The thread, and the way to it.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<(Prepared, Reply)>>,
    thread: Option<JoinHandle<()>>,
    /// The newest revision that is written.
    head: Arc<AtomicU64>,
}

/// A commit whose texts are made: what the thread does is SQL only.
struct Prepared {
    commit: Commit,
    /// Owner and body as JSON; `None` for a deletion.
    row: Option<(String, Json)>,
    /// What each is about, and its canonical JSON.
    events: Vec<(Key3, String)>,
}

/// Kind, namespace and name of what an audit event is about.
pub(super) type Key3 = (String, String, String);

impl Writer {
    pub(super) fn start(
        connection: Connection,
        mut writes: Writes,
    ) -> Result<Self, std::io::Error> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let head = writes.head.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(connection, waiting, &mut writes))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            head,
        })
    }

    /// See [`crate::store::Store::head`].
    pub(super) fn head(&self) -> Revision {
        Revision(self.head.load(Ordering::Acquire))
    }

    pub(super) async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let prepared = prepare(commit)?;
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let slot = match tokio::time::timeout(PATIENCE, queue.reserve()).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) => return Err(StoreError::Closed.into()),
            Err(_) => return Err(StoreError::Busy { attempt: ATTEMPT }.into()),
        };
        let (reply, answer) = oneshot::channel();
        slot.send((prepared, reply));
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    /// Waits until everything queued is written: at most [`QUEUE`] commits.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already answered to its callers as a closed store.
            thread.join().ok();
        }
    }
}

fn prepare(commit: Commit) -> Result<Prepared, CommitError> {
    let events = commit.events.len();
    if events > MAX_EVENTS_PER_COMMIT {
        return Err(CommitError::TooManyEvents {
            key: commit.key,
            events,
        });
    }
    let row = match &commit.change {
        Write::Put { owner, body } => Some((text_of(&commit.key, owner)?, body.clone())),
        Write::Delete => None,
    };
    if let Some((_, body)) = &row
        && body.as_str().len() > MAX_OBJECT_BYTES
    {
        return Err(CommitError::TooLarge {
            bytes: body.as_str().len(),
            key: commit.key,
        });
    }
    let events = commit
        .events
        .iter()
        .map(|event| {
            let of = (
                event.object.kind.clone(),
                event.object.namespace.clone().unwrap_or_default(),
                event.object.name.clone(),
            );
            let text = event
                .canonical()
                .map_err(|error| unreadable(&commit.key, &error))?;
            Ok::<_, StoreError>((of, text))
        })
        .collect::<Result<_, _>>()?;
    Ok(Prepared {
        row,
        events,
        commit,
    })
}

fn text_of(key: &Key, value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| unreadable(key, &error))
}

fn unreadable(key: &Key, error: &serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        subject: key.to_string(),
        message: error.to_string(),
    }
}

/// Where the thread says what it wrote.
pub(super) struct Writes {
    kept: Arc<Kept>,
    head: Arc<AtomicU64>,
    announcements: broadcast::Sender<Announcement>,
    checkpoints: Checkpoints,
}

fn run(
    mut connection: Connection,
    mut waiting: mpsc::Receiver<(Prepared, Reply)>,
    writes: &mut Writes,
) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        let (commits, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match write_durably(&mut connection, &commits) {
            Ok(results) => {
                let written = commits.into_iter().zip(&results);
                writes.tell(written.filter_map(|(prepared, result)| {
                    let committed = result.as_ref().ok()?;
                    Some(change(prepared, *committed))
                }));
                writes.checkpoints.count(results.len());
                for (result, reply) in results.into_iter().zip(replies) {
                    // A caller that went away learns from the store what came of it.
                    reply.send(result).ok();
                }
            }
            Err(error) => refuse_batch(replies, &error),
        }
    }
}

impl Writes {
    pub(super) fn new(
        kept: Arc<Kept>,
        newest: Revision,
        announcements: broadcast::Sender<Announcement>,
        checkpoints: Checkpoints,
    ) -> Self {
        Self {
            kept,
            head: Arc::new(AtomicU64::new(newest.0)),
            announcements,
            checkpoints,
        }
    }

    /// Before anybody is answered.
    fn tell(&self, changes: impl Iterator<Item = Change>) {
        for change in changes {
            self.kept.take_in(&change);
            self.head.store(change.revision.0, Ordering::Release);
            // No watch running is fine; the next one reads from the file.
            self.announcements.send(Announcement::of(change)).ok();
        }
    }
}

/// The transaction itself failed: nothing of the batch is written.
fn refuse_batch(replies: Vec<Reply>, error: &rusqlite::Error) {
    tracing::error!(%error, commits = replies.len(), "writing to the store failed; nothing was written");
    for reply in replies {
        reply.send(Err(failed(error).into())).ok();
    }
}

fn failed(error: &rusqlite::Error) -> StoreError {
    let (attempt, message) = (ATTEMPT, error.to_string());
    let why = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => NotWritable::Full,
        Some(ErrorCode::ReadOnly) => NotWritable::ReadOnly,
        Some(ErrorCode::SystemIoFailure) => NotWritable::DiskFails,
        _other => return StoreError::Failed { attempt, message },
    };
    StoreError::NotWritable {
        attempt,
        why,
        message,
    }
}

/// Waits for the disk, unless every object may be lost with the power: what is written later is never safe before what was
/// written first, since both are in one log.
fn write_durably(
    connection: &mut Connection,
    commits: &[Prepared],
) -> Result<Vec<Result<Committed, CommitError>>, rusqlite::Error> {
    let waits = if commits.iter().all(may_be_lost) {
        "normal"
    } else {
        "full"
    };
    connection.pragma_update(None, "synchronous", waits)?;
    write_batch(connection, commits)
}

/// Whether a power failure may take it back. Never an audit event.
fn may_be_lost(prepared: &Prepared) -> bool {
    match prepared.commit.key.kind.durability() {
        Durability::Acknowledged => false,
        Durability::WithTheNext => prepared.events.is_empty(),
    }
}

fn write_batch(
    connection: &mut Connection,
    commits: &[Prepared],
) -> Result<Vec<Result<Committed, CommitError>>, rusqlite::Error> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(commits.len());
    for prepared in commits {
        let savepoint = transaction.savepoint()?;
        let result = write_one(&savepoint, prepared)?;
        match &result {
            Ok(_) => savepoint.commit()?,
            // Dropping a savepoint rolls it back.
            Err(_) => drop(savepoint),
        }
        results.push(result);
    }
    forget_old_deletions(&transaction)?;
    transaction.commit()?;
    Ok(results)
}

fn write_one(
    savepoint: &Connection,
    prepared: &Prepared,
) -> Result<Result<Committed, CommitError>, rusqlite::Error> {
    let key = &prepared.commit.key;
    let found = version_of(savepoint, key)?;
    let fits = match prepared.commit.expected {
        Expected::Absent => found.is_none(),
        Expected::At(version) => found == Some(version),
    };
    // Deleting what is expected to be absent is a writer's mistake; as a conflict it cannot do harm.
    let deletes_nothing = found.is_none() && prepared.row.is_none();
    if !fits || deletes_nothing {
        return Ok(Err(CommitError::Conflict {
            key: key.clone(),
            expected: prepared.commit.expected,
            found,
        }));
    }
    let revision = next_revision(savepoint)?;
    write_row(savepoint, key, prepared.row.as_ref(), revision)?;
    if !prepared.events.is_empty() {
        write_events(savepoint, &prepared.events)?;
    }
    Ok(Ok(Committed {
        version: Version(revision),
    }))
}

/// Appends events to the chain (S20).
pub(super) fn write_events(
    savepoint: &Connection,
    events: &[(Key3, String)],
) -> Result<(), rusqlite::Error> {
    let mut hash = chain::head(savepoint)?.hash;
    for ((kind, namespace, name), event) in events {
        hash = hash.followed_by(event);
        savepoint
            .prepare_cached(
                "INSERT INTO audit (kind, namespace, name, event, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![kind, namespace, name, event, hash.to_string()])?;
    }
    Ok(())
}

fn version_of(savepoint: &Connection, key: &Key) -> Result<Option<Version>, rusqlite::Error> {
    savepoint
        .prepare_cached(
            "SELECT version FROM objects WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
        )?
        .query_row(params![key.kind.as_str(), key.namespace, key.name], |row| {
            Ok(Version(Revision(restored(row.get(0)?))))
        })
        .optional()
}

fn next_revision(savepoint: &Connection) -> Result<Revision, rusqlite::Error> {
    savepoint
        .prepare_cached("UPDATE sequence SET revision = revision + 1 RETURNING revision")?
        .query_row([], |row| Ok(Revision(restored(row.get(0)?))))
}

fn write_row(
    savepoint: &Connection,
    key: &Key,
    row: Option<&(String, Json)>,
    revision: Revision,
) -> Result<(), rusqlite::Error> {
    let (kind, revision) = (key.kind.as_str(), stored(revision.0));
    match row {
        Some((owner, body)) => savepoint
            .prepare_cached(
                "INSERT INTO objects (kind, namespace, name, version, owner, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (kind, namespace, name) DO UPDATE
                 SET version = excluded.version, owner = excluded.owner, body = excluded.body",
            )?
            .execute(params![
                kind,
                key.namespace,
                key.name,
                revision,
                owner,
                body.as_str()
            ])?,
        None => {
            savepoint
                .prepare_cached(
                    "DELETE FROM objects WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
                )?
                .execute(params![kind, key.namespace, key.name])?;
            savepoint
                .prepare_cached(
                    "INSERT INTO deletions (revision, kind, namespace, name) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![revision, kind, key.namespace, key.name])?
        }
    };
    Ok(())
}

/// Keeps the newest deletions; a watch from before the forgotten ones is told to list again.
fn forget_old_deletions(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let newest_forgotten: Option<i64> = transaction
        .prepare_cached("SELECT revision FROM deletions ORDER BY revision DESC LIMIT 1 OFFSET ?1")?
        .query_row([stored(DELETIONS_KEPT)], |row| row.get(0))
        .optional()?;
    if let Some(revision) = newest_forgotten {
        transaction.execute("DELETE FROM deletions WHERE revision <= ?1", [revision])?;
        transaction.execute("UPDATE sequence SET forgotten = ?1", [revision])?;
    }
    Ok(())
}

fn change(prepared: Prepared, committed: Committed) -> Change {
    let (key, version) = (prepared.commit.key, committed.version);
    let object = match prepared.commit.change {
        Write::Put { owner, body } => Some(Arc::new(Object {
            key: key.clone(),
            version,
            owner,
            body,
        })),
        Write::Delete => None,
    };
    Change {
        revision: version.0,
        key,
        object,
    }
}

#[cfg(test)]
mod tests {
    use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::schema;
    use super::*;
    use crate::store::{ObjectKind, Owner};

    /// `PRAGMA synchronous` as a number.
    const NORMAL: i64 = 1;
    const FULL: i64 = 2;

    fn prepared(kind: ObjectKind, name: &str, events: Vec<AuditEvent>) -> Prepared {
        prepare(Commit {
            key: Key::cluster_scoped(kind, name),
            change: Write::Put {
                owner: Owner::Hub,
                body: json!({}).into(),
            },
            expected: Expected::Absent,
            events,
        })
        .unwrap()
    }

    #[test]
    fn only_a_batch_of_what_may_be_lost_with_the_power_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = schema::open_for_writing(&folder.path().join("hub.db")).unwrap();
        let synchronous = |connection: &Connection| -> i64 {
            connection
                .pragma_query_value(None, "synchronous", |row| row.get(0))
                .unwrap()
        };
        let event = AuditEvent::new(
            Timestamp::UNIX_EPOCH,
            Actor::Hub { job: "test".into() },
            Action::Requested,
            ObjectRef::new("Ledger", None, "c"),
            Outcome::Done,
        );
        let batches = [
            (vec![prepared(ObjectKind::Ledger, "a", Vec::new())], NORMAL),
            (vec![prepared(ObjectKind::Ledger, "c", vec![event])], FULL),
            (
                vec![prepared(ObjectKind::DebugSession, "s", Vec::new())],
                FULL,
            ),
            (
                vec![
                    prepared(ObjectKind::Ledger, "b", Vec::new()),
                    prepared(ObjectKind::DebugSession, "t", Vec::new()),
                ],
                FULL,
            ),
        ];
        for (batch, waits) in batches {
            let written = write_durably(&mut connection, &batch).unwrap();
            assert!(written.iter().all(Result::is_ok));
            assert_eq!(synchronous(&connection), waits);
        }
    }
}
