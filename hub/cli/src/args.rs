//! The command line. Words and flags are a contract (spec 5).

use std::path::PathBuf;

use breakglass_protocol::api::debug_session::JoinRole;
use breakglass_protocol::api::explain::Operation;
use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use clap::{Args, Parser, Subcommand, ValueEnum};

mod person;
mod session;

pub use person::Person;
pub use session::{Decide, Filters, Watch};

#[derive(Parser)]
#[command(
    name = "bgctl",
    version,
    about = "Breakglass debug sessions: ask for, approve, use and end them",
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args)]
pub struct Global {
    /// Config file with contexts (default: ~/.config/bgctl/config.yaml, if it is there)
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Context of the config file [env: BGCTL_CONTEXT]; with `template render` a JSON file: what the template sees
    // The environment is read with the settings: it never names such a file.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Output format
    #[arg(short, long, global = true, env = "BGCTL_OUTPUT", value_enum)]
    pub output: Option<Format>,
    /// The hub's address, such as https://hub.example.com
    #[arg(long, global = true, env = "BGCTL_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Your token; better in the environment than on the command line, which other users can see
    #[arg(long, global = true, env = "BGCTL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// PEM file with the CA of the hub's certificate, where it is not a public one
    #[arg(long, global = true, env = "BGCTL_CA_FILE", value_name = "PATH")]
    pub ca_file: Option<PathBuf>,
    /// Tell what is done, on stderr
    #[arg(short, long, global = true, env = "BGCTL_VERBOSE")]
    pub verbose: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

#[derive(Subcommand)]
pub enum Command {
    /// Sessions and templates
    #[command(subcommand)]
    Debug(Debug),
    /// Clusters: register, list, revoke, connect the API server
    #[command(subcommand)]
    Cluster(Cluster),
    /// Write manifests to the hub (admins)
    Apply(Apply),
    /// Delete what manifests name (admins)
    Delete(Delete),
    /// Why something would be allowed or refused, rule by rule; nothing is made
    #[command(subcommand)]
    Explain(Explain),
    /// People: bar somebody from all debug sessions at once
    #[command(subcommand)]
    Person(Person),
    /// Check manifests without a hub
    #[command(subcommand)]
    Template(OfflineTemplate),
    /// The version of bgctl
    Version,
}

#[derive(Subcommand)]
pub enum Explain {
    /// Would this request be accepted? Flags as for `debug session create`
    Create(Box<Wish>),
    /// May somebody do something in a session?
    Session {
        name: String,
        /// see, approve, reject, join, leave, renew, invite, terminate, readAudit, exec, attach, logs, portForward
        #[arg(long, value_parser = parse_operation)]
        operation: Operation,
        /// Somebody else: for the owner, approvers and admins, about operations on pods
        #[arg(long)]
        user: Option<String>,
    },
}

fn parse_operation(text: &str) -> Result<Operation, String> {
    let found = Operation::ALL
        .into_iter()
        .find(|operation| operation.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let known: Vec<&str> = Operation::ALL.iter().map(|o| o.as_str()).collect();
        format!(
            "{text:?} is not an operation; there are {}",
            known.join(", ")
        )
    })
}

#[derive(Args)]
pub struct Apply {
    #[command(flatten)]
    pub manifests: Manifests,
}

#[derive(Args)]
pub struct Delete {
    #[command(flatten)]
    pub manifests: Manifests,
    /// What is not there is no mistake
    #[arg(long)]
    pub ignore_not_found: bool,
}

#[derive(Args)]
pub struct Manifests {
    /// File, folder, or - for standard input (repeatable)
    #[arg(short, long, required = true, value_name = "FILE|DIR|-")]
    pub filename: Vec<PathBuf>,
    /// Have the hub judge everything and store nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Namespace of bindings that name none
    #[arg(long, default_value = "breakglass")]
    pub namespace: String,
}

#[derive(Subcommand)]
pub enum Debug {
    #[command(subcommand)]
    Session(Box<Session>),
    /// What sessions can be made from
    #[command(subcommand)]
    Template(Template),
    /// The pods that templates refer to
    #[command(subcommand)]
    PodTemplate(PodTemplate),
    /// What opens templates to clusters and people
    #[command(subcommand)]
    Binding(Binding),
}

