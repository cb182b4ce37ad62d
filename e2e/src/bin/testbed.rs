//! `testbed`: real Kubernetes clusters on this machine. See e2e/README.md.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use breakglass_e2e::{
    ClusterRequest, NodeLabel, OnFailure, Programs, Progress, Slot, Testbed, UpRequest, doorway,
};
use clap::{Args, Parser, Subcommand};

/// Real Kubernetes clusters in network namespaces, for the demo and the end-to-end tests.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start clusters, or find them running; leftovers of a crash are removed first.
    Up(Up),
    /// End everything that belongs to the state folder, also after a crash.
    Down(At),
    /// Say what runs and what does not; exit 1 when something is wrong.
    Status(At),
    /// Write pods, events, descriptions, logs and networks of every cluster into a folder.
    Dump {
        #[command(flatten)]
        at: At,
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Offer an image archive (as `docker save` writes it) to every cluster under a name.
    LoadImage {
        #[command(flatten)]
        at: At,
        archive: PathBuf,
        /// For instance breakglass-agent:dev or ghcr.io/owner/name:tag
        reference: String,
    },
    /// Add a node to a running cluster.
    AddNode {
        #[command(flatten)]
        at: At,
        cluster: String,
    },
    /// Kill a program and start it as before, by the name that `status` shows (west.kube-apiserver).
    Restart {
        #[command(flatten)]
        at: At,
        program: String,
    },
    /// Lay an authorization webhook beside a cluster's API server, or take it away, and wait for the reload.
    Webhook(Webhook),
    /// Build the cluster programs if they are missing and print their folder (kubectl and helm are there too).
    Programs,
    /// Carry connections from the host's loopback into a namespace's; `up` starts one per cluster.
    #[command(hide = true)]
    Doorway {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        netns: PathBuf,
    },
}

#[derive(Args)]
struct At {
    /// Where the testbed keeps everything.
    #[arg(long, value_name = "FOLDER", default_value = ".testbed")]
    state: PathBuf,
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    at: At,
    /// 0 to 9; decides addresses, ports and names. Default: the first free one.
    #[arg(long)]
    slot: Option<Slot>,
    /// Repeat for several.
    #[arg(long = "cluster", value_name = "NAME[=NODES]", required = true)]
    clusters: Vec<ClusterRequest>,
    /// Repeat for several. Nodes are called CLUSTER-node-NUMBER.
    #[arg(long = "node-label", value_name = "NODE:KEY=VALUE")]
    labels: Vec<NodeLabel>,
    /// Leave programs and logs in place when it does not come up.
    #[arg(long)]
    keep_on_failure: bool,
}

#[derive(Args)]
struct Webhook {
    #[command(flatten)]
    at: At,
    cluster: String,
    #[arg(
        long,
        value_name = "FILE",
        requires = "kubeconfig",
        required_unless_present = "remove"
    )]
    authorization: Option<PathBuf>,
    #[arg(long, value_name = "FILE", requires = "authorization")]
    kubeconfig: Option<PathBuf>,
    /// Back to Node and RBAC alone.
    #[arg(long, conflicts_with = "authorization")]
    remove: bool,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            writeln!(std::io::stderr(), "testbed: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Result<ExitCode> {
    let progress = Progress::start();
    match command {
        Command::Up(up) => {
            let on_failure = if up.keep_on_failure {
                OnFailure::Keep
            } else {
                OnFailure::Remove
            };
            let request = UpRequest {
                state: up.at.state,
                slot: up.slot,
                clusters: up.clusters,
                labels: up.labels,
                on_failure,
            };
            Testbed::up(&request, progress)?;
        }
        Command::Down(at) => Testbed::down(&at.state, progress)?,
        Command::Status(at) => return status(&Testbed::attach(&at.state)?),
        Command::Dump { at, to } => Testbed::attach(&at.state)?.dump(&to, progress)?,
        Command::LoadImage {
            at,
            archive,
            reference,
        } => {
            Testbed::attach(&at.state)?.load_image(&archive, &reference)?;
            progress.say(format!("{reference} is offered to every cluster"));
        }
        Command::AddNode { at, cluster } => {
            let name = Testbed::attach(&at.state)?.add_node(&cluster, progress)?;
            writeln!(std::io::stdout(), "{name}")?;
        }
        Command::Restart { at, program } => {
            Testbed::attach(&at.state)?.restart(&program)?;
            progress.say(format!("{program} is started again"));
        }
        Command::Webhook(webhook) => {
            let cluster = Testbed::attach(&webhook.at.state)?.cluster(&webhook.cluster)?;
            match (webhook.authorization, webhook.kubeconfig) {
                (Some(authorization), Some(kubeconfig)) => {
                    cluster.install_webhook(&authorization, &kubeconfig)?
                }
                // clap lets nothing else pass than both or `--remove`.
                (None, _) | (_, None) => cluster.remove_webhook()?,
            }
            progress.say(format!(
                "the API server of {} has read its authorization configuration",
                webhook.cluster
            ));
        }
        Command::Programs => writeln!(
            std::io::stdout(),
            "{}",
            Programs::build()?.folder().display()
        )?,
        Command::Doorway { port, netns } => doorway::serve(port, &netns)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn status(testbed: &Testbed) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    let record = testbed.record();
    writeln!(
        out,
        "slot {}   hub's side {}   registry {}",
        record.slot, record.hub_address, record.registry
    )?;
    writeln!(out, "programs {}", record.programs.display())?;
    for cluster in &record.clusters {
        writeln!(
            out,
            "\ncluster {}   https://127.0.0.1:{}   inside {}",
            cluster.name, cluster.api_port, cluster.api_url
        )?;
        writeln!(
            out,
            "  kubeconfigs {}",
            testbed
                .folder()
                .join(&cluster.name)
                .join("kubeconfig")
                .display()
        )?;
        for node in &cluster.nodes {
            writeln!(
                out,
                "  {}   {}   pods {}   nsenter --net={}",
                node.name,
                node.address,
                node.pods_cidr,
                node.netns.display()
            )?;
        }
    }
    writeln!(out)?;
    for (name, pid) in testbed.judge_programs()? {
        match pid {
            Some(pid) => writeln!(out, "  {pid:<9} {name}")?,
            None => writeln!(out, "  DEAD      {name}")?,
        }
    }
    let wrong = testbed.judge_health()?;
    for line in &wrong {
        writeln!(out, "wrong: {line}")?;
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
