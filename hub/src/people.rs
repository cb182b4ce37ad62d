//! Who is barred (S11): one stored list, changed by compare-and-set like everything. What it does to open sessions is the
//! job `bars`; what it does to requests is asked on each of them, in [`crate::api::caller`].

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::bars::Bars;
use breakglass_hub_core::clock::Now;
use breakglass_hub_core::refusal::Refusal;

use crate::api::caller::Admin;
use crate::api::error::ApiError;
use crate::app::{App, Change, UpdateError};
use crate::store::typed::{self, Stored, Versioned};
use crate::store::{CommitError, Key, ObjectKind, StoreError};

impl Stored for Bars {
    const KIND: ObjectKind = ObjectKind::Bars;
}

fn key() -> Key {
    Key::cluster_scoped(ObjectKind::Bars, "people")
}

impl App {
    /// Who is barred now.
    ///
    /// # Errors
    /// What the store says.
    pub async fn bars(&self) -> Result<Bars, StoreError> {
        let stored: Option<Versioned<Bars>> = typed::get(self.store.as_ref(), key()).await?;
        Ok(stored.map(|found| found.object).unwrap_or_default())
    }
}

/// Bars somebody.
///
/// # Errors
/// The rule that is violated, or what the store says.
pub async fn bar(
    app: &App,
    admin: &Admin,
    user: &str,
    reason: Option<&str>,
) -> Result<Bars, ApiError> {
    change(app, |bars, now| {
        let event = event(admin, Action::PersonBarred, user, now);
        let event = event.with("reason", reason.unwrap_or_default());
        Ok((bars.bar(user, reason, &admin.caller, now)?, event))
    })
    .await
}

/// Lets somebody ask again.
///
/// # Errors
/// If they are not barred, or what the store says.
pub async fn unbar(app: &App, admin: &Admin, user: &str) -> Result<Bars, ApiError> {
    change(app, |bars, now| {
        let event = event(admin, Action::PersonUnbarred, user, now);
        Ok((bars.unbar(user)?, event))
    })
    .await
}

fn event(admin: &Admin, action: Action, user: &str, now: Now) -> AuditEvent {
    let who = Actor::Person(admin.caller.identity.clone());
    let object = ObjectRef::new("Person", None, user);
    let origin = &admin.origin;
    AuditEvent::new(now.wall, who, action, object, Outcome::Done)
        .from(Some(origin.request_id.clone()), origin.address.clone())
}

async fn change(
    app: &App,
    mut decide: impl FnMut(Bars, Now) -> Result<(Bars, AuditEvent), Refusal> + Send,
) -> Result<Bars, ApiError> {
    let mut decide = |bars: Bars, now| {
        let (object, event) = decide(bars, now)?;
        let events = vec![event];
        Ok::<_, Refusal>(Change { object, events })
    };
    match app.update(&key(), &mut decide).await {
        Ok(changed) => return Ok(changed.object),
        // The first one ever: the list is made, empty, and then changed.
        Err(UpdateError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    match app.create(key(), Bars::default(), Vec::new()).await {
        // Somebody else made it meanwhile: as good.
        Ok(_) | Err(CommitError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(app.update(&key(), decide).await?.object)
}
