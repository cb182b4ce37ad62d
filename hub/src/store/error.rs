//! Why the store did not do something.

use super::{Expected, Key, MAX_EVENTS_PER_COMMIT, MAX_OBJECT_BYTES, Version};

/// Why a commit did not happen.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else wrote first; `found` is `None` if the object is not there. Read again and decide again.
    #[error("{key} was changed by somebody else (expected {expected:?}, found {found:?})")]
    Conflict {
        key: Key,
        expected: Expected,
        found: Option<Version>,
    },
    #[error("{key} is {bytes} bytes; an object may have {MAX_OBJECT_BYTES}")]
    TooLarge { key: Key, bytes: usize },
    #[error(
        "the write of {key} carries {events} audit events; one may carry {MAX_EVENTS_PER_COMMIT}"
    )]
    TooManyEvents { key: Key, events: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store itself failed: nobody's request is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The queue of reads or writes stayed full. Worth trying again.
    #[error("the store is busy: {attempt} waited too long for its turn")]
    Busy { attempt: &'static str },
    /// Nothing can be written now, and nothing of this was. Reading goes on; writing does by itself once the cause is
    /// gone.
    #[error(
        "{attempt} failed: {}: nothing was written ({message})",
        .why.as_str()
    )]
    NotWritable {
        attempt: &'static str,
        why: NotWritable,
        message: String,
    },
    #[error("{attempt} failed in the store: {message}")]
    Failed {
        attempt: &'static str,
        message: String,
    },
    /// The stored text is not what this build reads.
    #[error("the stored {subject} cannot be read: {message}")]
    Unreadable { subject: String, message: String },
    #[error("the store is closed")]
    Closed,
}

/// Why the store cannot write now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWritable {
    Full,
    ReadOnly,
    DiskFails,
}

impl NotWritable {
    /// As one says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "the disk is full",
            Self::ReadOnly => "the database or its file system is read-only",
            Self::DiskFails => "the disk refuses to write (a limit, or a fault)",
        }
    }
}
