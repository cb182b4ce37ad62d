//! What one session may use in sum (D9). Kubernetes's own ResourceQuota counts everything in a namespace, so the session's
//! totals are judged here, before anything is made: its pods × what each requests, and its claims.

use breakglass_protocol::kinds::quota::{Unsaid, unsaid};
use breakglass_protocol::quantity::Quantity;
use breakglass_protocol::wire::grant::{Grant, Quota, Work, WorkloadKind};
use k8s_openapi::api::core::v1::{
    Container, NodeSelector, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec, Volume,
};

use crate::held::Held;
use crate::nodes::{Constraints, NodeFacts, daemon_tolerates, selects};
use crate::observed::Observed;
use crate::workload::Rendered;

/// Quantities are kept in 10⁻⁹.
const NANOS: i128 = 1_000_000_000;

/// One limit that a session exceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaRefusal {
    #[error(
        "container {} has no resources.{}.{}, which resourceQuota.{} asks for; add it to the pod template or to podOverrides",
        .0.container, .0.amount, .0.resource, .0.rule
    )]
    Unbounded(Unsaid),
    #[error(
        "the session comes to {asked}, and resourceQuota.{field} is {limit}; {}",
        "choose fewer nodes, let its pods request less, or have the template's author raise it"
    )]
    TooMuch {
        field: &'static str,
        asked: String,
        limit: String,
    },
    #[error("resourceQuota.{field} is {limit:?}, which is no quantity")]
    Unreadable { field: &'static str, limit: String },
}

fn quota_of(grant: &Grant) -> Option<&Quota> {
    let Work::Workload(workload) = &grant.work;
    workload.quota.as_ref()
}

/// Containers that do not say what they use, where the template asks for it. Needs no cluster, so it is judged when the grant
/// comes.
#[must_use]
pub fn judge_containers(grant: &Grant, rendered: &Rendered) -> Vec<QuotaRefusal> {
    let (Some(quota), Some(spec)) = (quota_of(grant), pod_spec(rendered)) else {
        return Vec::new();
    };
    unsaid(quota, &spec)
        .into_iter()
        .map(QuotaRefusal::Unbounded)
        .collect()
}

/// Every total that exceeds the quota, by what is seen now. `observed.nodes` must be known where [`counts_nodes`].
#[must_use]
pub fn judge_totals(held: &Held, observed: &Observed) -> Vec<QuotaRefusal> {
    let (Some(quota), Some(rendered)) = (quota_of(&held.grant), &held.rendered) else {
        return Vec::new();
    };
    let Some(spec) = pod_spec(rendered) else {
        return Vec::new();
    };
    let pods = pods(held, observed);
    let of_pods = i128::from(pods);
    let per_pod = |amount: i128| amount.saturating_mul(of_pods);
    let storage = per_pod(storage_of_pod(&spec)).saturating_add(claims(rendered));
    let mut refusals: Vec<QuotaRefusal> = quota
        .max_pods
        .filter(|limit| pods > u64::from(*limit))
        .map(|limit| QuotaRefusal::TooMuch {
            field: "maxPods",
            asked: format!("{pods} pods"),
            limit: limit.to_string(),
        })
        .into_iter()
        .collect();
    for (field, limit, asked, shown) in [
        (
            "maxCPU",
            &quota.max_cpu,
            per_pod(requests(&spec, "cpu")),
            cores as fn(i128) -> String,
        ),
        (
            "maxMemory",
            &quota.max_memory,
            per_pod(requests(&spec, "memory")),
            bytes,
        ),
        ("maxStorage", &quota.max_storage, storage, bytes),
    ] {
        let Some(limit) = limit else { continue };
        match Quantity::parse(limit) {
            Ok(quantity) if asked > quantity.nanos() => refusals.push(QuotaRefusal::TooMuch {
                field,
                asked: format!("{} in {pods} pods", shown(asked)),
                limit: limit.clone(),
            }),
            Ok(_) => {}
            Err(_) => refusals.push(QuotaRefusal::Unreadable {
                field,
                limit: limit.clone(),
            }),
        }
    }
    refusals
}

/// Whether the number of pods hangs on the cluster's nodes.
#[must_use]
pub fn counts_nodes(grant: &Grant) -> bool {
    let Work::Workload(workload) = &grant.work;
    workload.quota.is_some() && workload.kind == WorkloadKind::DaemonSet
}

fn pods(held: &Held, observed: &Observed) -> u64 {
    let Work::Workload(workload) = &held.grant.work;
    match workload.kind {
        WorkloadKind::DaemonSet => {
            u64::try_from(eligible_nodes(held, observed).count()).unwrap_or(u64::MAX)
        }
        WorkloadKind::Deployment => u64::from(workload.replicas),
    }
}

