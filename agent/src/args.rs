//! Settings of the program: flags, each also an environment variable. The chart sets the variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use breakglass_agent_core::authorize::Enforcement;
use clap::{Parser, ValueEnum};

/// The agent of one cluster: deploys debug sessions, answers the API server's authorization webhook, ends what expired.
#[derive(Clone, Debug, Parser)]
#[command(name = "breakglass-agent", version, about)]
pub struct Args {
    /// The cluster that this agent must serve; it refuses to run with the identity of another. Default: the cluster that
    /// its identity or join token names.
    #[arg(long, env = "BREAKGLASS_CLUSTER")]
    pub cluster: Option<String>,
    /// The agent's own namespace, where its identity and journal live.
    #[arg(long, env = "POD_NAMESPACE", default_value = "breakglass-agent")]
    pub namespace: String,
    /// The agent's own name in the cluster, to which no deny policy applies. Default: ServiceAccount `breakglass-agent` of
    /// its namespace.
    #[arg(long, env = "BREAKGLASS_USER")]
    pub user: Option<String>,
    /// `strict`: what no session allows on a session's pod is refused, whatever RBAC says.
    #[arg(long, env = "BREAKGLASS_ENFORCEMENT", value_enum, default_value_t = EnforcementArg::Off)]
    pub enforcement: EnforcementArg,
    /// `host:port` of the hub's listener for agents, if it differs from the one in the join token or identity.
    #[arg(long, env = "BREAKGLASS_HUB")]
    pub hub: Option<String>,
    /// A file with the join token, used once, when the agent has no identity or the token is a new one.
    #[arg(long, env = "BREAKGLASS_JOIN_TOKEN_FILE")]
    pub join_token_file: Option<PathBuf>,
    /// A Secret in the agent's namespace that holds the join token under the key `token`; deleted once used.
    #[arg(long, env = "BREAKGLASS_JOIN_TOKEN_SECRET")]
    pub join_token_secret: Option<String>,
    /// YAML file with what no hub may exceed in this cluster. Without it: the closed defaults.
    #[arg(long, env = "BREAKGLASS_CEILING_FILE")]
    pub ceiling_file: Option<PathBuf>,
    /// The agent's ConfigMap; its annotation `breakglass.t-caas.telekom.com/end-all: "true"` ends every session.
    #[arg(
        long,
        env = "BREAKGLASS_CONFIG_MAP",
        default_value = "breakglass-agent"
    )]
    pub config_map: String,
    /// Where the authorization webhook listens.
    #[arg(
        long,
        env = "BREAKGLASS_WEBHOOK_LISTEN",
        default_value = "0.0.0.0:9443"
    )]
    pub webhook_listen: SocketAddr,
    /// The Service in the agent's namespace by whose ClusterIP the API server reaches the webhook.
    #[arg(
        long,
        env = "BREAKGLASS_WEBHOOK_SERVICE",
        default_value = "breakglass-agent"
    )]
    pub webhook_service: String,
    /// `host:port` by which the API server reaches the webhook, instead of that Service's ClusterIP.
    #[arg(long, env = "BREAKGLASS_WEBHOOK_ADDRESS")]
    pub webhook_address: Option<String>,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, plain HTTP.
    #[arg(long, env = "BREAKGLASS_HEALTH_LISTEN", default_value = "0.0.0.0:8080")]
    pub health_listen: SocketAddr,
    #[arg(long, env = "BREAKGLASS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// What to log, in the syntax of `RUST_LOG`.
    #[arg(long, env = "BREAKGLASS_LOG", default_value = "info")]
    pub log: String,
}

impl Args {
    /// Who the agent is to the API server.
    #[must_use]
    pub fn own_name(&self) -> String {
        self.user
            .clone()
            .unwrap_or_else(|| format!("system:serviceaccount:{}:breakglass-agent", self.namespace))
    }
}

/// Whether the webhook refuses what sessions do not allow on their pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnforcementArg {
    Off,
    Strict,
}

impl From<EnforcementArg> for Enforcement {
    fn from(arg: EnforcementArg) -> Self {
        match arg {
            EnforcementArg::Off => Self::Off,
            EnforcementArg::Strict => Self::Strict,
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For eyes.
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn flags_are_consistent_and_have_working_defaults() {
        Args::command().debug_assert();
        let args = Args::parse_from(["breakglass-agent"]);
        assert_eq!(args.webhook_listen.port(), 9443);
        assert_eq!(args.log_format, LogFormat::Json);
    }
}
