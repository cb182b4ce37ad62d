//! `GET /debug-sessions/{name}/events` and `…/audit`: the same record, for two circles of readers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use breakglass_hub_core::access::{Action, Decision, judge};
use breakglass_hub_core::audit::{self, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::history;
use breakglass_hub_core::lifecycle::Declined;
use breakglass_hub_core::session::Session;
use breakglass_protocol::api::history::{AuditRecords, SessionEvents};

use crate::api::caller::Authenticated;
use crate::api::endpoint::{Query, QueryKind};
use crate::api::error::ApiError;
use crate::app::App;
use crate::store::{AuditQuery, AuditRecord};

/// Lines on a page where `limit` is absent, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

/// What the query may say.
pub const QUERY: &[Query] = &[
    Query {
        name: "limit",
        kind: QueryKind::Number,
        about: "Lines on a page: 1 to 500, 100 where absent",
    },
    Query {
        name: "continue",
        kind: QueryKind::Text,
        about: "Where the page starts, from the page before",
    },
];

/// What happened, for who may see the session.
pub async fn events(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<SessionEvents>, ApiError> {
    let page = Page::parse(query.as_deref().unwrap_or_default())?;
    let session = permitted(&app, &who, &name, Action::See).await?;
    let (records, continue_) = read(&app, &session, &page).await?;
    let events = records
        .iter()
        .filter_map(|record| history::event_of(&record.event))
        .collect();
    Ok(Json(SessionEvents { events, continue_ }))
}

/// The record, for its owner, its approvers and admins; that it was read is recorded (S20).
pub async fn audit(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<AuditRecords>, ApiError> {
    let page = Page::parse(query.as_deref().unwrap_or_default())?;
    let session = permitted(&app, &who, &name, Action::ReadAudit).await?;
    note(&app, &who, &session).await?;
    let (records, continue_) = read(&app, &session, &page).await?;
    let records = records
        .iter()
        .map(|record| history::record_of(record.sequence, &record.event))
        .collect();
    Ok(Json(AuditRecords { records, continue_ }))
}

async fn permitted(
    app: &App,
    who: &Authenticated,
    name: &str,
    action: Action,
) -> Result<Session, ApiError> {
    let session = app.session(name).await?.ok_or(Declined::NotFound)?;
    match judge(action, &session, &who.caller) {
        Decision::Allow => Ok(session),
        Decision::NotFound => Err(Declined::NotFound.into()),
        Decision::Forbidden(why) => Err(Declined::Forbidden(why).into()),
    }
}

/// Records that the record was read, before it is shown.
async fn note(app: &App, who: &Authenticated, session: &Session) -> Result<(), ApiError> {
    app.update_session::<Declined>(&session.name, |session, now| {
        let object = ObjectRef::new("DebugSession", Some(&session.namespace), &session.name);
        let reader = Actor::Person(who.caller.identity.clone());
        let (id, address) = (&who.origin.request_id, &who.origin.address);
        let event = AuditEvent::new(
            now.wall,
            reader,
            audit::Action::AuditRead,
            object,
            Outcome::Done,
        )
        .from(Some(id.clone()), address.clone());
        Ok((session, vec![event]))
    })
    .await?;
    Ok(())
}

async fn read(
    app: &App,
    session: &Session,
    page: &Page,
) -> Result<(Vec<AuditRecord>, Option<String>), ApiError> {
    let query = AuditQuery {
        of: Some(app.session_key(&session.name)),
        after: page.after,
        limit: page.limit,
    };
    let records = app.store.audit(query).await?;
    let last = records.last().filter(|_| records.len() == page.limit);
    let next = last.map(|record| record.sequence.to_string());
    Ok((records, next))
}

struct Page {
    after: u64,
    limit: usize,
}

impl Page {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut page = Self {
            after: 0,
            limit: DEFAULT_LIMIT,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "limit" => {
                    let limit = value.parse().ok();
                    page.limit = limit
                        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                        .ok_or_else(|| {
                            let why = format!("{value:?} is not a number from 1 to {MAX_LIMIT}");
                            ApiError::malformed("limit", why)
                        })?;
                }
                "continue" => {
                    page.after = value.parse().map_err(|_| {
                        ApiError::malformed("continue", "is not what a page before this one gave")
                    })?;
                }
                _unknown_is_ignored => {}
            }
        }
        Ok(page)
    }
}
