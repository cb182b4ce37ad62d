//! `GET /debug-sessions`: filters, newest first, pages that stay right while sessions come and go.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use breakglass_hub_core::access::Openness;
use breakglass_hub_core::caller::Caller;
use breakglass_protocol::api::debug_session::{DebugSessionList, Summary};

use super::filters::Filters;
use crate::api::caller::Authenticated;
use crate::api::endpoint::{Query, QueryKind};
use crate::api::error::ApiError;
use crate::app::App;
use crate::sessions::{self, FoundSession, Place, Question};

/// Sessions on a page where `limit` is absent, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

/// What else the query may say.
pub const PAGES: &[Query] = &[
    Query {
        name: "limit",
        kind: QueryKind::Number,
        about: "Sessions on a page: 1 to 500, 100 where absent",
    },
    Query {
        name: "continue",
        kind: QueryKind::Text,
        about: "Where the page starts, from the page before",
    },
];

/// What a request asks for.
struct Asked {
    filters: Filters,
    limit: usize,
    after: Option<Place>,
}

/// One page. `total` counts all sessions that the caller sees and the filters let through, on every page.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<DebugSessionList>, ApiError> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default())?;
    let store = app.store.as_ref();
    let question = Question {
        after: asked.after.as_ref(),
        limit: asked.limit,
        ..asked.filters.question(&caller)
    };
    let found = app.sessions.find(store, &question).await?;
    let continue_ = found.next.as_ref().map(token);
    let total = found.total;
    let sessions = summaries(&app, found.sessions, &caller).await?;
    Ok(Json(DebugSessionList {
        sessions,
        total,
        continue_,
    }))
}

/// The lines of a page. Sessions that are not at hand and whose flags depend on the caller are read, in one go.
async fn summaries(
    app: &App,
    found: Vec<FoundSession>,
    caller: &Caller,
) -> Result<Vec<Summary>, ApiError> {
    let is_missing =
        |found: &&FoundSession| found.session.is_none() && found.card.openness() == Openness::Open;
    let missing = found.iter().filter(is_missing);
    let keys: Vec<_> = missing
        .map(|found| app.session_key(found.card.name()))
        .collect();
    let mut read = HashMap::new();
    if !keys.is_empty() {
        for object in app.store.get_many(keys).await?.iter().flatten() {
            let session = sessions::read(object)?;
            read.insert(session.name.clone(), session);
        }
    }
    let summary = |found: &FoundSession| {
        let whole = found.session.as_deref();
        let whole = whole.or_else(|| read.get(found.card.name()));
        found.card.summary(whole, caller)
    };
    Ok(found.iter().map(summary).collect())
}

impl Asked {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut asked = Self {
            filters: Filters::parse(query)?,
            limit: DEFAULT_LIMIT,
            after: None,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "limit" => asked.limit = parse_limit(&value)?,
                "continue" => asked.after = Some(parse_token(&value)?),
                _a_filter_or_unknown => {}
            }
        }
        Ok(asked)
    }
}

fn parse_limit(value: &str) -> Result<usize, ApiError> {
    match value.parse() {
        Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        _ => Err(ApiError::malformed(
            "limit",
            format!("{value:?} is not a number from 1 to {MAX_LIMIT}"),
        )),
    }
}

fn token(place: &Place) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}|{}", place.created_at(), place.name()))
}

fn parse_token(value: &str) -> Result<Place, ApiError> {
    let place = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
        let (at, name) = text.split_once('|')?;
        Some(Place::new(at.parse().ok()?, name))
    };
    place()
        .ok_or_else(|| ApiError::malformed("continue", "is not what a page before this one gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_strictly_and_unknown_words_ignored() {
        let asked = Asked::parse("limit=5&x=y").ok().unwrap();
        assert_eq!((asked.limit, asked.after), (5, None));
        for bad in ["limit=0", "limit=501", "limit=x", "continue=!", "mine=1"] {
            assert!(Asked::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_token_survives_the_way() {
        let at = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let place = Place::new(at, "debug-session-abc123");
        assert_eq!(parse_token(&token(&place)).ok().unwrap(), place);
    }
}
