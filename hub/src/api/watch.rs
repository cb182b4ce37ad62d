//! `GET /watch`: what changes in what the caller may see, as server-sent events. Who they are is asked anew for each
//! event, so that somebody whose token ended, or who was removed, hears no more.

mod places;
mod sight;
mod stream;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use breakglass_protocol::ids::Revision;
use futures_util::stream as streams;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::sync::mpsc;

use super::caller::{Authenticated, bearer};
use super::debug_sessions::filters::Filters;
use super::error::ApiError;
use crate::app::App;
use crate::store::WatchFrom;

pub use places::Watchers;
use sight::Sight;
use stream::Stream;

/// How far a client got before its connection broke.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Events that wait for a reader; the store keeps what comes after them.
const QUEUE: usize = 16;

/// Answers at once; events follow for as long as both sides want.
pub async fn handle(
    State(app): State<Arc<App>>,
    who: Authenticated,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let place = app.watchers.take(&who.caller.identity)?;
    let filters = Filters::parse(query.as_deref().unwrap_or_default())?;
    let newest = app.store.head().await?;
    let from = match resumed(&headers)? {
        // Ahead of the store: the store was replaced by an older copy.
        Some(after) if after > newest => None,
        Some(after) => Some(after),
        None => Some(newest),
    };
    let token = bearer(&headers).unwrap_or_default().to_owned();
    let sight = Sight::of(&app, token, &who.caller, filters).await?;
    let (events, mut queue) = mpsc::channel(QUEUE);
    let watch = app
        .store
        .watch(WatchFrom::After(from.unwrap_or(newest)))
        .await?;
    let stream = Stream {
        app: app.clone(),
        sight,
        events,
        told: newest,
        _place: place,
    };
    match from {
        Some(from) => tokio::spawn(stream.run(watch, from)),
        None => tokio::spawn(stream.resync()),
    };
    let body = streams::poll_fn(move |context| {
        queue
            .poll_recv(context)
            .map(|event| event.map(Ok::<_, Infallible>))
    });
    let mut response = Body::from_stream(body).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    Ok(response)
}

fn resumed(headers: &HeaderMap) -> Result<Option<Revision>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(revision) => Ok(Some(Revision(revision))),
        Err(_) => Err(ApiError::malformed(
            "Last-Event-ID",
            "is not the id of an event of this watch",
        )),
    }
}
