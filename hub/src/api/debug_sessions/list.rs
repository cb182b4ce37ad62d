//! `GET /debug-sessions`: filters, newest first, pages that stay right while sessions come and go.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use breakglass_hub_core::access::{Openness, sight};
use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::session::{Session, StateName};
use breakglass_protocol::api::debug_session::{DebugSessionList, Summary};

use crate::api::caller::Authenticated;
use crate::api::endpoint::{Query, QueryKind};
use crate::api::error::ApiError;
use crate::app::App;
use crate::sessions::{self, FoundSession, Place, Question};

/// Sessions on a page where `limit` is absent, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

/// What the query may say.
pub const QUERY: &[Query] = &[
    Query {
        name: "cluster",
        kind: QueryKind::Text,
        about: "Only on this cluster",
    },
    Query {
        name: "state",
        kind: QueryKind::Texts,
        about: "Only in one of these states, in any case; also comma-separated",
    },
    Query {
        name: "user",
        kind: QueryKind::Text,
        about: "Only asked for by this person",
    },
    Query {
        name: "template",
        kind: QueryKind::Text,
        about: "Only made from this template",
    },
    Query {
        name: "mine",
        kind: QueryKind::YesNo,
        about: "Only asked for by the caller",
    },
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

/// The filters of a request.
pub(in crate::api) struct Asked {
    cluster: Option<String>,
    states: Vec<StateName>,
    user: Option<String>,
    template: Option<String>,
    mine: Whose,
    limit: usize,
    after: Option<Place>,
}

/// Whose requests are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Everybodys,
    TheCallers,
}

/// One page. `total` counts all sessions that the caller sees and the filters let through, on every page.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<DebugSessionList>, ApiError> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default())?;
    let store = app.store.as_ref();
    let found = app.sessions.find(store, &asked.question(&caller)).await?;
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
    pub(in crate::api) fn parse(query: &str) -> Result<Self, ApiError> {
        let mut asked = Self {
            cluster: None,
            states: Vec::new(),
            user: None,
            template: None,
            mine: Whose::Everybodys,
            limit: DEFAULT_LIMIT,
            after: None,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match name.as_ref() {
                "cluster" => asked.cluster = Some(value),
                "user" => asked.user = Some(value),
                "template" => asked.template = Some(value),
                "state" => asked.states.extend(parse_states(&value)?),
                "mine" => asked.mine = parse_mine(&value)?,
                "limit" => asked.limit = parse_limit(&value)?,
                "continue" => asked.after = Some(parse_token(&value)?),
                _unknown_is_ignored => {}
            }
        }
        Ok(asked)
    }

    fn question<'a>(&'a self, caller: &'a Caller) -> Question<'a> {
        Question {
            sight: sight(caller),
            cluster: self.cluster.as_deref(),
            template: self.template.as_deref(),
            user: self.user.as_deref(),
            owner: match self.mine {
                Whose::TheCallers => Some(&caller.identity),
                Whose::Everybodys => None,
            },
            states: &self.states,
            after: self.after.as_ref(),
            limit: self.limit,
        }
    }

    /// Whether one session is among what was asked for.
    pub(in crate::api) fn wants(&self, session: &Session, caller: &Caller) -> bool {
        let same =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
        let is_whose = match self.mine {
            Whose::TheCallers => session.requester.is_same_account(&caller.identity),
            Whose::Everybodys => true,
        };
        is_whose
            && same(&self.cluster, &session.spec.cluster)
            && same(&self.template, &session.spec.template_ref)
            && same(&self.user, &session.requester.name)
            && (self.states.is_empty() || self.states.contains(&session.state.name()))
    }
}

fn parse_states(value: &str) -> Result<Vec<StateName>, ApiError> {
    let words = value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            StateName::ALL
                .into_iter()
                .find(|state| state.as_str().eq_ignore_ascii_case(word))
                .ok_or_else(|| {
                    let known: Vec<&str> = StateName::ALL.iter().map(|s| s.as_str()).collect();
                    ApiError::malformed(
                        "state",
                        format!("{word:?} is not a state; there are {}", known.join(", ")),
                    )
                })
        })
        .collect()
}

fn parse_mine(value: &str) -> Result<Whose, ApiError> {
    match value {
        "true" => Ok(Whose::TheCallers),
        "false" => Ok(Whose::Everybodys),
        other => Err(ApiError::malformed(
            "mine",
            format!("{other:?} is neither true nor false"),
        )),
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
    fn filters_are_read_strictly_and_unknown_ones_ignored() {
        let asked = Asked::parse("state=active,FAILED&state=pendingApproval&limit=5&mine=true&x=y")
            .ok()
            .unwrap();
        assert_eq!(
            asked.states,
            [
                StateName::Active,
                StateName::Failed,
                StateName::PendingApproval
            ]
        );
        assert_eq!((asked.limit, asked.mine), (5, Whose::TheCallers));
        for bad in [
            "state=Foo",
            "limit=0",
            "limit=501",
            "limit=x",
            "mine=1",
            "continue=!",
        ] {
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
