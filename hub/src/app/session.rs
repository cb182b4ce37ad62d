//! Sessions through the same loop as every object, as the rules see them instead of as they are stored.

use breakglass_hub_core::audit::AuditEvent;
use breakglass_hub_core::clock::Now;
use breakglass_hub_core::ledger::Left;
use breakglass_hub_core::session::Session;
use breakglass_protocol::kinds::debug_session::DebugSession;

use super::{App, Change, UpdateError};
use crate::store::typed::{self, Versioned};
use crate::store::{Key, StoreError};

impl App {
    /// Reads one session.
    ///
    /// # Errors
    /// What the store says, or that the stored session is an impossible one.
    pub async fn session(&self, name: &str) -> Result<Option<Session>, StoreError> {
        let key = self.session_key(name);
        let stored: Option<Versioned<DebugSession>> =
            typed::get(self.store.as_ref(), key.clone()).await?;
        stored
            .map(|found| read_session(&key, &found.object))
            .transpose()
    }

    /// Changes one session by a transition of `hub_core::lifecycle` or `observed`; see [`App::update`]. The place of one
    /// that has ended is given back before this returns, so that its owner can request again at once.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub async fn update_session<E: Send>(
        &self,
        name: &str,
        mut decide: impl FnMut(Session, Now) -> Result<(Session, Vec<AuditEvent>), E> + Send,
    ) -> Result<Session, UpdateError<E>> {
        let key = self.session_key(name);
        // Boxed: it holds several sessions through its awaits, and many callers hold this one through theirs.
        let written = Box::pin(self.update(&key, |stored: DebugSession, now| {
            let session = read_session(&key, &stored).map_err(Inner::Store)?;
            let (session, events) = decide(session, now).map_err(Inner::Refused)?;
            Ok(Change {
                object: DebugSession::from(&session),
                events,
            })
        }))
        .await
        .map_err(UpdateError::flatten)?;
        let session = read_session(&key, &written.object)?;
        if session.state.end().is_some() {
            self.give_back(&session).await;
        }
        Ok(session)
    }

    /// The place of an ended session. What fails here is repaired by the job `ledgers`.
    async fn give_back(&self, session: &Session) {
        if let Err(error) = self.release_place(session, Left::Ended).await {
            tracing::warn!(session = %session.name, %error, "the place of an ended session could not be given back yet");
        }
    }
}

/// A stored session as the rules see it.
///
/// # Errors
/// [`StoreError::Unreadable`] for an impossible combination of fields.
pub fn read_session(key: &Key, stored: &DebugSession) -> Result<Session, StoreError> {
    Session::try_from(stored).map_err(|error| StoreError::Unreadable {
        subject: key.to_string(),
        message: error.to_string(),
    })
}

/// A refusal from inside `update_session`: the caller's, or ours.
enum Inner<E> {
    Refused(E),
    Store(StoreError),
}

impl<E> UpdateError<Inner<E>> {
    fn flatten(self) -> UpdateError<E> {
        match self {
            Self::NotFound(key) => UpdateError::NotFound(key),
            Self::Refused(Inner::Refused(refused)) => UpdateError::Refused(refused),
            Self::Refused(Inner::Store(error)) | Self::Store(error) => UpdateError::Store(error),
            Self::Contended { key } => UpdateError::Contended { key },
            Self::Commit(error) => UpdateError::Commit(error),
        }
    }
}
