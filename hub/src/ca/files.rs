//! An authority's files: written whole or not at all, and the key readable by its owner only.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::CaError;

/// Who may read a file.
#[derive(Clone, Copy)]
pub(super) enum Readers {
    Owner,
    Everyone,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everyone => 0o644,
        }
    }
}

/// Reads a key's file, if there is one; refuses a file that others can read.
pub(super) fn read_private(path: &Path) -> Result<Option<String>, CaError> {
    let text = read_public(path)?;
    if text.is_some() {
        let mode = std::fs::metadata(path)
            .map_err(|e| failed("look at", path, e))?
            .permissions()
            .mode()
            & 0o777;
        if mode & 0o077 != 0 {
            return Err(CaError::KeyOpenToOthers {
                path: path.to_owned(),
                mode,
            });
        }
    }
    Ok(text)
}

/// Reads a file, if there is one.
pub(super) fn read_public(path: &Path) -> Result<Option<String>, CaError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, error)),
    }
}

/// Writes a file beside its place, syncs it, and moves it there: after a crash it is whole or absent.
pub(super) fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), CaError> {
    let draft = path.with_extension("new");
    // A draft of an earlier crash may be there with other rights.
    match std::fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed("remove", &draft, error)),
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(readers.mode())
        .open(&draft)
        .map_err(|e| failed("create", &draft, e))?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(|e| failed("write", &draft, e))?;
    std::fs::rename(&draft, path).map_err(|e| failed("put in place", path, e))?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| failed("sync the folder of", path, e))?;
    }
    Ok(())
}

fn failed(attempt: &'static str, path: &Path, source: std::io::Error) -> CaError {
    CaError::File {
        attempt,
        path: path.to_owned(),
        source,
    }
}
