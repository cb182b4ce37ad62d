//! Templates on real clusters: the samples' texts as they are, from the request to the last object's removal.
//!
//! `templates.rs` the samples · `refused.rs` what goes wrong, and what its failure policy makes of that · `hostile.rs`
//! values that want to be more than data · `authors.rs` mistakes told to their author · `crash.rs` killed in the middle.

pub mod authors;
pub mod crash;
pub mod hostile;
pub mod refused;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::stack::Stack;
use breakglass_e2e::stack::artifacts::CHECKOUT;
use breakglass_e2e::{Cluster, User};
use serde_json::Value;

use crate::Case;
use crate::inventory::{await_again, inventory};
use crate::story::{NAMESPACE, READY, Session, await_offered, text, works};

pub const CASES: &[Case] = &[
    (
        "templates::dynamic_debug_pod_runs_with_the_requesters_values",
        dynamic,
    ),
    (
        "templates::app_debug_pod_has_its_config_map_and_secret",
        app,
    ),
    (
        "templates::conditional_debug_pod_makes_its_claim_only_if_asked",
        conditional,
    ),
    (
        "templates::storage_debug_pod_writes_to_its_own_volume",
        storage,
    ),
    (
        "templates::isolated_debug_needs_an_open_ceiling_and_leaves_nothing",
        isolated,
    ),
];

const TEXTS: &str = include_str!("templates/texts.yaml");
/// Files of the samples, laid into the hub's folder as they are.
const SAMPLES: [&str; 4] = [
    "auxiliary-resources.yaml",
    "dynamic-debug-pod.yaml",
    "example-templates.yaml",
    "multi-document-pods.yaml",
];
/// The kinds of the default ceiling, and those that `isolated-debug` makes beside them.
const OPEN_CEILING: &str = r#"
ceiling:
  extraKinds: [ConfigMap, Secret, ServiceAccount, NetworkPolicy, Role, RoleBinding, PodMonitor.monitoring.coreos.com]
  grantableRules:
  - {apiGroups: [""], resources: [pods, pods/log], verbs: [get, list]}
"#;

/// A volume of class `standard`, the default, as a local-path provisioner would have made it.
const VOLUME: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: it-volume}
spec:
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: standard
  hostPath: {path: /var/lib/it-volume, type: DirectoryOrCreate}
"#;

fn sample(name: &str) -> PathBuf {
    PathBuf::from(CHECKOUT)
        .join("protocol/fixtures/samples")
        .join(name)
}

/// Lays the samples and the tests' own texts, and waits until the hub offers every template that the tests ask for.
fn lay(stack: &Stack) -> Result<()> {
    for name in SAMPLES {
        let from = sample(name);
        std::fs::copy(&from, stack.templates().join(name))
            .with_context(|| format!("{}", from.display()))?;
    }
    std::fs::write(stack.templates().join("texts.yaml"), TEXTS)?;
    let own = TEXTS.lines().filter_map(|line| {
        let name = line.strip_prefix("metadata: {name: ")?;
        name.strip_suffix('}')
    });
    for name in own.chain(["isolated-debug"]) {
        await_offered(stack, name)?;
    }
    Ok(())
}

