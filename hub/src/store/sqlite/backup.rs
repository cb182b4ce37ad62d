//! The database as one file to keep, and such a file as a database again.
//!
//! A backup is a database of its own: the hub's tables as of one moment, and beside them the files without which they
//! are worth little ([`Attached`]). It is made by SQLite itself in one read transaction, while the hub writes.

use std::path::{Path, PathBuf};

use breakglass_hub_core::audit::restored::{self, Replaced, Restore};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::schema::{self, OpenError};
use super::writer::{Key3, write_events};
use super::{chain, restored as number_in, stored};

/// Added to the newest revision by every restore. What the lost part of the history handed out (versions, places in the
/// watch) must never be handed out again for something else: no hub makes four thousand million commits between a
/// backup and its restore, and two thousand million restores fit.
const REVISIONS_SKIPPED: u64 = 1 << 32;

/// A file of the state folder that belongs to a backup.
#[derive(Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its name in the state folder.
    pub name: String,
    pub content: Vec<u8>,
}

/// What a database holds, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub objects: u64,
    pub events: u64,
    /// The newest revision.
    pub revision: u64,
}

/// Why the database is not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("cannot {attempt} {path}: {source}")]
    Database {
        attempt: &'static str,
        path: PathBuf,
        source: rusqlite::Error,
    },
    #[error("the path {0} is not UTF-8; use another one")]
    Path(PathBuf),
    #[error("the restore cannot be recorded: {0}")]
    Event(#[from] serde_json::Error),
}

/// Copies the database `from`, which may be in use, to the new or empty file `to`, with `attached` in it.
///
/// # Errors
/// See [`CopyError`]; what is in `to` is then worthless.
pub fn copy(
    from: &Path,
    to: &Path,
    attached: &[Attached],
    now: Timestamp,
) -> Result<Extent, CopyError> {
    let failed = |attempt, path: &Path| {
        let path = path.to_owned();
        move |source| CopyError::Database {
            attempt,
            path,
            source,
        }
    };
    let target = to.to_str().ok_or_else(|| CopyError::Path(to.to_owned()))?;
    let source = schema::open_existing(from)?;
    source
        .execute("VACUUM INTO ?1", [target])
        .map_err(failed("copy the database to", to))?;
    let mut copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(failed("open", to))?;
    attach(&mut copy, attached, now).map_err(failed("add the keys to", to))?;
    let extent = extent(&copy).map_err(failed("read", to))?;
    schema::check_whole(&copy, to)?;
    Ok(extent)
}

fn attach(
    copy: &mut Connection,
    attached: &[Attached],
    now: Timestamp,
) -> Result<(), rusqlite::Error> {
    // One file and nothing beside it.
    copy.pragma_update(None, "journal_mode", "delete")?;
    let transaction = copy.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE backup (made_at TEXT NOT NULL, program TEXT NOT NULL) STRICT;
         CREATE TABLE backup_files (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;",
    )?;
    transaction.execute(
        "INSERT INTO backup VALUES (?1, ?2)",
        params![now.to_string(), env!("CARGO_PKG_VERSION")],
    )?;
    for file in attached {
        transaction.execute(
            "INSERT INTO backup_files VALUES (?1, ?2)",
            params![file.name, file.content],
        )?;
    }
    transaction.commit()
}

/// Makes `path`, a copy of a backup (or of a bare database of a hub), a database to run on: of this build's version,
/// without what was attached, which is returned, with its history marked as broken off and with an event that says so.
///
/// # Errors
/// See [`CopyError`]: also if it is damaged, another program's, or newer than this build.
pub fn adopt(
    path: &Path,
    replaced: Replaced,
    now: Timestamp,
) -> Result<(Extent, Vec<Attached>), CopyError> {
    let mut connection = schema::open_for_writing(path)?;
    let failed = |attempt| {
        move |source| CopyError::Database {
            attempt,
            path: path.to_owned(),
            source,
        }
    };
    let (attached, made_at) = detach(&mut connection).map_err(failed("take the keys out of"))?;
    let restore = Restore {
        backup: chain::head(&connection).map_err(failed("read"))?,
        made_at,
        replaced,
    };
    let event = restored::event(now, &restore);
    let object = &event.object;
    let key = (object.kind.clone(), String::new(), object.name.clone());
    let recorded = (key, event.canonical()?);
    break_off(&mut connection, recorded).map_err(failed("mark as restored"))?;
    let extent = extent(&connection).map_err(failed("read"))?;
    // Everything into the one file, so that it can be moved.
    connection
        .pragma_update(None, "journal_mode", "delete")
        .map_err(failed("write"))?;
    Ok((extent, attached))
}

/// The files, and when the backup was made.
fn detach(connection: &mut Connection) -> Result<(Vec<Attached>, Option<String>), rusqlite::Error> {
    let is_backup: bool = connection.query_row(
        "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = 'backup_files'",
        [],
        |row| row.get(0),
    )?;
    if !is_backup {
        return Ok((Vec::new(), None));
    }
    let transaction = connection.transaction()?;
    let attached = transaction
        .prepare("SELECT name, content FROM backup_files ORDER BY name")?
        .query_map([], |row| {
            Ok(Attached {
                name: row.get(0)?,
                content: row.get(1)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let made_at = transaction
        .query_row("SELECT made_at FROM backup", [], |row| row.get(0))
        .optional()?;
    transaction.execute_batch("DROP TABLE backup; DROP TABLE backup_files;")?;
    transaction.commit()?;
    Ok((attached, made_at))
}

/// No revision of the lost history comes again, a watch from before the restore must list again, and the record says
/// what it is.
fn break_off(connection: &mut Connection, recorded: (Key3, String)) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    transaction.execute(
        "UPDATE sequence SET revision = revision + ?1, forgotten = revision + ?1",
        [stored(REVISIONS_SKIPPED)],
    )?;
    transaction.execute("DELETE FROM deletions", [])?;
    write_events(&transaction, &[recorded])?;
    transaction.commit()
}

fn extent(connection: &Connection) -> Result<Extent, rusqlite::Error> {
    let number = |sql: &str| connection.query_row(sql, [], |row| Ok(number_in(row.get(0)?)));
    Ok(Extent {
        objects: number("SELECT count(*) FROM objects")?,
        events: number("SELECT count(*) FROM audit")?,
        revision: number("SELECT revision FROM sequence")?,
    })
}
