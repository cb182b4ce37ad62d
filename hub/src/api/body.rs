//! Request bodies, decoded strictly: unknown fields, duplicate keys and trailing bytes are refused with their path.

use axum::extract::{FromRequest, Request};
use breakglass_protocol::limits::MAX_BODY_BYTES;
use breakglass_protocol::manifest::decode_json_body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

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
