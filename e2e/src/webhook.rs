//! Laying an authorization webhook beside an API server that runs, as its administrator would.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::command::succeed;
use crate::control_plane::{PLAIN_AUTHORIZATION, authorization_file};
use crate::process::{Recorded, write_whole};
use crate::wait::{self, Look};

/// The API server looks at the file when the file system tells it, and otherwise once a minute.
const RELOAD_LIMIT: Duration = Duration::from_secs(75);
const RELOADS: &str = "apiserver_authorization_config_controller_automatic_reloads_total";

impl Cluster {
    /// Copies both files to the API server's machine and waits until it has taken them. `kubeconfig` goes where
    /// `authorization` says that it is; that machine's /etc is its own, so clusters do not meet there.
    ///
    /// # Errors
    /// `authorization` does not name exactly one file, or the API server refuses what it read (with its log's end).
    pub fn install_webhook(&self, authorization: &Path, kubeconfig: &Path) -> Result<()> {
        let read = |path: &Path| {
            fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
        };
        let (authorization, kubeconfig) = (read(authorization)?, read(kubeconfig)?);
        let target = kubeconfig_path(&authorization)?;
        let machine = self.machine()?;
        let old = read_on(&machine, &target);
        if old.as_deref() != Some(kubeconfig.as_str()) {
            // The API server watches only the first file: to make it read a new second one, take the first away.
            self.lay_authorization(PLAIN_AUTHORIZATION)?;
            write_on(&machine, &target, &kubeconfig)?;
        }
        self.lay_authorization(&authorization)
    }

    /// Back to Node and RBAC alone.
    pub fn remove_webhook(&self) -> Result<()> {
        self.lay_authorization(PLAIN_AUTHORIZATION)
    }

    /// Replaces the authorization configuration and waits until the API server says that it read it. A refused one is
    /// taken back, so that the API server could still start again.
    fn lay_authorization(&self, text: &str) -> Result<()> {
        let file = authorization_file(&self.folder()?);
        let old = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
        if old == text {
            return Ok(());
        }
        let before = self.reloads()?;
        write_whole(&file, text.as_bytes())?;
        let api_server = self.program("kube-apiserver")?;
        let what = "the API server's reload of its authorization configuration";
        let found = wait::until(what, RELOAD_LIMIT, || {
            wait::still_alive(&api_server)?;
            let now = self.reloads()?;
            if now.failure > before.failure {
                bail!(
                    "the API server refuses this authorization configuration: {}",
                    refusal(&api_server)
                );
            }
            Ok(if now.success > before.success {
                Look::Found(())
            } else {
                Look::NotYet("the old one".into())
            })
        });
        if found.is_err() {
            write_whole(&file, old.as_bytes())?;
        }
        found
    }

    fn reloads(&self) -> Result<Reloads> {
        let metrics = self.admin(&["get", "--raw=/metrics"])?;
        let count = |status: &str| {
            let status = format!("status=\"{status}\"");
            let lines = metrics
                .lines()
                .filter(|line| line.starts_with(RELOADS) && line.contains(&status));
            lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum()
        };
        Ok(Reloads {
            success: count("success"),
            failure: count("failure"),
        })
    }

    fn machine(&self) -> Result<Recorded> {
        let bed = self.bed("its machine")?;
        let name = bed.cluster.first_node()?.machine();
        bed.state
            .processes()
            .find(&name)?
            .filter(Recorded::is_alive)
            .with_context(|| format!("{name} does not run"))
    }
}

struct Reloads {
    success: f64,
    failure: f64,
}

/// The one file that the configuration's webhooks name.
fn kubeconfig_path(authorization: &str) -> Result<String> {
    let config: Value = serde_saphyr::from_str(authorization)
        .context("the authorization configuration is not YAML")?;
    let authorizers = config["authorizers"]
        .as_array()
        .context("the authorization configuration has no `authorizers`")?;
    let named = authorizers
        .iter()
        .filter_map(|one| one["webhook"]["connectionInfo"]["kubeConfigFile"].as_str());
    let mut named: Vec<&str> = named.collect();
    named.dedup();
    match named[..] {
        [path] if path.starts_with("/etc/") && !path.contains("/../") => Ok(path.to_owned()),
        [path] => bail!(
            "webhook.connectionInfo.kubeConfigFile is {path:?}: a testbed's machines keep it under /etc"
        ),
        [] => bail!("the authorization configuration has no webhook.connectionInfo.kubeConfigFile"),
        _ => bail!(
            "the authorization configuration names several kubeconfigs: {}",
            named.join(", ")
        ),
    }
}

/// What the API server says about its last refusal.
fn refusal(api_server: &Recorded) -> String {
    let log = fs::read(api_server.log()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let said = log
        .lines()
        .rev()
        .find(|line| line.contains("reloading authorization config\" err="));
    said.and_then(|line| line.split_once("err="))
        .map_or("its log does not say why", |(_, why)| why)
        .to_owned()
}

fn read_on(machine: &Recorded, path: &str) -> Option<String> {
    succeed(on(machine).args(["cat", "--", path]), "").ok()
}

fn write_on(machine: &Recorded, path: &str, text: &str) -> Result<()> {
    let script =
        "mkdir -p \"$(dirname \"$1\")\" && umask 077 && cat > \"$1.part\" && mv \"$1.part\" \"$1\"";
    succeed(on(machine).args(["sh", "-ec", script, "sh", path]), text).map(drop)
}

/// A command that sees a machine's files.
fn on(machine: &Recorded) -> std::process::Command {
    let mut command = std::process::Command::new("nsenter");
    command.arg(format!("--mount=/proc/{}/ns/mnt", machine.pid()));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_where_the_kubeconfig_goes() {
        let config = |paths: &[&str]| {
            let webhook = |path: &&str| {
                format!(
                    "- {{type: Webhook, name: x, webhook: {{connectionInfo: {{kubeConfigFile: {path}}}}}}}\n"
                )
            };
            format!(
                "authorizers:\n- {{type: Node, name: node}}\n{}",
                paths.iter().map(webhook).collect::<String>()
            )
        };
        assert_eq!(
            kubeconfig_path(&config(&["/etc/kubernetes/x"])).unwrap(),
            "/etc/kubernetes/x"
        );
        assert_eq!(
            kubeconfig_path(&config(&["/etc/a", "/etc/a"])).unwrap(),
            "/etc/a"
        );
        for (wrong, says) in [
            (&[][..], "no webhook"),
            (&["/tmp/x"], "under /etc"),
            (&["/etc/../x"], "under /etc"),
            (&["/etc/a", "/etc/b"], "several"),
        ] {
            assert!(
                kubeconfig_path(&config(wrong))
                    .unwrap_err()
                    .to_string()
                    .contains(says),
                "{wrong:?}"
            );
        }
    }
}
