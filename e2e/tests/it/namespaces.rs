//! S17, S8 and S10 on real clusters: labels of live namespaces, namespaces that sessions make, and deploying as a
//! ServiceAccount with no more than the rights that it needs.

use std::time::Duration;

use anyhow::{Result, ensure};
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};
use breakglass_e2e::{Cluster, User};
use serde_json::Value;

use crate::Case;
use crate::inventory::{await_again, inventory};
use crate::story::{NAMESPACE, Session, text};

pub const CASES: &[Case] = &[
    (
        "namespaces::s17_labels_of_the_live_namespace_decide",
        labels,
    ),
    ("namespaces::s08_a_namespace_is_made_and_removed", made),
    (
        "namespaces::d09_a_resource_quota_stands_in_the_namespace_that_was_made",
        quota,
    ),
    ("namespaces::s08_a_foreign_object_keeps_the_namespace", kept),
    ("namespaces::s09_no_namespace_is_made_by_default", closed),
    (
        "namespaces::s10_objects_are_made_as_the_service_account",
        deployed_as,
    ),
    (
        "namespaces::s10_a_missing_account_or_right_fails_the_session_and_is_named",
        lacking,
    ),
];

const TEMPLATES: &str = include_str!("namespaces/templates.yaml");
const OPEN: &str = r#"
ceiling:
  namespaces: [breakglass-debug, "it-*", "debug-*"]
  createNamespaces: true
"#;
const FAILED: Duration = Duration::from_secs(60);

/// Lays the templates and runs the story under these values of the agent's chart.
fn within(stack: &Stack, values: &str, story: fn(&Stack, &Cluster) -> Result<()>) -> Result<()> {
    let file = stack.templates().join("namespaces.yaml");
    std::fs::write(&file, TEMPLATES)?;
    for name in [
        "it-placed",
        "it-makes-namespace",
        "it-makes-namespace-with-totals",
        "it-deployed-as",
    ] {
        wait::until(name, Duration::from_secs(20), || {
            let found = stack.ask(User::Alice, &["debug", "template", "get", name]);
            Ok(match found {
                Ok(found) if found["hasAvailableClusters"] == Value::Bool(true) => Look::Found(()),
                Ok(found) => Look::NotYet(found.to_string()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })?;
    }
    let cluster = stack.cluster("east")?;
    stack.upgrade_agent(&cluster, values)?;
    let told = story(stack, &cluster);
    stack.roll_back_agent(&cluster)?;
    told
}

fn in_namespace<'a>(stack: &'a Stack, template: &str, namespace: &str) -> Result<Session<'a>> {
    Session::asked(stack, "east", template, &["--namespace", namespace])
}

/// The message of a session that fails, cleaned up.
fn why_failed(session: &Session<'_>) -> Result<String> {
    let failed = session.await_so("Failed, cleaned up", FAILED, |s| {
        s["status"]["state"] == "Failed" && s["status"]["cleanup"]["finishedAt"].is_string()
    })?;
    text(&failed["status"]["message"])
}

fn says(message: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(message.contains(word), "{word:?} in: {message}");
    }
    Ok(())
}

fn make_namespace(cluster: &Cluster, name: &str, labels: &str) -> Result<()> {
    cluster
        .apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n"
        ))
        .map(drop)
}

fn remove_namespace(cluster: &Cluster, name: &str) -> Result<()> {
    let args = ["delete", "namespace", name, "--ignore-not-found"];
    cluster.admin(&args).map(drop)
}

fn labels(stack: &Stack) -> Result<()> {
    within(stack, OPEN, |stack, cluster| {
        let told = labels_decide(stack, cluster);
        for name in [
            "it-dev",
            "it-restricted",
            "it-protected",
            "debug-by-name",
            "it-none",
        ] {
            remove_namespace(cluster, name)?;
        }
        told
    })
}

