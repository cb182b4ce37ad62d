//! `GET /debug-sessions`: filters, newest first, pages that stay right while sessions come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use breakglass_hub_core::access::{Action, Decision, judge};
use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::session::{Session, StateName};
use breakglass_protocol::api::debug_session::{DebugSessionList, Summary};
use breakglass_protocol::kinds::debug_session::DebugSession;
use jiff::Timestamp;

use crate::api::caller::Authenticated;
use crate::api::endpoint::{Query, QueryKind};
use crate::api::error::ApiError;
use crate::app::{App, read_session};
use crate::store::{ListQuery, Object, ObjectKind, typed};

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

/// Newest first: the later creation sorts first, then the name.
type Place = (std::cmp::Reverse<Timestamp>, String);

struct Asked {
    cluster: Option<String>,
    states: Vec<StateName>,
    user: Option<String>,
    template: Option<String>,
    mine: bool,
    limit: usize,
    after: Option<Place>,
}

/// One page. Reads all sessions in pages of the store and keeps only this page, so memory does not grow with them.
pub async fn handle(
    State(app): State<Arc<App>>,
    Authenticated { caller, .. }: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<DebugSessionList>, ApiError> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default())?;
    let mut total = 0;
    let mut page: BTreeMap<Place, Session> = BTreeMap::new();
    let mut next = ListQuery::all(ObjectKind::DebugSession);
    loop {
        let stored = app.store.list(next.clone()).await?;
        for object in stored.objects {
            let session = read(object)?;
            if !asked.wants(&session, &caller)
                || judge(Action::See, &session, &caller) != Decision::Allow
            {
                continue;
            }
            total += 1;
            let place = (std::cmp::Reverse(session.created_at), session.name.clone());
            if asked.after.as_ref().is_none_or(|after| place > *after) {
                page.insert(place, session);
                // One more than the page tells whether there is another.
                if page.len() > asked.limit + 1 {
                    page.pop_last();
                }
            }
        }
        match stored.next {
            Some(key) => next.after = Some(key),
            None => break,
        }
    }
    let more = page.len() > asked.limit;
    if more {
        page.pop_last();
    }
    let continue_ = if more {
        page.last_key_value().map(|(place, _)| token(place))
    } else {
        None
    };
    Ok(Json(DebugSessionList {
        sessions: page.values().map(|s| summary(s, &caller)).collect(),
        total,
        continue_,
    }))
}

fn read(object: Object) -> Result<Session, ApiError> {
    let key = object.key.clone();
    Ok(read_session(
        &key,
        &typed::decode::<DebugSession>(object)?.object,
    )?)
}

impl Asked {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut asked = Self {
            cluster: None,
            states: Vec::new(),
            user: None,
            template: None,
            mine: false,
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
                "mine" => asked.mine = parse_yes_no(&value)?,
                "limit" => asked.limit = parse_limit(&value)?,
                "continue" => asked.after = Some(parse_token(&value)?),
                _unknown_is_ignored => {}
            }
        }
        Ok(asked)
    }

    fn wants(&self, session: &Session, caller: &Caller) -> bool {
        let same =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
        same(&self.cluster, &session.spec.cluster)
            && same(&self.template, &session.spec.template_ref)
            && same(&self.user, &session.requester.name)
            && (self.states.is_empty() || self.states.contains(&session.state.name()))
            && (!self.mine || session.requester.is_same_account(&caller.identity))
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

fn parse_yes_no(value: &str) -> Result<bool, ApiError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
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

fn token((at, name): &Place) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}|{name}", at.0))
}

fn parse_token(value: &str) -> Result<Place, ApiError> {
    let place = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
        let (at, name) = text.split_once('|')?;
        Some((std::cmp::Reverse(at.parse().ok()?), name.to_owned()))
    };
    place()
        .ok_or_else(|| ApiError::malformed("continue", "is not what a page before this one gave"))
}

fn summary(session: &Session, caller: &Caller) -> Summary {
    let shown = DebugSession::from(session);
    let status = shown.status.unwrap_or_default();
    Summary {
        name: session.name.clone(),
        template_ref: session.spec.template_ref.clone(),
        target_namespace: Some(session.snapshot.terms.target_namespace.clone()),
        cluster: session.spec.cluster.clone(),
        requested_by: session.requester.name.clone(),
        requested_by_display_name: session.spec.requested_by_display_name.clone(),
        state: session.state.name().as_str().to_owned(),
        status_message: status.message,
        starts_at: status.starts_at.map(|t| t.0.to_string()),
        expires_at: status.expires_at.map(|t| t.0.to_string()),
        participants: session.present().count(),
        is_participant: session.present_entry(&caller.identity).is_some(),
        allowed_pods: session.observed.pods.len(),
        allowed_pod_operations: status.allowed_pod_operations,
        can: super::can(session, caller),
    }
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
        assert_eq!((asked.limit, asked.mine), (5, true));
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
        let place = (
            std::cmp::Reverse("2026-01-02T03:04:05.678Z".parse().unwrap()),
            "debug-session-abc123".to_owned(),
        );
        assert_eq!(parse_token(&token(&place)).ok().unwrap(), place);
    }
}
