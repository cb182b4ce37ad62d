//! `bgctl debug session …`.

use std::time::Duration;

use anyhow::Result;
use breakglass_protocol::api::debug_session::{
    CreateDebugSession, DebugSessionList, DebugSessionView, Decide, Invite, Join, NoFields, Remove,
    Renew, Summary,
};
use breakglass_protocol::kinds::pod_operations::AllowedPodOperations;

use crate::args::{Create, Filters, Format, List, Session, Wish};
use crate::client::Client;
use crate::output::{self, Shown};

/// Pages that `list` follows before it stops and says so.
const MAX_PAGES: u32 = 1000;

/// Runs one of the commands.
pub async fn run(client: &Client, format: Format, command: Session) -> Result<()> {
    match command {
        Session::List(args) => list(client, format, &args).await,
        Session::Watch(args) => super::watch::run(client, format, &args).await,
        Session::Events { name } => super::history::events(client, format, &name).await,
        Session::Audit { name } => super::history::audit(client, format, &name).await,
        Session::Get { name } => {
            let view: DebugSessionView = client.get(&["debug-sessions", &name], &[]).await?;
            show_one(format, &view)
        }
        Session::Create(args) => create(client, format, args).await,
        Session::Join { name, role } => verb(client, format, &name, "join", &Join { role }).await,
        Session::Leave { name } => verb(client, format, &name, "leave", &NoFields {}).await,
        Session::Invite { name, users, role } => {
            verb(client, format, &name, "invite", &Invite { users, role }).await
        }
        Session::Terminate { name, yes } => {
            if !yes {
                super::confirm(&format!(
                    "End {name} now? Open shells are cut and its pods are removed."
                ))?;
            }
            verb(client, format, &name, "terminate", &NoFields {}).await
        }
        Session::Remove { name, user } => {
            verb(client, format, &name, "remove", &Remove { user }).await
        }
        Session::Renew { name, extend_by } => {
            verb(client, format, &name, "renew", &Renew { extend_by }).await
        }
        Session::Approve(args) => decide(client, format, "approve", args).await,
        Session::Reject(args) => decide(client, format, "reject", args).await,
    }
}

async fn decide(
    client: &Client,
    format: Format,
    word: &str,
    args: crate::args::Decide,
) -> Result<()> {
    let body = Decide {
        reason: args.reason,
        renewal_id: args.renewal,
    };
    verb(client, format, &args.name, word, &body).await
}

async fn verb<B: serde::Serialize>(
    client: &Client,
    format: Format,
    name: &str,
    verb: &str,
    body: &B,
) -> Result<()> {
    let view: DebugSessionView = client.post(&["debug-sessions", name, verb], body).await?;
    show_one(format, &view)
}

/// The request that the flags of `create` make.
pub fn wish(args: Wish) -> Result<CreateDebugSession> {
    let values = super::key_values("--set", &args.values)?;
    let labels = super::key_values("--node-selector", &args.node_selector)?;
    // An empty list takes none; no list leaves the choice to the template.
    let has_chosen = args.no_aux || !args.auxiliary.is_empty();
    let selected = has_chosen.then_some(args.auxiliary);
    Ok(CreateDebugSession {
        template_ref: args.template,
        cluster: args.cluster,
        binding_ref: args.binding,
        requested_duration: args.duration,
        node_selector: (!labels.is_empty()).then_some(labels),
        namespace: None,
        target_namespace: args.target_namespace,
        reason: args.reason,
        invited_participants: (!args.invite.is_empty()).then_some(args.invite),
        selected_scheduling_option: args.scheduling_option,
        selected_auxiliary_resources: selected,
        extra_deploy_values: (!values.is_empty()).then(|| {
            values
                .into_iter()
                .map(|(key, value)| (key, serde_json::Value::from(value)))
                .collect()
        }),
    })
}

