//! A cluster as tests and the demo use it: kubectl in somebody's name, and, on a testbed, its programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::node::Node;
use crate::process::Recorded;
use crate::programs::Programs;
use crate::state::{ClusterRecord, NodeRecord, Record, StateDir};
use crate::user::User;
use crate::wait::{self, Look};

/// A running cluster: one of a testbed, or anybody's by kubeconfig.
#[derive(Clone, Debug)]
pub struct Cluster {
    name: String,
    kubectl: PathBuf,
    kubeconfigs: BTreeMap<User, PathBuf>,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Origin {
    Testbed(Box<Bed>),
    Existing,
}

/// What a testbed knows of its cluster.
#[derive(Clone, Debug)]
pub(crate) struct Bed {
    pub state: StateDir,
    pub record: Record,
    pub cluster: ClusterRecord,
}

impl Cluster {
    /// A cluster that somebody else runs. What needs its programs or namespaces answers with an error that says so.
    pub fn existing(name: &str, kubectl: &Path, kubeconfigs: BTreeMap<User, PathBuf>) -> Cluster {
        Cluster {
            name: name.to_owned(),
            kubectl: kubectl.to_owned(),
            kubeconfigs,
            origin: Origin::Existing,
        }
    }

    pub(crate) fn of(state: &StateDir, record: &Record, cluster: &ClusterRecord) -> Cluster {
        let file = |user: User| (user, kubeconfig_of(state, &cluster.name, user));
        let bed = Bed {
            state: state.clone(),
            record: record.clone(),
            cluster: cluster.clone(),
        };
        Cluster {
            name: cluster.name.clone(),
            kubectl: Programs::at(&record.programs).kubectl(),
            kubeconfigs: User::ALL.into_iter().map(file).collect(),
            origin: Origin::Testbed(Box::new(bed)),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    /// On a cluster that was attached by kubeconfig: nobody gave this user's.
    pub fn kubeconfig(&self, user: User) -> Result<&Path> {
        let found = self.kubeconfigs.get(&user);
        found
            .map(PathBuf::as_path)
            .with_context(|| format!("cluster {} was given no kubeconfig for {user}", self.name))
    }

    /// kubectl in this user's name, ready to be given arguments; for streams and programs that go on running.
    pub fn kubectl_command(&self, user: User) -> Result<Command> {
        let kubeconfig = self.kubeconfig(user)?;
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
        // Discovery is kept per person beside the kubeconfig, not in the home of whoever runs the tests.
        kubectl.env("KUBECACHEDIR", kubeconfig.with_extension("cache"));
        Ok(kubectl)
    }

    /// Runs kubectl to its end, which may be a refusal: look at the answer's status.
    pub fn kubectl(&self, user: User, args: &[&str]) -> Result<Output> {
        let mut kubectl = self.kubectl_command(user)?;
        kubectl
            .args(args)
            .output()
            .with_context(|| format!("could not run kubectl {}", args.join(" ")))
    }

    /// The administrator's kubectl, whose refusal is an error; answers with its standard output.
    pub fn admin(&self, args: &[&str]) -> Result<String> {
        let mut kubectl = self.kubectl_command(User::Admin)?;
        crate::command::succeed(kubectl.args(args), "")
            .with_context(|| format!("cluster {}", self.name))
    }

    /// The administrator's `kubectl apply -f -`.
    pub fn apply(&self, manifest: &str) -> Result<String> {
        let mut kubectl = self.kubectl_command(User::Admin)?;
        crate::command::succeed(kubectl.args(["apply", "-f", "-"]), manifest)
            .with_context(|| format!("cluster {}", self.name))
    }

    /// Whether the API server answers and every node is ready; if not, what is seen instead.
    pub fn judge_ready(&self) -> Result<(), String> {
        let text = self
            .admin(&["get", "nodes", "--request-timeout=5s", "--output=json"])
            .map_err(|error| format!("{error:#}"))?;
        let list: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| format!("nodes: {error}"))?;
        let nodes: Vec<(&str, &str)> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(readiness)
            .collect();
        let expected: Vec<&str> = match &self.origin {
            Origin::Testbed(bed) => bed
                .cluster
                .nodes
                .iter()
                .map(|node| node.name.as_str())
                .collect(),
            Origin::Existing => nodes.iter().map(|(name, _)| *name).collect(),
        };
        for name in expected {
            match nodes.iter().find(|(node, _)| *node == name) {
                Some((_, "")) => {}
                Some((_, seen)) => return Err(format!("node {name} is not ready: {seen}")),
                None => return Err(format!("node {name} has not registered")),
            }
        }
        Ok(())
    }

    /// Waits until [`Cluster::judge_ready`] finds nothing, for instance after a restart.
    pub fn await_ready(&self, limit: Duration) -> Result<()> {
        wait::until(&format!("cluster {} ready", self.name), limit, || {
            Ok(match self.judge_ready() {
                Ok(()) => Look::Found(()),
                Err(seen) => Look::NotYet(seen),
            })
        })
    }

    pub(crate) fn bed(&self, wanted: &str) -> Result<&Bed> {
        match &self.origin {
            Origin::Testbed(bed) => Ok(bed),
            Origin::Existing => bail!(
                "cluster {} was attached by kubeconfig: {wanted} is only known of a testbed's own cluster",
                self.name
            ),
        }
    }

    /// `DIR/CLUSTER`: certificates, kubeconfigs, logs, the API server's files.
    pub fn folder(&self) -> Result<PathBuf> {
        let bed = self.bed("its folder")?;
        Ok(bed.state.cluster(&bed.cluster.name))
    }

    pub fn nodes(&self) -> Result<&[NodeRecord]> {
        Ok(&self.bed("its nodes' machines")?.cluster.nodes)
    }

    /// The namespace of the first node, where the API server is.
    pub fn netns(&self) -> Result<&Path> {
        Ok(&self.bed("its namespace")?.cluster.first_node()?.netns)
    }

    pub fn api_port(&self) -> Result<u16> {
        Ok(self.bed("its port")?.cluster.api_port)
    }

    /// What the API server was told about pods, one JSON object per line.
    pub fn audit_log(&self) -> Result<PathBuf> {
        Ok(crate::control_plane::audit_log(&self.folder()?))
    }

    /// Kills a program of the control plane (`etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`,
    /// `doorway`) if it lives, and starts it as before. Its readiness is not waited for.
    pub fn restart(&self, program: &str) -> Result<Recorded> {
        let bed = self.bed("its programs")?;
        bed.state.processes().restart(&bed.cluster.program(program))
    }

    /// Ends a program of the control plane with SIGKILL; [`Cluster::restart`] brings it back.
    pub fn kill(&self, program: &str) -> Result<()> {
        self.program(program)?.kill()
    }

    /// The record of a program of the control plane.
    pub fn program(&self, program: &str) -> Result<Recorded> {
        let bed = self.bed("its programs")?;
        let name = bed.cluster.program(program);
        bed.state
            .processes()
            .find(&name)?
            .with_context(|| format!("no program {name}"))
    }

    /// As [`Cluster::restart`], for `containerd`, `kubelet` or `kube-proxy` of a node.
    pub fn restart_on(&self, node: &str, program: &str) -> Result<Recorded> {
        let bed = self.bed("its programs")?;
        bed.state
            .processes()
            .restart(&self.node(node)?.program(program))
    }

    /// As [`Cluster::kill`], for a node.
    pub fn kill_on(&self, node: &str, program: &str) -> Result<()> {
        let bed = self.bed("its programs")?;
        let name = self.node(node)?.program(program);
        bed.state
            .processes()
            .find(&name)?
            .with_context(|| format!("no program {name}"))?
            .kill()
    }

    fn node(&self, name: &str) -> Result<&NodeRecord> {
        let found = self.nodes()?.iter().find(|node| node.name == name);
        found.with_context(|| format!("cluster {} has no node {name}", self.name))
    }
}

impl Bed {
    pub(crate) fn node<'a>(&'a self, node: &'a NodeRecord) -> Node<'a> {
        Node {
            state: &self.state,
            record: &self.record,
            cluster: &self.cluster,
            node,
        }
    }
}

pub(crate) fn kubeconfig_of(state: &StateDir, cluster: &str, user: User) -> PathBuf {
    state
        .cluster(cluster)
        .join("kubeconfig")
        .join(user.short_name())
}

/// A node's name, and why it is not ready (empty when it is).
fn readiness(node: &serde_json::Value) -> (&str, &str) {
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    let mut conditions = node["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let seen = match conditions.find(|condition| condition["type"] == "Ready") {
        Some(ready) if ready["status"] == "True" => "",
        Some(ready) => ready["message"].as_str().unwrap_or("no reason given"),
        None => "it has told nothing yet",
    };
    (name, seen)
}
