//! Deny policies on a real API server that asks the agent before RBAC: they refuse what RBAC allows, to real users, and a
//! session goes before them (S16).

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::{Result, ensure};
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};
use breakglass_e2e::{Cluster, User};

use crate::Case;
use crate::story::{Session, refused, works};

pub const CASES: &[Case] = &[
    (
        "deny::s16_a_policy_refuses_what_rbac_allows_by_the_namespaces_labels",
        by_labels,
    ),
    ("deny::s16_a_session_goes_before_policies", session_first),
    (
        "deny::s16_policies_hold_over_the_agents_restart_without_the_hub",
        alone,
    ),
    ("deny::s15_strict_keeps_rbac_out_of_a_sessions_pod", strict),
];

/// Where the API server's machine keeps the kubeconfigs of these tests.
const KUBECONFIGS: &str = "/etc/kubernetes/breakglass";
/// The hub looks at its folder every second, twice; the agent's watch is told at once.
const IN_FORCE: Duration = Duration::from_secs(30);

const NO_SECRETS: &str = r#"apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DenyPolicy
metadata: {name: it-no-secrets}
spec:
  appliesTo: {clusters: [west]}
  rules:
  - verbs: [get]
    apiGroups: [""]
    resources: [secrets]
    namespaces:
      selectorTerms:
      - matchLabels: {it-tier: production}
"#;

const NO_EXEC: &str = r#"apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DenyPolicy
metadata: {name: it-no-exec}
spec:
  rules:
  - verbs: ["*"]
    apiGroups: [""]
    resources: [pods]
    subresources: [exec, attach, portforward, log]
"#;

/// The rights that policies take from bob.
const BOB: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: it-deny-bob}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: bob@example.com}]
---
apiVersion: v1
kind: Namespace
metadata: {name: it-production, labels: {it-tier: production}}
---
apiVersion: v1
kind: Namespace
metadata: {name: it-laboratory, labels: {it-tier: laboratory}}
"#;

/// West with the webhook before RBAC, bob as its administrator by RBAC, and one policy; all of it taken back in the end.
struct Denying<'a> {
    stack: &'a Stack,
    cluster: Cluster,
}

impl<'a> Denying<'a> {
    fn begin(stack: &'a Stack, policy: &str) -> Result<Self> {
        Self::with(stack, "deny-policies", policy)
    }

    /// With the files for `--WHAT`.
    fn with(stack: &'a Stack, what: &str, policy: &str) -> Result<Self> {
        let cluster = stack.cluster("west")?;
        let folder = format!("west-{what}");
        let out = stack.folder().join("webhook").join(&folder);
        if !out.join("authorization.yaml").exists() {
            let (out, flag) = (out.display().to_string(), format!("--{what}"));
            let kubeconfig = format!("{KUBECONFIGS}/{what}.kubeconfig");
            let args = ["cluster", "webhook-config", "west", &flag];
            let more = ["--out", &out, "--kubeconfig-path", &kubeconfig];
            let made = stack.bgctl(User::Admin, &[&args[..], &more].concat())?;
            works(&made, &format!("webhook-config {flag}"))?;
        }
        let this = Self { stack, cluster };
        this.cluster.apply(BOB)?;
        this.lay(&folder)?;
        fs::write(this.file(), policy)?;
        Ok(this)
    }

    fn lay(&self, folder: &str) -> Result<()> {
        let folder = self.stack.folder().join("webhook").join(folder);
        let authorization = folder.join("authorization.yaml");
        self.cluster
            .install_webhook(&authorization, &folder.join("webhook.kubeconfig"))
    }

    fn file(&self) -> PathBuf {
        self.stack.templates().join("it-deny.yaml")
    }

    fn secrets(&self, namespace: &[&str]) -> Result<Output> {
        self.cluster
            .kubectl(User::Bob, &[&["get", "secrets"], namespace].concat())
    }

    fn await_denied(&self) -> Result<()> {
        wait::until("the policy in force", IN_FORCE, || {
            let output = self.secrets(&["-n", "it-production"])?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Ok(if said.contains("deny policy it-no-secrets") {
                Look::Found(())
            } else {
                Look::NotYet(said)
            })
        })
    }

    fn await_open(&self, namespace: &str) -> Result<()> {
        wait::until("bob's secrets", IN_FORCE, || {
            let output = self.secrets(&["-n", namespace])?;
            Ok(if output.status.success() {
                Look::Found(())
            } else {
                Look::NotYet(String::from_utf8_lossy(&output.stderr).into_owned())
            })
        })
    }
}

impl Drop for Denying<'_> {
    /// As found, also after a failure: the other tests stand on it.
    fn drop(&mut self) {
        let _ = fs::remove_file(self.file());
        let _ = self.lay("west");
        let args = [
            "delete",
            "clusterrolebinding/it-deny-bob",
            "--ignore-not-found",
        ];
        let _ = self.cluster.admin(&args);
        let args = ["delete", "namespace", "it-production", "it-laboratory"];
        let _ = self.cluster.admin(&args);
    }
}

