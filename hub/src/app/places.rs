//! Places under a template's limit (D18): taken by compare-and-set on one ledger per template before a session is
//! created, given back when it ended. A crash in between leaves a place too many; the job `ledgers` repairs it.

use breakglass_hub_core::ledger::Ledger;
use breakglass_hub_core::refusal::Violation;
use breakglass_hub_core::session::Session;

use super::{App, Change, UpdateError};
use crate::store::{CommitError, Key, ObjectKind};

impl App {
    /// Takes a place for a session that is about to be created. Taking it twice changes nothing.
    ///
    /// # Errors
    /// [`UpdateError::Refused`] with the violated limit; else what the store says.
    pub async fn take_place(&self, session: &Session) -> Result<(), UpdateError<Violation>> {
        let key = ledger_key(&session.spec.template_ref);
        loop {
            let taken = self
                .update(&key, |ledger: Ledger, now| {
                    let ledger = ledger.take(
                        &session.uid,
                        &session.name,
                        &session.requester,
                        session.snapshot.terms.max_concurrent_sessions,
                        now.wall,
                    )?;
                    Ok(Change {
                        object: ledger,
                        events: Vec::new(),
                    })
                })
                .await;
            match taken {
                Ok(_) => return Ok(()),
                Err(UpdateError::NotFound(_)) => self.open_ledger(&key).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the place of a session back. One that is not there changes nothing.
    ///
    /// # Errors
    /// What the store says.
    pub async fn release_place(
        &self,
        session: &Session,
    ) -> Result<(), UpdateError<std::convert::Infallible>> {
        let key = ledger_key(&session.spec.template_ref);
        let released = self
            .update(&key, |ledger: Ledger, _| {
                Ok(Change {
                    object: ledger.release(&session.uid),
                    events: Vec::new(),
                })
            })
            .await;
        match released {
            Ok(_) | Err(UpdateError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes the ledger of a template; somebody else may have been faster.
    async fn open_ledger<E>(&self, key: &Key) -> Result<(), UpdateError<E>> {
        match self
            .create(key.clone(), Ledger::default(), Vec::new())
            .await
        {
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(UpdateError::Commit(error)),
        }
    }
}

/// Where the ledger of a template is.
pub(crate) fn ledger_key(template: &str) -> Key {
    Key::cluster_scoped(ObjectKind::Ledger, template)
}
