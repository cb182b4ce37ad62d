//! `--wait`: until the session is active and its pods are ready, or it ended, or the time is up.

use std::time::Duration;

use anyhow::{Result, bail};
use breakglass_protocol::api::debug_session::DebugSessionView;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::output;

/// Between two looks: quick enough for a person, slow enough for a hub with a thousand of them.
const INTERVAL: Duration = Duration::from_secs(1);

/// Waits and returns the session as it was last seen.
pub async fn until_ready(
    client: &Client,
    name: &str,
    within: Duration,
) -> Result<DebugSessionView> {
    let deadline = Instant::now() + within;
    let mut told = String::new();
    loop {
        let view: DebugSessionView = client.get(&["debug-sessions", name], &[]).await?;
        let progress = Progress::of(&view);
        if progress.text != told {
            output::note(&progress.text);
            told = progress.text;
        }
        match progress.stage {
            Stage::Ready => return Ok(view),
            Stage::Ended => bail!("{name} will not become ready"),
            Stage::Waiting if Instant::now() >= deadline => {
                bail!(
                    "{name} was not ready within {} s; it goes on, look with `bgctl debug session get {name}`",
                    within.as_secs()
                )
            }
            Stage::Waiting => sleep(INTERVAL).await,
        }
    }
}

struct Progress {
    stage: Stage,
    text: String,
}

enum Stage {
    Waiting,
    Ready,
    Ended,
}

impl Progress {
    fn of(view: &DebugSessionView) -> Self {
        let status = super::session::status(view);
        let ready = status.pods_ready > 0 && status.pods_ready == status.pods;
        let message = status.message.map(|m| format!(": {m}")).unwrap_or_default();
        match status.state.as_str() {
            "Active" if ready => Self {
                stage: Stage::Ready,
                text: format!("Active, {0} of {0} pods ready", status.pods),
            },
            "Active" => Self {
                stage: Stage::Waiting,
                text: format!(
                    "Active, {} of {} pods ready{message}",
                    status.pods_ready, status.pods
                ),
            },
            "Pending" | "PendingApproval" => Self {
                stage: Stage::Waiting,
                text: format!("{}{message}", status.state),
            },
            ended => Self {
                stage: Stage::Ended,
                text: format!("{ended}{message}"),
            },
        }
    }
}
