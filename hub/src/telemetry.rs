//! Logs to standard error, and the metrics that `/metrics` shows.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use crate::api::metrics::ApiMetrics;
use crate::args::LogFormat;

mod census;

pub use census::Census;

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_FILTER: &str = "info,hyper=warn,rustls=warn";

/// Starts logging, once per process. A second call changes nothing.
pub fn start_logging(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would be told on standard error, and where nobody reads that any more the task that logs would panic.
        .log_internal_errors(false);
    // Fails only where a subscriber is set already (tests): then that one stays.
    match format {
        LogFormat::Text => builder.with_ansi(false).try_init().ok(),
        LogFormat::Json => builder.json().flatten_event(true).try_init().ok(),
    };
}

/// Everything that `/metrics` shows. A part of the hub registers its own metrics once, at start.
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Commits that had to be decided again because somebody else wrote first.
    pub commit_conflicts: Counter,
    /// Documents in the templates folder that are refused now.
    pub template_refusals: Gauge,
    /// Rounds of timed jobs that failed and will be tried again.
    pub job_failures: Counter,
    pub api: ApiMetrics,
    pub census: Census,
}

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("breakglass");
        let commit_conflicts = Counter::default();
        registry.register(
            "hub_commit_conflicts",
            "Writes decided again because somebody else wrote first",
            commit_conflicts.clone(),
        );
        let template_refusals = Gauge::default();
        registry.register(
            "hub_template_refusals",
            "Documents in the templates folder that are refused now",
            template_refusals.clone(),
        );
        let job_failures = Counter::default();
        registry.register(
            "hub_job_failures",
            "Rounds of timed jobs that failed and will be tried again",
            job_failures.clone(),
        );
        let api = ApiMetrics::register(&mut registry);
        let census = Census::register(&mut registry);
        Self {
            api,
            census,
            registry: Mutex::new(registry),
            commit_conflicts,
            template_refusals,
            job_failures,
        }
    }

    /// Adds metrics. Their names get the prefix `breakglass_`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.lock());
    }

    /// The exposition text (OpenMetrics).
    ///
    /// # Errors
    /// If a metric cannot be written as text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.lock())?;
        Ok(text)
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        // Registering is the only change; a panic in it leaves at worst a metric out.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_prefix() {
        let metrics = Metrics::new();
        metrics.commit_conflicts.inc();
        let text = metrics.encode().unwrap();
        assert!(
            text.contains("breakglass_hub_commit_conflicts_total 1"),
            "{text}"
        );
    }
}
