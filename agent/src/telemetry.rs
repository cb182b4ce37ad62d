//! How the agent tells its operators what it does: log lines, Prometheus metrics, and the health listener.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use breakglass_agent_core::recorder::Lost;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Health and metrics requests served at once. A kubelet and a Prometheus need two; the rest wait in the kernel.
const MAX_CONNECTIONS: usize = 8;
/// A scraper that has not sent its request after this long is cut.
const HEADER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Starts logging.
///
/// # Errors
/// If `filter` is not in the syntax of `RUST_LOG`.
pub fn start_logging(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    // Its lines say again, without the subject, what this program tells about failed calls.
    let filter = EnvFilter::try_new(format!("kube_client=off,{filter}"))
        .map_err(|e| anyhow::anyhow!("--log (BREAKGLASS_LOG) {filter:?}: {e}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would be told on standard error, and where nobody reads that any more the agent would panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Text => lines.init(),
    }
    Ok(())
}

/// What an attempt at the API server or a report came to.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StepLabels {
    /// Which step, as the plan names it.
    pub step: &'static str,
    /// `done`, `retried` or `refused`.
    pub outcome: &'static str,
}

/// How grants ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndLabels {
    pub reason: &'static str,
}

/// Which watch.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WatchLabels {
    pub kind: &'static str,
}

/// What was dropped.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DroppedLabels {
    /// `allow` or `denied`, as the webhook counts its verdicts.
    pub verdict: &'static str,
}

/// The loop's metrics. Cheap to clone; all clones count together.
#[derive(Clone, Default)]
pub struct Metrics {
    pub grants_held: Gauge,
    pub pods_allowed: Gauge,
    pub steps: Family<StepLabels, Counter>,
    pub grants_ended: Family<EndLabels, Counter>,
    pub frames_refused: Counter,
    pub deny_policies: Gauge,
    pub reports_sent: Counter,
    pub watch_restarts: Family<WatchLabels, Counter>,
    pub watch_age_seconds: Gauge<f64, AtomicU64>,
    pub audit_waiting: Gauge,
    pub audit_dropped: Family<DroppedLabels, Counter>,
}

impl Metrics {
    /// Makes the metrics and puts them into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "breakglass_agent_grants_held",
            "Grants in the journal, ended ones that the hub has not settled included",
            metrics.grants_held.clone(),
        );
        registry.register(
            "breakglass_agent_pods_allowed",
            "Pods that the webhook may allow",
            metrics.pods_allowed.clone(),
        );
        registry.register(
            "breakglass_agent_steps",
            "Steps performed at the API server, by step and outcome",
            metrics.steps.clone(),
        );
        registry.register(
            "breakglass_agent_grants_ended",
            "Grants that ended in this cluster, by reason",
            metrics.grants_ended.clone(),
        );
        registry.register(
            "breakglass_agent_deny_policies",
            "Deny policies that the webhook judges by",
            metrics.deny_policies.clone(),
        );
        registry.register(
            "breakglass_agent_frames_refused",
            "Frames and grants from the hub that were refused",
            metrics.frames_refused.clone(),
        );
        registry.register(
            "breakglass_agent_reports_sent",
            "Reports sent to the hub",
            metrics.reports_sent.clone(),
        );
        registry.register(
            "breakglass_agent_watch_restarts",
            "Watches that broke off and were started anew, by kind",
            metrics.watch_restarts.clone(),
        );
        registry.register(
            "breakglass_agent_watch_age_seconds",
            "Time since the pod watch last made progress; over 60 nothing is allowed",
            metrics.watch_age_seconds.clone(),
        );
        registry.register(
            "breakglass_agent_audit_waiting",
            "Audit records that the hub does not have yet",
            metrics.audit_waiting.clone(),
        );
        registry.register(
            "breakglass_agent_audit_dropped",
            "Decisions that are not recorded one by one for want of room, by verdict; their number is",
            metrics.audit_dropped.clone(),
        );
        // Shown from the start, so that the first loss is seen as one.
        for verdict in ["allow", "denied"] {
            drop(
                metrics
                    .audit_dropped
                    .get_or_create(&DroppedLabels { verdict }),
            );
        }
        metrics
    }

    pub(crate) fn count_dropped(&self, lost: Lost) {
        for (verdict, count) in [("allow", lost.allows), ("denied", lost.denials)] {
            if count > 0 {
                let labels = DroppedLabels { verdict };
                self.audit_dropped.get_or_create(&labels).inc_by(count);
            }
        }
    }
}

/// What `/readyz` answers from.
#[derive(Clone)]
pub struct Health {
    unready: Arc<Mutex<Option<String>>>,
    registry: Arc<Registry>,
}

impl Health {
    /// Not ready until [`Health::set_ready`].
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self {
            unready: Arc::new(Mutex::new(Some("starting".to_owned()))),
            registry: Arc::new(registry),
        }
    }

    /// The journal is loaded and the watches have synced. The hub plays no part: an agent alone is a working agent.
    pub fn set_ready(&self) {
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Why the agent is not ready.
    pub fn set_unready(&self, why: impl Into<String>) {
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.into());
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if *method != Method::GET && *method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        match path {
            "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => {
                let unready = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
                match unready.as_deref() {
                    None => text(StatusCode::OK, "ok\n".to_owned()),
                    Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
                }
            }
            "/metrics" => self.metrics(),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz and /metrics\n".to_owned(),
            ),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut body = String::new();
        if prometheus_client::encoding::text::encode(&mut body, &self.registry).is_err() {
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics could not be written\n".to_owned(),
            );
        }
        let mut response = text(StatusCode::OK, body);
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
        );
        response
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

/// Takes the address of the health listener, so that a wrong one ends the program at its start.
///
/// # Errors
/// If the address cannot be bound.
pub async fn bind_health(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|e| {
        anyhow::anyhow!("--health-listen (BREAKGLASS_HEALTH_LISTEN) {listen} cannot be used: {e}")
    })
}

/// Serves health and metrics for ever.
pub async fn serve_health(listener: TcpListener, health: Health) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, or a peer that hung up: the next accept waits or works.
                tracing::warn!(%error, "health listener: accept failed");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let health = health.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let response = health.answer(request.method(), request.uri().path());
                async move { Ok::<_, std::convert::Infallible>(response) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .keep_alive(false)
                .max_buf_size(8 * 1024)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "health listener: connection ended");
            }
            drop(slot);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readyz_says_why_not_and_healthz_lives_before_that() {
        let health = Health::new(Registry::default());
        assert_eq!(health.answer(&Method::GET, "/healthz").status(), 200);
        assert_eq!(health.answer(&Method::GET, "/readyz").status(), 503);
        health.set_ready();
        assert_eq!(health.answer(&Method::GET, "/readyz").status(), 200);
        assert_eq!(health.answer(&Method::POST, "/readyz").status(), 405);
        assert_eq!(health.answer(&Method::GET, "/").status(), 404);
    }

    #[test]
    fn metrics_carry_the_products_prefix() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics
            .steps
            .get_or_create(&StepLabels {
                step: "create",
                outcome: "done",
            })
            .inc();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains(r#"breakglass_agent_steps_total{step="create",outcome="done"} 1"#),
            "{text}"
        );
        assert!(
            text.lines()
                .all(|l| l.starts_with("# ") || l.starts_with("breakglass_agent_"))
        );
    }
}