async fn create(client: &Client, format: Format, args: Create) -> Result<()> {
    let body = wish(args.wish)?;
    let mut view: DebugSessionView = client.post(&["debug-sessions"], &body).await?;
    if args.wait {
        let name = view.session.metadata.name.clone().unwrap_or_default();
        for warning in &view.warnings {
            output::note(&format!("warning: {warning}"));
        }
        output::note(&format!("{name} is made"));
        view =
            super::wait::until_ready(client, &name, Duration::from_secs(args.wait_timeout)).await?;
    }
    show_one(format, &view)
}

/// The filters of a list or watch as the query says them.
pub fn filters(args: &Filters) -> Vec<(&'static str, String)> {
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(
        args.cluster
            .iter()
            .map(|cluster| ("cluster", cluster.clone())),
    );
    query.extend(args.user.iter().map(|user| ("user", user.clone())));
    query.extend(args.state.iter().map(|state| ("state", state.clone())));
    if args.mine {
        query.push(("mine", "true".to_owned()));
    }
    query
}

/// All sessions that match, whatever the number of pages.
pub async fn load(client: &Client, filters: &[(&str, String)]) -> Result<DebugSessionList> {
    let args = List {
        filters: Filters::default(),
        page_size: 500,
        page: None,
        all: true,
    };
    let mut query = filters.to_vec();
    query.push(("limit", args.page_size.to_string()));
    pages(client, &query, &args).await
}

async fn list(client: &Client, format: Format, args: &List) -> Result<()> {
    let mut query = filters(&args.filters);
    query.push(("limit", args.page_size.to_string()));
    let whole = pages(client, &query, args).await?;
    show_list(format, &whole)
}

async fn pages(client: &Client, query: &[(&str, String)], args: &List) -> Result<DebugSessionList> {
    let mut whole = DebugSessionList {
        sessions: Vec::new(),
        total: 0,
        continue_: None,
    };
    for page in 1..=args.page.unwrap_or(MAX_PAGES) {
        let mut asked = query.to_vec();
        asked.extend(whole.continue_.take().map(|token| ("continue", token)));
        let answer: DebugSessionList = client.get(&["debug-sessions"], &asked).await?;
        whole.total = answer.total;
        whole.continue_ = answer.continue_;
        if args.page.is_none_or(|wanted| wanted == page) {
            whole.sessions.extend(answer.sessions);
        }
        if whole.continue_.is_none() {
            break;
        }
    }
    if args.page.is_none() && whole.continue_.is_some() {
        output::note(&format!(
            "only the first {} of {} sessions are shown; use --page",
            whole.sessions.len(),
            whole.total
        ));
    }
    Ok(whole)
}

/// Lines below each other, though they are printed one by one.
pub struct Columns {
    names: Vec<&'static str>,
    widths: Vec<usize>,
    is_wide: bool,
}

impl Columns {
    /// Wide enough for these sessions.
    pub fn of(format: Format, sessions: &[Summary]) -> Self {
        let is_wide = format == Format::Wide;
        let names = columns(is_wide);
        let mut widths: Vec<usize> = names.iter().map(|name| name.len()).collect();
        for session in sessions {
            for (width, cell) in widths.iter_mut().zip(cells(session, is_wide)) {
                *width = (*width).max(cell.chars().count());
            }
        }
        Self {
            names,
            widths,
            is_wide,
        }
    }

    pub fn header(&self) -> String {
        self.padded(self.names.iter().map(|name| (*name).to_owned()))
    }

    pub fn line(&self, session: &Summary) -> String {
        self.padded(cells(session, self.is_wide).into_iter())
    }

    fn padded(&self, cells: impl Iterator<Item = String>) -> String {
        let line: String = cells
            .zip(&self.widths)
            .map(|(cell, width)| format!("{cell:<width$}  "))
            .collect();
        line.trim_end().to_owned() + "\n"
    }
}

/// A session's cells as a terminal may show them.
fn cells(session: &Summary, is_wide: bool) -> Vec<String> {
    let cells = if is_wide {
        wide_row(session)
    } else {
        row(session)
    };
    cells
        .iter()
        .map(|cell| match cell.as_str() {
            "" => "-".to_owned(),
            cell => output::printable(cell),
        })
        .collect()
}

