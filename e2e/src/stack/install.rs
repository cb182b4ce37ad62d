//! One agent in one cluster, by the very steps of the install guide.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Stack;
use super::artifacts::CHECKOUT;
use crate::cluster::Cluster;
use crate::command::succeed;
use crate::progress::Progress;
use crate::user::User;
use crate::wait::{self, Look};

/// Namespace of the agent, as `bgctl cluster register` prints it.
pub const AGENT_NAMESPACE: &str = "breakglass-agent";
/// Enrolment and the first connection take less than a second; an agent whose hub was away for long dials once a minute.
const CONNECTED_LIMIT: Duration = Duration::from_secs(120);
/// Where the API server's machine keeps the webhook's kubeconfig.
const KUBECONFIG_PATH: &str = "/etc/kubernetes/breakglass/webhook.kubeconfig";

impl Stack {
    /// Registers the cluster, installs the agent and connects the API server; nothing where that is done already.
    pub fn install_agent(&self, cluster: &Cluster, progress: Progress) -> Result<()> {
        let name = cluster.name();
        let say = |line: &str| progress.say(format!("{name}: {line}"));
        if self.is_registered(name)? {
            // Its agent is there; after a restart of the hub it comes back by itself.
            self.await_connected(name)?;
        } else {
            let image = format!("breakglass-agent:{}", self.artifacts.image_tag());
            self.testbed.load_image(self.artifacts.image(), &image)?;
            let registered = self.ask(User::Admin, &["cluster", "register", name])?;
            let helm = registered["helmCommand"]
                .as_str()
                .context("register gave no helmCommand")?;
            self.run_install(cluster, helm)?;
            say("agent is installed");
            self.await_connected(name)?;
            say("agent is connected");
        }
        self.connect_api_server(cluster)?;
        say("API server asks the agent");
        Ok(())
    }

    /// The printed command as it is, with the local image added.
    fn run_install(&self, cluster: &Cluster, helm: &str) -> Result<()> {
        let line = format!(
            "{helm} --set image.tag={} --wait=false",
            self.artifacts.image_tag()
        );
        let mut shell = Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", &line])
            .current_dir(CHECKOUT);
        self.set_helm_variables(&mut shell, cluster)?;
        succeed(&mut shell, "").map(drop)
    }

    /// Helm, ready to be given arguments.
    pub(super) fn helm(&self, cluster: &Cluster) -> Result<Command> {
        let mut helm = Command::new(self.testbed.programs().helm());
        self.set_helm_variables(&mut helm, cluster)?;
        Ok(helm)
    }

    fn set_helm_variables(&self, command: &mut Command, cluster: &Cluster) -> Result<()> {
        let path = format!(
            "{}:{}",
            self.testbed.programs().folder().display(),
            std::env::var("PATH").unwrap_or_default()
        );
        command
            .env("PATH", path)
            .env("KUBECONFIG", cluster.kubeconfig(User::Admin)?);
        // Helm keeps its caches in the home folder otherwise.
        let caches = self.folder.join("helm");
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(variable, &caches);
        }
        Ok(())
    }

    /// Whether the hub says that the cluster's agent is connected.
    pub fn is_connected(&self, name: &str) -> Result<bool> {
        let cluster = self.registered(name)?;
        Ok(cluster.is_some_and(|c| c["status"]["connected"] == Value::Bool(true)))
    }

    fn is_registered(&self, name: &str) -> Result<bool> {
        Ok(self.registered(name)?.is_some())
    }

    fn registered(&self, name: &str) -> Result<Option<Value>> {
        let list = self.ask(User::Admin, &["cluster", "list"])?;
        let clusters = list["clusters"].as_array().cloned().unwrap_or_default();
        Ok(clusters.into_iter().find(|c| c["metadata"]["name"] == name))
    }

    /// Waits for it; an error tells what the agent's pod says.
    pub fn await_connected(&self, name: &str) -> Result<()> {
        let cluster = self.cluster(name)?;
        let found = wait::until("the agent's connection", CONNECTED_LIMIT, || {
            Ok(if self.is_connected(name)? {
                Look::Found(())
            } else {
                Look::NotYet("not connected".into())
            })
        });
        found.map_err(|error| {
            let args = [
                "--namespace",
                AGENT_NAMESPACE,
                "logs",
                "deployment/breakglass-agent",
                "--tail=20",
            ];
            let log = cluster
                .admin(&args)
                .unwrap_or_else(|why| format!("{why:#}"));
            let pods = cluster
                .admin(&["--namespace", AGENT_NAMESPACE, "get", "pods,events"])
                .unwrap_or_else(|why| format!("{why:#}"));
            error.context(format!("pods and events:\n{pods}\nthe agent's log:\n{log}"))
        })
    }

    /// `bgctl cluster webhook-config`, and what its administrator does with the two files.
    fn connect_api_server(&self, cluster: &Cluster) -> Result<()> {
        let folder = self.folder.join("webhook").join(cluster.name());
        let authorization = folder.join("authorization.yaml");
        if !authorization.exists() {
            fs::create_dir_all(&folder)?;
            let out = folder.display().to_string();
            let args = [
                "cluster",
                "webhook-config",
                cluster.name(),
                "--out",
                &out,
                "--kubeconfig-path",
                KUBECONFIG_PATH,
            ];
            // An agent that has just started may not have read its Service yet, and says so.
            wait::until("the webhook's two files", CONNECTED_LIMIT, || {
                Ok(
                    match succeed(self.bgctl_command(User::Admin).args(args), "") {
                        Ok(_) => Look::Found(()),
                        Err(error) => Look::NotYet(format!("{error:#}")),
                    },
                )
            })?;
        }
        cluster.install_webhook(&authorization, &folder.join("webhook.kubeconfig"))
    }

    /// Name of the agent's pod.
    pub fn agent_pod(&self, cluster: &Cluster) -> Result<String> {
        let args = [
            "--namespace",
            AGENT_NAMESPACE,
            "get",
            "pods",
            "--output=jsonpath={.items[0].metadata.name}",
        ];
        cluster.admin(&args)
    }
}
