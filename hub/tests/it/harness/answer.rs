//! What the hub answered, and the ways to look at it that most stories need.

use std::fmt::Debug;

use breakglass_protocol::api::problem::{Detail, Problem};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

/// One answer. The headers that every answer must have are looked at here, once for all stories.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) async fn of<B: hyper::body::Body<Error: Debug>>(response: Response<B>) -> Self {
        Self::try_of(response).await.unwrap()
    }

    /// As [`Self::of`], where the hub may die in the middle.
    pub(crate) async fn try_of<B: hyper::body::Body<Error: Debug>>(
        response: Response<B>,
    ) -> Result<Self, B::Error> {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        assert_eq!(parts.headers[CACHE_CONTROL], "no-store");
        assert_eq!(parts.headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!parts.headers["x-correlation-id"].is_empty());
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            bytes,
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        self.json(StatusCode::OK)
    }

    /// The body of a 201.
    #[track_caller]
    pub(crate) fn created(self) -> Value {
        self.json(StatusCode::CREATED)
    }

    #[track_caller]
    fn json(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers[CONTENT_TYPE], "application/json");
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The problem body of a refusal with this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Problem {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.headers[CONTENT_TYPE], "application/json");
        let problem: Problem = serde_json::from_slice(&self.bytes).unwrap();
        assert_eq!(problem.code, code, "{}", self.text());
        assert_eq!(
            problem.request_id, self.headers["x-correlation-id"],
            "the body and the header name one request"
        );
        assert!(
            !problem.error.is_empty() && !problem.error.contains('\n'),
            "one sentence: {:?}",
            problem.error
        );
        problem
    }
}

/// The detail about a field.
#[track_caller]
pub(crate) fn detail<'a>(problem: &'a Problem, field: &str) -> &'a Detail {
    let found = problem
        .details
        .iter()
        .find(|detail| detail.field.as_deref() == Some(field));
    found.unwrap_or_else(|| panic!("nothing is said of {field}: {problem:#?}"))
}
