//! What one watch shows: what its caller may see now and its filters let through. A session that falls out of that is
//! told as gone, but only to somebody who could know that it was there.

use std::collections::HashSet;

use breakglass_hub_core::access::{self, Action, Decision, judge};
use breakglass_hub_core::caller::{Caller, Standing};
use breakglass_hub_core::session::Session;
use breakglass_protocol::api::debug_session::Summary;

use crate::api::debug_sessions::filters::Filters;
use crate::app::App;
use crate::sessions::{self, Question, summary};
use crate::store::{Change, Object, ObjectKind, StoreError};

/// Names that a watch remembers to have shown: far more than one person sees, who is not an admin. Beyond it, what goes
/// out of sight is not told.
const MOST_NAMES: usize = 10_000;

/// See the module.
pub(super) struct Sight {
    token: String,
    filters: Filters,
    /// Sessions that the caller may know of; not kept for admins, who may know of all.
    known: HashSet<String>,
}

/// What to tell of a change.
pub(super) enum Told {
    Session(Box<Summary>),
    Gone(String),
    Nothing,
    /// The token is worth nothing any more.
    End,
}

impl Sight {
    /// Asks once for all that the caller sees, unless they are an admin.
    pub(super) async fn of(
        app: &App,
        token: String,
        caller: &Caller,
        filters: Filters,
    ) -> Result<Self, StoreError> {
        let mut sight = Self {
            token,
            filters,
            known: HashSet::new(),
        };
        if caller.standing == Standing::Admin {
            return Ok(sight);
        }
        let question = Question {
            sight: access::sight(caller),
            cluster: None,
            template: None,
            user: None,
            owner: None,
            states: &[],
            after: None,
            limit: MOST_NAMES,
        };
        let found = app.sessions.find(app.store.as_ref(), &question).await?;
        let names = found.sessions.iter();
        sight.known = names.map(|found| found.card.name().to_owned()).collect();
        Ok(sight)
    }

    /// Who watches, as of now; `None` if the token is worth nothing any more.
    pub(super) fn caller(&self, app: &App) -> Option<Caller> {
        app.users.caller(&self.token, &app.settings.admin_groups)
    }

    /// What to tell of a change in the store.
    pub(super) fn look(&mut self, app: &App, change: &Change) -> Told {
        if change.key.kind != ObjectKind::DebugSession {
            return Told::Nothing;
        }
        let Some(caller) = self.caller(app) else {
            return Told::End;
        };
        let session = change
            .object
            .as_ref()
            .and_then(|object| readable(Object::clone(object)));
        if let Some(session) = session
            && judge(Action::See, &session, &caller) == Decision::Allow
        {
            self.remember(session.name.clone());
            return if self.filters.want(&session, &caller) {
                Told::Session(Box::new(summary(&session, &caller)))
            } else {
                Told::Gone(session.name)
            };
        }
        if self.known.remove(&change.key.name) || caller.standing == Standing::Admin {
            Told::Gone(change.key.name.clone())
        } else {
            Told::Nothing
        }
    }

    fn remember(&mut self, name: String) {
        if self.known.len() < MOST_NAMES {
            self.known.insert(name);
        }
    }
}

/// A stored session; one that cannot be read is nobody's to see.
fn readable(object: Object) -> Option<Session> {
    sessions::read(&object)
        .inspect_err(|error| tracing::error!(%error, "a watch leaves out a session"))
        .ok()
}
