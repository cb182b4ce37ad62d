//! The one error of the API: made from named refusals, shown as one body. One `match` gives status and code.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use breakglass_hub_core::lifecycle::Declined;
use breakglass_hub_core::pace::TooFast;
use breakglass_hub_core::refusal::{Class, Refusal};
use breakglass_protocol::api::problem::{Detail, Problem};
use http::{HeaderValue, StatusCode, header};

use crate::app::UpdateError;
use crate::clusters::ClusterError;
use crate::store::{CommitError, StoreError};
use crate::templates::by_admins::WriteError;

/// Why a request is not done. Whose fault it is follows from the status: 4xx the caller's, 5xx the hub's or a cluster's.
#[derive(Debug)]
pub enum ApiError {
    /// No token, or one that nobody has.
    Unauthenticated,
    /// The caller is not an admin.
    AdminsOnly,
    /// It does not exist, or the caller may not know that it does. What, as people call it: `debug session "x"`.
    NotFound(String),
    NoRoute,
    NoMethod,
    /// The request itself cannot be read.
    Malformed(Vec<Detail>),
    TooLarge {
        limit: usize,
    },
    Declined(Declined),
    Refused(Refusal),
    Cluster(ClusterError),
    /// An admin's write of a kind.
    Write(WriteError),
    /// A body that says it is something else than this path takes.
    MediaType {
        taken: &'static str,
    },
    /// Asked too fast, or holds too many connections open (429).
    TooMany {
        what: &'static str,
        retry_after: Duration,
    },
    /// More people change the same object than this hub will follow.
    Contended,
    Store(StoreError),
    TimedOut,
    /// The hub's fault, told in its log: a handler panicked, a key could not sign.
    Broken,
}

/// What callers are told of a fault that is not theirs.
const HUB_FAILED: &str = "the hub failed; its log knows more under this request id";

/// Seconds after which a busy hub may be asked again.
const BUSY_FOR: u64 = 5;

/// At least one: who is told to wait 0 s would spin.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0).max(u64::from(time.is_zero()))
}

/// The problem of a response, before the outermost layer gives it the request's id and a body.
#[derive(Clone, Debug)]
pub struct Pending {
    code: String,
    message: String,
    details: Vec<Detail>,
}

impl Pending {
    /// The body, for the request of this id.
    #[must_use]
    pub fn problem(self, request_id: &str) -> Problem {
        Problem {
            error: one_sentence(&self.message, &self.details),
            code: self.code,
            message: self.message,
            details: self.details,
            request_id: request_id.to_owned(),
        }
    }
}

/// The message with its details on one line, for clients that show only this.
fn one_sentence(message: &str, details: &[Detail]) -> String {
    let mut text = message.replace('\n', " ");
    for detail in details.iter().filter(|d| !message.contains(&d.message)) {
        text.push_str("; ");
        if let Some(field) = &detail.field {
            text.push_str(field);
            text.push_str(": ");
        }
        text.push_str(&detail.message.replace('\n', " "));
    }
    text
}

impl ApiError {
    /// A body or query that cannot be read.
    #[must_use]
    pub fn malformed(field: impl Into<String>, message: impl Into<String>) -> Self {
        let field = field.into();
        Self::Malformed(vec![Detail {
            field: (!field.is_empty()).then_some(field),
            rule: None,
            message: message.into(),
            allowed: Vec::new(),
        }])
    }

    fn parts(self) -> (StatusCode, &'static str, String, Vec<Detail>) {
        let plain = |status, code, message: &str| (status, code, message.to_owned(), Vec::new());
        match self {
            Self::Unauthenticated => plain(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "this needs a valid token: send `Authorization: Bearer TOKEN`",
            ),
            Self::AdminsOnly => plain(
                StatusCode::FORBIDDEN,
                "adminsOnly",
                "only admins of this hub may do this",
            ),
            Self::NotFound(what) => (
                StatusCode::NOT_FOUND,
                "notFound",
                format!("{what} does not exist"),
                Vec::new(),
            ),
            Self::NoRoute => plain(
                StatusCode::NOT_FOUND,
                "noRoute",
                "there is no such path; /api/openapi.json lists all",
            ),
            Self::NoMethod => plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "methodNotAllowed",
                "this path has no such method; /api/openapi.json lists all",
            ),
            Self::Malformed(details) => (
                StatusCode::BAD_REQUEST,
                "malformed",
                "the request cannot be read".to_owned(),
                details,
            ),
            Self::TooLarge { limit } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "tooLarge",
                format!("the body is longer than {limit} bytes"),
                Vec::new(),
            ),
            Self::Declined(declined) => declined_parts(declined),
            Self::Refused(refusal) => refusal_parts(&refusal),
            Self::Cluster(error) => error.problem(),
            Self::Write(error) => {
                let (status, code, details) = error.problem();
                (status, code, error.to_string(), details)
            }
            Self::MediaType { taken } => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupportedMediaType",
                format!("this path takes {taken}; say so in Content-Type"),
                Vec::new(),
            ),
            Self::TooMany { what, retry_after } => (
                StatusCode::TOO_MANY_REQUESTS,
                "tooManyRequests",
                format!("{what}; try again in {} s", whole_seconds(retry_after)),
                Vec::new(),
            ),
            Self::Contended => plain(
                StatusCode::CONFLICT,
                "conflict",
                "many people are changing this at once; nothing was done, try again",
            ),
            Self::Store(error) => store_parts(&error),
            Self::TimedOut => plain(
                StatusCode::GATEWAY_TIMEOUT,
                "timedOut",
                "the hub took too long; look whether it was done before you try again",
            ),
            Self::Broken => plain(StatusCode::INTERNAL_SERVER_ERROR, "internal", HUB_FAILED),
        }
    }
}

