//! The state folder: everything of the hub that must outlive a restart, for its own eyes only, and one hub at a time.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Read, write and enter: the hub's user only. The agents' CA key lies in it.
const MODE: u32 = 0o700;
/// Bits that would let others in.
const OTHERS: u32 = 0o077;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "cannot make the state folder {path}: {source}; check --state and the rights on the folder above"
    )]
    Create { path: PathBuf, source: io::Error },
    #[error("the state folder {path} is not a folder; point --state to another path")]
    NotAFolder { path: PathBuf },
    #[error(
        "others may read the state folder {path} and that cannot be changed: {source}; use a folder of the hub's own, such as one below it"
    )]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "the state folder {path} is in use by another hub (process {holder}); stop that one, or use another --state"
    )]
    InUse { path: PathBuf, holder: String },
    #[error("cannot lock {path}: {source}")]
    Lock { path: PathBuf, source: io::Error },
}

/// The folder, locked as long as this lives.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    /// The kernel gives the lock back when the file is closed, also after a kill.
    _lock: File,
}

impl StateFolder {
    /// Makes the folder if it is not there, closes it to others, and locks it.
    ///
    /// # Errors
    /// See [`StateError`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(MODE)
            .create(path)
            .map_err(|source| refused(path, source))?;
        close_to_others(path)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock(&path.join("hub.lock"), path)?,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database in it.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        database_in(&self.path)
    }
}

/// The database in a state folder, for those who only look.
#[must_use]
pub fn database_in(folder: &Path) -> PathBuf {
    folder.join("hub.db")
}

fn refused(path: &Path, source: io::Error) -> StateError {
    let path = path.to_owned();
    let in_the_way = [io::ErrorKind::AlreadyExists, io::ErrorKind::NotADirectory];
    if in_the_way.contains(&source.kind()) {
        StateError::NotAFolder { path }
    } else {
        StateError::Create { path, source }
    }
}

fn close_to_others(path: &Path) -> Result<(), StateError> {
    let error = |source| StateError::Open {
        path: path.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path).map_err(error)?.permissions().mode();
    if mode & OTHERS != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(error)?;
    }
    Ok(())
}

fn lock(path: &Path, folder: &Path) -> Result<File, StateError> {
    let error = |source| StateError::Lock {
        path: path.to_owned(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only to tell who it is.
            file.take(32).read_to_string(&mut holder).ok();
            return Err(StateError::InUse {
                path: folder.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(error(source)),
    }
    file.set_len(0).map_err(error)?;
    file.rewind().map_err(error)?;
    writeln!(file, "{}", std::process::id()).map_err(error)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hub_at_a_time_and_for_its_own_eyes() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/state");
        let first = StateFolder::open(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let error = StateFolder::open(&path).unwrap_err().to_string();
        assert!(error.contains("in use by another hub"), "{error}");
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        StateFolder::open(&path).unwrap();
    }

    #[test]
    fn a_folder_that_others_may_read_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        StateFolder::open(folder.path()).unwrap();
        let mode = std::fs::metadata(folder.path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & OTHERS, 0);
    }

    #[test]
    fn a_file_in_its_place_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, "").unwrap();
        let error = StateFolder::open(&path).unwrap_err();
        assert!(matches!(error, StateError::NotAFolder { .. }), "{error}");
    }
}
