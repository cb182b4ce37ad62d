//! `bgctl debug session watch`: the sessions as they are, then each change as it comes. A broken connection is taken up
//! where it broke; what the hub no longer knows is listed again.

use std::time::Duration;

use anyhow::Result;
use breakglass_protocol::api::debug_session::{DebugSessionList, Summary};
use breakglass_protocol::api::watch::{Gone, event};
use tokio::time::sleep;

use super::session::{self, Columns};
use crate::args::{Format, Watch};
use crate::client::{Client, Events, HubRefusal, ServerEvent};
use crate::output;

/// Pause before the first try to connect again, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a connection ended.
enum Ended {
    /// Go on after the last event.
    Broken,
    /// Start over.
    Resync,
}

/// Runs until it is interrupted or the hub refuses.
pub async fn run(client: &Client, format: Format, args: &Watch) -> Result<()> {
    let filters = session::filters(&args.filters);
    let format = if args.show_full && format == Format::Table {
        Format::Wide
    } else {
        format
    };
    let mut shown = Shown {
        format,
        columns: None,
    };
    let mut last_id = None;
    let mut pause = FIRST_PAUSE;
    loop {
        match client
            .events(&["watch"], &filters, last_id.as_deref())
            .await
        {
            Ok(events) => {
                pause = FIRST_PAUSE;
                let followed = follow(client, events, &filters, &mut shown, &mut last_id).await;
                match followed {
                    Ok(Ended::Broken) => {}
                    Ok(Ended::Resync) => last_id = None,
                    Err(error) if is_final(&error) => return Err(error),
                    Err(error) => output::note(&format!("{error:#}; connecting again")),
                }
            }
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => output::note(&format!("{error:#}; trying again")),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether another try would end the same way.
pub(super) fn is_final(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<HubRefusal>()
        .is_some_and(|refusal| (400..500).contains(&refusal.status) && refusal.status != 429)
}

async fn follow(
    client: &Client,
    mut events: Events,
    filters: &[(&str, String)],
    shown: &mut Shown,
    last_id: &mut Option<String>,
) -> Result<Ended> {
    let is_new = last_id.is_none();
    while let Some(ServerEvent { name, id, data }) = events.next().await? {
        if let Some(id) = id {
            *last_id = Some(id);
        }
        match name.as_str() {
            event::READY if is_new => {
                let list: DebugSessionList = session::load(client, filters).await?;
                shown.start(&list.sessions)?;
            }
            event::SESSION => shown.change(&serde_json::from_str(&data)?)?,
            event::GONE => {
                let gone: Gone = serde_json::from_str(&data)?;
                output::note(&format!("{} is gone", gone.name));
            }
            event::RESYNC => return Ok(Ended::Resync),
            // `ready` of a connection that goes on, a sign of life, or of a newer hub.
            _nothing_to_show => {}
        }
    }
    Ok(Ended::Broken)
}

/// What was printed so far.
struct Shown {
    format: Format,
    /// Made with the first list, so that later lines stand below it.
    columns: Option<Columns>,
}

impl Shown {
    fn start(&mut self, sessions: &[Summary]) -> Result<()> {
        match self.format {
            Format::Table | Format::Wide => {
                let columns = Columns::of(self.format, sessions);
                if self.columns.is_none() {
                    output::write_out(&columns.header())?;
                }
                self.columns = Some(columns);
            }
            Format::Json | Format::Yaml | Format::Name => {}
        }
        sessions.iter().try_for_each(|session| self.change(session))
    }

    fn change(&self, session: &Summary) -> Result<()> {
        let text = match self.format {
            Format::Json => serde_json::to_string(session)? + "\n",
            Format::Yaml => format!("---\n{}", output::yaml(session)?),
            Format::Name => output::printable(&session.name) + "\n",
            Format::Table | Format::Wide => match &self.columns {
                Some(columns) => columns.line(session),
                None => String::new(),
            },
        };
        output::write_out(&text)
    }
}
