//! The audit destination `kubernetes`: a hub that finds itself in a cluster writes its sessions' events there, with the
//! rights that the guide names and no others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::stack::artifacts::CHECKOUT;
use breakglass_e2e::stack::{HubStart, Stack};
use breakglass_e2e::wait::{self, Look};
use breakglass_e2e::{Cluster, User};
use serde_json::Value;

use crate::Case;
use crate::story::{Session, await_offered};

pub const CASES: &[Case] = &[(
    "events::a_hub_in_a_cluster_writes_its_sessions_events_there",
    written,
)];

const GUIDE: &str = "docs/guides/audit-and-notifications.md";
/// As in the guide.
const HOME: &str = "breakglass-hub";
const ACCOUNT: &str = "system:serviceaccount:breakglass-hub:breakglass-hub";
const TEMPLATE: &str = r#"
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: it-with-events}
spec:
  podTemplateRef: {name: it-pod}
  workloadType: Deployment
  allowed: {groups: [sre-team], clusters: ["*"]}
  constraints: {maxConcurrentSessions: 20}
  audit: {destinations: [{type: kubernetes}]}
"#;
const DESTINATIONS: &str =
    "audit: {destinations: [{name: events, kubernetes: {}, receives: named}]}\n";
/// Becomes the hub, with `/var/run` of its own that holds what a kubelet lays into every pod.
const AS_A_POD: &str = r#"
mount -t tmpfs tmpfs /var/run
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
cp "$0"/* /var/run/secrets/kubernetes.io/serviceaccount
exec "$@"
"#;
/// A destination that was away is offered the events again after at most a minute.
const WRITTEN: Duration = Duration::from_secs(120);

fn written(stack: &Stack) -> Result<()> {
    let cluster = stack.cluster("east")?;
    let template = stack.templates().join("events.yaml");
    let told = story(stack, &cluster, &template);
    // The other stories' hub is in no cluster, and would not take the template.
    fs::remove_file(&template).ok();
    fs::remove_dir_all(own_folder(stack)).ok();
    stack.hub()?.kill()?;
    stack.start_hub()?;
    let args = ["delete", "namespace", HOME, "--ignore-not-found"];
    cluster.admin(&args)?;
    told
}

fn story(stack: &Stack, cluster: &Cluster, template: &Path) -> Result<()> {
    cluster.admin(&["create", "namespace", HOME])?;
    cluster.apply(&rights_of_the_guide()?)?;
    become_pod(stack, cluster)?;
    fs::write(template, TEMPLATE)?;
    await_offered(stack, "it-with-events")?;

    // Its template names no destination.
    let other = Session::asked(stack, "east", "it-shell", &[])?;
    other.act(User::Alice, "terminate", &["--yes"])?;
    let session = Session::asked(stack, "east", "it-with-events", &[])?;
    session.await_pods(1)?;
    session.end()?;
    await_events(
        cluster,
        &session.name,
        &other.name,
        &["Requested", "Activated", "Terminated", "CleanedUp"],
    )?;
    may_do_nothing_else(cluster)
}

fn own_folder(stack: &Stack) -> PathBuf {
    stack.folder().join("events")
}

/// The manifest in the guide, so that what it says is what is tried.
fn rights_of_the_guide() -> Result<String> {
    let text = fs::read_to_string(Path::new(CHECKOUT).join(GUIDE))?;
    let blocks = text.split("```");
    let found = blocks
        .filter_map(|block| block.strip_prefix("yaml\n"))
        .find(|block| block.contains("kind: RoleBinding"));
    found
        .map(str::to_owned)
        .with_context(|| format!("{GUIDE} has no RoleBinding"))
}

/// Starts the hub anew, as in a pod of the account.
fn become_pod(stack: &Stack, cluster: &Cluster) -> Result<()> {
    let account = lay_account(stack, cluster)?;
    let server = cluster.admin(&[
        "config",
        "view",
        "--minify",
        "-o",
        "jsonpath={.clusters[0].cluster.server}",
    ])?;
    let (host, port) = server
        .trim()
        .trim_start_matches("https://")
        .rsplit_once(':')
        .with_context(|| format!("no port in {server}"))?;
    let destinations = own_folder(stack).join("destinations.yaml");
    fs::write(&destinations, DESTINATIONS)?;
    let within = [
        "env".to_owned(),
        format!("KUBERNETES_SERVICE_HOST={host}"),
        format!("KUBERNETES_SERVICE_PORT={port}"),
        "unshare".into(),
        "--mount".into(),
        "--propagation=private".into(),
        "sh".into(),
        "-ec".into(),
        AS_A_POD.into(),
        account.display().to_string(),
    ];
    stack.hub()?.kill()?;
    let start = HubStart {
        within: within.to_vec(),
        flags: vec![format!("--destinations={}", destinations.display())],
    };
    stack.start_hub_as(start).map(drop)
}

/// What a kubelet would lay into the pod, as files.
fn lay_account(stack: &Stack, cluster: &Cluster) -> Result<PathBuf> {
    let folder = own_folder(stack).join("account");
    fs::create_dir_all(&folder)?;
    let token = cluster.admin(&["create", "token", "breakglass-hub", "-n", HOME])?;
    let ca = wait::until("the namespace's CA", Duration::from_secs(20), || {
        let found = cluster.admin(&[
            "get",
            "configmap",
            "kube-root-ca.crt",
            "-n",
            HOME,
            "-o",
            "jsonpath={.data.ca\\.crt}",
        ]);
        Ok(match found {
            Ok(ca) => Look::Found(ca),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })?;
    fs::write(folder.join("token"), token.trim())?;
    fs::write(folder.join("ca.crt"), ca)?;
    fs::write(folder.join("namespace"), HOME)?;
    Ok(folder)
}

fn await_events(cluster: &Cluster, session: &str, other: &str, reasons: &[&str]) -> Result<()> {
    let selector = format!("involvedObject.kind=DebugSession,involvedObject.name={session}");
    wait::until("the session's events", WRITTEN, || {
        let text = cluster.admin(&[
            "get",
            "events",
            "-n",
            HOME,
            "--field-selector",
            &selector,
            "-o",
            "json",
        ])?;
        let list: Value = serde_json::from_str(&text)?;
        let events = list["items"].as_array().cloned().unwrap_or_default();
        let seen = |reason: &str| events.iter().any(|event| event["reason"] == *reason);
        Ok(if reasons.iter().all(|reason| seen(reason)) {
            Look::Found(())
        } else {
            Look::NotYet(format!(
                "{:?}",
                events.iter().map(|e| &e["reason"]).collect::<Vec<_>>()
            ))
        })
    })?;
    // As people see them.
    let shown = cluster.admin(&["get", "events", "-n", HOME])?;
    let line = format!("requested by alice@example.com: DebugSession {session}");
    ensure!(shown.contains(&line), "{line:?} in:\n{shown}");
    ensure!(!shown.contains(other), "{other} in:\n{shown}");
    Ok(())
}

fn may_do_nothing_else(cluster: &Cluster) -> Result<()> {
    for (verb, resource, namespace, may) in [
        ("create", "events", HOME, "yes"),
        ("get", "events", HOME, "no"),
        ("delete", "events", HOME, "no"),
        ("get", "secrets", HOME, "no"),
        ("create", "events", "default", "no"),
    ] {
        let output = cluster.kubectl(
            User::Admin,
            &[
                "auth", "can-i", verb, resource, "-n", namespace, "--as", ACCOUNT,
            ],
        )?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            said.trim() == may,
            "{verb} {resource} in {namespace}: {said}"
        );
    }
    Ok(())
}
