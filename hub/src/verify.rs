//! `breakglass-hub audit verify`: whether the audit log on the disk is what was recorded (S20).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use breakglass_hub_core::audit::chain::{ChainHash, Head};
use serde::Deserialize;

use crate::args::VerifyArgs;
use crate::state::database_in;
use crate::store::sqlite::{self, VerifyError};

/// Longest line of the file to compare with: the largest event is a few KiB.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// Why the record is not taken for whole.
#[derive(Debug, thiserror::Error)]
pub enum AuditVerifyError {
    #[error("there is no database {path}; point --state to a hub's state folder")]
    NoDatabase { path: PathBuf },
    #[error("cannot read --against {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("--against {path} line {line}: {message}")]
    Line {
        path: PathBuf,
        line: usize,
        message: String,
    },
    #[error(transparent)]
    Record(#[from] VerifyError),
}

/// What each line of the file must hold; the rest of it is not looked at.
#[derive(Deserialize)]
struct Told {
    sequence: u64,
    hash: ChainHash,
}

/// Walks the record; the answer is for people.
///
/// # Errors
/// The first event that is not what was recorded, or what cannot be read.
pub fn verify(args: &VerifyArgs) -> Result<String, AuditVerifyError> {
    let database = database_in(&args.state);
    if !database.is_file() {
        return Err(AuditVerifyError::NoDatabase { path: database });
    }
    let told = match &args.against {
        Some(path) => told(path)?,
        None => BTreeMap::new(),
    };
    let Head { sequence, hash } = sqlite::verify(&database, &told)?;
    let compared = told.len();
    Ok(format!(
        "the audit log is whole: {sequence} events, {compared} compared with what was told elsewhere\nhead {sequence} {hash}"
    ))
}

fn told(path: &Path) -> Result<BTreeMap<u64, ChainHash>, AuditVerifyError> {
    let read = |source| AuditVerifyError::Read {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(read)?);
    let mut told = BTreeMap::new();
    for line in 1.. {
        let mut text = String::new();
        let bytes = reader
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_line(&mut text)
            .map_err(read)?;
        if bytes == 0 {
            break;
        }
        if text.trim().is_empty() {
            continue;
        }
        let Told { sequence, hash } =
            serde_json::from_str(&text).map_err(|error| AuditVerifyError::Line {
                path: path.to_owned(),
                line,
                message: error.to_string(),
            })?;
        // At least once: the same event may stand there twice, but never with two hashes.
        if told
            .insert(sequence, hash)
            .is_some_and(|before| before != hash)
        {
            return Err(AuditVerifyError::Line {
                path: path.to_owned(),
                line,
                message: format!("event {sequence} stands there before with another hash"),
            });
        }
    }
    Ok(told)
}