/// Debug sessions
#[derive(Subcommand)]
pub enum Session {
    /// Sessions that you may see
    List(List),
    /// Sessions that you may see, and each change as it happens
    Watch(Watch),
    Get {
        name: String,
    },
    /// What happened to a session
    Events {
        name: String,
    },
    /// The record of a session: for its owner, its approvers and admins; that you read it is recorded
    Audit {
        name: String,
    },
    /// Ask for a session
    Create(Create),
    /// Join a session you were invited to or may see
    Join {
        name: String,
        #[arg(long, value_parser = parse_role)]
        role: Option<JoinRole>,
    },
    /// Leave a session you joined
    Leave {
        name: String,
    },
    /// Invite people to your session
    Invite {
        name: String,
        /// Names, comma-separated
        #[arg(value_delimiter = ',', required = true)]
        users: Vec<String>,
        #[arg(long, value_parser = parse_role)]
        role: Option<JoinRole>,
    },
    /// End a session now
    Terminate {
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// End somebody's part in your session and cut their streams: all pods are replaced
    Remove {
        name: String,
        /// Who
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Ask for more time
    Renew {
        name: String,
        /// Such as 30m: added to the session's end
        #[arg(long, value_name = "DURATION")]
        extend_by: String,
    },
    /// Agree to a request, a renewal, or invitations that wait
    Approve(Decide),
    /// Refuse a request, a renewal, or invitations that wait
    Reject(Decide),
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    pub filters: Filters,
    /// Sessions per request (1 to 500)
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub page_size: u32,
    /// Only this page, counted from 1 (default: all)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub page: Option<u32>,
    /// All pages (the default; kept for scripts)
    #[arg(long, conflicts_with = "page")]
    pub all: bool,
}

#[derive(Args)]
pub struct Create {
    #[command(flatten)]
    pub wish: Wish,
    /// Wait until the session is active and its pods are ready
    #[arg(long)]
    pub wait: bool,
    /// How long --wait waits, in seconds
    #[arg(long, default_value_t = 300, requires = "wait")]
    pub wait_timeout: u64,
}

/// What a request says.
#[derive(Args)]
pub struct Wish {
    #[arg(long)]
    pub template: String,
    #[arg(long)]
    pub cluster: String,
    /// Why you need it; approvers and the audit see it
    #[arg(long)]
    pub reason: Option<String>,
    /// Such as 45m or 1h30m (default: the template's)
    #[arg(long)]
    pub duration: Option<String>,
    /// Namespace in the cluster for the debug pods (default: the template's)
    #[arg(long, visible_alias = "namespace")]
    pub target_namespace: Option<String>,
    /// People who may join as participants, comma-separated
    #[arg(long, value_delimiter = ',')]
    pub invite: Vec<String>,
    /// The binding to use, as namespace/name or name (default: the one of the highest priority)
    #[arg(long)]
    pub binding: Option<String>,
    /// One of the template's scheduling options
    #[arg(long)]
    pub scheduling_option: Option<String>,
    /// A label that nodes must have to get a debug pod (repeatable)
    #[arg(long = "node-selector", value_name = "KEY=VALUE")]
    pub node_selector: Vec<String>,
    /// A value for one of the template's variables (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub values: Vec<String>,
    /// Take one of the template's optional auxiliary resources (repeatable; default: the template's choice)
    #[arg(long = "aux", value_name = "NAME", conflicts_with = "no_aux")]
    pub auxiliary: Vec<String>,
    /// Take none of the optional auxiliary resources
    #[arg(long)]
    pub no_aux: bool,
}

#[derive(Subcommand)]
pub enum Template {
    /// Templates that you may use
    List {
        /// Also those that reach no connected cluster
        #[arg(short, long)]
        all: bool,
    },
    Get {
        name: String,
    },
    /// Where you may request a template now, and what you get there
    Clusters(Sought),
    /// Through which bindings you may request a template on a cluster
    Bindings {
        template: String,
        cluster: String,
    },
}

#[derive(Args)]
pub struct Sought {
    pub name: String,
    /// Only clusters of this environment
    #[arg(long)]
    pub environment: Option<String>,
    /// Only clusters at this location
    #[arg(long)]
    pub location: Option<String>,
    /// Only what this binding gives, as namespace/name or name
    #[arg(long)]
    pub binding: Option<String>,
}

#[derive(Subcommand)]
pub enum Binding {
    /// Bindings that concern you
    List {
        /// Only those that open this template
        #[arg(long)]
        template: Option<String>,
    },
    /// One binding, whole
    Get {
        /// namespace/name, or name
        name: String,
        #[arg(long, default_value = "breakglass")]
        namespace: String,
    },
    /// Bindings that cover a cluster
    ForCluster {
        cluster: String,
        /// Only those that open this template
        #[arg(long)]
        template: Option<String>,
    },
}

#[derive(Subcommand)]
pub enum PodTemplate {
    List,
    Get { name: String },
}

#[derive(Subcommand)]
pub enum Cluster {
    /// Register a cluster: prints the join token and the command that installs the agent
    Register(Register),
    List,
    Get {
        name: String,
    },
    /// Accept an agent that waits for it
    Accept {
        name: String,
    },
    /// Cut a cluster off: its certificates are worth nothing from now on
    Revoke {
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Print the two files that connect the cluster's API server to the agent's webhook
    WebhookConfig(WebhookConfig),
}

#[derive(Args)]
pub struct Register {
    pub name: String,
    #[arg(long)]
    pub display_name: Option<String>,
    #[arg(long)]
    pub environment: Option<String>,
    #[arg(long)]
    pub location: Option<String>,
    /// A label for clusterSelector (repeatable)
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,
}

#[derive(Args)]
pub struct WebhookConfig {
    pub name: String,
    /// Write authorization.yaml and webhook.kubeconfig into this folder instead of printing them
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where webhook.kubeconfig will lie on the API server's machine
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/etc/kubernetes/breakglass/webhook.kubeconfig"
    )]
    pub kubeconfig_path: String,
    /// Ask the agent before RBAC and about everything, so that deny policies refuse what RBAC allows. Every request of
    /// people and programs then waits for the agent, about a millisecond
    #[arg(long)]
    pub deny_policies: bool,
    /// As --deny-policies, and without the agent the pods of sessions stay shut (for chart value enforcement: strict)
    #[arg(long)]
    pub strict: bool,
    /// A namespace of sessions, with --strict (repeatable)
    #[arg(
        long = "strict-namespace",
        value_name = "NAMESPACE",
        value_parser = crate::webhook_files::namespace_name,
        default_value = "breakglass-debug"
    )]
    pub strict_namespaces: Vec<String>,
}