/// A session's objects of a kind, by our label.
fn objects(session: &Session<'_>, kind: &str) -> Result<Vec<Value>> {
    let selector = format!("breakglass.t-caas.telekom.com/session={}", session.name);
    let args = ["get", kind, "-n", NAMESPACE, "-l", &selector, "-o", "json"];
    let list: Value = serde_json::from_str(&session.cluster.admin(&args)?)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

/// The one object of that kind and name, with all of our labels.
fn object(session: &Session<'_>, kind: &str, name: &str) -> Result<Value> {
    let found = objects(session, kind)?;
    let found = found
        .into_iter()
        .find(|object| object["metadata"]["name"] == name)
        .with_context(|| format!("no {kind} {name} with the session's label"))?;
    let labels = &found["metadata"]["labels"];
    for (key, value) in [
        ("breakglass.t-caas.telekom.com/session-type", "debug"),
        ("breakglass.t-caas.telekom.com/cluster", "east"),
        ("app.kubernetes.io/managed-by", "breakglass"),
    ] {
        ensure!(labels[key] == value, "{kind} {name}: {key} in {labels}");
    }
    Ok(found)
}

/// What the session tells of its objects beside the pod, one by one.
fn statuses(session: &Value) -> Vec<Value> {
    let status = &session["status"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let auxiliary = list(&status["auxiliaryResourceStatuses"]);
    let additional = auxiliary
        .iter()
        .flat_map(|first| list(&first["additionalResources"]));
    let additional: Vec<Value> = additional.collect();
    [
        list(&status["podTemplateResourceStatuses"]),
        auxiliary,
        additional,
    ]
    .concat()
}

/// Waits until the session says of exactly these kinds and names that they are there and ready.
fn await_current(session: &Session<'_>, wanted: &[(&str, &str)]) -> Result<Value> {
    session.await_so("every object Current", READY, |session| {
        let told = statuses(session);
        wanted.iter().all(|(kind, name)| {
            told.iter().any(|one| {
                one["kind"] == *kind
                    && one["resourceName"] == *name
                    && one["readinessStatus"] == "Current"
                    && one["ready"] == Value::Bool(true)
            })
        })
    })
}

/// Alice's way in, as soon as the pod is hers.
fn run(session: &Session<'_>, command: &[&str]) -> Result<String> {
    session.await_pods(1)?;
    let pod = session.pod()?;
    works(
        &session.exec(User::Alice, &pod, command)?,
        "exec in the session's pod",
    )
}

/// The end's proof names every one of these as removed, by UID, and nothing as remaining.
fn proves_removed(ended: &Value, made: &[Value]) -> Result<()> {
    let cleanup = &ended["status"]["cleanup"];
    let removed = cleanup["removed"].as_array().context("nothing removed")?;
    for object in made {
        let uid = &object["metadata"]["uid"];
        ensure!(
            removed.iter().any(|gone| gone["uid"] == *uid),
            "{} {} is not in the proof: {cleanup}",
            object["kind"],
            object["metadata"]["name"]
        );
    }
    ensure!(
        cleanup["remaining"].as_array().is_none_or(Vec::is_empty),
        "something remained: {cleanup}"
    );
    Ok(())
}

fn dynamic(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let values = ["--set", "image=busybox:1.36", "--set", "cpuLimit=250m"];
    let session = Session::asked(stack, "east", "it-dynamic", &values)?;
    let told = run(&session, &["env"])?;
    for line in [
        format!("SESSION_NAME={}", session.name),
        "CLUSTER=east".to_owned(),
        "REQUESTED_BY=alice@example.com".to_owned(),
    ] {
        ensure!(told.lines().any(|seen| seen == line), "{line} in {told}");
    }
    let pod = &objects(&session, "pods")?[0];
    let container = &pod["spec"]["containers"][0];
    ensure!(container["image"] == "busybox:1.36", "{container}");
    let name = text(&container["name"])?;
    ensure!(name == format!("debug-{}", &session.name[..15]), "{name}");
    let limits = &container["resources"]["limits"];
    ensure!(
        limits["cpu"] == "250m" && limits["memory"] == "256Mi",
        "the requester's value and the template's default: {limits}"
    );
    ensure!(pod["spec"]["hostNetwork"].is_null(), "nobody asked for it");
    session.end()?;
    await_again(&cluster, &before)
}

fn app(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let session = Session::asked(stack, "east", "it-app", &["--set", "apiToken=s3cr3t"])?;
    let told = run(&session, &["env"])?;
    for line in ["CLUSTER=east", "DEBUG_MODE=true", "api-token=s3cr3t"] {
        ensure!(told.lines().any(|seen| seen == line), "{line} in {told}");
    }
    let config = format!("debug-config-{}", session.name);
    let secret = format!("debug-creds-{}", session.name);
    let made = [
        object(&session, "ConfigMap", &config)?,
        object(&session, "Secret", &secret)?,
    ];
    await_current(&session, &[("ConfigMap", &config), ("Secret", &secret)])?;
    proves_removed(&session.end()?, &made)?;
    await_again(&cluster, &before)
}

/// The story with a volume in the cluster, which is removed in any case.
fn with_volume(cluster: &Cluster, story: impl FnOnce() -> Result<()>) -> Result<()> {
    cluster.apply(VOLUME)?;
    let told = story();
    // A volume that is still bound would wait for its claim.
    let removed = ["persistentvolume/it-volume", "storageclass/standard"]
        .iter()
        .try_for_each(|name| cluster.admin(&["delete", name, "--timeout=30s"]).map(drop));
    told.and(removed)
}

fn conditional(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    with_volume(&cluster, || {
        let without = Session::asked(stack, "east", "it-conditional", &[])?;
        let asked = ["--set", "createPVC=true"];
        let with = Session::asked(stack, "east", "it-conditional", &asked)?;
        run(&without, &["true"])?;
        ensure!(
            objects(&without, "persistentvolumeclaims")?.is_empty(),
            "nobody asked for a claim"
        );
        run(&with, &["true"])?;
        let name = format!("optional-pvc-{}", with.name);
        let made = object(&with, "PersistentVolumeClaim", &name)?;
        await_current(&with, &[("PersistentVolumeClaim", &name)])?;
        without.act(User::Alice, "terminate", &["--yes"])?;
        proves_removed(&with.end()?, &[made])?;
        without.await_end("Terminated").map(drop)
    })?;
    await_again(&cluster, &before)
}

fn storage(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    with_volume(&cluster, || {
        let values = ["--set", "pvcSize=1Gi"];
        let session = Session::asked(stack, "east", "it-storage", &values)?;
        let written = "echo kept > /data/file && cat /data/file";
        let told = run(&session, &["sh", "-c", written])?;
        ensure!(told.trim() == "kept", "{told}");
        let name = format!("pvc-{}", &session.name[..20]);
        let claim = object(&session, "PersistentVolumeClaim", &name)?;
        ensure!(claim["status"]["phase"] == "Bound", "{}", claim["status"]);
        ensure!(
            claim["spec"]["resources"]["requests"]["storage"] == "1Gi"
                && claim["spec"]["storageClassName"] == "standard",
            "{}",
            claim["spec"]
        );
        await_current(&session, &[("PersistentVolumeClaim", &name)])?;
        // The claim is protected until its pod is gone: the end waits for both.
        proves_removed(&session.end()?, &[claim])
    })?;
    await_again(&cluster, &before)
}

fn isolated(stack: &Stack) -> Result<()> {
    lay(stack)?;
    let cluster = stack.cluster("east")?;
    let before = inventory(&cluster)?;
    let closed = Session::asked(stack, "east", "isolated-debug", &[])?;
    let failed = closed.await_end("Failed")?;
    let message = text(&failed["status"]["message"])?;
    for words in [
        "document 2 of auxiliary resource debug-rbac-bundle (Role ",
        "ceiling.extraKinds",
    ] {
        ensure!(message.contains(words), "{words:?} in {message}");
    }
    await_again(&cluster, &before)?;
    stack.upgrade_agent(&cluster, OPEN_CEILING)?;
    let told = isolated_in_open_ceiling(stack, &cluster);
    stack.roll_back_agent(&cluster)?;
    told
}

fn isolated_in_open_ceiling(stack: &Stack, cluster: &Cluster) -> Result<()> {
    let before = inventory(cluster)?;
    let session = Session::asked(stack, "east", "isolated-debug", &[])?;
    run(&session, &["true"])?;
    let name = |end: &str| format!("debug-{}-{end}", session.name);
    let (policy, account, role, binding) =
        (name("isolation"), name("sa"), name("role"), name("binding"));
    let wanted = [
        ("NetworkPolicy", policy.as_str()),
        ("ServiceAccount", &account),
        ("Role", &role),
        ("RoleBinding", &binding),
    ];
    let made: Vec<Value> = wanted
        .iter()
        .map(|(kind, name)| object(&session, kind, name))
        .collect::<Result<_>>()?;
    let current = await_current(&session, &wanted)?;
    let monitor = statuses(&current)
        .into_iter()
        .find(|one| one["kind"] == "PodMonitor")
        .context("the status names what is missing too")?;
    ensure!(
        monitor["created"] == Value::Bool(false) && monitor["error"].is_string(),
        "a kind that the cluster does not have is left out: {monitor}"
    );
    let can = format!("--as=system:serviceaccount:{NAMESPACE}:{account}");
    let may = |verb: &str| {
        cluster.kubectl(
            User::Admin,
            &["auth", "can-i", verb, "pods", "-n", NAMESPACE, &can],
        )
    };
    ensure!(may("list")?.status.success(), "the role is bound");
    ensure!(!may("delete")?.status.success(), "and gives no more");
    proves_removed(&session.end()?, &made)?;
    await_again(cluster, &before)
}
