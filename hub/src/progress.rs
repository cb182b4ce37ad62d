//! How far readers of the audit log came, in the store: after a restart each goes on where it stopped.

use std::convert::Infallible;

use breakglass_hub_core::audit::Cursor;

use crate::app::{App, Change, UpdateError};
use crate::store::{CommitError, Key, ObjectKind, StoreError, typed};

/// Why a cursor could not be read or moved.
#[derive(Debug, thiserror::Error)]
pub enum ProgressError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Update(#[from] UpdateError<Infallible>),
}

/// Where a reader begins that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Everything ever recorded.
    AtTheStart,
    /// Only what is recorded from now on.
    Now,
}

/// A reader's place.
///
/// # Errors
/// What the store says.
pub async fn load(app: &App, reader: &str, begin: Begin) -> Result<Cursor, ProgressError> {
    if let Some(found) = typed::get::<Cursor>(app.store.as_ref(), key(reader)).await? {
        return Ok(found.object);
    }
    let sequence = match begin {
        Begin::AtTheStart => 0,
        Begin::Now => app.store.audit_head().await?.sequence,
    };
    let start = Cursor { sequence };
    match app.create(key(reader), start, Vec::new()).await {
        Ok(made) => Ok(made.object),
        // Somebody else was faster: theirs counts, at the next look.
        Err(CommitError::Conflict { .. }) => Ok(start),
        Err(error) => Err(error.into()),
    }
}

/// Moves a reader on; never back.
///
/// # Errors
/// What the store says.
pub async fn advance(app: &App, reader: &str, sequence: u64) -> Result<(), ProgressError> {
    app.update(&key(reader), |cursor: Cursor, _| {
        Ok::<_, Infallible>(Change {
            object: Cursor {
                sequence: cursor.sequence.max(sequence),
            },
            events: Vec::new(),
        })
    })
    .await?;
    Ok(())
}

fn key(reader: &str) -> Key {
    Key::cluster_scoped(ObjectKind::Cursor, reader)
}
