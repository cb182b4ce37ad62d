//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use breakglass_protocol::kinds::check::check_dns_label;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::backup::Occupied;

/// The hub of breakglass debug sessions: stores, decides, approves.
#[derive(Debug, Parser)]
#[command(name = "breakglass-hub", version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub.
    Serve(Box<ServeArgs>),
    /// Write the database and the keys of a hub, which may be running, to one file. The file is as secret as the
    /// state folder.
    Backup(BackupArgs),
    /// Make a state folder from a backup. No hub may run in it.
    Restore(RestoreArgs),
    /// Print the OpenAPI document of the REST API.
    Openapi,
    /// Print the CustomResourceDefinitions of the six kinds as YAML.
    Crds,
    /// The audit log on the disk.
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Walk the whole audit log and say whether it is what was recorded; also beside a running hub. Exit code 1 and the
    /// first wrong event if not.
    Verify(VerifyArgs),
}

#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The hub's state folder.
    #[arg(long, alias = "data", value_name = "DIR", env = "BREAKGLASS_STATE")]
    pub state: PathBuf,

    /// Events that were sent elsewhere, as JSON lines with `sequence` and `hash`: finds an end that was cut off, and a
    /// record that was written anew.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
}

/// How the hub logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// The hub's state folder.
    #[arg(long, value_name = "DIR", env = "BREAKGLASS_STATE")]
    pub state: PathBuf,

    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,

    /// Replace the file if it exists.
    #[arg(long)]
    pub force: bool,
}

impl BackupArgs {
    /// What `--force` says.
    #[must_use]
    pub fn occupied(&self) -> Occupied {
        if self.force {
            Occupied::Replace
        } else {
            Occupied::Refuse
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// What `backup` wrote.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,

    /// The state folder to make.
    #[arg(long, value_name = "DIR", env = "BREAKGLASS_STATE")]
    pub state: PathBuf,

    /// Put a database and keys that are in the folder aside, under other names.
    #[arg(long)]
    pub force: bool,
}

impl RestoreArgs {
    /// What `--force` says.
    #[must_use]
    pub fn occupied(&self) -> Occupied {
        if self.force {
            Occupied::Replace
        } else {
            Occupied::Refuse
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Folder for everything that must outlive a restart: database, the agents' CA, keys. Made if absent, readable
    /// by its owner only. One hub per folder.
    #[arg(long, value_name = "DIR", env = "BREAKGLASS_STATE")]
    pub state: PathBuf,

    /// Folder of manifests to import and follow. What is in it belongs to its files.
    #[arg(long, value_name = "DIR", env = "BREAKGLASS_TEMPLATES")]
    pub templates: Option<PathBuf>,

    /// Static tokens with name, e-mail and groups, for a first try only.
    #[arg(long, value_name = "FILE", env = "BREAKGLASS_DEV_USERS")]
    pub dev_users: Option<PathBuf>,

    /// Where audit events and notifications go beside the store: YAML with `audit.destinations` and `notifications`.
    #[arg(long, value_name = "FILE", env = "BREAKGLASS_DESTINATIONS")]
    pub destinations: Option<PathBuf>,

    /// Users' HTTPS listener (REST API).
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "0.0.0.0:8443",
        env = "BREAKGLASS_LISTEN"
    )]
    pub listen: SocketAddr,

    /// Agents' mTLS listener.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "0.0.0.0:8444",
        env = "BREAKGLASS_AGENT_LISTEN"
    )]
    pub agent_listen: SocketAddr,

