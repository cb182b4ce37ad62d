//! One HTTPS request to the hub; a refusal comes back in the hub's own words.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use breakglass_protocol::api::problem::Problem;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::settings::{Settings, Verbosity};

/// The longest a request may take. The slowest one, `webhook-config`, waits for the cluster's agent.
const TIMEOUT: Duration = Duration::from_secs(30);
/// An answer is at most a page of 500 sessions.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A stream of events is opened anew after a day.
const LONGEST_STREAM: Duration = Duration::from_secs(24 * 3600);
/// The hub gives a sign of life every 15 s.
const SILENCE: Duration = Duration::from_secs(60);
/// Of a stream: one session's line is a few hundred bytes.
const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// A connection to one hub as one person.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    verbosity: Verbosity,
}

impl Client {
    pub fn new(settings: &Settings) -> Result<Self> {
        let mut builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("bgctl/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca_file {
            let pem = std::fs::read(path)
                .with_context(|| format!("cannot read --ca-file {}", path.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).with_context(|| {
                format!("--ca-file {} is not a PEM certificate", path.display())
            })?;
            builder = builder.tls_certs_only(certificates);
        }
        Ok(Self {
            http: builder.build().context("cannot set up TLS")?,
            base: format!("{}/api/v1", settings.server),
            token: settings.token.clone(),
            verbosity: settings.verbosity,
        })
    }

    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T> {
        self.send(Method::GET, path, query, None::<&()>).await
    }

    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &B,
    ) -> Result<T> {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    pub async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        body: &B,
    ) -> Result<T> {
        self.send(Method::PUT, path, query, Some(body)).await
    }

    pub async fn delete<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T> {
        self.send(Method::DELETE, path, query, None::<&()>).await
    }

    /// Opens a stream of events; `after` is the id of the last one that was seen.
    pub async fn events(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        after: Option<&str>,
    ) -> Result<Events> {
        let mut url = self.address(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .http
            .get(url)
            .timeout(LONGEST_STREAM)
            .bearer_auth(&self.token);
        if let Some(id) = after {
            request = request.header("Last-Event-ID", id);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| unreachable_hub(&self.base, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Events {
                answer,
                buffer: Vec::new(),
            });
        }
        Err(refusal(status, &read_bounded(answer).await?))
    }

    /// Each segment is escaped, so a name can never reach another route.
    fn address(&self, path: &[&str]) -> Result<reqwest::Url> {
        let mut url = reqwest::Url::parse(&self.base)
            .with_context(|| format!("--server {:?} is not an address", self.base))?;
        url.path_segments_mut()
            .map_err(|()| anyhow!("--server {:?} is not an address", self.base))?
            .extend(path);
        Ok(url)
    }

    async fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&B>,
    ) -> Result<T> {
        let mut url = self.address(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        if self.verbosity == Verbosity::Verbose {
            crate::output::note(&format!("{method} {url}"));
        }
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| unreachable_hub(&self.base, &error))?;
        let status = answer.status();
        let bytes = read_bounded(answer).await?;
        if status.is_success() {
            serde_json::from_slice(&bytes)
                .context("the hub's answer is not what this bgctl knows; is the hub newer?")
        } else {
            Err(refusal(status, &bytes))
        }
    }
}

/// One event of a stream that the hub keeps open.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerEvent {
    /// Empty for a sign of life.
    pub name: String,
    pub id: Option<String>,
    pub data: String,
}

/// Events as they come.
pub struct Events {
    answer: reqwest::Response,
    buffer: Vec<u8>,
}

impl Events {
    /// The next event, or sign of life; `None` when the hub ended the stream.
    pub async fn next(&mut self) -> Result<Option<ServerEvent>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(Some(parse_event(&String::from_utf8_lossy(&block))));
            }
            let read = tokio::time::timeout(SILENCE, self.answer.chunk()).await;
            let chunk = read
                .map_err(|_| anyhow!("the hub was silent for {} s", SILENCE.as_secs()))?
                .context("the hub's answer broke off")?;
            let Some(chunk) = chunk else { return Ok(None) };
            if self.buffer.len() + chunk.len() > MAX_EVENT_BYTES {
                bail!("an event of the hub is longer than {MAX_EVENT_BYTES} bytes");
            }
            self.buffer.extend_from_slice(&chunk);
        }
    }
}

fn parse_event(block: &str) -> ServerEvent {
    let mut event = ServerEvent {
        name: String::new(),
        id: None,
        data: String::new(),
    };
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_owned(),
            "id" => event.id = Some(value.to_owned()),
            "data" => event.data.push_str(value),
            // A comment, or of a newer hub.
            _other => {}
        }
    }
    event
}

async fn read_bounded(mut answer: reqwest::Response) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.context("the hub's answer broke off")? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            bail!("the hub's answer is longer than {MAX_ANSWER_BYTES} bytes");
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unreachable_hub(base: &str, error: &reqwest::Error) -> anyhow::Error {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        why = inner.to_string();
        source = inner.source();
    }
    anyhow!("cannot reach the hub at {base}: {why}")
}

/// The hub said no.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct HubRefusal {
    pub status: u16,
    text: String,
}

fn refusal(status: StatusCode, bytes: &[u8]) -> anyhow::Error {
    let Ok(problem) = serde_json::from_slice::<Problem>(bytes) else {
        return anyhow!("the hub answered {status} without saying why");
    };
    let mut text = problem.message;
    for detail in &problem.details {
        let field = detail
            .field
            .as_deref()
            .map(|f| format!("{f}: "))
            .unwrap_or_default();
        text.push_str(&format!("\n  - {field}{}", detail.message));
    }
    let status = status.as_u16();
    text.push_str(&format!(
        "\n(HTTP {status}, {}, request {})",
        problem.code, problem.request_id
    ));
    HubRefusal { status, text }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_are_written() {
        let event = parse_event("event: gone\nid: 7\ndata: {\"name\":\"a: b\"}\n\n");
        assert_eq!(
            event,
            ServerEvent {
                name: "gone".to_owned(),
                id: Some("7".to_owned()),
                data: "{\"name\":\"a: b\"}".to_owned(),
            }
        );
        let alive = parse_event(": alive\nid: 9\n\n");
        assert_eq!((alive.name.as_str(), alive.id.as_deref()), ("", Some("9")));
    }
}
