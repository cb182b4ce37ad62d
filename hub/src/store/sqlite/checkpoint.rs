//! Moves what stands in the write-ahead log into the file, beside the writer: done by the writer, it would keep the commits
//! of that moment waiting for tens of milliseconds.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::schema::{self, OpenError};

/// Commits between two checkpoints: at about ten pages each, the log stays well below the size at which the writer itself
/// makes room ([`schema::LOG_PAGES`]).
const COMMITS: usize = 64;
/// What is written during a checkpoint is left in the log, and the log begins anew only where nothing is left: so it is
/// done again, each time with less to do.
const ROUNDS: usize = 3;

/// The thread, and the way to it.
pub(super) struct Checkpoints {
    due: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    commits: usize,
}

impl Checkpoints {
    pub(super) fn start(path: &Path) -> Result<Self, OpenError> {
        let connection = schema::open_for_checkpoints(path)?;
        // One that is due while one is made is made after it.
        let (due, waiting) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&connection, &waiting))
            .map_err(|source| OpenError::Thread {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            due: Some(due),
            thread: Some(thread),
            commits: 0,
        })
    }

    /// Counts commits. Never waits.
    pub(super) fn count(&mut self, commits: usize) {
        self.commits += commits;
        if self.commits >= COMMITS
            && let Some(due) = &self.due
        {
            self.commits = 0;
            // If it is full, one is due already.
            due.try_send(()).ok();
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.due.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is harmless: the writer makes room itself.
            thread.join().ok();
        }
    }
}

fn run(connection: &Connection, due: &Receiver<()>) {
    while due.recv().is_ok() {
        for _ in 0..ROUNDS {
            match checkpoint(connection) {
                Ok(Left::Nothing) => break,
                Ok(Left::Something) => {}
                Err(error) => {
                    tracing::warn!(%error, "the store's log could not be moved into its file; the writer will do it");
                    break;
                }
            }
        }
    }
}

enum Left {
    Nothing,
    Something,
}

/// One that waits for nobody: neither for the writer nor for readers.
fn checkpoint(connection: &Connection) -> Result<Left, rusqlite::Error> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        let (log, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(if moved >= log {
            Left::Nothing
        } else {
            Left::Something
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_moved_into_the_file_beside_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        let writer = schema::open_for_writing(&path).unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer
            .execute_batch(
                "CREATE TABLE filled (x); INSERT INTO filled VALUES (zeroblob(1000000));",
            )
            .unwrap();
        let before = path.metadata().unwrap().len();
        let mut checkpoints = Checkpoints::start(&path).unwrap();
        checkpoints.count(COMMITS - 1);
        assert_eq!(path.metadata().unwrap().len(), before);
        checkpoints.count(1);
        // Ends when it is made.
        drop(checkpoints);
        assert!(path.metadata().unwrap().len() > before + 1_000_000);
    }
}
