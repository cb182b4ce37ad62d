//! What time does. Each job is level-triggered: it looks at what is stored, compares it with the clock, and makes the
//! transition that is due through [`App::update_session`], as everybody else. None has input or memory that matters: a
//! job may be late, run twice, or be killed anywhere, and the end state is the same.
//!
//! * `deadlines`: expiry (also while the agent is away), approval timeout, requests that a crash left half made, removal
//!   of ended sessions after the retention.
//! * `ledgers`: places under a template's limit that a crash left behind.
//! * `clusters`: clusters marked connected whose link is gone.

mod clusters;
mod deadlines;
mod ledgers;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::App;
use crate::serve::ServeError;

/// Pause after a round that failed: the store was busy or full, and will not be well at once.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Starts all jobs. Each ends when the hub stops; one that ends before is a fault that the caller should end the hub for.
pub fn start(app: &Arc<App>, jobs: &mut JoinSet<Result<&'static str, ServeError>>) {
    let (deadlines, ledgers, clusters) = (app.clone(), app.clone(), app.clone());
    jobs.spawn(async move {
        let stop = deadlines.shutdown.clone();
        // Boxed: its future holds a session through several awaits and is large.
        stop.run_until_cancelled(Box::pin(deadlines::run(&deadlines)))
            .await;
        Ok("deadlines")
    });
    jobs.spawn(async move {
        let stop = ledgers.shutdown.clone();
        stop.run_until_cancelled(ledgers::run(&ledgers)).await;
        Ok("ledgers")
    });
    jobs.spawn(async move {
        let stop = clusters.shutdown.clone();
        stop.run_until_cancelled(clusters::run(&clusters)).await;
        Ok("clusters")
    });
}

/// Tells of a failed round and waits before the next.
async fn pause_after(app: &App, job: &'static str, error: &(dyn std::error::Error + Sync)) {
    app.metrics.job_failures.inc();
    tracing::warn!(job, %error, "a round of a job failed; trying again");
    app.clock.sleep(AFTER_FAILURE).await;
}