fn by_labels(stack: &Stack) -> Result<()> {
    let denying = Denying::begin(stack, NO_SECRETS)?;
    denying.await_denied()?;
    refused(
        &denying.secrets(&["-n", "it-production"])?,
        "bob in production",
    )?;
    refused(&denying.secrets(&["--all-namespaces"])?, "bob everywhere")?;
    works(
        &denying.secrets(&["-n", "it-laboratory"])?,
        "bob in the laboratory",
    )?;
    // Labels count as they are now.
    let label = |tier: &str| {
        let label = format!("it-tier={tier}");
        let args = ["label", "namespace", "it-laboratory", &label, "--overwrite"];
        denying.cluster.admin(&args).map(drop)
    };
    label("production")?;
    wait::until("the label's effect", IN_FORCE, || {
        let output = denying.secrets(&["-n", "it-laboratory"])?;
        Ok(if output.status.success() {
            Look::NotYet("open".into())
        } else {
            Look::Found(())
        })
    })?;
    let pods = denying
        .cluster
        .kubectl(User::Bob, &["get", "pods", "-n", "it-production"])?;
    works(&pods, "what the policy does not name")?;
    // The cluster's own parts are not asked about: a controller makes the ServiceAccount of a new namespace.
    denying.cluster.judge_ready().map_err(anyhow::Error::msg)?;
    fs::remove_file(denying.file())?;
    denying.await_open("it-production")
}

fn session_first(stack: &Stack) -> Result<()> {
    let both = format!("{NO_SECRETS}---\n{NO_EXEC}");
    let denying = Denying::begin(stack, &both)?;
    denying.await_denied()?;
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = session.pod()?;
    works(
        &session.exec(User::Alice, &pod, &["true"])?,
        "alice in her session",
    )?;
    let bob = session.exec(User::Bob, &pod, &["true"])?;
    refused(&bob, "bob, whom RBAC allows everything")?;
    let said = String::from_utf8_lossy(&bob.stderr).into_owned();
    ensure!(said.contains("deny policy it-no-exec"), "{said}");
    session.end()?;
    let alice = session.exec(User::Alice, &pod, &["true"])?;
    ensure!(!alice.status.success(), "alice after the end");
    Ok(())
}

fn alone(stack: &Stack) -> Result<()> {
    let denying = Denying::begin(stack, NO_SECRETS)?;
    denying.await_denied()?;
    stack.hub()?.kill()?;
    let held = held_alone(stack, &denying);
    fs::remove_file(denying.file())?;
    stack.start_hub()?;
    stack.await_connected("west")?;
    held?;
    denying.await_open("it-production")
}

fn held_alone(stack: &Stack, denying: &Denying<'_>) -> Result<()> {
    stack.kill_agent(&denying.cluster)?;
    // While the agent starts nothing is denied (NoOpinion); then it is again, by the journal alone. Until its watch has told
    // the namespaces' labels, every namespace may be one that the policy means (S16).
    denying.await_denied()?;
    denying.await_open("it-laboratory")
}

fn strict(stack: &Stack) -> Result<()> {
    let denying = Denying::with(stack, "strict", "# no policy\n")?;
    stack.upgrade_agent(&denying.cluster, "enforcement: strict\n")?;
    let found = keep_shut(&denying);
    stack.roll_back_agent(&denying.cluster)?;
    found
}

fn keep_shut(denying: &Denying<'_>) -> Result<()> {
    let stack = denying.stack;
    wait::until("the condition Strict", Duration::from_secs(60), || {
        let west = stack.ask(User::Admin, &["cluster", "get", "west"])?;
        let conditions = west["status"]["conditions"].as_array();
        let strict = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == "Strict");
        Ok(match strict {
            Some(told) if told["status"] == "True" => Look::Found(()),
            other => Look::NotYet(format!("{other:?}")),
        })
    })?;
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = session.pod()?;
    works(
        &session.exec(User::Alice, &pod, &["true"])?,
        "alice in her session",
    )?;
    refused(
        &session.exec(User::Bob, &pod, &["true"])?,
        "bob by RBAC alone",
    )?;
    let bob = |args: &[&str]| {
        let args = [args, &["-n", "breakglass-debug"]].concat();
        denying.cluster.kubectl(User::Bob, &args)
    };
    refused(&bob(&["logs", &pod])?, "bob's logs")?;
    let label = [
        "label",
        "pod",
        &pod,
        "breakglass.t-caas.telekom.com/session-",
    ];
    refused(&bob(&label)?, "bob, who takes the label away")?;
    works(&bob(&["get", "pod", &pod])?, "bob, who looks at the pod")?;
    // Pods of nobody's session are RBAC's business.
    works(&denying.secrets(&["-n", "it-production"])?, "bob elsewhere")?;
    session.end().map(drop)
}