#[derive(Subcommand)]
pub enum OfflineTemplate {
    /// Decode and validate manifests; exit 1 if any is wrong
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Render a template as the agent would; --context names a JSON file with session, target, template, vars, labels,
    /// annotations, now
    Render(Render),
}

#[derive(Args)]
pub struct Render {
    /// Manifests of templates; with --engine the text of one template
    #[arg(required_unless_present = "json_lines")]
    pub file: Option<PathBuf>,
    /// FILE is a template's text in this language, not a manifest
    #[arg(long)]
    pub engine: Option<Engine>,
    /// Read {"template", "context", "engine"} objects from standard input, one a line, and answer each with {"output"}
    /// or {"error"}
    #[arg(long, conflicts_with_all = ["file", "engine"])]
    pub json_lines: bool,
}

/// A language of templates.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Engine {
    /// Go's text/template with Sprig's functions
    Go,
    Jinja,
}

impl From<Engine> for TemplateEngine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Go => Self::Go,
            Engine::Jinja => Self::Jinja,
        }
    }
}

fn parse_role(text: &str) -> Result<JoinRole, String> {
    match text {
        "viewer" => Ok(JoinRole::Viewer),
        "participant" => Ok(JoinRole::Participant),
        other => Err(format!(
            "{other:?} is not a role to join as; there are viewer and participant"
        )),
    }
}
