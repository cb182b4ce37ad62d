//! Everything that is in a cluster, to be compared before and after.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use breakglass_e2e::Cluster;
use breakglass_e2e::wait::{self, Look};
use serde_json::Value;

use crate::story::text;

const KINDS: &str = "all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,persistentvolumeclaims,poddisruptionbudgets,resourcequotas,namespaces";

/// Records that the agent keeps beside those of its grants, each made when it first has something to hold: they are the
/// installation's and stay one object each, whatever ran.
const AGENTS_OWN: [&str; 3] = [
    "breakglass-agent-audit",
    "breakglass-agent-clock",
    "breakglass-agent-memory",
];

/// Everything in the cluster by kind, namespace, name and UID.
pub fn inventory(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let listed = cluster.admin(&["get", KINDS, "--all-namespaces", "--output=json"])?;
    let list: Value = serde_json::from_str(&listed)?;
    let items = list["items"].as_array().context("no items")?;
    items
        .iter()
        .filter(|item| {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            item["kind"] != "Secret" || !AGENTS_OWN.contains(&name)
        })
        .map(|item| {
            let meta = &item["metadata"];
            let namespace = meta["namespace"].as_str().unwrap_or("-");
            Ok(format!(
                "{} {namespace}/{} {}",
                text(&item["kind"])?,
                text(&meta["name"])?,
                text(&meta["uid"])?
            ))
        })
        .collect()
}

/// Waits until the cluster holds the same again.
pub fn await_again(cluster: &Cluster, before: &BTreeSet<String>) -> Result<()> {
    wait::until("the cluster as it was", Duration::from_secs(30), || {
        let now = inventory(cluster)?;
        Ok(if now == *before {
            Look::Found(())
        } else {
            let more: Vec<_> = now.difference(before).collect();
            let less: Vec<_> = before.difference(&now).collect();
            Look::NotYet(format!("left: {more:?}, missing: {less:?}"))
        })
    })
}