fn columns(is_wide: bool) -> Vec<&'static str> {
    if is_wide {
        vec![
            "NAME",
            "TEMPLATE",
            "TARGET_NS",
            "CLUSTER",
            "REQUESTED_BY",
            "STATE",
            "STARTS",
            "EXPIRES",
            "PARTICIPANTS",
            "ALLOWED_PODS",
            "OPERATIONS",
        ]
    } else {
        vec![
            "NAME",
            "CLUSTER",
            "TEMPLATE",
            "TARGET_NS",
            "REQUESTED_BY",
            "STATE",
            "EXPIRES",
        ]
    }
}

fn show_list(format: Format, list: &DebugSessionList) -> Result<()> {
    let wide = format == Format::Wide;
    let rows = list
        .sessions
        .iter()
        .map(|s| if wide { wide_row(s) } else { row(s) })
        .collect();
    let names = list.sessions.iter().map(|s| s.name.clone()).collect();
    output::show(
        format,
        &Shown {
            whole: list,
            names,
            columns: columns(wide),
            rows,
        },
    )
}

fn row(s: &Summary) -> Vec<String> {
    vec![
        s.name.clone(),
        s.cluster.clone(),
        s.template_ref.clone(),
        s.target_namespace.clone().unwrap_or_default(),
        s.requested_by.clone(),
        s.state.clone(),
        s.expires_at.clone().unwrap_or_default(),
    ]
}

fn wide_row(s: &Summary) -> Vec<String> {
    vec![
        s.name.clone(),
        s.template_ref.clone(),
        s.target_namespace.clone().unwrap_or_default(),
        s.cluster.clone(),
        s.requested_by.clone(),
        s.state.clone(),
        s.starts_at.clone().unwrap_or_default(),
        s.expires_at.clone().unwrap_or_default(),
        s.participants.to_string(),
        s.allowed_pods.to_string(),
        s.allowed_pod_operations
            .as_ref()
            .map(operations)
            .unwrap_or_default(),
    ]
}

/// The open operations as scripts know them: `exec,attach,portforward`.
fn operations(allowed: &AllowedPodOperations) -> String {
    [
        ("exec", allowed.exec),
        ("attach", allowed.attach),
        ("logs", allowed.logs),
        ("portforward", allowed.port_forward),
    ]
    .into_iter()
    .filter(|(_, open)| *open == Some(true))
    .map(|(word, _)| word)
    .collect::<Vec<_>>()
    .join(",")
}

fn show_one(format: Format, view: &DebugSessionView) -> Result<()> {
    for warning in &view.warnings {
        output::note(&format!("warning: {warning}"));
    }
    let name = view.session.metadata.name.clone().unwrap_or_default();
    let spec = &view.session.spec;
    let status = view.session.status.clone().unwrap_or_default();
    let shown = Shown {
        whole: view,
        names: vec![name.clone()],
        columns: vec![
            "NAME",
            "CLUSTER",
            "TEMPLATE",
            "TARGET_NS",
            "REQUESTED_BY",
            "STATE",
            "EXPIRES",
        ],
        rows: vec![vec![
            name,
            spec.cluster.clone(),
            spec.template_ref.clone(),
            spec.target_namespace.clone().unwrap_or_default(),
            spec.requested_by.clone(),
            self::status(view).state,
            status
                .expires_at
                .map(|t| t.0.to_string())
                .unwrap_or_default(),
        ]],
    };
    output::show(format, &shown)?;
    if matches!(format, Format::Table | Format::Wide)
        && let Some(message) = &status.message
    {
        output::note(message);
    }
    Ok(())
}

/// The few facts that `--wait` looks at.
pub struct SessionStatus {
    pub state: String,
    pub message: Option<String>,
    pub pods: usize,
    pub pods_ready: usize,
}

/// Reads them from a session.
pub fn status(view: &DebugSessionView) -> SessionStatus {
    let status = view.session.status.clone().unwrap_or_default();
    let pods = status.allowed_pods;
    SessionStatus {
        state: status.state.map(|s| s.to_string()).unwrap_or_default(),
        message: status.message,
        pods: pods.len(),
        pods_ready: pods.iter().filter(|p| p.ready == Some(true)).count(),
    }
}
