//! CRDs and samples at a real API server; manifests at a real hub.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use breakglass_e2e::stack::artifacts::CHECKOUT;
use breakglass_e2e::wait::{self, Look};

use crate::Case;

pub const CASES: &[Case] = &[
    (
        "manifests::crds_and_samples_are_accepted_by_kubectl_apply",
        crds,
    ),
    (
        "manifests::a_template_with_a_field_that_is_not_built_is_refused_by_name",
        unbuilt,
    ),
    (
        "manifests::the_folder_is_followed_and_a_broken_edit_keeps_the_last_good_version",
        folder,
    ),
];

fn crds(stack: &Stack) -> Result<()> {
    let cluster = stack.cluster("east")?;
    let crds = Path::new(CHECKOUT)
        .join("charts/crds")
        .display()
        .to_string();
    cluster.admin(&["apply", "-f", &crds])?;
    cluster.admin(&[
        "wait",
        "--for=condition=Established",
        "-f",
        &crds,
        "--timeout=30s",
    ])?;
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: breakglass}\n";
    cluster.apply(namespace)?;
    let samples = Path::new(CHECKOUT)
        .join("protocol/fixtures/samples")
        .display()
        .to_string();
    let applied = cluster.admin(&["apply", "-f", &samples])?;
    ensure!(applied.lines().count() >= 20, "{applied}");
    let table = cluster.admin(&["get", "dst"])?;
    ensure!(
        table.contains("MODE") && table.contains("standard-debug"),
        "{table}"
    );
    let refused = cluster.apply(
        "apiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: DebugSessionTemplate\nmetadata: {name: bad}\nspec: {mode: sideways}\n",
    );
    ensure!(
        refused.is_err_and(|error| format!("{error:#}").contains("mode")),
        "an unknown mode is refused by the schema"
    );
    cluster.admin(&["delete", "-f", &crds])?;
    cluster
        .admin(&["delete", "namespace", "breakglass"])
        .map(drop)
}

/// Waits until one line of the hub's log holds all of these.
pub fn log_says(stack: &Stack, what: &str, words: &[&str]) -> Result<()> {
    let log = stack.folder().join("log/hub.log");
    wait::until(what, Duration::from_secs(15), || {
        let text = std::fs::read_to_string(&log).with_context(|| format!("{}", log.display()))?;
        Ok(
            if text
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)))
            {
                Look::Found(())
            } else {
                Look::NotYet(text.lines().rev().take(5).collect::<Vec<_>>().join("\n"))
            },
        )
    })
}

fn unbuilt(stack: &Stack) -> Result<()> {
    let file = stack.templates().join("unbuilt.yaml");
    std::fs::write(
        &file,
        "apiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: DebugSessionTemplate\nmetadata: {name: it-unbuilt}\nspec:\n  podTemplateRef: {name: it-pod}\n  allowed: {groups: [sre-team], clusters: [\"*\"]}\n  terminalSharing: {enabled: true}\n",
    )?;
    let told = log_says(
        stack,
        "the refusal in the hub's log",
        &["unbuilt.yaml", "terminalSharing", "not supported yet"],
    );
    let create = [
        "debug",
        "session",
        "create",
        "--template",
        "it-unbuilt",
        "--cluster",
        "west",
        "--reason",
        "a test of refusals",
    ];
    let refused = stack.bgctl(User::Alice, &create)?;
    let check = stack.bgctl(
        User::Alice,
        &["template", "check", &file.display().to_string()],
    )?;
    std::fs::remove_file(&file)?;
    told?;
    ensure!(
        !refused.status.success(),
        "a refused template cannot be requested"
    );
    let said = String::from_utf8_lossy(&check.stderr);
    ensure!(
        check.status.success() && said.contains("terminalSharing"),
        "D10: a warning, exit 0: {said}"
    );
    Ok(())
}

fn folder(stack: &Stack) -> Result<()> {
    let file = stack.templates().join("followed.yaml");
    let manifest = |title: &str| {
        format!(
            "apiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: DebugSessionTemplate\nmetadata: {{name: it-followed}}\nspec:\n  displayName: {title}\n  podTemplateRef: {{name: it-pod}}\n  allowed: {{groups: [sre-team], clusters: [\"*\"]}}\n"
        )
    };
    let shows = |title: Option<&str>| {
        wait::until(
            &format!("it-followed as {title:?}"),
            Duration::from_secs(15),
            || {
                let found = stack
                    .ask(User::Alice, &["debug", "template", "get", "it-followed"])
                    .ok();
                let found = found.and_then(|t| t["displayName"].as_str().map(str::to_owned));
                Ok(if found.as_deref() == title {
                    Look::Found(())
                } else {
                    Look::NotYet(format!("{found:?}"))
                })
            },
        )
    };
    std::fs::write(&file, manifest("First"))?;
    shows(Some("First"))?;
    std::fs::write(&file, manifest("Second"))?;
    shows(Some("Second"))?;
    std::fs::write(&file, manifest("Third").replace("groups", "gruops"))?;
    log_says(
        stack,
        "the broken edit in the hub's log",
        &["followed.yaml", "gruops"],
    )?;
    shows(Some("Second"))?;
    std::fs::remove_file(&file)?;
    shows(None)
}