    /// Where agents reach the agents' listener, as HOST:PORT. The first one stands in join tokens, all are names in the
    /// listener's certificate. Repeatable.
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "BREAKGLASS_AGENT_ADDRESS",
        value_delimiter = ',',
        value_parser = parse_address,
        default_value = "localhost:8444"
    )]
    pub agent_address: Vec<String>,

    /// A name or IP address in the users' certificate that the hub makes itself. Repeatable.
    #[arg(
        long,
        value_name = "HOST",
        env = "BREAKGLASS_PUBLIC_ADDRESS",
        value_delimiter = ',',
        value_parser = parse_host,
        default_value = "localhost"
    )]
    pub public_address: Vec<String>,

    /// Certificate chain (PEM) of the users' listener. Without it the hub makes a CA of its own and writes its certificate to
    /// STATE/users-ca.crt.
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        env = "BREAKGLASS_TLS_CERT"
    )]
    pub tls_cert: Option<PathBuf>,

    /// Private key (PEM) for --tls-cert.
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        env = "BREAKGLASS_TLS_KEY"
    )]
    pub tls_key: Option<PathBuf>,

    /// Members of this group are admins. Repeatable.
    #[arg(
        long,
        value_name = "GROUP",
        env = "BREAKGLASS_ADMIN_GROUPS",
        value_delimiter = ','
    )]
    pub admin_group: Vec<String>,

    /// The one namespace that sessions live in.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "breakglass",
        value_parser = parse_namespace,
        env = "BREAKGLASS_NAMESPACE"
    )]
    pub namespace: String,

    /// A request for approval that nobody decided ends after this time (such as 30m, 24h, 2d).
    #[arg(
        long,
        value_name = "DURATION",
        env = "DEBUG_SESSION_APPROVAL_TIMEOUT",
        value_parser = parse_duration,
        default_value = "24h"
    )]
    pub approval_timeout: Duration,

    /// Ended sessions are kept this long after their end (such as 30d), then removed; their audit events stay.
    #[arg(
        long,
        value_name = "DURATION",
        env = "BREAKGLASS_SESSION_RETENTION",
        value_parser = parse_duration,
        default_value = "90d"
    )]
    pub session_retention: Duration,

    /// Requests that one person may make each second; over it they are told to wait (429).
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..),
        env = "BREAKGLASS_REQUESTS_PER_SECOND"
    )]
    pub requests_per_second: u32,

    /// Requests that one person may make at once before --requests-per-second counts.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 200,
        value_parser = clap::value_parser!(u32).range(1..),
        env = "BREAKGLASS_REQUESTS_BURST"
    )]
    pub requests_burst: u32,

    /// A watch (GET /watch) is ended after this time; clients go on with a new one.
    #[arg(
        long,
        value_name = "DURATION",
        env = "BREAKGLASS_WATCH_LONGEST",
        value_parser = parse_duration,
        default_value = "1h"
    )]
    pub watch_longest: Duration,

    /// Serve /metrics, /healthz and /readyz by plain HTTP here too.
    #[arg(long, value_name = "ADDR", env = "BREAKGLASS_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,

    #[arg(
        long,
        value_enum,
        default_value_t = LogFormat::Text,
        env = "BREAKGLASS_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = breakglass_protocol::duration::parse(text).map_err(|error| error.to_string())?;
    if parsed.is_zero() {
        return Err("must be longer than zero".to_owned());
    }
    Ok(parsed)
}

/// `HOST:PORT`, an IPv6 address in brackets.
fn parse_address(text: &str) -> Result<String, String> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("has no port; write HOST:PORT")?;
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    parse_host(bare)?;
    match port.parse::<u16>() {
        Ok(1..) => Ok(text.to_owned()),
        Ok(0) | Err(_) => Err(format!("{port:?} is not a port from 1 to 65535")),
    }
}

/// A name or IP address as a certificate holds it.
fn parse_host(text: &str) -> Result<String, String> {
    match rustls_pki_types::ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err("is no DNS name and no IP address; write it without https:// and path".to_owned())
        }
    }
}

fn parse_namespace(text: &str) -> Result<String, String> {
    check_dns_label(text).map(|()| text.to_owned())
}

#[cfg(test)]
mod tests {
    use breakglass_protocol::limits;
    use clap::CommandFactory;

    use super::*;

    fn serve(args: &[&str]) -> Result<ServeArgs, clap::Error> {
        let line = ["breakglass-hub", "serve", "--state", "s"];
        let cli = Cli::try_parse_from(line.iter().chain(args))?;
        match cli.command {
            Command::Serve(args) => Ok(*args),
            Command::Backup(_)
            | Command::Restore(_)
            | Command::Openapi
            | Command::Crds
            | Command::Audit(_) => panic!("serve was asked for"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_default_approval_timeout_is_the_protocols() {
        assert_eq!(
            serve(&[]).unwrap().approval_timeout,
            limits::APPROVAL_TIMEOUT
        );
    }

    #[test]
    fn repeatable_flags_add_up_and_bad_durations_are_refused() {
        let args = serve(&[
            "--admin-group",
            "a",
            "--admin-group",
            "b",
            "--approval-timeout",
            "30m",
        ])
        .unwrap();
        assert_eq!(args.admin_group, ["a", "b"]);
        assert_eq!(args.approval_timeout, Duration::from_secs(1800));
        let error = serve(&["--approval-timeout", "soon"]).unwrap_err();
        assert!(error.to_string().contains("is not a duration"), "{error}");
        assert!(serve(&["--approval-timeout", "0s"]).is_err());
        for (flag, bad) in [
            ("--agent-address", "hub.example.com"),
            ("--agent-address", "https://hub.example.com:8444"),
            ("--agent-address", "hub.example.com:0"),
            ("--public-address", "https://hub.example.com"),
            ("--namespace", "Not_A_Label"),
        ] {
            assert!(serve(&[flag, bad]).is_err(), "{flag} {bad}");
        }
        for good in ["hub.example.com:8444", "10.0.0.1:1", "[::1]:8444"] {
            assert_eq!(
                serve(&["--agent-address", good]).unwrap().agent_address,
                [good]
            );
        }
        assert!(
            serve(&["--tls-cert", "c.pem"]).is_err(),
            "a certificate without its key"
        );
    }
}
