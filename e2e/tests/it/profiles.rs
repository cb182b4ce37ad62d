//! The sample `purpose-built-pods.yaml`: each operation profile opens exactly its operations, with real kubectl.

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::stack::Stack;
use breakglass_e2e::stack::artifacts::CHECKOUT;
use breakglass_e2e::{Cluster, User};

use crate::Case;
use crate::story::{NAMESPACE, Running, Session, await_offered, refused, works};

pub const CASES: &[Case] = &[(
    "profiles::each_profile_opens_exactly_its_operations_cp_included",
    profiles,
)];

const CLUSTER: &str = "west";
const DUMPS: &str = "/var/lib/systemd/coredump";
/// What the cluster's owner opens for core dumps.
const OPEN_CEILING: &str = "ceiling: {hostPaths: [/var/lib/systemd/coredump]}\n";
/// Everybody in these stories is of one group.
const GROUPS: [&str; 2] = ["support-l1", "developers"];

fn lay(stack: &Stack) -> Result<()> {
    let from = format!("{CHECKOUT}/protocol/fixtures/samples/purpose-built-pods.yaml");
    let mut sample = std::fs::read_to_string(&from).context(from)?;
    for group in GROUPS {
        sample = sample.replace(group, User::Alice.group());
    }
    std::fs::write(stack.templates().join("purpose-built-pods.yaml"), sample)?;
    ["logs-only", "coredump-copy", "port-forward-only"]
        .iter()
        .try_for_each(|name| await_offered(stack, name))
}

/// The sample's volume wants a folder that is there: each node gets one, with a dump in it.
fn make_dumps(cluster: &Cluster, nodes: &[&str]) -> Result<()> {
    for node in nodes {
        let name = format!("make-dump-{node}");
        let pod = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "nodeName": node, "restartPolicy": "Never",
                "containers": [{
                    "name": "make", "image": "busybox:latest",
                    "command": ["sh", "-c", "echo dumped > /dumps/core.1"],
                    "volumeMounts": [{"name": "dumps", "mountPath": "/dumps"}],
                }],
                "volumes": [{"name": "dumps", "hostPath": {"path": DUMPS, "type": "DirectoryOrCreate"}}],
            },
        });
        cluster.apply(&pod.to_string())?;
        cluster.admin(&[
            "wait",
            "--for=jsonpath={.status.phase}=Succeeded",
            &format!("pod/{name}"),
            "--timeout=60s",
        ])?;
        cluster.admin(&["delete", "pod", &name])?;
    }
    Ok(())
}

fn profiles(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster(CLUSTER)?;
    make_dumps(&cluster, &["west-node-1", "west-node-2"])?;
    stack.upgrade_agent(&cluster, OPEN_CEILING)?;
    let told = logs_only(stack)
        .context("logs-only")
        .and_then(|()| copy(stack).context("coredump-copy"))
        .and_then(|()| forward_only(stack).context("port-forward-only"));
    told.and(stack.roll_back_agent(&cluster))
}

/// kubectl's operations on one pod.
struct Pod<'a> {
    session: &'a Session<'a>,
    name: String,
}

impl Pod<'_> {
    fn kubectl(&self, args: &[&str]) -> Result<std::process::Output> {
        self.session.cluster.kubectl(User::Alice, args)
    }

    fn exec(&self) -> Result<std::process::Output> {
        self.session.exec(User::Alice, &self.name, &["id"])
    }

    fn attach_is_refused(&self) -> Result<()> {
        refused(
            &self.kubectl(&["attach", "-n", NAMESPACE, &self.name])?,
            "attach",
        )
    }

    fn logs(&self) -> Result<std::process::Output> {
        self.kubectl(&["logs", "-n", NAMESPACE, &self.name])
    }

    fn forward_is_refused(&self) -> Result<()> {
        refused(
            &self.kubectl(&["port-forward", "-n", NAMESPACE, &self.name, ":8080"])?,
            "port-forward",
        )
    }

    fn copy(&self, to: &std::path::Path) -> Result<std::process::Output> {
        let from = format!("{NAMESPACE}/{}:/host/coredumps/core.1", self.name);
        self.kubectl(&["cp", &from, &to.display().to_string()])
    }
}

fn with_pod(
    stack: &Stack,
    template: &str,
    pods: usize,
    story: impl FnOnce(&Pod<'_>) -> Result<()>,
) -> Result<()> {
    let session = Session::asked(stack, CLUSTER, template, &[])?;
    session.await_pods(pods)?;
    let name = session.pod()?;
    let told = story(&Pod {
        session: &session,
        name,
    });
    told.and(session.end().map(drop))
}

fn logs_only(stack: &Stack) -> Result<()> {
    with_pod(stack, "logs-only", 2, |pod| {
        works(&pod.logs()?, "logs")?;
        refused(&pod.exec()?, "exec")?;
        refused(&pod.copy(&stack.folder().join("log/core.0"))?, "cp")?;
        pod.attach_is_refused()?;
        pod.forward_is_refused()
    })
}

fn copy(stack: &Stack) -> Result<()> {
    with_pod(stack, "coredump-copy", 2, |pod| {
        works(&pod.exec()?, "exec")?;
        let to = stack.folder().join("log/core.1");
        works(&pod.copy(&to)?, "cp")?;
        let copied = std::fs::read_to_string(&to)?;
        std::fs::remove_file(&to)?;
        ensure!(copied == "dumped\n", "{copied:?}");
        refused(&pod.logs()?, "logs")?;
        pod.attach_is_refused()?;
        pod.forward_is_refused()
    })
}

fn forward_only(stack: &Stack) -> Result<()> {
    with_pod(stack, "port-forward-only", 1, |pod| {
        let args = ["port-forward", "-n", NAMESPACE, &pod.name, ":8080"];
        let cluster = &pod.session.cluster;
        Running::kubectl(
            cluster,
            User::Alice,
            &args,
            "Forwarding from 127.0.0.1:",
            &[],
        )?;
        refused(&pod.exec()?, "exec")?;
        refused(&pod.logs()?, "logs")?;
        pod.attach_is_refused()
    })
}
