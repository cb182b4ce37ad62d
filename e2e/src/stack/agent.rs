//! What an owner, or a crash, does to an agent that is installed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Stack;
use super::artifacts::CHECKOUT;
use super::install::AGENT_NAMESPACE;
use crate::cluster::Cluster;
use crate::command::succeed;
use crate::process::await_end;

const RELEASE: &str = "breakglass-agent";
/// SIGKILL waits for nothing but the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(10);

impl Stack {
    /// The owner's `helm upgrade` with more values (YAML), as the install guide has it; waits until the new agent serves.
    pub fn upgrade_agent(&self, cluster: &Cluster, values: &str) -> Result<()> {
        let chart = format!("{CHECKOUT}/charts/agent");
        let namespace = format!("--namespace={AGENT_NAMESPACE}");
        let args = [
            "upgrade",
            RELEASE,
            &chart,
            &namespace,
            "--reuse-values",
            "--values=-",
        ];
        succeed(self.helm(cluster)?.args(args), values)?;
        self.await_rollout(cluster)
    }

    /// Back to the values before the last upgrade.
    pub fn roll_back_agent(&self, cluster: &Cluster) -> Result<()> {
        let namespace = format!("--namespace={AGENT_NAMESPACE}");
        succeed(
            self.helm(cluster)?.args(["rollback", RELEASE, &namespace]),
            "",
        )?;
        self.await_rollout(cluster)
    }

    fn await_rollout(&self, cluster: &Cluster) -> Result<()> {
        cluster.admin(&[
            "--namespace",
            AGENT_NAMESPACE,
            "rollout",
            "status",
            "deployment/breakglass-agent",
            "--timeout=60s",
        ])?;
        self.await_connected(cluster.name())
    }

    /// Kills the agent's process itself, with SIGKILL: nothing is told to it, and its pod stays and starts it again. A
    /// pod that is deleted, even by force, gets SIGTERM first.
    pub fn kill_agent(&self, cluster: &Cluster) -> Result<()> {
        let uid = cluster.admin(&[
            "--namespace",
            AGENT_NAMESPACE,
            "get",
            "pods",
            "--output=jsonpath={.items[0].metadata.uid}",
        ])?;
        let pid = process_in_pod(uid.trim(), RELEASE)?
            .with_context(|| format!("no agent's process in pod {uid} of {}", cluster.name()))?;
        let handle = Pid::from_raw(pid).context("a process id of 0")?;
        let handle = pidfd_open(handle, PidfdFlags::empty()).context("the agent's process")?;
        pidfd_send_signal(&handle, Signal::KILL).context("SIGKILL for the agent")?;
        await_end(pid, KILL_LIMIT).context("the agent does not end")
    }
}

/// The process of this program in the pod's cgroup. Nodes are namespaces of this machine, so all processes are seen here.
fn process_in_pod(uid: &str, program: &str) -> Result<Option<i32>> {
    for entry in fs::read_dir("/proc").context("the list of processes")? {
        let entry = entry.context("the list of processes")?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may end while it is looked at.
        let is_in_pod =
            fs::read_to_string(entry.path().join("cgroup")).is_ok_and(|text| text.contains(uid));
        let runs_it = || {
            fs::read_link(entry.path().join("exe"))
                .is_ok_and(|exe| exe.file_name() == Path::new(program).file_name())
        };
        if is_in_pod && runs_it() {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}
