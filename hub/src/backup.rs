//! `breakglass-hub backup` and `restore`: everything that must outlive the hub's disk, in one file.
//!
//! That is the database and the keys of the authorities: without the agents' authority every cluster would have to
//! enrol anew. A backup is therefore as secret as the state folder itself, and is made readable by its owner only.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use breakglass_hub_core::audit::restored::Replaced;
use clap::ValueEnum;
use jiff::Timestamp;

use crate::ca::Purpose;
use crate::state::{self, StateError, StateFolder};
use crate::store::sqlite::{Attached, CopyError, Extent, adopt, copy, newest_event};

/// What becomes of what is in the place that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Occupied {
    /// Nothing is done.
    Refuse,
    /// A backup is replaced; a database and keys are put aside under another name.
    Replace,
}

/// Why there is no backup, or nothing is restored. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} is not there; point --state to the state folder of a hub")]
    NoDatabase(PathBuf),
    #[error("{0} exists already; choose another --to, or replace it with --force")]
    FileExists(PathBuf),
    #[error(
        "{0} exists already; restore into an empty folder, or pass --force to put what is there aside"
    )]
    StateExists(PathBuf),
    #[error(
        "{log} lies beside {from}: that is the database of a hub that runs or was killed, and a part of it is in the log; make a backup of it with `breakglass-hub backup --state FOLDER --to FILE` and restore that"
    )]
    HasLog { from: PathBuf, log: PathBuf },
    #[error("cannot {attempt} {path}: {source}")]
    File {
        attempt: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    pub extent: Extent,
    /// Names of the keys' files that came with it. None: the backup is a bare database.
    pub keys: Vec<String>,
    /// Where what was in the folder before is now.
    pub put_aside: Vec<PathBuf>,
}

/// Writes the database and keys of the hub in the folder `state`, which may be running, to the file `to`. Blocks.
///
/// # Errors
/// See [`BackupError`].
pub fn backup(
    state: &Path,
    to: &Path,
    occupied: Occupied,
    now: Timestamp,
) -> Result<Extent, BackupError> {
    let database = state::database_in(state);
    if !database.exists() {
        return Err(BackupError::NoDatabase(database));
    }
    if to.exists() && occupied == Occupied::Refuse {
        return Err(BackupError::FileExists(to.to_owned()));
    }
    let draft = beside(to, "partial");
    remove_if_there(&draft)?;
    // Made before anything is written to it: nobody else can read the keys at any moment.
    drop(create(&draft)?);
    let extent = copy(&database, &draft, &keys(state)?, now)?;
    sync(&draft)?;
    put_in_place(&draft, to)?;
    Ok(extent)
}

/// Makes the folder `state` that of a hub as the backup `from` tells of it. Blocks.
///
/// # Errors
/// See [`BackupError`]: also if a hub runs in the folder.
pub fn restore(
    from: &Path,
    state: &Path,
    occupied: Occupied,
    now: Timestamp,
) -> Result<Restored, BackupError> {
    let log = beside_with(from, "-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let from = from.to_owned();
        return Err(BackupError::HasLog { from, log });
    }
    let folder = StateFolder::open(state)?;
    let database = folder.database();
    if database.exists() && occupied == Occupied::Refuse {
        return Err(BackupError::StateExists(database));
    }
    let draft = beside(&database, "restoring");
    for leftover in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(&beside_with(&draft, leftover))?;
    }
    let mut source = File::open(from).map_err(failed("open the backup", from))?;
    let mut target = create(&draft)?;
    io::copy(&mut source, &mut target).map_err(failed("copy the backup to", &draft))?;
    drop(target);
    let (extent, attached) = adopt(&draft, record_of(&database), now)?;
    sync(&draft)?;
    let aside = format!("replaced-{}", now.as_second());
    let mut put_aside = Vec::new();
    // Keys first and the database last: a hub never starts on the one without the other.
    let keys = write_keys(state, attached, &aside, &mut put_aside)?;
    for part in ["-wal", "-shm", ""] {
        put_away(&beside_with(&database, part), &aside, &mut put_aside)?;
    }
    put_in_place(&draft, &database)?;
    Ok(Restored {
        extent,
        keys,
        put_aside,
    })
}

/// How the record ends that is about to be replaced.
fn record_of(database: &Path) -> Replaced {
    if !database.exists() {
        return Replaced::Nothing;
    }
    // A damaged database is what backups are for.
    newest_event(database).map_or(Replaced::Unreadable, Replaced::Record)
}

/// The files of both authorities, as far as they are there: a hub with a certificate of its own has no users' one.
fn keys(state: &Path) -> Result<Vec<Attached>, BackupError> {
    let mut keys = Vec::new();
    for name in key_files() {
        let path = state.join(&name);
        match std::fs::read(&path) {
            Ok(content) => keys.push(Attached { name, content }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &path)(error)),
        }
    }
    Ok(keys)
}

fn key_files() -> impl Iterator<Item = String> {
    [Purpose::Agents, Purpose::Users]
        .into_iter()
        .flat_map(Purpose::files)
}

/// Only files of the names that a hub has: a backup's own words lead nowhere else.
fn write_keys(
    state: &Path,
    attached: Vec<Attached>,
    aside: &str,
    put_aside: &mut Vec<PathBuf>,
) -> Result<Vec<String>, BackupError> {
    let mut written = Vec::new();
    for file in attached {
        if !key_files().any(|name| name == file.name) {
            continue;
        }
        let path = state.join(&file.name);
        let draft = beside(&path, "restoring");
        remove_if_there(&draft)?;
        let mut target = create(&draft)?;
        target
            .write_all(&file.content)
            .map_err(failed("write", &draft))?;
        sync(&draft)?;
        put_away(&path, aside, put_aside)?;
        put_in_place(&draft, &path)?;
        written.push(file.name);
    }
    Ok(written)
}

fn put_away(path: &Path, aside: &str, put_aside: &mut Vec<PathBuf>) -> Result<(), BackupError> {
    let target = beside(path, aside);
    match std::fs::rename(path, &target) {
        Ok(()) => {
            put_aside.push(target);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("put aside", path)(error)),
    }
}

/// A file for its owner's eyes only, which was not there.
fn create(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed("create", path))
}

fn sync(path: &Path) -> Result<(), BackupError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(failed("sync", path))
}

fn put_in_place(draft: &Path, path: &Path) -> Result<(), BackupError> {
    std::fs::rename(draft, path).map_err(failed("put in place", path))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    sync(folder)
}

fn remove_if_there(path: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    beside_with(path, &format!(".{ending}"))
}

fn beside_with(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::File {
        attempt,
        path,
        source,
    }
}
