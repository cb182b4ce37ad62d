//! Where the hub calls by itself: destinations of the audit log and channels of notifications. All of them stand in one
//! file (`--destinations`); a template can name an entry, never bring one (S20).

mod config;
mod headers;
mod mail;
mod resolve;
mod webhook;

use std::path::PathBuf;

use breakglass_hub_core::notice::AddressBook;

pub use self::config::{Channel, Destination, Outward, Place, Receives, Way};
pub use self::mail::{Letter, Mail};
pub use self::webhook::Webhook;

/// Why the file of destinations cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutwardError {
    #[error("cannot read {what} {}: {source}", file.display())]
    Read {
        what: &'static str,
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("{what} {} has more than {limit} bytes", file.display())]
    TooLarge {
        what: &'static str,
        file: PathBuf,
        limit: u64,
    },
    #[error("--destinations {}: {message}", file.display())]
    Content { file: PathBuf, message: String },
}

/// Why something was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Worth trying again.
    #[error("{0}")]
    Temporary(String),
    /// The other side will not take it, however often it is asked.
    #[error("{0}")]
    Permanent(String),
}

impl Default for Outward {
    /// Nothing but the store: no destination, no channel.
    fn default() -> Self {
        Self {
            destinations: Vec::new(),
            channels: Vec::new(),
            addresses: AddressBook::default(),
            texts: crate::notify::Texts::default(),
        }
    }
}

/// A file of the configuration, bounded.
fn read(what: &'static str, file: &std::path::Path, limit: u64) -> Result<Vec<u8>, OutwardError> {
    let error = |source| OutwardError::Read {
        what,
        file: file.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(file).map_err(error)?.len();
    if bytes > limit {
        return Err(OutwardError::TooLarge {
            what,
            file: file.to_owned(),
            limit,
        });
    }
    std::fs::read(file).map_err(error)
}
