//! What time does. Each job is level-triggered: it looks at what is stored, compares it with the clock, and makes the
//! transition that is due through [`App::update_session`], as everybody else. None has input or memory that matters: a
//! job may be late, run twice, or be killed anywhere, and the end state is the same.
//!
//! * `deadlines`: expiry (also while the agent is away), approval timeout, requests that a crash left half made, removal
//!   of ended sessions after the retention.
//! * `ledgers`: places under a template's limit that a crash left behind.
//! * `warnings`, [`crate::notify`]: people are told, where a channel is configured.
//! * `bars`: sessions of people who were barred.
//! * `clusters`: clusters marked connected whose link is gone.

mod bars;
mod clusters;
mod deadlines;
mod ledgers;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::App;
use crate::intake;
use crate::notify;
use crate::serve::ServeError;
use crate::ship;

/// Pause after a round that failed: the store was busy or full, and will not be well at once.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Starts all jobs. Each ends when the hub stops; one that ends before is a fault that the caller should end the hub for.
pub fn start(app: &Arc<App>, jobs: &mut JoinSet<Result<&'static str, ServeError>>) {
    let (deadlines, ledgers, clusters) = (app.clone(), app.clone(), app.clone());
    let bars = app.clone();
    jobs.spawn(async move {
        let stop = bars.shutdown.clone();
        stop.run_until_cancelled(Box::pin(bars::run(&bars))).await;
        Ok("bars")
    });
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
    let intake = app.clone();
    jobs.spawn(async move {
        let stop = intake.shutdown.clone();
        stop.run_until_cancelled(Box::pin(intake::run(&intake)))
            .await;
        Ok("audit intake")
    });
    for destination in app.outward.destinations.clone() {
        let app = app.clone();
        jobs.spawn(async move {
            let stop = app.shutdown.clone();
            stop.run_until_cancelled(Box::pin(ship::run(&app, &destination)))
                .await;
            Ok("audit destination")
        });
    }
    if !app.outward.channels.is_empty() {
        start_telling(app, jobs);
    }
}

/// Without a channel nobody could be told.
fn start_telling(app: &Arc<App>, jobs: &mut JoinSet<Result<&'static str, ServeError>>) {
    let (warnings, notices, deliveries) = (app.clone(), app.clone(), app.clone());
    jobs.spawn(async move {
        let stop = warnings.shutdown.clone();
        stop.run_until_cancelled(Box::pin(warnings::run(&warnings)))
            .await;
        Ok("warnings")
    });
    jobs.spawn(async move {
        let stop = notices.shutdown.clone();
        stop.run_until_cancelled(Box::pin(notify::follow(&notices)))
            .await;
        Ok("notices")
    });
    jobs.spawn(async move {
        let stop = deliveries.shutdown.clone();
        stop.run_until_cancelled(Box::pin(notify::deliver(&deliveries)))
            .await;
        Ok("deliveries")
    });
}

/// Tells of a failed round and waits before the next.
pub(crate) async fn pause_after(
    app: &App,
    job: &'static str,
    error: &(dyn std::error::Error + Sync),
) {
    app.metrics.job_failures.inc();
    tracing::warn!(job, %error, "a round of a job failed; trying again");
    app.clock.sleep(AFTER_FAILURE).await;
}
