//! Request bodies, decoded strictly: unknown fields, duplicate keys and trailing bytes are refused with their path.

use std::collections::HashMap;

use axum::extract::{FromRequest, Request};
use breakglass_protocol::api::explain::ExplainSession;
use breakglass_protocol::limits::MAX_BODY_BYTES;
use breakglass_protocol::manifest::decode_json_body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::ApiError;

/// A body that must be there.
pub struct JsonBody<T>(pub T);

/// A body whose fields are all optional: it may be empty.
pub struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        decode(&read(request).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = read(request).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            Ok(Self(T::default()))
        } else {
            decode(&bytes).map(Self)
        }
    }
}

/// One of two bodies, told apart by a field that only the first has, so that each is decoded as strictly as alone.
pub enum EitherBody<One, Other> {
    One(One),
    Other(Other),
}

/// A body that is told by its field.
pub trait ToldBy {
    const FIELD: &'static str;
}

impl ToldBy for ExplainSession {
    const FIELD: &'static str = "session";
}

impl<S, One, Other> FromRequest<S> for EitherBody<One, Other>
where
    S: Send + Sync,
    One: DeserializeOwned + ToldBy,
    Other: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = read(request).await?;
        let fields: HashMap<String, IgnoredAny> = decode(&bytes)?;
        if fields.contains_key(One::FIELD) {
            decode(&bytes).map(Self::One)
        } else {
            decode(&bytes).map(Self::Other)
        }
    }
}

/// A manifest, in JSON or YAML as `Content-Type` says: its text. It is decoded where it is judged.
pub struct ManifestBody(pub String);

/// What [`ManifestBody`] takes.
const MANIFEST_TYPES: &str = "application/json or application/yaml";

impl<S: Send + Sync> FromRequest<S> for ManifestBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let given = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|essence| essence.trim().to_ascii_lowercase());
        let written = match given.as_deref() {
            Some("application/json") => Written::Json,
            Some("application/yaml" | "application/x-yaml" | "text/yaml") => Written::Yaml,
            Some(_) | None => {
                return Err(ApiError::MediaType {
                    taken: MANIFEST_TYPES,
                });
            }
        };
        let bytes = read(request).await?;
        if written == Written::Json {
            // The decoder of manifests reads YAML, which is more than JSON.
            decode::<IgnoredAny>(&bytes)?;
        }
        String::from_utf8(bytes.to_vec())
            .map(Self)
            .map_err(|_| ApiError::malformed("", "the body is not UTF-8 text"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Json,
    Yaml,
}

async fn read(request: Request) -> Result<Bytes, ApiError> {
    match Limited::new(request.into_body(), MAX_BODY_BYTES)
        .collect()
        .await
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge {
            limit: MAX_BODY_BYTES,
        }),
        Err(error) => Err(ApiError::malformed(
            "",
            format!("the body broke off: {error}"),
        )),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    decode_json_body(bytes).map_err(|error| ApiError::malformed(error.path, error.message))
}
