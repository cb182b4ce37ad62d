//! Places under the limits of a template and of a binding (D18): taken by compare-and-set on one ledger of each before a
//! session is created, given back when it ended. A crash in between leaves a place too many; the job `ledgers` repairs it.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};

use breakglass_hub_core::ledger::{Ledger, Left, Limit, LimitOf, Wanted};
use breakglass_hub_core::refusal::Violation;
use breakglass_hub_core::session::Session;
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::kinds::debug_session::DebugSessionSpec;
use tokio::sync::{Mutex, MutexGuard};

use super::{App, Change, UpdateError};
use crate::store::typed::{self, Versioned};
use crate::store::{CommitError, Key, ObjectKind, StoreError};

/// More than this many ledgers share turns, which costs them a little waiting.
const TURNS: usize = 64;

/// Turns at ledgers. Many sessions of one template begin and end at the same moment; without turns each would read the ledger
/// again after every write of another. They spare work and prove nothing: the limit holds by compare-and-set alone.
#[derive(Debug)]
pub struct Turns([Mutex<()>; TURNS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Turns {
    async fn wait(&self, key: &Key) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % TURNS as u64).ok()?;
        Some(self.0.get(place)?.lock().await)
    }
}

impl App {
    /// Takes a session's places, in every ledger that counts it, or none at all. Taking them twice changes nothing.
    ///
    /// # Errors
    /// [`UpdateError::Refused`] with the violated limit; else what the store says.
    pub async fn take_place(&self, session: &Session) -> Result<(), UpdateError<Violation>> {
        let ledgers = limits(session);
        for (taken, (key, limits)) in ledgers.iter().enumerate() {
            if let Err(error) = self.take_in(key, limits, session).await {
                for (key, _) in ledgers.iter().take(taken) {
                    self.give_back_in(key, session).await;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn take_in(
        &self,
        key: &Key,
        limits: &[Limit],
        session: &Session,
    ) -> Result<(), UpdateError<Violation>> {
        let wanted = wanted(session);
        let _turn = self.ledger_turns.wait(key).await;
        loop {
            let taken = self
                .update(key, |ledger: Ledger, now| {
                    Ok(Change {
                        object: ledger.take(wanted, limits, now.wall)?,
                        events: Vec::new(),
                    })
                })
                .await;
            match taken {
                Ok(_) => return Ok(()),
                Err(UpdateError::NotFound(_)) => self.open_ledger(key).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// The limit that would stand against a session, if one would. Takes nothing.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_for_place(&self, session: &Session) -> Result<Option<Violation>, StoreError> {
        let now = self.now().wall;
        for (key, limits) in limits(session) {
            let ledger: Option<Versioned<Ledger>> = typed::get(self.store.as_ref(), key).await?;
            let ledger = ledger.map(|found| found.object).unwrap_or_default();
            if let Err(violation) = ledger.take(wanted(session), &limits, now) {
                return Ok(Some(violation));
            }
        }
        Ok(None)
    }

    /// Gives the places of a session back. One that is not there changes nothing.
    ///
    /// # Errors
    /// What the store says; the other ledgers are tried all the same.
    pub async fn release_place(
        &self,
        session: &Session,
        left: Left,
    ) -> Result<(), UpdateError<Infallible>> {
        let mut outcome = Ok(());
        for key in ledger_keys(&session.spec) {
            outcome = outcome.and(self.release_in(&key, &session.uid, left).await);
        }
        outcome
    }

    pub(crate) async fn release_in(
        &self,
        key: &Key,
        session: &GrantUid,
        left: Left,
    ) -> Result<(), UpdateError<Infallible>> {
        let _turn = self.ledger_turns.wait(key).await;
        let released = self
            .update(key, |ledger: Ledger, _| {
                Ok(Change {
                    object: ledger.release(session, left),
                    events: Vec::new(),
                })
            })
            .await;
        match released {
            Ok(_) | Err(UpdateError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A place that was taken beside one that was refused. What fails here is repaired by the job `ledgers`.
    async fn give_back_in(&self, key: &Key, session: &Session) {
        if let Err(error) = self.release_in(key, &session.uid, Left::NotMade).await {
            tracing::warn!(session = %session.name, ledger = %key, %error, "a place could not be given back yet");
        }
    }

    /// Makes a ledger; somebody else may have been faster.
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

fn wanted(session: &Session) -> Wanted<'_> {
    Wanted {
        uid: &session.uid,
        session: &session.name,
        person: &session.requester,
    }
}

/// The ledgers that count a session, each with the limits that hold for it there.
fn limits(session: &Session) -> Vec<(Key, Vec<Limit>)> {
    let terms = &session.snapshot.terms;
    let of_template = Some((terms.max_concurrent_sessions, LimitOf::PersonAndTemplate));
    let per_user = terms.binding_limits.per_user;
    let of_binding = [
        per_user.map(|count| (count, LimitOf::PersonAndBinding)),
        terms
            .binding_limits
            .total
            .map(|count| (count, LimitOf::Binding)),
    ];
    let as_limits = |given: &[Option<(u32, LimitOf)>]| -> Vec<Limit> {
        let given = given.iter().flatten();
        given.map(|&(count, of)| Limit { count, of }).collect()
    };
    ledger_keys(&session.spec)
        .into_iter()
        .zip([as_limits(&[of_template]), as_limits(&of_binding)])
        .collect()
}

/// Where a session is counted: under its template, then through its binding if it has one. A ledger's key is that of what
/// it belongs to; templates have no namespace, so the two never meet.
pub(crate) fn ledger_keys(spec: &DebugSessionSpec) -> Vec<Key> {
    let template = Key::cluster_scoped(ObjectKind::Ledger, &spec.template_ref);
    let binding = spec
        .binding_ref
        .as_ref()
        .map(|binding| Key::namespaced(ObjectKind::Ledger, &binding.namespace, &binding.name));
    [Some(template), binding].into_iter().flatten().collect()
}
