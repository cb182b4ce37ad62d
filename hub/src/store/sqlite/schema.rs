//! The file: what is in it, how an older one becomes today's, and which ones are refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use breakglass_protocol::ids::Revision;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, Transaction, TransactionBehavior};

use super::chain;
use super::reader::ReadError;
use super::restored;

/// Marks a database as ours (`bgh1` in ASCII), so that another program's file is never written to.
const APPLICATION_ID: i32 = 0x6267_6831;
/// How long SQLite waits for a lock. Only another program (a backup, a shell) can hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages in the write-ahead log (16 MiB) at which the writer itself moves them into the file. It is reached only if the
/// checkpoints beside it ([`super::checkpoint`]) do not keep up.
pub(super) const LOG_PAGES: u32 = 4_000;
/// Each entry takes a database one version up; entry 0 makes version 1. Appended to, never edited.
const MIGRATIONS: &[Migration] = &[Migration::Sql(VERSION_1), Migration::Steps(chain::migrate)];

/// One version up, within one transaction.
enum Migration {
    Sql(&'static str),
    Steps(fn(&Transaction<'_>) -> Result<(), rusqlite::Error>),
}

const VERSION_1: &str = "
CREATE TABLE objects (
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    version   INTEGER NOT NULL UNIQUE,
    owner     TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) STRICT;
-- What a resumed watch must tell of objects that are no longer there.
CREATE TABLE deletions (
    revision  INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL
) STRICT;
-- The newest revision, and the newest deletion that is no longer kept.
CREATE TABLE sequence (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision  INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
) STRICT;
INSERT INTO sequence VALUES (1, 0, 0);
CREATE TABLE audit (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    event     TEXT NOT NULL
) STRICT;
CREATE INDEX audit_of ON audit (kind, namespace, name, sequence);
CREATE TRIGGER audit_is_never_edited BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
";

/// Why a database is not used. Nothing was changed in it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the database {path} cannot be opened: {source}; check the path, its permissions and the disk"
    )]
    Open {
        path: PathBuf,
        source: rusqlite::Error,
    },
    #[error(
        "the database {path} is read-only; make the file and its folder writable for the hub's user"
    )]
    ReadOnly { path: PathBuf },
    #[error(
        "the database {path} is damaged ({message}); restore it from a backup, or move it away to start empty"
    )]
    Corrupt { path: PathBuf, message: String },
    #[error("{path} is a database of another program; point --state to a folder of the hub's own")]
    Foreign { path: PathBuf },
    #[error(
        "the database {path} has version {found}, this build knows up to {known}; run the newer hub, or restore a backup made before its upgrade"
    )]
    Newer {
        path: PathBuf,
        found: usize,
        known: usize,
    },
    #[error(
        "the database {path} has version {found}, this build reads version {known}; start its hub once with this build"
    )]
    Older {
        path: PathBuf,
        found: usize,
        known: usize,
    },
    #[error(
        "the database {path} cannot be taken from version {from} to {to}: {source}; it is unchanged"
    )]
    Migrate {
        path: PathBuf,
        from: usize,
        to: usize,
        source: rusqlite::Error,
    },
    #[error("the writer's thread for {path} cannot be started: {source}")]
    Thread {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Opens the one connection that writes; checks and migrates the file.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, OpenError> {
    let mut connection = open(path)?;
    refuse_read_only(&connection, path)?;
    let version = check(&connection, path)?;
    prepare(&connection).map_err(|source| classify(path, source))?;
    migrate(&mut connection, path, version)?;
    Ok(connection)
}

/// The newest revision in the file.
pub(super) fn newest(connection: &Connection, path: &Path) -> Result<Revision, OpenError> {
    connection
        .query_row("SELECT revision FROM sequence", [], |row| {
            Ok(Revision(restored(row.get(0)?)))
        })
        .map_err(|source| classify(path, source))
}

/// Something in the file cannot be read.
pub(super) fn unread(path: &Path, error: ReadError) -> OpenError {
    match error {
        ReadError::Sqlite(source) => classify(path, source),
        ReadError::Unreadable { subject, message } => OpenError::Corrupt {
            path: path.to_owned(),
            message: format!("{subject}: {message}"),
        },
    }
}

/// Opens a database for somebody who only looks, also beside a running hub: nothing is made, migrated or changed.
pub(super) fn open_for_looking(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open_with(path, flags)?;
    let found = check(&connection, path)?;
    if found == MIGRATIONS.len() {
        Ok(connection)
    } else {
        Err(OpenError::Older {
            path: path.to_owned(),
            found,
            known: MIGRATIONS.len(),
        })
    }
}

/// Opens a hub's database that must be there, of any version up to this build's, beside a hub that may use it.
pub(super) fn open_existing(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open_with(path, flags)?;
    match version_of(&connection, path)? {
        Some(_) => Ok(connection),
        None => Err(OpenError::Foreign {
            path: path.to_owned(),
        }),
    }
}

/// Opens a connection that only reads, beside the writer's.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|source| classify(path, source))?;
    Ok(connection)
}

/// Opens the connection that moves the write-ahead log into the file, beside the writer's.
pub(super) fn open_for_checkpoints(path: &Path) -> Result<Connection, OpenError> {
    open(path)
}

