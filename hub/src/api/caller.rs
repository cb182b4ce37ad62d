//! Who is asking: proved by this request's bearer token, with today's groups (S6).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use breakglass_hub_core::caller::{Caller, Standing};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::error::ApiError;
use super::request_id::RequestId;
use crate::app::App;

/// A caller with a valid token, and where the request came from.
pub struct Authenticated {
    pub caller: Caller,
    pub origin: Origin,
}

/// For the audit: which request, from which address.
#[derive(Clone, Debug)]
pub struct Origin {
    pub request_id: String,
    pub address: Option<String>,
}

/// The peer's address, put into each request by the listener.
#[derive(Clone, Debug)]
pub struct Peer(pub std::net::SocketAddr);

impl FromRequestParts<Arc<App>> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let origin = Origin::of(parts);
        let address = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let now = app.now().monotonic;
        let token = bearer(&parts.headers).unwrap_or_default();
        app.pace.admit(address, token, now)?;
        let Some(mut caller) = app.users.caller(token, &app.settings.admin_groups) else {
            app.pace.stranger(address, now)?;
            return Err(ApiError::Unauthenticated);
        };
        app.pace.person(&caller.identity, token, now)?;
        let (id, address) = (&origin.request_id, origin.address.as_deref());
        app.intake
            .saw(&caller.identity, app.now().wall, id, address);
        if app.bars().await?.find(&caller.identity).is_some() {
            caller.standing = Standing::Barred;
        }
        Ok(Self { caller, origin })
    }
}

/// The token of a request, good or not.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
}

/// A caller who is in an admin group.
pub struct Admin {
    pub caller: Caller,
    pub origin: Origin,
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Authenticated { caller, origin } =
            Authenticated::from_request_parts(parts, app).await?;
        match caller.standing {
            Standing::Admin => Ok(Self { caller, origin }),
            Standing::User | Standing::Barred => Err(ApiError::AdminsOnly),
        }
    }
}

impl Origin {
    fn of(parts: &Parts) -> Self {
        Self {
            request_id: parts
                .extensions
                .get::<RequestId>()
                .map(|id| id.0.clone())
                .unwrap_or_default(),
            address: parts
                .extensions
                .get::<Peer>()
                .map(|peer| peer.0.ip().to_string()),
        }
    }
}