fn labels_decide(stack: &Stack, cluster: &Cluster) -> Result<()> {
    make_namespace(cluster, "it-dev", "environment: dev")?;
    make_namespace(
        cluster,
        "it-restricted",
        "environment: dev, restricted: \"yes\"",
    )?;
    make_namespace(
        cluster,
        "it-protected",
        "debug-enabled: \"true\", protected: \"true\"",
    )?;
    make_namespace(cluster, "it-none", "")?;
    make_namespace(cluster, "debug-by-name", "")?;
    for name in ["it-dev", "debug-by-name"] {
        let session = in_namespace(stack, "it-placed", name)?;
        let pods = session.await_pods(1)?;
        ensure!(pods[0]["namespace"] == name, "{pods:?}");
        session.end()?;
    }
    for (name, words) in [
        (
            "it-restricted",
            [
                "does not allow namespace it-restricted",
                "debug-enabled=true",
            ],
        ),
        (
            "it-none",
            ["does not allow namespace it-none", "allowedNamespaces"],
        ),
        (
            "it-protected",
            ["denies namespace it-protected", "protected=true"],
        ),
    ] {
        let session = in_namespace(stack, "it-placed", name)?;
        says(&why_failed(&session)?, &words)?;
        let left = cluster.admin(&["get", "all", "-n", name, "-o", "name"])?;
        ensure!(left.trim().is_empty(), "nothing was made in {name}: {left}");
    }
    let refused = stack.bgctl(
        User::Alice,
        &[
            "debug",
            "session",
            "create",
            "--template",
            "it-placed",
            "--cluster",
            "east",
            "--namespace",
            "kube-system",
            "--reason",
            "a test of refusals",
        ],
    )?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        !refused.status.success() && said.contains("is among the namespaces denied by"),
        "a denied name is refused by the hub: {said}"
    );
    Ok(())
}

fn made(stack: &Stack) -> Result<()> {
    within(stack, OPEN, |stack, cluster| {
        let before = inventory(cluster)?;
        let session = in_namespace(stack, "it-makes-namespace", "it-made")?;
        session.await_pods(1)?;
        let namespace: Value = serde_json::from_str(&cluster.admin(&[
            "get",
            "namespace",
            "it-made",
            "-o",
            "json",
        ])?)?;
        let labels = &namespace["metadata"]["labels"];
        for (key, value) in [
            ("managed-by", "breakglass"),
            ("purpose", "debug-session"),
            ("app.kubernetes.io/managed-by", "breakglass"),
            (
                "breakglass.t-caas.telekom.com/session",
                session.name.as_str(),
            ),
        ] {
            ensure!(labels[key] == value, "{key}: {labels}");
        }
        let ended = session.end()?;
        let removed = ended["status"]["cleanup"]["removed"].to_string();
        ensure!(removed.contains("\"Namespace\""), "{removed}");
        await_again(cluster, &before)
    })
}

fn quota(stack: &Stack) -> Result<()> {
    within(stack, OPEN, |stack, cluster| {
        let told = quota_stands(stack, cluster);
        remove_namespace(cluster, "it-there")?;
        told
    })
}

