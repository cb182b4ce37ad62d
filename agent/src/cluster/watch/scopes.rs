//! What is watched, and how.

use std::time::Duration;

use breakglass_agent_core::nodes::NodeFacts;
use breakglass_agent_core::observed::{OwnerFacts, PodFacts, WorkloadFacts};
use breakglass_protocol::labels;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use tokio::sync::mpsc;

use super::{KillSwitch, Sighting, WATCHED, Watched, Watcher};
use crate::cluster::namespaces::NamespaceFacts;
use crate::cluster::prune::form;
use crate::cluster::{Cluster, Target};
use crate::telemetry::Metrics;

/// Objects read at once in a list: about 5 MiB of pods.
const PAGE: usize = 500;
/// Nodes come with the images that they hold, up to 30 KiB each: about 3 MiB.
const NODE_PAGE: usize = 100;
/// The pod watch is opened anew this often: the API server sends a bookmark 2 s before its end, and otherwise only once
/// a minute, which would be too late for the 60 s of S3. Three may fail before that.
const POD_WATCH: Duration = Duration::from_secs(18);
/// For the others nothing hangs on freshness; the API server's own habit is five to ten minutes.
const OTHER_WATCH: Duration = Duration::from_secs(290);

/// What a watch covers.
pub(super) struct Scope {
    pub(super) kind: &'static str,
    pub(super) target: Target,
    /// `labelSelector` or `fieldSelector`, encoded; empty for all.
    pub(super) selector: String,
    /// Objects read at once.
    pub(super) page: usize,
    pub(super) lifetime: Duration,
    pub(super) content: Content,
}

/// How much of each object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Whole,
    /// Only `metadata`.
    Metadata,
}

/// Whether namespaces are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchNamespaces {
    /// Filters of deny policies may ask for their labels.
    Yes,
    /// Nobody asks, and the agent may not have the right.
    No,
}

/// Starts all watches; they end when the receiver is dropped.
#[must_use]
pub fn start(
    cluster: &Cluster,
    namespace: &str,
    config_map: &str,
    namespaces: WatchNamespaces,
    metrics: &Metrics,
) -> mpsc::Receiver<Sighting> {
    let (changes, receiver) = mpsc::channel(WATCHED);
    let watcher = |scope| Watcher {
        cluster: cluster.clone(),
        scope,
        changes: changes.clone(),
        metrics: metrics.clone(),
    };
    let everywhere = |api_version, kind, lifetime| {
        watcher(Scope {
            kind,
            target: Target::new(api_version, kind, None, ""),
            selector: form(&[("labelSelector", labels::SESSION)]),
            page: PAGE,
            lifetime,
            content: Content::Whole,
        })
    };
    tokio::spawn(everywhere("v1", "Pod", POD_WATCH).run(PodFacts::of, Watched::Pods));
    tokio::spawn(everywhere("apps/v1", "ReplicaSet", OTHER_WATCH).run(
        |set: ReplicaSet| OwnerFacts::of_replica_set(&set),
        Watched::ReplicaSets,
    ));
    tokio::spawn(everywhere("apps/v1", "DaemonSet", OTHER_WATCH).run(
        |set: DaemonSet| WorkloadFacts::of_daemon_set(&set),
        Watched::DaemonSets,
    ));
    tokio::spawn(everywhere("apps/v1", "Deployment", OTHER_WATCH).run(
        |deployment: Deployment| WorkloadFacts::of_deployment(&deployment),
        Watched::Deployments,
    ));
    // Whole, not by metadata: how many pods a DaemonSet makes hangs on their taints.
    let nodes = watcher(Scope {
        kind: "Node",
        target: Target::new("v1", "Node", None, ""),
        selector: String::new(),
        page: NODE_PAGE,
        lifetime: OTHER_WATCH,
        content: Content::Whole,
    });
    tokio::spawn(nodes.run(NodeFacts::of, Watched::Nodes));
    let kill_switch = watcher(Scope {
        kind: "ConfigMap",
        target: Target::new("v1", "ConfigMap", Some(namespace), ""),
        selector: form(&[("fieldSelector", &format!("metadata.name={config_map}"))]),
        page: PAGE,
        lifetime: OTHER_WATCH,
        content: Content::Whole,
    });
    tokio::spawn(kill_switch.run(KillSwitch::of, Watched::KillSwitch));
    if namespaces == WatchNamespaces::Yes {
        let all = watcher(Scope {
            kind: "Namespace",
            target: Target::new("v1", "Namespace", None, ""),
            selector: String::new(),
            page: PAGE,
            lifetime: OTHER_WATCH,
            content: Content::Metadata,
        });
        tokio::spawn(all.run(namespace_facts, Watched::Namespaces));
    }
    receiver
}

fn namespace_facts(namespace: PartialObjectMeta<Namespace>) -> NamespaceFacts {
    NamespaceFacts {
        name: namespace.metadata.name.unwrap_or_default(),
        labels: namespace.metadata.labels.unwrap_or_default(),
    }
}
