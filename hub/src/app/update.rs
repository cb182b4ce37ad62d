//! Load → pure decision → commit, again if somebody else was faster. REST verbs, agents' reports and jobs all change
//! objects through here, so no two writers can lose each other's change (spec 1 section 3).

use breakglass_hub_core::audit::AuditEvent;
use breakglass_hub_core::clock::Now;

use super::App;
use crate::store::typed::{self, Stored, Versioned};
use crate::store::{CommitError, Expected, Key, Owner, StoreError};

/// How often a decision is made again after a version conflict. Each round somebody else's write succeeded, so only a
/// storm of more than this many writers on one object exhausts it.
const TRIES: u32 = 16;

/// What a decision made of an object.
#[derive(Clone, Debug)]
pub struct Change<T> {
    pub object: T,
    pub events: Vec<AuditEvent>,
}

/// Why an object is not as its writer wanted.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError<E> {
    #[error("{0} does not exist")]
    NotFound(Key),
    /// The decision itself said no, on the newest state of the object.
    #[error(transparent)]
    Refused(E),
    #[error("{key} changed {TRIES} times while it was being changed; try again")]
    Contended { key: Key },
    #[error(transparent)]
    Commit(CommitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Changes one object: reads it, lets `decide` make the new one (with the time of that try), commits it with its
    /// audit events if nobody else wrote in between, else starts over. `decide` must be pure: it may run several times.
    /// An object that comes back unchanged without events is not written.
    ///
    /// # Errors
    /// See [`UpdateError`]; a refusal of `decide` comes back as [`UpdateError::Refused`].
    pub async fn update<T: Stored, E: Send>(
        &self,
        key: &Key,
        mut decide: impl FnMut(T, Now) -> Result<Change<T>, E> + Send,
    ) -> Result<Versioned<T>, UpdateError<E>> {
        for _ in 0..TRIES {
            let before: Versioned<T> = typed::get(self.store.as_ref(), key.clone())
                .await?
                .ok_or_else(|| UpdateError::NotFound(key.clone()))?;
            let change = decide(before.object.clone(), self.now()).map_err(UpdateError::Refused)?;
            if change.events.is_empty() && is_same(&change.object, &before.object) {
                return Ok(before);
            }
            let expected = Expected::At(before.version);
            match self
                .commit(key.clone(), change, before.owner, expected)
                .await
            {
                Ok(after) => return Ok(after),
                Err(CommitError::Conflict { .. }) => self.metrics.commit_conflicts.inc(),
                Err(other) => return Err(UpdateError::Commit(other)),
            };
        }
        Err(UpdateError::Contended { key: key.clone() })
    }

    /// Creates an object that must not exist yet.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] if one of that key exists; else what the store says.
    pub async fn create<T: Stored>(
        &self,
        key: Key,
        object: T,
        events: Vec<AuditEvent>,
    ) -> Result<Versioned<T>, CommitError> {
        let change = Change { object, events };
        Box::pin(self.commit(key, change, Owner::Hub, Expected::Absent)).await
    }

    /// Writes one object as its writer expects the store to be.
    ///
    /// # Errors
    /// What the store says; [`CommitError::Conflict`] if it is not as expected.
    pub async fn commit<T: Stored>(
        &self,
        key: Key,
        change: Change<T>,
        owner: Owner,
        expected: Expected,
    ) -> Result<Versioned<T>, CommitError> {
        let commit = typed::put(key, &change.object, owner.clone(), expected, change.events)?;
        let committed = self.store.commit(commit).await?;
        let mut object = change.object;
        object.stamp(committed.version);
        Ok(Versioned {
            object,
            version: committed.version,
            owner,
        })
    }
}

/// Whether two objects differ in nothing but what the store itself puts in.
fn is_same<T: Stored>(one: &T, other: &T) -> bool {
    one.unstamped() == other.unstamped()
}