fn quota_stands(stack: &Stack, cluster: &Cluster) -> Result<()> {
    let before = inventory(cluster)?;
    let template = "it-makes-namespace-with-totals";
    let session = in_namespace(stack, template, "it-totals")?;
    session.await_pods(2)?;
    let name = format!("{}-quota", session.name);
    // Its status is the quota controller's, soon after each change.
    let used = "jsonpath={.spec.hard} {.status.used.pods} {.status.used.requests\\.cpu}";
    wait::until("what is used", FAILED, || {
        let args = ["get", "resourcequota", &name, "-n", "it-totals", "-o", used];
        let seen = cluster.admin(&args)?;
        let is_so = seen.contains(r#""pods":"2""#) && seen.trim().ends_with("2 20m");
        Ok(if is_so {
            Look::Found(())
        } else {
            Look::NotYet(seen)
        })
    })?;
    // The API server holds it, also against whoever has rights there.
    let more = cluster.kubectl(
        User::Admin,
        &["run", "more", "--image=busybox", "-n", "it-totals"],
    )?;
    says(
        &String::from_utf8_lossy(&more.stderr),
        &["forbidden", &name],
    )?;
    let status = stack.ask(User::Alice, &["debug", "session", "get", &session.name])?;
    says(
        &status["status"]["deployedResources"].to_string(),
        &["ResourceQuota", &name],
    )?;
    // Somebody who uses the namespace too adds none.
    let second = in_namespace(stack, "it-makes-namespace", "it-totals")?;
    let quotas = ["get", "resourcequota", "-n", "it-totals", "-o", "name"];
    ensure!(cluster.admin(&quotas)?.lines().count() == 1);
    second.act(User::Alice, "terminate", &["--yes"])?;
    second.await_end("Terminated")?;
    let ended = session.end()?;
    says(
        &ended["status"]["cleanup"]["removed"].to_string(),
        &["ResourceQuota", "Namespace"],
    )?;
    await_again(cluster, &before)?;

    // In a namespace that was there before it stands beside nobody's pods.
    make_namespace(cluster, "it-there", "")?;
    let session = in_namespace(stack, template, "it-there")?;
    session.await_pods(2)?;
    let there = ["get", "resourcequota", "-n", "it-there", "-o", "name"];
    ensure!(cluster.admin(&there)?.trim().is_empty());
    session.end().map(drop)
}

fn kept(stack: &Stack) -> Result<()> {
    within(stack, OPEN, |stack, cluster| {
        let session = in_namespace(stack, "it-makes-namespace", "it-kept")?;
        session.await_pods(1)?;
        cluster.admin(&["create", "configmap", "theirs", "-n", "it-kept"])?;
        let ended = session.end()?;
        let kept = ended["status"]["cleanup"]["kept"].to_string();
        ensure!(kept.contains("it-kept"), "{kept}");
        says(&ended["status"].to_string(), &["ConfigMap theirs"])?;
        cluster.admin(&["get", "configmap", "theirs", "-n", "it-kept"])?;
        // What is there now is anybody's: the next session uses it and leaves it.
        let next = in_namespace(stack, "it-makes-namespace", "it-kept")?;
        next.await_pods(1)?;
        next.end()?;
        cluster.admin(&["get", "namespace", "it-kept"])?;
        remove_namespace(cluster, "it-kept")
    })
}

fn closed(stack: &Stack) -> Result<()> {
    let values = "ceiling:\n  namespaces: [breakglass-debug, \"it-*\"]\n";
    within(stack, values, |stack, _| {
        let session = in_namespace(stack, "it-makes-namespace", "it-not-made")?;
        let message = why_failed(&session)?;
        says(
            &message,
            &["it-not-made does not exist", "ceiling.createNamespaces"],
        )
    })
}

const AS_DEPLOYER: &str = r#"
ceiling:
  impersonation: {serviceAccounts: [it-deployers/it-deployer]}
"#;

/// The namespace must be there before the chart makes its Role in it.
fn as_deployer(stack: &Stack, story: fn(&Stack, &Cluster) -> Result<()>) -> Result<()> {
    let cluster = stack.cluster("east")?;
    make_namespace(&cluster, "it-deployers", "")?;
    let told = within(stack, AS_DEPLOYER, story);
    let cleared = cluster.admin(&[
        "delete",
        "role,rolebinding",
        "it-deployer",
        "-n",
        NAMESPACE,
        "--ignore-not-found",
    ]);
    remove_namespace(&cluster, "it-deployers")?;
    cleared?;
    told
}

fn account(cluster: &Cluster) -> Result<()> {
    let args = [
        "create",
        "serviceaccount",
        "it-deployer",
        "-n",
        "it-deployers",
    ];
    cluster.admin(&args).map(drop)
}

fn deployed_as(stack: &Stack) -> Result<()> {
    as_deployer(stack, |stack, cluster| {
        account(cluster)?;
        cluster.admin(&[
            "create",
            "role",
            "it-deployer",
            "-n",
            NAMESPACE,
            "--verb=create,patch",
            "--resource=deployments.apps",
        ])?;
        cluster.admin(&[
            "create",
            "rolebinding",
            "it-deployer",
            "-n",
            NAMESPACE,
            "--role=it-deployer",
            "--serviceaccount=it-deployers:it-deployer",
        ])?;
        let session = Session::asked(stack, "east", "it-deployed-as", &[])?;
        session.await_pods(1)?;
        let audit = cluster.admin(&[
            "get",
            "deployment",
            &format!("{}-deploy", session.name),
            "-n",
            NAMESPACE,
            "-o",
            "jsonpath={.metadata.labels.breakglass\\.t-caas\\.telekom\\.com/session}",
        ])?;
        ensure!(audit.trim() == session.name, "{audit}");
        session.end().map(drop)
    })
}

fn lacking(stack: &Stack) -> Result<()> {
    as_deployer(stack, |stack, cluster| {
        let session = Session::asked(stack, "east", "it-deployed-as", &[])?;
        says(
            &why_failed(&session)?,
            &["ServiceAccount it-deployers/it-deployer", "does not exist"],
        )?;
        account(cluster)?;
        let session = Session::asked(stack, "east", "it-deployed-as", &[])?;
        says(
            &why_failed(&session)?,
            &[
                "ServiceAccount it-deployers/it-deployer lacks the rule",
                r#"apiGroups: ["apps"], resources: ["deployments"], verbs: ["create"]"#,
                "kubectl create rolebinding",
            ],
        )
    })
}
