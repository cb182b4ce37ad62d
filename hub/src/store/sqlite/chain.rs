//! The audit log's chain in the file: made for old files, read for writing on, and walked to see whether it holds.

use std::collections::BTreeMap;
use std::path::Path;

use breakglass_hub_core::audit::chain::{
    Broken, ChainHash, Head, NotAHash, Stored, Verifier, canonical_text,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::schema::{self, OpenError};
use super::{restored, stored};

/// Events read at once: a few hundred KiB.
const PAGE: u64 = 1_000;

const ADD_COLUMN: &str = "
DROP TRIGGER audit_is_never_edited;
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';
";
const CLOSE_AGAIN: &str = "
CREATE TRIGGER audit_is_never_edited BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
";

/// Chains what an older hub recorded: from here on it cannot be changed unseen.
pub(super) fn migrate(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    transaction.execute_batch(ADD_COLUMN)?;
    let mut head = Head::START;
    loop {
        let page = page(transaction, head.sequence)?;
        if page.is_empty() {
            break;
        }
        for (sequence, event) in page {
            let canonical = canonical_text(&event).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(
                    1,
                    rusqlite::types::Type::Text,
                    Box::new(error),
                )
            })?;
            head = Head {
                sequence,
                hash: head.hash.followed_by(&canonical),
            };
            transaction
                .prepare_cached("UPDATE audit SET hash = ?1 WHERE sequence = ?2")?
                .execute(params![head.hash.to_string(), stored(sequence)])?;
        }
    }
    transaction.execute_batch(CLOSE_AGAIN)
}

fn page(connection: &Connection, after: u64) -> Result<Vec<(u64, String)>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT sequence, event FROM audit WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
        )?
        .query_map(params![stored(after), stored(PAGE)], |row| {
            Ok((restored(row.get(0)?), row.get(1)?))
        })?
        .collect()
}

/// The newest event.
pub(super) fn head(connection: &Connection) -> Result<Head, rusqlite::Error> {
    let newest = connection
        .prepare_cached("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")?
        .query_row([], |row| {
            let hash: String = row.get(1)?;
            let hash = hash.parse().map_err(|error: NotAHash| {
                rusqlite::Error::FromSqlConversionFailure(
                    1,
                    rusqlite::types::Type::Text,
                    Box::new(error),
                )
            })?;
            Ok(Head {
                sequence: restored(row.get(0)?),
                hash,
            })
        })
        .optional()?;
    Ok(newest.unwrap_or(Head::START))
}

/// The newest event in the database of a hub, running or not. Nothing of the record is checked. Blocks.
///
/// # Errors
/// If it cannot be read.
pub fn newest_event(database: &Path) -> Result<Head, VerifyError> {
    Ok(head(&schema::open_for_looking(database)?)?)
}

/// Why a record was not found whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the audit log cannot be read: {0}")]
    Read(#[from] rusqlite::Error),
    #[error("the audit log is not what was recorded: {0}")]
    Broken(#[from] Broken),
}

/// Walks the record in the database of a hub, running or not, and compares it with hashes that were told elsewhere
/// (sequence → hash). Blocks.
///
/// # Errors
/// The first event at which it is not what was recorded.
pub fn verify(database: &Path, told: &BTreeMap<u64, ChainHash>) -> Result<Head, VerifyError> {
    let connection = schema::open_for_looking(database)?;
    // One view of a file that a running hub writes to.
    let transaction = connection.unchecked_transaction()?;
    let mut verifier = Verifier::default();
    let mut statement = transaction.prepare(
        "SELECT sequence, event, hash, kind, namespace, name FROM audit ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (event, hash): (String, String) = (row.get(1)?, row.get(2)?);
        let filed: [String; 3] = [row.get(3)?, row.get(4)?, row.get(5)?];
        let sequence = restored(row.get(0)?);
        verifier.take(Stored {
            sequence,
            event: &event,
            hash: &hash,
            filed_under: filed.each_ref().map(String::as_str),
        })?;
        if told
            .get(&sequence)
            .is_some_and(|told| *told != verifier.head().hash)
        {
            return Err(Broken::Rewritten { sequence }.into());
        }
    }
    let head = verifier.head();
    match told.last_key_value() {
        Some((sequence, _)) if *sequence > head.sequence => Err(Broken::Cut {
            sequence: *sequence,
            end: head.sequence,
        }
        .into()),
        Some(_) | None => Ok(head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD_EVENT: &str = r#"{"outcome":"done","object":{"kind":"Cluster","name":"west"}}"#;

    /// A file of an older hub, taken to today's.
    fn migrated() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        let old = schema::tests::open_at_version(&path, 1);
        for _ in 0..3 {
            old.execute(
                "INSERT INTO audit (kind, namespace, name, event) VALUES ('Cluster', '', 'west', ?1)",
                [OLD_EVENT],
            )
            .unwrap();
        }
        drop(old);
        drop(schema::open_for_writing(&path).unwrap());
        (folder, path)
    }

    fn tamper(path: &Path, sql: &str) {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "DROP TRIGGER audit_is_never_edited; DROP TRIGGER audit_is_never_deleted;",
            )
            .unwrap();
        connection.execute_batch(sql).unwrap();
    }

    #[test]
    fn s20_an_older_record_is_chained_and_closed_at_its_upgrade() {
        let (_folder, path) = migrated();
        let head = verify(&path, &BTreeMap::new()).unwrap();
        assert_eq!(head.sequence, 3);
        let told = BTreeMap::from([(3, head.hash)]);
        assert_eq!(verify(&path, &told).unwrap(), head);
        let connection = Connection::open(&path).unwrap();
        let error = connection.execute_batch("UPDATE audit SET hash = ''");
        assert!(error.unwrap_err().to_string().contains("append-only"));
    }

    #[test]
    fn s20_what_is_edited_past_the_triggers_is_named_by_its_sequence() {
        for (sql, wanted) in [
            (
                "UPDATE audit SET event = '{}' WHERE sequence = 2",
                "event 2 ",
            ),
            ("DELETE FROM audit WHERE sequence = 2", "event 2 is missing"),
            (
                "UPDATE audit SET name = 'north' WHERE sequence = 3",
                "event 3 is filed",
            ),
        ] {
            let (_folder, path) = migrated();
            tamper(&path, sql);
            let error = verify(&path, &BTreeMap::new()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{sql}: {error}");
        }
    }

    #[test]
    fn s20_a_cut_end_and_a_rewritten_record_need_a_hash_told_elsewhere() {
        let (_folder, path) = migrated();
        let told = BTreeMap::from([(3, verify(&path, &BTreeMap::new()).unwrap().hash)]);
        tamper(&path, "DELETE FROM audit WHERE sequence = 3");
        assert_eq!(verify(&path, &BTreeMap::new()).unwrap().sequence, 2);
        let error = verify(&path, &told).unwrap_err().to_string();
        assert!(error.contains("cut off"), "{error}");
        let other = BTreeMap::from([(2, ChainHash::GENESIS)]);
        let error = verify(&path, &other).unwrap_err().to_string();
        assert!(error.contains("written anew"), "{error}");
    }
}
