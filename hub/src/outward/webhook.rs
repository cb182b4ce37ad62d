//! One webhook: HTTPS, no redirects, no proxy of the environment, only addresses that may be called (S20).

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use reqwest::Url;
use reqwest::redirect::Policy;

use super::SendError;
use super::resolve::Resolver;

/// For one call, the body included: a collector answers within a second, and whoever waits for it is a task of its own.
const TIMEOUT: Duration = Duration::from_secs(15);
/// For the connection alone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where to, and how to prove who calls.
#[derive(Clone, Debug)]
pub struct Webhook {
    configured: String,
    url: Url,
    headers: HeaderMap,
    client: reqwest::Client,
}

impl Webhook {
    /// What it calls. `roots` (PEM) replaces the machine's roots.
    ///
    /// # Errors
    /// What is wrong with the address or the roots, worded to follow the entry.
    pub(super) fn new(
        url: &str,
        headers: HeaderMap,
        roots: Option<&[u8]>,
        resolver: Resolver,
    ) -> Result<Self, String> {
        let configured = url.to_owned();
        let url = parse(url, &resolver)?;
        let mut builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .https_only(true)
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(std::sync::Arc::new(resolver))
            .user_agent(concat!("breakglass-hub/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = roots {
            let roots = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|_| "caFile holds no PEM certificate".to_owned())?;
            if roots.is_empty() {
                return Err("caFile holds no PEM certificate".to_owned());
            }
            builder = builder.tls_certs_only(roots);
        }
        Ok(Self {
            configured,
            url,
            headers,
            client: builder
                .build()
                .map_err(|error| format!("cannot be called: {}", error.without_url()))?,
        })
    }

    /// The address as the configuration spells it: what a template may name.
    #[must_use]
    pub fn configured(&self) -> &str {
        &self.configured
    }

    /// Sends one JSON text.
    ///
    /// # Errors
    /// Without the address in the text: some hold a secret in their path.
    pub async fn send(&self, body: String, content_type: &'static str) -> Result<(), SendError> {
        let sent = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(header::CONTENT_TYPE, content_type)
            .body(body)
            .send()
            .await;
        match sent {
            Ok(response) => judge(response.status()),
            Err(error) => Err(SendError::Temporary(chain(&error.without_url()))),
        }
    }
}

fn parse(text: &str, resolver: &Resolver) -> Result<Url, String> {
    breakglass_hub_core::outward::check_url(text).map_err(|error| format!("url {error}"))?;
    let url = Url::parse(text).map_err(|error| format!("url is not an address: {error}"))?;
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // The client asks no resolver about an address that is written out.
    if let Ok(address) = bare.parse::<IpAddr>() {
        resolver
            .judge(address)
            .map_err(|closed| format!("url: {closed}"))?;
    }
    Ok(url)
}

fn judge(status: StatusCode) -> Result<(), SendError> {
    if status.is_success() {
        return Ok(());
    }
    let message = format!("it answered {}", status.as_u16());
    let again = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
        );
    // Keys and paths are mended by people within hours; a redirect or a refusal of the body is not.
    if again {
        Err(SendError::Temporary(message))
    } else {
        Err(SendError::Permanent(message))
    }
}

/// An error with its causes: `error sending request` alone tells nobody what to mend.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
