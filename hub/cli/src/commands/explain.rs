//! `bgctl explain`.

use std::process::ExitCode;

use anyhow::Result;
use breakglass_protocol::api::explain::{Explain as Asked, ExplainSession, Explanation};

use crate::args::{Explain, Format};
use crate::client::Client;
use crate::output::{self, Shown};

/// Tells what the rules say; exit 1 where they refuse.
pub async fn run(client: &Client, format: Format, asked: Explain) -> Result<ExitCode> {
    let body = match asked {
        Explain::Create(args) => Asked::Request(Box::new(super::session::wish(*args)?)),
        Explain::Session {
            name,
            operation,
            user,
        } => Asked::Session(ExplainSession {
            session: name,
            user,
            operation,
        }),
    };
    let told: Explanation = client.post(&["explain"], &body).await?;
    let rows = told
        .rules
        .iter()
        .map(|rule| {
            let mut why = rule.message.clone().unwrap_or_default();
            if !rule.allowed.is_empty() {
                why.push_str(&format!(" (allowed: {})", rule.allowed.join(", ")));
            }
            vec![rule.rule.clone(), rule.verdict.as_str().to_owned(), why]
        })
        .collect();
    let shown = Shown {
        whole: &told,
        names: told.rules.iter().map(|rule| rule.rule.clone()).collect(),
        columns: vec!["RULE", "VERDICT", "WHY"],
        rows,
    };
    output::show(format, &shown)?;
    for warning in &told.warnings {
        output::note(&format!("warning: {warning}"));
    }
    output::note(&told.message);
    Ok(if told.allowed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
