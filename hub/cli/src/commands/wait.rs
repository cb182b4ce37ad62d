//! `--wait`: until the session is active and its pods are ready, or it ended, or the time is up. The hub tells when there
//! is something to look at; after a broken stream one look is made before the next try.

use std::time::Duration;

use anyhow::{Result, bail};
use breakglass_protocol::api::debug_session::{DebugSessionView, Summary};
use breakglass_protocol::api::watch::{Gone, event};
use tokio::time::{sleep, timeout};

use super::watch::is_final;
use crate::client::{Client, Events, ServerEvent};
use crate::output;

/// Pause before the first try to connect again, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Waits and returns the session as it was last seen.
pub async fn until_ready(
    client: &Client,
    name: &str,
    within: Duration,
) -> Result<DebugSessionView> {
    let mut look = Look {
        client,
        name,
        told: String::new(),
    };
    match timeout(within, look.until_ready()).await {
        Ok(seen) => seen,
        Err(_over) => bail!(
            "{name} was not ready within {} s; it goes on, look with `bgctl debug session get {name}`",
            within.as_secs()
        ),
    }
}

/// One session that is looked at.
struct Look<'a> {
    client: &'a Client,
    name: &'a str,
    /// What was printed last.
    told: String,
}

impl Look<'_> {
    /// A hub that has no watch to give is looked at now and then all the same.
    async fn until_ready(&mut self) -> Result<DebugSessionView> {
        // `--wait` stands beside a request: it is the caller's own.
        let own = [("mine", "true".to_owned())];
        let mut pause = FIRST_PAUSE;
        loop {
            match self.client.events(&["watch"], &own, None).await {
                Ok(events) => {
                    pause = FIRST_PAUSE;
                    if let Some(ready) = self.follow(events).await? {
                        return Ok(ready);
                    }
                }
                Err(error) => output::note(&format!("{error:#}; looking now and then")),
            }
            if let Some(ready) = self.once().await? {
                return Ok(ready);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Looks when the stream begins and whenever it tells of the session. `None`: the stream is over.
    async fn follow(&mut self, mut events: Events) -> Result<Option<DebugSessionView>> {
        loop {
            let ServerEvent { name, data, .. } = match events.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(None),
                Err(error) => {
                    output::note(&format!("{error:#}; connecting again"));
                    return Ok(None);
                }
            };
            let concerns_it = match name.as_str() {
                event::READY => true,
                event::SESSION => serde_json::from_str::<Summary>(&data)?.name == self.name,
                event::GONE => serde_json::from_str::<Gone>(&data)?.name == self.name,
                event::RESYNC => return Ok(None),
                // A sign of life, or of a newer hub.
                _nothing_to_look_at => false,
            };
            if concerns_it && let Some(ready) = self.once().await? {
                return Ok(Some(ready));
            }
        }
    }

    /// One look. What a later one may see otherwise is no error.
    async fn once(&mut self) -> Result<Option<DebugSessionView>> {
        let seen = self.client.get(&["debug-sessions", self.name], &[]).await;
        let view: DebugSessionView = match seen {
            Ok(view) => view,
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => {
                output::note(&format!("{error:#}; trying again"));
                return Ok(None);
            }
        };
        let progress = Progress::of(&view);
        if progress.text != self.told {
            output::note(&progress.text);
            self.told = progress.text;
        }
        match progress.stage {
            Stage::Ready => Ok(Some(view)),
            Stage::Ended => bail!("{} will not become ready", self.name),
            Stage::Waiting => Ok(None),
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
