//! Stories of nodes that join, are relabelled, and are one too many.

use std::sync::Arc;

use breakglass_protocol::wire::grant::{DisruptionBudget, Grant, Quota, SchedulingLayer};

use super::*;
use crate::nodes::NodeFacts;
use crate::pods::allowed_pods;

fn story(kind: WorkloadKind, change: impl FnOnce(&mut Grant)) -> Story {
    let mut grant = sample::grant(kind);
    change(&mut grant);
    let uid = grant.uid.clone();
    let mut holdings = sample::holdings(at(0));
    holdings.receive(sample::received(grant, 3600), &sample::seed(), at(0));
    Story {
        held: holdings.get(&uid).unwrap().clone(),
        journal: None,
        cluster: Cluster::default(),
        now: 1,
    }
}

fn placed(constraints: Value) -> impl FnOnce(&mut Grant) {
    move |grant| {
        sample::workload_mut(grant).scheduling = vec![SchedulingLayer {
            place: "session template t".into(),
            constraints: serde_json::from_value(constraints).unwrap(),
        }];
    }
}

fn of_pods(limit: u32) -> impl FnOnce(&mut Grant) {
    move |grant| {
        sample::workload_mut(grant).quota = Some(Quota {
            max_pods: Some(limit),
            max_cpu: None,
            max_memory: None,
            max_storage: None,
            enforce_requests: false,
            enforce_limits: false,
        });
    }
}

impl Story {
    fn nodes(&mut self, nodes: &[(&str, &[(&str, &str)])]) {
        let facts = nodes.iter().map(|(name, labels)| {
            let labels = labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let node = NodeFacts {
                name: (*name).to_owned(),
                labels: labels.collect(),
                taints: Vec::new(),
            };
            (node.name.clone(), node)
        });
        self.cluster.nodes = NodesSeen::Known(Arc::new(facts.collect()));
    }

    fn settle(&mut self) {
        for _ in 0..10 {
            // A pod that is being deleted is seen for its grace.
            self.turn();
            self.turn();
            self.cluster.kubelet_and_collector();
            self.cluster.controllers();
        }
    }

    /// Nodes on which the session's pods are open.
    fn open(&self) -> Vec<String> {
        let pods = allowed_pods(&self.held, &self.cluster.observed(&self.held));
        let mut nodes: Vec<String> = pods.into_iter().filter_map(|pod| pod.node_name).collect();
        nodes.sort();
        nodes
    }

    fn count(&mut self, call: &str) -> usize {
        let calls = std::mem::take(&mut self.cluster.calls);
        calls.iter().filter(|made| made.starts_with(call)).count()
    }
}

#[test]
fn nothing_is_made_before_the_nodes_are_known() {
    let mut story = story(
        WorkloadKind::DaemonSet,
        placed(json!({ "deniedNodes": ["cp-*"] })),
    );
    story.settle();
    assert_eq!(story.calls(), "journal");
    let told = report(
        &story.held,
        &story.cluster.observed(&story.held),
        at(story.now),
    );
    assert!(
        told.message
            .unwrap()
            .contains("Waiting for the cluster to show its nodes")
    );
    story.nodes(&[("n1", &[])]);
    story.settle();
    assert_eq!(story.open(), ["n1"]);
}

#[test]
fn s03_d04_denied_nodes_carry_no_pod_also_those_that_join_later() {
    let constraints = json!({ "deniedNodes": ["cp-*"], "deniedNodeLabels": { "secret": "*" } });
    let mut story = story(WorkloadKind::DaemonSet, placed(constraints));
    story.nodes(&[("n1", &[]), ("cp-1", &[]), ("n2", &[("secret", "x")])]);
    story.settle();
    assert_eq!(story.open(), ["n1"]);
    assert_eq!(story.held.nodes_left_out, ["cp-1".to_owned()].into());
    assert_eq!(
        story.count("apply"),
        0,
        "the first workload names them already"
    );
    // A node joins that is fine, and one that is denied; the controller was faster there.
    story.nodes(&[("n1", &[]), ("cp-1", &[]), ("n3", &[]), ("cp-2", &[])]);
    story.cluster.controllers();
    assert_eq!(story.open(), ["n1", "n3"]);
    story.settle();
    assert_eq!(story.open(), ["n1", "n3"]);
    let calls = story.calls();
    let deleted = calls.find("delete pod debug-session-abc123-ds-cp-2");
    let applied = calls.find("apply");
    assert!(deleted.is_some() && deleted < applied, "{calls}");
    assert!(story.held.nodes_left_out.contains("cp-2"));
    assert!(story.left().iter().all(|name| !name.contains("-cp-")));
    story.settle();
    assert_eq!(story.calls(), "", "nothing more to do");
}

