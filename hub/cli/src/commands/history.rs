//! `bgctl debug session events` and `… audit`.

use anyhow::Result;
use breakglass_protocol::api::history::{AuditRecords, SessionEvent, SessionEvents};

use crate::args::Format;
use crate::client::Client;
use crate::output::{self, Shown};

/// Pages that are followed before it stops and says so: 50,000 lines.
const MAX_PAGES: usize = 100;
const PAGE: &str = "500";

/// What happened to a session.
pub async fn events(client: &Client, format: Format, name: &str) -> Result<()> {
    let mut whole = SessionEvents {
        events: Vec::new(),
        continue_: None,
    };
    for _ in 0..MAX_PAGES {
        let query = page(whole.continue_.take());
        let answer: SessionEvents = client
            .get(&["debug-sessions", name, "events"], &query)
            .await?;
        whole.events.extend(answer.events);
        whole.continue_ = answer.continue_;
        if whole.continue_.is_none() {
            break;
        }
    }
    tell_cut(whole.continue_.as_deref());
    let rows = whole.events.iter().map(row).collect();
    let shown = Shown {
        whole: &whole,
        names: whole
            .events
            .iter()
            .map(|event| event.event.clone())
            .collect(),
        columns: vec!["TIME", "EVENT", "BY", "OUTCOME", "DETAIL"],
        rows,
    };
    output::show(format, &shown)
}

/// The record of a session.
pub async fn audit(client: &Client, format: Format, name: &str) -> Result<()> {
    let mut whole = AuditRecords {
        records: Vec::new(),
        continue_: None,
    };
    for _ in 0..MAX_PAGES {
        let query = page(whole.continue_.take());
        let answer: AuditRecords = client
            .get(&["debug-sessions", name, "audit"], &query)
            .await?;
        whole.records.extend(answer.records);
        whole.continue_ = answer.continue_;
        if whole.continue_.is_none() {
            break;
        }
    }
    tell_cut(whole.continue_.as_deref());
    let rows = whole
        .records
        .iter()
        .map(|record| {
            let mut cells = vec![record.sequence.to_string()];
            cells.extend(row(&record.event));
            cells.push(record.source.clone().unwrap_or_default());
            cells.push(record.request_id.clone().unwrap_or_default());
            cells
        })
        .collect();
    let shown = Shown {
        whole: &whole,
        names: whole
            .records
            .iter()
            .map(|record| record.sequence.to_string())
            .collect(),
        columns: vec![
            "SEQUENCE", "TIME", "EVENT", "BY", "OUTCOME", "DETAIL", "SOURCE", "REQUEST",
        ],
        rows,
    };
    output::show(format, &shown)
}

fn page(after: Option<String>) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", PAGE.to_owned())];
    query.extend(after.map(|token| ("continue", token)));
    query
}

/// `next` is where a page that was not read would start.
fn tell_cut(next: Option<&str>) {
    if next.is_some() {
        output::note("there is more; only the oldest lines are shown");
    }
}

fn row(event: &SessionEvent) -> Vec<String> {
    let detail: Vec<String> = event
        .detail
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    vec![
        event.at.clone(),
        event.event.clone(),
        event.by.name.clone().unwrap_or_default(),
        event.outcome.clone(),
        detail.join(" "),
    ]
}