fn declined_parts(declined: Declined) -> (StatusCode, &'static str, String, Vec<Detail>) {
    match declined {
        Declined::NotFound => (
            StatusCode::NOT_FOUND,
            "notFound",
            "this debug session does not exist".to_owned(),
            Vec::new(),
        ),
        Declined::Forbidden(why) => {
            let detail = Detail {
                field: None,
                rule: Some(why.rule.to_owned()),
                message: why.message.clone(),
                allowed: Vec::new(),
            };
            (
                StatusCode::FORBIDDEN,
                "forbidden",
                why.message,
                vec![detail],
            )
        }
        Declined::NotAllowed(why) => (StatusCode::CONFLICT, "state", why.to_string(), Vec::new()),
        Declined::Refused(refusal) => refusal_parts(&refusal),
    }
}

fn refusal_parts(refusal: &Refusal) -> (StatusCode, &'static str, String, Vec<Detail>) {
    let (status, code) = match refusal.class {
        Class::NotFound => (StatusCode::NOT_FOUND, "notFound"),
        Class::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
        Class::Conflict => (StatusCode::CONFLICT, "conflict"),
        Class::Constraint => (StatusCode::UNPROCESSABLE_ENTITY, "constraint"),
    };
    (status, code, refusal.to_string(), refusal.details())
}

fn store_parts(error: &StoreError) -> (StatusCode, &'static str, String, Vec<Detail>) {
    match error {
        StoreError::Busy { .. } | StoreError::Closed => (
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "the hub is busy or going down; nothing was done, try again".to_owned(),
            Vec::new(),
        ),
        StoreError::NotWritable { why, .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "notWritable",
            format!(
                "the hub cannot write: {}; nothing was done, reading goes on, sessions go on; tell the hub's operator and try again later",
                why.as_str()
            ),
            Vec::new(),
        ),
        StoreError::Failed { .. } | StoreError::Unreadable { .. } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            HUB_FAILED.to_owned(),
            Vec::new(),
        ),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Store(error) = &self {
            tracing::error!(%error, "a request failed in the store");
        }
        let retry_after = if let Self::TooMany { retry_after, .. } = &self {
            Some(whole_seconds(*retry_after))
        } else {
            None
        };
        let (status, code, message, details) = self.parts();
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let retry_after =
            retry_after.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(BUSY_FOR));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Pending {
            code: code.to_owned(),
            message,
            details,
        });
        response
    }
}

impl From<TooFast> for ApiError {
    fn from(too_fast: TooFast) -> Self {
        Self::TooMany {
            what: "you ask faster than this hub answers",
            retry_after: too_fast.retry_after,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ClusterError> for ApiError {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::Store(error) => error.into(),
            ClusterError::Commit(error) => error.into(),
            ClusterError::Ca(error) => {
                tracing::error!(%error, "a request failed in the authority");
                Self::Broken
            }
            ClusterError::Invalid { .. }
            | ClusterError::NotFound(_)
            | ClusterError::AlreadySpeaks(_)
            | ClusterError::InUse { .. }
            | ClusterError::Call(_)
            | ClusterError::Contended(_) => Self::Cluster(error),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Cluster(error) => error.into(),
            WriteError::Store(error) => error.into(),
            WriteError::Commit(error) => error.into(),
            WriteError::Aborted(why) => {
                tracing::error!(%why, "judging a manifest was aborted");
                Self::Broken
            }
            WriteError::Unreadable(_)
            | WriteError::Refused(_)
            | WriteError::OwnedByFile { .. }
            | WriteError::Changed { .. }
            | WriteError::NotFound(_)
            | WriteError::Contended(_) => Self::Write(error),
        }
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => Self::Contended,
            CommitError::TooLarge { bytes, .. } => Self::malformed(
                "",
                format!("what would be stored is too large ({bytes} bytes)"),
            ),
            CommitError::TooManyEvents { key, events } => Self::Store(StoreError::Failed {
                attempt: "commit",
                message: format!("{key} came with {events} audit events"),
            }),
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

impl<E: Into<ApiError>> From<UpdateError<E>> for ApiError {
    fn from(error: UpdateError<E>) -> Self {
        match error {
            UpdateError::NotFound(_) => Self::Declined(Declined::NotFound),
            UpdateError::Refused(refused) => refused.into(),
            UpdateError::Contended { .. } => Self::Contended,
            UpdateError::Commit(error) => error.into(),
            UpdateError::Store(error) => error.into(),
        }
    }
}

impl From<Declined> for ApiError {
    fn from(declined: Declined) -> Self {
        Self::Declined(declined)
    }
}
