//! The outermost layer: gives each request its id, each refusal its body, and each answer the headers that say whose it is.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use uuid::Uuid;

use super::error::{ApiError, Pending};

/// The caller's own id for a request; echoed, logged and audited.
const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
/// Room for a UUID or a trace id with a prefix.
const MAX_ID_BYTES: usize = 128;

/// The id of one request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// See the module's text.
pub async fn identify(mut request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(&CORRELATION)
        .and_then(|value| value.to_str().ok());
    let id = given
        .filter(|text| is_usable(text))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let response = next.run(request).await;
    let mut response = with_body(response, &id);
    tracing::info!(request_id = %id, %method, path = ?path, status = response.status().as_u16(), "request");
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(CORRELATION, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Printable ASCII without spaces: safe in a header and in a log line.
fn is_usable(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ID_BYTES && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Writes the one error body. Refusals of the framework (no route, no method, a path that is no
/// text, a panic) get it too.
fn with_body(mut response: Response, id: &str) -> Response {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let pending = response.extensions_mut().remove::<Pending>().or_else(|| {
        let error = match response.status() {
            StatusCode::BAD_REQUEST => {
                ApiError::malformed("", "the path is not UTF-8 once its %XX are decoded")
            }
            StatusCode::METHOD_NOT_ALLOWED => ApiError::NoMethod,
            StatusCode::NOT_FOUND => ApiError::NoRoute,
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge {
                limit: breakglass_protocol::limits::MAX_BODY_BYTES,
            },
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => ApiError::TimedOut,
            StatusCode::INTERNAL_SERVER_ERROR => ApiError::Broken,
            _ => return None,
        };
        error.into_response().extensions_mut().remove::<Pending>()
    });
    let Some(pending) = pending else {
        return response;
    };
    let (mut parts, _) = response.into_parts();
    let body = serde_json::to_vec(&pending.problem(id)).unwrap_or_default();
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_only_ids_that_are_safe_in_a_log_are_taken() {
        assert!(is_usable("0199-abc_DEF"));
        for bad in ["", "a b", "a\nb", "ü", &"x".repeat(129)] {
            assert!(!is_usable(bad), "{bad:?}");
        }
    }
}