#[test]
fn s03_a_relabelled_node_loses_its_pod() {
    for kind in [WorkloadKind::DaemonSet, WorkloadKind::Deployment] {
        let constraints = json!({ "deniedNodeLabels": { "secret": "*" } });
        let mut story = story(kind, placed(constraints));
        story.nodes(&[("n1", &[])]);
        story.settle();
        if kind == WorkloadKind::Deployment {
            let pod = story
                .cluster
                .objects
                .iter_mut()
                .find(|((kind, _), _)| kind == "Pod");
            pod.unwrap().1["spec"]["nodeName"] = json!("n1");
        }
        assert_eq!(story.open(), ["n1"]);
        story.calls();
        story.nodes(&[("n1", &[("secret", "x")])]);
        assert_eq!(story.open(), Vec::<String>::new(), "at once");
        story.turn();
        assert_eq!(story.count("delete pod"), 1);
    }
}

#[test]
fn s03_a_pod_on_a_node_that_nobody_knows_is_not_open_and_stays() {
    let mut story = story(
        WorkloadKind::DaemonSet,
        placed(json!({ "deniedNodes": ["cp-*"] })),
    );
    story.nodes(&[("n1", &[])]);
    story.settle();
    story.cluster.nodes = NodesSeen::Known(Arc::default());
    assert_eq!(story.open(), Vec::<String>::new());
    story.calls();
    story.turn();
    assert_eq!(story.count("delete pod"), 0);
}

#[test]
fn d04_a_deployment_is_written_anew_only_where_a_pod_met_a_denied_node() {
    let mut story = story(
        WorkloadKind::Deployment,
        placed(json!({ "deniedNodes": ["cp-*"] })),
    );
    story.nodes(&[("n1", &[])]);
    story.settle();
    story.nodes(&[("n1", &[]), ("cp-1", &[])]);
    story.settle();
    assert_eq!(story.count("apply"), 0, "it would replace every pod");
    let pod = story
        .cluster
        .objects
        .iter_mut()
        .find(|((kind, _), _)| kind == "Pod");
    pod.unwrap().1["spec"]["nodeName"] = json!("cp-1");
    story.turn();
    story.turn();
    let calls = story.calls();
    assert!(
        calls.contains("delete pod") && calls.contains("apply"),
        "{calls}"
    );
    assert!(story.held.nodes_left_out.contains("cp-1"));
}

#[test]
fn d09_a_session_over_its_quota_makes_nothing() {
    let mut story = story(WorkloadKind::DaemonSet, of_pods(1));
    story.nodes(&[("n1", &[]), ("n2", &[])]);
    story.settle();
    let end = story.held.end.clone().unwrap();
    assert!(end.message.unwrap().contains("resourceQuota.maxPods is 1"));
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn d09_pods_of_nodes_that_join_later_stay_within_the_quota() {
    let mut story = story(WorkloadKind::DaemonSet, of_pods(2));
    story.nodes(&[("n1", &[]), ("n2", &[])]);
    story.settle();
    assert_eq!(story.open(), ["n1", "n2"]);
    story.nodes(&[("n1", &[]), ("n2", &[]), ("n3", &[])]);
    story.cluster.controllers();
    assert_eq!(story.open(), ["n1", "n2"], "the oldest are kept");
    story.settle();
    assert_eq!(story.open(), ["n1", "n2"]);
    assert!(story.left().iter().all(|name| !name.contains("-n3")));
    story.calls();
    story.settle();
    assert_eq!(story.calls(), "", "nothing more to do");
}

#[test]
fn a_disruption_budget_is_made_first_and_goes_with_the_session() {
    let mut story = story(WorkloadKind::DaemonSet, |grant| {
        sample::workload_mut(grant).disruption_budget = Some(DisruptionBudget::MinAvailable(1));
    });
    story.settle();
    let calls = story.calls();
    let budget = calls.find("create PodDisruptionBudget debug-session-abc123-pdb");
    assert!(
        budget.is_some() && budget < calls.find("create DaemonSet"),
        "{calls}"
    );
    let made = &story.cluster.objects[&(
        "PodDisruptionBudget".to_owned(),
        "debug-session-abc123-pdb".to_owned(),
    )];
    assert_eq!(made["spec"]["minAvailable"], 1);
    assert_eq!(
        made.pointer("/spec/selector/matchLabels/breakglass.t-caas.telekom.com~1session"),
        Some(&json!("debug-session-abc123"))
    );
    assert_eq!(story.held.created[0].source, "pod-disruption-budget");
    story.end();
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}