/// Names of the nodes on which a DaemonSet of this grant makes a pod.
pub(crate) fn eligible_nodes<'a>(
    held: &'a Held,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a str> {
    let spec = held.rendered.as_ref().and_then(pod_spec);
    let constraints = Constraints::of(&held.grant);
    observed
        .nodes
        .iter()
        .filter(move |node| {
            constraints.against(node).is_none()
                && spec.as_ref().is_some_and(|spec| takes(spec, node))
        })
        .map(|node| node.name.as_str())
}

/// Whether a DaemonSet with this pod makes one on the node.
pub(crate) fn takes(spec: &PodSpec, node: &NodeFacts) -> bool {
    let selector = spec.node_selector.iter().flatten();
    let has_labels = |(key, value): (&String, &String)| node.labels.get(key) == Some(value);
    selector.into_iter().all(has_labels)
        && required(spec).is_none_or(|required| selects(required, node))
        && spec
            .node_name
            .as_ref()
            .is_none_or(|name| *name == node.name)
        && daemon_tolerates(spec, &node.taints)
}

fn required(spec: &PodSpec) -> Option<&NodeSelector> {
    let node = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    node.required_during_scheduling_ignored_during_execution
        .as_ref()
}

fn pod_spec(rendered: &Rendered) -> Option<PodSpec> {
    serde_json::from_value(rendered.pod_spec()?.clone()).ok()
}

/// What a pod is scheduled with: its containers together, or the largest init container if that is more.
fn requests(spec: &PodSpec, resource: &str) -> i128 {
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let (sidecars, steps): (Vec<_>, Vec<_>) = init
        .iter()
        .partition(|container| container.restart_policy.as_deref() == Some("Always"));
    let beside: i128 = sidecars.iter().map(|c| request(c, resource)).sum();
    let running: i128 = spec.containers.iter().map(|c| request(c, resource)).sum();
    let largest = steps.iter().map(|c| request(c, resource)).max();
    let overhead = spec.overhead.as_ref().and_then(|held| held.get(resource));
    beside + running.max(largest.unwrap_or(0)) + overhead.map_or(0, |q| nanos(&q.0))
}

/// What a container requests; Kubernetes takes its limit where it says nothing.
fn request(container: &Container, resource: &str) -> i128 {
    let Some(resources) = &container.resources else {
        return 0;
    };
    let of = |held: &Option<std::collections::BTreeMap<String, _>>| {
        let quantity: &k8s_openapi::apimachinery::pkg::api::resource::Quantity =
            held.as_ref()?.get(resource)?;
        Some(nanos(&quantity.0))
    };
    of(&resources.requests)
        .or_else(|| of(&resources.limits))
        .unwrap_or(0)
}

/// A quantity that cannot be read is more than any limit.
fn nanos(text: &str) -> i128 {
    Quantity::parse(text).map_or(i128::from(i64::MAX) * NANOS, Quantity::nanos)
}

/// A pod's own storage: what its containers may write, or its empty directories if those are larger, and its claims.
fn storage_of_pod(spec: &PodSpec) -> i128 {
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    let directories: i128 = volumes.iter().map(empty_directory).sum();
    let own: i128 = volumes
        .iter()
        .filter_map(|volume| volume.ephemeral.as_ref()?.volume_claim_template.as_ref())
        .map(|claim| claimed(&claim.spec))
        .sum();
    requests(spec, "ephemeral-storage").max(directories) + own
}

/// One in memory is no storage.
fn empty_directory(volume: &Volume) -> i128 {
    let Some(directory) = &volume.empty_dir else {
        return 0;
    };
    let limit = directory.size_limit.as_ref();
    match directory.medium.as_deref() {
        None | Some("") => limit.map_or(0, |quantity| nanos(&quantity.0)),
        Some(_) => 0,
    }
}

fn claimed(spec: &PersistentVolumeClaimSpec) -> i128 {
    let requests = spec.resources.as_ref().and_then(|r| r.requests.as_ref());
    let storage = requests.and_then(|requests| requests.get("storage"));
    storage.map_or(0, |quantity| nanos(&quantity.0))
}

/// The session's own claims beside the workload.
fn claims(rendered: &Rendered) -> i128 {
    rendered
        .beside()
        .filter(|(_, document)| document.kind() == "PersistentVolumeClaim")
        .filter_map(|(_, document)| {
            serde_json::from_value::<PersistentVolumeClaim>(document.manifest.clone()).ok()
        })
        .filter_map(|claim| claim.spec)
        .map(|spec| claimed(&spec))
        .sum()
}

fn cores(nanos: i128) -> String {
    let millis = nanos.saturating_add(999_999) / 1_000_000;
    if millis % 1000 == 0 {
        format!("{} CPUs", millis / 1000)
    } else {
        format!("{millis}m CPU")
    }
}

fn bytes(nanos: i128) -> String {
    let bytes = nanos.saturating_add(NANOS - 1) / NANOS;
    let unit = [(30, "Gi"), (20, "Mi"), (10, "Ki")]
        .into_iter()
        .find(|(power, _)| bytes > 0 && bytes % (1 << power) == 0);
    match unit {
        Some((power, unit)) => format!("{}{unit}", bytes >> power),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests;