fn open(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open_with(path, flags)
}

fn open_with(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let connection =
        Connection::open_with_flags(path, flags).map_err(|source| classify(path, source))?;
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(|source| classify(path, source))?;
    Ok(connection)
}

/// SQLite quietly opens a write-protected file for reading only.
fn refuse_read_only(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    match connection.is_readonly(MAIN_DB) {
        Ok(false) => Ok(()),
        Ok(true) => Err(OpenError::ReadOnly {
            path: path.to_owned(),
        }),
        Err(source) => Err(classify(path, source)),
    }
}

/// Whose file it is, whether it is whole, and its version (0: empty).
fn check(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    match version_of(connection, path)? {
        Some(found) => check_whole(connection, path).map(|()| found),
        None => Ok(0),
    }
}

/// The version of a database of a hub; `None` for an empty file.
fn version_of(connection: &Connection, path: &Path) -> Result<Option<usize>, OpenError> {
    let number = |name: &str| -> Result<i32, OpenError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|source| classify(path, source))
    };
    let application = number("application_id")?;
    let version = number("user_version")?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|source| classify(path, source))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(None);
    }
    if application != APPLICATION_ID {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    let found = usize::try_from(version).unwrap_or(usize::MAX);
    if found > MIGRATIONS.len() {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: MIGRATIONS.len(),
        });
    }
    Ok(Some(found))
}

/// Reads the whole file once.
pub(super) fn check_whole(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|source| classify(path, source))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(OpenError::Corrupt {
            path: path.to_owned(),
            message: verdict,
        })
    }
}

fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    // FULL: a commit that was answered survives a power cut. An agent may already have acted on it.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    // After a checkpoint the log shrinks to this: a burst does not keep the disk for ever.
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path, found: usize) -> Result<(), OpenError> {
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        apply(connection, migration, index + 1).map_err(|source| OpenError::Migrate {
            path: path.to_owned(),
            from: index,
            to: index + 1,
            source,
        })?;
    }
    Ok(())
}

fn apply(
    connection: &mut Connection,
    migration: &Migration,
    to: usize,
) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match migration {
        Migration::Sql(sql) => transaction.execute_batch(sql)?,
        Migration::Steps(steps) => steps(&transaction)?,
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(to).unwrap_or(i64::MAX))?;
    transaction.commit()
}

fn classify(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Corrupt {
            path,
            message: source.to_string(),
        },
        Some(ErrorCode::ReadOnly) => OpenError::ReadOnly { path },
        Some(_) | None => OpenError::Open { path, source },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A database as an older build left it.
    pub(in crate::store::sqlite) fn open_at_version(path: &Path, version: usize) -> Connection {
        let mut connection = open(path).unwrap();
        prepare(&connection).unwrap();
        for (index, migration) in MIGRATIONS.iter().enumerate().take(version) {
            apply(&mut connection, migration, index + 1).unwrap();
        }
        connection
    }

    fn database() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        (folder, path)
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_left_alone() {
        let (_folder, path) = database();
        let text = vec![b'x'; 8192];
        std::fs::write(&path, &text).unwrap();
        let error = open_for_writing(&path).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }

    #[test]
    fn a_damaged_page_is_found_at_start() {
        let (_folder, path) = database();
        let connection = open_for_writing(&path).unwrap();
        connection
            .execute_batch(
                "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 500)
                 INSERT INTO objects SELECT 'Cluster', '', printf('c%05d', value), value, '\"Hub\"',
                 printf('%.500c', 'x') FROM n",
            )
            .unwrap();
        connection
            .pragma_update(None, "journal_mode", "delete")
            .unwrap();
        drop(connection);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4096].fill(0xA5);
        std::fs::write(&path, &bytes).unwrap();
        let error = open_for_writing(&path).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("backup"), "{error}");
    }

    #[test]
    fn another_programs_database_is_refused() {
        let (_folder, path) = database();
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE theirs (a INTEGER)")
            .unwrap();
        let error = open_for_writing(&path).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    }

    #[test]
    fn a_newer_schema_is_refused_and_names_both_versions() {
        let (_folder, path) = database();
        let connection = open_for_writing(&path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        let error = open_for_writing(&path).unwrap_err();
        assert!(
            matches!(error, OpenError::Newer { found: 99, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_read_only_connection_is_refused() {
        let (_folder, path) = database();
        drop(open_for_writing(&path).unwrap());
        let connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let error = refuse_read_only(&connection, &path).unwrap_err();
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    }

    #[test]
    fn a_folder_in_the_files_place_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = open_for_writing(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::Open { .. }), "{error}");
    }

    #[test]
    fn the_audit_log_cannot_be_edited_even_by_hand() {
        let (_folder, path) = database();
        let connection = open_for_writing(&path).unwrap();
        connection
            .execute_batch(
                "INSERT INTO audit (kind, namespace, name, event) VALUES ('a', '', 'b', '{}')",
            )
            .unwrap();
        for sql in ["UPDATE audit SET event = ''", "DELETE FROM audit"] {
            let error = connection.execute_batch(sql).unwrap_err();
            assert!(error.to_string().contains("append-only"), "{error}");
        }
    }
}
