//! Stories: the plan against a small cluster that keeps what Kubernetes keeps (UIDs, owners, preconditions).

use std::collections::BTreeMap;

use breakglass_protocol::labels;
use breakglass_protocol::wire::grant::{EndReason, WorkloadKind};
use breakglass_protocol::wire::report::Phase;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::outcome::{ApiFailure, Outcome, Retry, handle_outcome};
use super::*;
use crate::holdings::Holdings;
use crate::nodes::NodesSeen;
use crate::observed::{
    DeployerSeen, Inhabitant, NamespaceFacts, NamespaceSeen, Neighbour, OwnerFacts, PodFacts,
    ServiceFacts, Watches, WorkloadFacts, WorkloadSeen,
};
use crate::quota;
use crate::report::report;
use crate::sample::{self, at};

mod beside;
mod place;
mod placement;
mod recycle;
mod resource_quota;

/// (kind, name) → object.
#[derive(Clone, Debug, Default)]
struct Cluster {
    objects: BTreeMap<(String, String), Value>,
    next_uid: u32,
    nodes: NodesSeen,
    /// Seconds after the start of the story, for `creationTimestamp`.
    clock: i64,
    namespace: Option<NamespaceSeen>,
    /// Present unless a story says otherwise.
    deployer: Option<DeployerSeen>,
    neighbour: Neighbour,
    /// The next calls fail so.
    failures: Vec<(u16, &'static str, &'static str)>,
    /// The API server performs the next create, but its answer is lost.
    answers_lost: u32,
    /// Creates of this kind are refused so.
    refused: Option<(&'static str, u16, &'static str, &'static str)>,
    calls: Vec<String>,
}

fn key(object: &Value) -> (String, String) {
    let text = |pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    };
    (text("/kind"), text("/metadata/name"))
}

fn uid_of(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

impl Cluster {
    fn store(&mut self, mut object: Value) -> Value {
        self.next_uid += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.next_uid));
        object["metadata"]["generation"] = json!(1);
        object["metadata"]["creationTimestamp"] = json!(sample::wall(self.clock).to_string());
        self.objects.insert(key(&object), object.clone());
        object
    }

    fn get(&self, manifest: &Value) -> Option<&Value> {
        self.objects.get(&key(manifest))
    }

    /// The controllers: a Deployment has a ReplicaSet, each owner its pods; what has no owner left is collected.
    fn controllers(&mut self) {
        for owner in self.objects.values().cloned().collect::<Vec<_>>() {
            let (kind, name) = key(&owner);
            let child = match kind.as_str() {
                "Deployment" => "ReplicaSet",
                "DaemonSet" | "ReplicaSet" => "Pod",
                _ => continue,
            };
            if let ("DaemonSet", NodesSeen::Known(nodes)) = (kind.as_str(), self.nodes.clone()) {
                let pod: PodSpec =
                    serde_json::from_value(owner["spec"]["template"]["spec"].clone()).unwrap();
                for node in nodes.values().filter(|node| quota::takes(&pod, node)) {
                    self.child(&owner, child, &format!("{name}-{}", node.name));
                    let key = ("Pod".to_owned(), format!("{name}-{}", node.name));
                    self.objects.get_mut(&key).unwrap()["spec"]["nodeName"] = json!(node.name);
                }
                continue;
            }
            self.child(&owner, child, &format!("{name}-x"));
        }
    }

    fn child(&mut self, owner: &Value, child: &str, child_name: &str) {
        let (kind, name) = key(owner);
        if !self
            .objects
            .contains_key(&(child.to_owned(), child_name.to_owned()))
        {
            let spec = &owner["spec"]["template"];
            let uid = uid_of(owner);
            let mut object = json!({
                "kind": child,
                "metadata": {
                    "name": child_name, "namespace": "breakglass-debug", "labels": spec["metadata"]["labels"],
                    "ownerReferences": [{ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true }],
                    "managedFields": [{ "fieldsV1": {
                        "f:metadata": { "f:ownerReferences": { format!("k:{{\"uid\":\"{uid}\"}}"): {} } },
                        "f:spec": { "f:containers": {} } } }],
                },
            });
            object["spec"] = if child == "Pod" {
                spec["spec"].clone()
            } else {
                json!({ "template": spec })
            };
            if child == "Pod" {
                object["status"] = json!({ "phase": "Running", "startTime": sample::wall(5).to_string(),
                    "conditions": [{ "type": "Ready", "status": "True" }] });
            }
            self.store(object);
        }
    }

    /// The kubelet ends pods that are being deleted; the garbage collector removes what lost its owner.
    fn kubelet_and_collector(&mut self) {
        self.objects.retain(|(kind, _), object| {
            kind != "Pod" || object["metadata"].get("deletionTimestamp").is_none()
        });
        let uids: Vec<String> = self.objects.values().map(uid_of).collect();
        for object in self.objects.values_mut() {
            let orphan = object["metadata"]["ownerReferences"][0]["uid"]
                .as_str()
                .is_some_and(|owner| uids.iter().all(|uid| uid != owner));
            if orphan {
                object["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
                object["metadata"]["deletionGracePeriodSeconds"] = json!(2);
            }
        }
        let has_pods = self.objects.keys().any(|(kind, _)| kind == "Pod");
        self.objects.retain(|(kind, _), object| {
            kind == "Pod"
                || (kind == "PersistentVolumeClaim" && has_pods)
                || object["metadata"].get("deletionTimestamp").is_none()
        });
    }

    fn observed(&self, held: &Held) -> Observed {
        let meta = |object: &Value| object["metadata"].clone();
        let of_kind = |kind: &'static str| {
            self.objects
                .iter()
                .filter(move |((found, _), _)| found == kind)
                .map(|(_, object)| object.clone())
        };
        let workload = held
            .workload_record()
            .map_or(WorkloadSeen::Unknown, |record| {
                let found = self
                    .objects
                    .get(&(record.kind.clone(), record.name.clone()))
                    .filter(|object| uid_of(object) == record.uid);
                match found {
                    None => WorkloadSeen::Absent,
                    Some(object) => {
                        let mut facts = match record.kind.as_str() {
                            "DaemonSet" => WorkloadFacts::of_daemon_set(&DaemonSet {
                                metadata: serde_json::from_value(meta(object)).unwrap(),
                                ..DaemonSet::default()
                            }),
                            _ => WorkloadFacts::of_deployment(&Deployment {
                                metadata: serde_json::from_value(meta(object)).unwrap(),
                                ..Deployment::default()
                            }),
                        };
                        facts.observed_generation = facts.generation;
                        facts.desired = 1;
                        WorkloadSeen::Present(facts)
                    }
                }
            });
        Observed {
            watches: Watches::Synced,
            namespace: self
                .namespace
                .clone()
                .unwrap_or(NamespaceSeen::Active(NamespaceFacts::default())),
            deployer: self.deployer.unwrap_or(DeployerSeen::Present),
            neighbour: self.neighbour.clone(),
            workload,
            replica_sets: of_kind("ReplicaSet")
                .map(|set| {
                    OwnerFacts::of_replica_set(&k8s_openapi::api::apps::v1::ReplicaSet {
                        metadata: serde_json::from_value(meta(&set)).unwrap(),
                        ..Default::default()
                    })
                })
                .collect(),
            pods: of_kind("Pod")
                .filter(|pod| {
                    pod.pointer("/metadata/labels/breakglass.t-caas.telekom.com~1session")
                        .is_some()
                })
                .map(|pod| PodFacts::of(serde_json::from_value::<Pod>(pod).unwrap()))
                .collect(),
            trouble: Vec::new(),
            nodes: self.nodes.clone(),
        }
    }

    fn delete(&mut self, kind: &str, name: &str, uid: &str) -> Outcome {
        let key = (kind.to_owned(), name.to_owned());
        match self
            .objects
            .get_mut(&key)
            .filter(|object| uid_of(object) == uid)
        {
            None => Outcome::Gone,
            Some(object) if kind == "Pod" => {
                object["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
                object["metadata"]["deletionGracePeriodSeconds"] = json!(2);
                Outcome::Accepted
            }
            Some(object) if kind == "PersistentVolumeClaim" => {
                // Its finalizer holds it until no pod uses it.
                object["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
                Outcome::Accepted
            }
            Some(_) if kind == "Namespace" => {
                self.objects.clear();
                self.namespace = Some(NamespaceSeen::Missing);
                Outcome::Accepted
            }
            Some(_) => {
                self.objects.remove(&key);
                Outcome::Accepted
            }
        }
    }

    /// As a quick API server: the namespace is there at once, with what every namespace has.
    fn make_namespace(&mut self, manifest: &Value) -> Value {
        let labels = serde_json::from_value(manifest["metadata"]["labels"].clone()).unwrap();
        self.namespace = Some(NamespaceSeen::Active(NamespaceFacts {
            labels,
            ..Default::default()
        }));
        self.store(sample::object("v1", "ServiceAccount", "default"));
        self.store(sample::object("v1", "ConfigMap", "kube-root-ca.crt"));
        self.store(manifest.clone())
    }

    fn inhabitants(&self) -> Vec<Inhabitant> {
        let mark = |object: &Value, map: &str, key: &str| {
            object["metadata"][map][key].as_str().map(str::to_owned)
        };
        self.objects
            .iter()
            .filter(|((kind, _), _)| kind != "Namespace")
            .map(|((kind, name), object)| Inhabitant {
                kind: kind.clone(),
                name: name.clone(),
                session: mark(object, "labels", labels::SESSION),
                grant: mark(object, "annotations", labels::GRANT),
                deleting: object["metadata"].get("deletionTimestamp").is_some(),
            })
            .collect()
    }

    /// The program's part: one step against the API server.
    fn perform(&mut self, step: &Step) -> Outcome {
        if let Some((code, reason, message)) = self.failures.pop() {
            return Outcome::Failed(ApiFailure {
                code,
                reason: reason.to_owned(),
                message: message.to_owned(),
                remedy: None,
            });
        }
        match step {
            Step::CreateFirst { manifest, .. }
                if self
                    .refused
                    .is_some_and(|(kind, ..)| key(manifest).0 == kind) =>
            {
                let (_, code, reason, message) = self.refused.unwrap();
                Outcome::Failed(ApiFailure {
                    code,
                    reason: reason.to_owned(),
                    message: message.to_owned(),
                    remedy: None,
                })
            }
            Step::CreateFirst { manifest, .. } | Step::CreateNamespace { manifest, .. } => {
                let outcome = match self.get(manifest) {
                    Some(found) => Outcome::Object(found.clone()),
                    None if key(manifest).0 == "Namespace" => {
                        Outcome::Object(self.make_namespace(manifest))
                    }
                    None => Outcome::Object(self.store(manifest.clone())),
                };
                if self.answers_lost > 0 {
                    self.answers_lost -= 1;
                    return Outcome::Failed(ApiFailure {
                        code: 0,
                        reason: String::new(),
                        message: "timed out".into(),
                        remedy: None,
                    });
                }
                outcome
            }
            Step::ListInhabitants { .. } => Outcome::Inhabitants(self.inhabitants()),
            Step::FindOurs { manifest, .. } | Step::FindNamespace { manifest } => {
                match self.get(manifest) {
                    Some(found) => Outcome::Object(found.clone()),
                    None => Outcome::Gone,
                }
            }
            Step::Look { record, .. } => match self
                .objects
                .get(&(record.kind.clone(), record.name.clone()))
            {
                Some(found) => Outcome::Object(found.clone()),
                None => Outcome::Gone,
            },
            Step::Apply { manifest, uid, .. } => {
                let object = self.objects.get_mut(&key(manifest)).unwrap();
                assert_eq!(uid_of(object), *uid);
                object["spec"] = manifest["spec"].clone();
                object["metadata"]["generation"] =
                    json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
                Outcome::Object(object.clone())
            }
            Step::CapDeadline { pod, seconds } => {
                let object = self
                    .objects
                    .get_mut(&("Pod".to_owned(), pod.name.clone()))
                    .unwrap();
                object["spec"]["activeDeadlineSeconds"] = json!(seconds);
                Outcome::Accepted
            }
            Step::DeleteWorkload { record } | Step::Delete { record } => {
                self.delete(&record.kind, &record.name, &record.uid)
            }
            Step::DeletePod { pod } => self.delete("Pod", &pod.name, &pod.uid),
            Step::ConfirmGone { record } => {
                let there = self
                    .objects
                    .get(&(record.kind.clone(), record.name.clone()))
                    .is_some_and(|object| uid_of(object) == record.uid);
                if there {
                    Outcome::Present
                } else {
                    Outcome::Gone
                }
            }
            Step::ConfirmPodsGone { .. } => Outcome::Pods(
                self.objects
                    .iter()
                    .filter(|((kind, _), _)| kind == "Pod")
                    .map(|(_, pod)| {
                        PodFacts::of(serde_json::from_value::<Pod>(pod.clone()).unwrap())
                    })
                    .collect(),
            ),
            Step::CloseAccess
            | Step::Journal { .. }
            | Step::ReadNamespace { .. }
            | Step::ReadDeployer { .. }
            | Step::KeepNamespace { .. }
            | Step::Fail { .. }
            | Step::GiveUp => Outcome::Accepted,
        }
    }
}

fn words(step: &Step) -> String {
    let record = |record: &ObjectRecord| format!("{} {} {}", record.kind, record.name, record.uid);
    match step {
        Step::CloseAccess => "close access".into(),
        Step::Journal { .. } => "journal".into(),
        Step::ReadNamespace { namespace } => format!("read namespace {namespace}"),
        Step::CreateFirst { manifest, .. } => {
            format!("create {} {}", key(manifest).0, key(manifest).1)
        }
        Step::ReadDeployer { account } => format!("read service account {account}"),
        Step::CreateNamespace { manifest, .. } => format!("create namespace {}", key(manifest).1),
        Step::FindNamespace { manifest } => format!("find namespace {}", key(manifest).1),
        Step::ListInhabitants { namespace } => format!("list what is in {namespace}"),
        Step::KeepNamespace { why } => format!("keep namespace: {why}"),
        Step::FindOurs { manifest, .. } => format!("find {} {}", key(manifest).0, key(manifest).1),
        Step::Look { record: r, .. } => format!("look {}", record(r)),
        Step::Apply { uid, .. } => format!("apply {uid}"),
        Step::CapDeadline { pod, seconds } => format!("cap {} {seconds}", pod.name),
        Step::DeleteWorkload { record: r } => format!("delete workload {}", record(r)),
        Step::DeletePod { pod } => format!("delete pod {} {}", pod.name, pod.uid),
        Step::Delete { record: r } => format!("delete {}", record(r)),
        Step::ConfirmGone { record: r } => format!("confirm {}", record(r)),
        Step::ConfirmPodsGone { selector, .. } => format!("confirm no pods {selector}"),
        Step::Fail { message } => format!("fail: {message}"),
        Step::GiveUp => "give up".into(),
    }
}

/// An agent with one grant, its journal and its cluster.
struct Story {
    held: Held,
    journal: Option<String>,
    cluster: Cluster,
    now: i64,
}

impl Story {
    fn new(kind: WorkloadKind) -> Self {
        let grant = sample::grant(kind);
        let uid = grant.uid.clone();
        let mut holdings = sample::holdings(at(0));
        holdings.receive(sample::received(grant, 3600), &sample::seed(), at(0));
        Self {
            held: holdings.get(&uid).unwrap().clone(),
            journal: None,
            cluster: Cluster::default(),
            now: 1,
        }
    }

    fn deployed(kind: WorkloadKind) -> Self {
        let mut story = Self::new(kind);
        for _ in 0..6 {
            story.turn();
            story.cluster.controllers();
        }
        story.cluster.calls.clear();
        story
    }

    fn steps(&mut self) -> Vec<Step> {
        let observed = self.cluster.observed(&self.held);
        self.held.handle_observed(&observed);
        plan(&self.held, &observed, at(self.now))
    }

    /// One turn of the loop: plan, perform, take in.
    fn turn(&mut self) {
        for step in self.steps() {
            self.perform(&step);
        }
        self.now += 1;
        self.cluster.clock = self.now;
    }

    fn perform(&mut self, step: &Step) {
        self.cluster.calls.push(words(step));
        if let Step::Journal { version } = step {
            self.journal = Some(serde_json::to_string(&self.held).unwrap());
            self.held.handle_saved(*version);
            return;
        }
        let outcome = self.cluster.perform(step);
        let _: Retry = handle_outcome(&mut self.held, step, outcome, at(self.now));
    }

    /// The agent dies and comes back with what the journal holds.
    fn restart(&mut self) {
        let held: Held = serde_json::from_str(self.journal.as_ref().unwrap()).unwrap();
        let uid = held.grant.uid.clone();
        let restored = Holdings::restore(
            held.grant.cluster.clone(),
            crate::ceiling::Ceiling::default(),
            vec![held],
            crate::holdings::Memory::default(),
            at(self.now),
        );
        self.held = restored.get(&uid).unwrap().clone();
    }

    fn end(&mut self) {
        self.held.end(EndReason::Terminated, None, at(self.now));
    }

    fn until_finished(&mut self) {
        for _ in 0..20 {
            if self.held.is_finished() && self.held.is_saved() {
                return;
            }
            self.turn();
            self.cluster.controllers();
            self.cluster.kubelet_and_collector();
        }
        panic!("not finished: {:?}", self.cluster.calls);
    }

    fn calls(&mut self) -> String {
        std::mem::take(&mut self.cluster.calls).join("\n")
    }

    fn left(&self) -> Vec<String> {
        self.cluster
            .objects
            .keys()
            .map(|(kind, name)| format!("{kind} {name}"))
            .collect()
    }

    fn phase(&self) -> Phase {
        report(&self.held, &self.cluster.observed(&self.held), at(self.now)).phase
    }
}

#[test]
fn d05_deploy_journals_before_it_creates() {
    let mut story = Story::new(WorkloadKind::DaemonSet);
    assert_eq!(story.phase(), Phase::Deploying);
    for _ in 0..4 {
        story.turn();
        story.cluster.controllers();
    }
    insta::assert_snapshot!(story.calls(), @"
    journal
    create DaemonSet debug-session-abc123-ds
    journal
    cap debug-session-abc123-ds-x 14425
    ");
    assert_eq!(story.phase(), Phase::Running);
    assert_eq!(story.steps(), [], "nothing more to do");
}

#[test]
fn s17_the_namespace_is_read_before_anything_is_made() {
    let mut story = Story::new(WorkloadKind::DaemonSet);
    story.cluster.namespace = Some(NamespaceSeen::Unread);
    story.turn();
    insta::assert_snapshot!(story.calls(), @"
    journal
    read namespace breakglass-debug
    ");
    for (seen, word) in [
        (NamespaceSeen::Missing, "does not exist"),
        (NamespaceSeen::Terminating, "being deleted"),
        (
            NamespaceSeen::Active(NamespaceFacts {
                labels: BTreeMap::new(),
                services: vec![ServiceFacts {
                    uid: "theirs".into(),
                    name: "web".into(),
                    selector: [("app".to_owned(), "debug".to_owned())].into(),
                }],
            }),
            "Service web",
        ),
    ] {
        let mut story = Story::new(WorkloadKind::DaemonSet);
        story.cluster.namespace = Some(seen);
        story.turn();
        let end = story.held.end.clone().unwrap();
        assert_eq!(end.reason, EndReason::Failed);
        assert!(end.message.clone().unwrap().contains(word), "{end:?}");
        story.until_finished();
    }
}

#[test]
fn d05_a_crash_between_create_and_journal_is_adopted() {
    let mut story = Story::new(WorkloadKind::DaemonSet);
    story.turn();
    assert_eq!(story.held.created.len(), 1);
    story.restart();
    assert_eq!(story.held.created.len(), 0, "the record was not written");
    story.cluster.controllers();
    story.turn();
    assert_eq!(story.held.created[0].uid, "uid-1", "the same object");
    story.end();
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn d05_a_crash_between_create_and_journal_before_the_end_leaves_nothing() {
    for kind in [WorkloadKind::DaemonSet, WorkloadKind::Deployment] {
        let mut story = Story::new(kind);
        story.turn();
        story.restart();
        story.cluster.controllers();
        story.calls();
        story.end();
        story.until_finished();
        assert_eq!(story.left(), Vec::<String>::new());
        assert!(story.calls().contains("\nfind "), "it was looked for");
    }
}

#[test]
fn d05_a_lost_answer_is_the_same_as_a_crash() {
    let mut story = Story::new(WorkloadKind::DaemonSet);
    story.cluster.answers_lost = 1;
    story.turn();
    assert_eq!(story.held.created, []);
    assert!(!story.held.has_ended());
    let told = report(&story.held, &story.cluster.observed(&story.held), at(2))
        .message
        .unwrap();
    assert!(
        told.contains("tried again") && told.contains("did not answer"),
        "{told}"
    );
    story.turn();
    assert_eq!(story.held.created.len(), 1);
    let mut story = Story::new(WorkloadKind::DaemonSet);
    story.cluster.answers_lost = 1;
    story.turn();
    story.end();
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn s08_a_foreign_object_in_the_way_fails_and_is_left() {
    let foreign = |change: fn(&mut Value)| {
        let mut story = Story::new(WorkloadKind::DaemonSet);
        let mut object = story.held.rendered.as_ref().unwrap().documents[0]
            .manifest
            .clone();
        change(&mut object);
        story.cluster.store(object);
        story.turn();
        let end = story.held.end.clone().unwrap();
        assert_eq!(end.reason, EndReason::Failed);
        let message = end.message.unwrap();
        assert!(
            message.contains("DaemonSet breakglass-debug/debug-session-abc123-ds"),
            "{message}"
        );
        for _ in 0..3 {
            story.turn();
        }
        assert!(story.held.is_finished());
        assert_eq!(
            story.left(),
            ["DaemonSet debug-session-abc123-ds"],
            "it is not ours"
        );
    };
    foreign(|object| object["metadata"]["annotations"] = json!({}));
    foreign(|object| object["metadata"]["labels"] = json!({}));
    foreign(|object| {
        object["metadata"]["annotations"]["breakglass.t-caas.telekom.com/grant"] = json!("other");
    });
}

#[test]
fn d19_a_refusal_that_no_retry_mends_fails_the_session() {
    for (code, reason, message) in [
        (
            422,
            "Invalid",
            "DaemonSet.apps \"x\" is invalid: spec.template.spec.containers[0].image: Required value",
        ),
        (400, "BadRequest", "cannot be handled"),
    ] {
        let mut story = Story::new(WorkloadKind::DaemonSet);
        story.cluster.failures = vec![(code, reason, message)];
        story.turn();
        let end = story.held.end.clone().unwrap();
        assert_eq!(end.reason, EndReason::Failed);
        let said = end.message.unwrap();
        assert!(said.contains(message) && said.contains(reason), "{said}");
        story.until_finished();
        assert_eq!(story.phase(), Phase::Ended);
    }
}

#[test]
fn d19_forbidden_is_an_answer_only_when_it_stays() {
    let forbidden = (403, "Forbidden", "User \"agent\" cannot create resource");
    let mut story = Story::new(WorkloadKind::DaemonSet);
    story.cluster.failures = vec![forbidden];
    story.turn();
    assert!(!story.held.has_ended(), "an API server that just started");
    story.turn();
    assert_eq!(story.held.created.len(), 1);
    let mut story = Story::new(WorkloadKind::DaemonSet);
    for _ in 0..2 {
        story.cluster.failures = vec![forbidden];
        story.turn();
        story.now += 20;
    }
    assert_eq!(story.held.end.clone().unwrap().reason, EndReason::Failed);
}

#[test]
fn d19_passing_trouble_is_tried_again() {
    for code in [0, 401, 409, 429, 500, 503, 504] {
        let mut story = Story::new(WorkloadKind::DaemonSet);
        for _ in 0..5 {
            story.cluster.failures = vec![(code, "Trouble", "later")];
            story.turn();
            story.now += 60;
            assert!(!story.held.has_ended(), "{code}");
        }
        story.turn();
        assert_eq!(story.held.created.len(), 1);
    }
}

#[test]
fn d01_order_of_the_end() {
    let mut story = Story::deployed(WorkloadKind::Deployment);
    story.end();
    story.turn();
    insta::assert_snapshot!(story.calls(), @"
    close access
    journal
    delete workload Deployment debug-session-abc123-deploy uid-1
    delete ReplicaSet debug-session-abc123-deploy-x uid-2
    delete pod debug-session-abc123-deploy-x-x uid-3
    ");
    story.until_finished();
    insta::assert_snapshot!(story.calls(), @"
    close access
    confirm Deployment debug-session-abc123-deploy uid-1
    confirm ReplicaSet debug-session-abc123-deploy-x uid-2
    close access
    journal
    confirm Pod debug-session-abc123-deploy-x-x uid-3
    close access
    journal
    confirm no pods breakglass.t-caas.telekom.com/session=debug-session-abc123
    close access
    find Deployment debug-session-abc123-deploy
    journal
    ");
    let cleanup = story.held.cleanup.clone().unwrap();
    assert_eq!(cleanup.remaining, []);
    assert!(cleanup.pods_gone_at.is_some());
    let removed: Vec<&str> = cleanup
        .removed
        .iter()
        .map(|removed| removed.object.kind.as_str())
        .collect();
    assert_eq!(removed, ["Deployment", "ReplicaSet", "Pod"]);
    assert_eq!(story.steps(), [], "finished and written");
}

#[test]
fn d01_no_step_of_the_end_waits_for_another() {
    let mut story = Story::deployed(WorkloadKind::Deployment);
    story.end();
    let first = story.steps();
    // the API server refuses each first attempt; all are tried again
    for step in &first {
        story.cluster.failures = vec![(500, "InternalError", "etcd")];
        story.perform(step);
    }
    story.calls();
    let told = report(&story.held, &story.cluster.observed(&story.held), at(9))
        .cleanup
        .unwrap();
    assert!(
        told.remaining
            .iter()
            .all(|left| left.error.as_ref().unwrap().contains("etcd"))
    );
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn terminated_in_the_middle_of_deploying() {
    for turns in 0..6 {
        for kind in [WorkloadKind::DaemonSet, WorkloadKind::Deployment] {
            let mut story = Story::new(kind);
            for _ in 0..turns {
                story.turn();
                story.cluster.controllers();
            }
            story.end();
            story.until_finished();
            assert_eq!(
                story.left(),
                Vec::<String>::new(),
                "{kind:?} after {turns} turns"
            );
            assert_eq!(story.phase(), Phase::Ended);
        }
    }
}

#[test]
fn restart_in_the_middle_of_ending() {
    for turns in 1..8 {
        let mut story = Story::deployed(WorkloadKind::Deployment);
        story.end();
        for _ in 0..turns {
            story.turn();
            story.cluster.kubelet_and_collector();
        }
        story.restart();
        assert!(story.held.has_ended(), "the end was written first");
        story.until_finished();
        assert_eq!(story.left(), Vec::<String>::new(), "after {turns} turns");
        assert_eq!(
            story.held.end.as_ref().unwrap().reason,
            EndReason::Terminated
        );
    }
}

#[test]
fn s11_what_a_replaced_agent_made_anew_after_the_end_goes_too() {
    for turns in 0..6 {
        for kind in [WorkloadKind::DaemonSet, WorkloadKind::Deployment] {
            let mut story = Story::deployed(kind);
            // An agent that was replaced lives on for a moment and does not know that the session ended.
            let (_, manifest) = story.held.rendered.as_ref().unwrap().workload().unwrap();
            let manifest = manifest.clone();
            story.end();
            for _ in 0..turns {
                story.turn();
                story.cluster.kubelet_and_collector();
            }
            if story.held.is_finished() || story.cluster.get(&manifest).is_some() {
                continue;
            }
            story.cluster.store(manifest);
            story.cluster.controllers();
            story.until_finished();
            assert_eq!(
                story.left(),
                Vec::<String>::new(),
                "{kind:?} after {turns} turns"
            );
            let cleanup = story.held.cleanup.clone().unwrap();
            assert_eq!(cleanup.remaining, []);
            assert!(cleanup.pods_gone_at.is_some());
        }
    }
}

#[test]
fn expiry_needs_no_hub() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    story.now = 3600;
    assert_eq!(
        story.steps()[0],
        Step::CloseAccess,
        "even before the timer is looked at"
    );
    story.held.end(EndReason::Expired, None, at(3600));
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
    assert_eq!(story.held.end.as_ref().unwrap().reason, EndReason::Expired);
}

#[test]
fn s08_only_what_was_recorded_is_deleted() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    let labels = json!({ "breakglass.t-caas.telekom.com/session": "debug-session-abc123" });
    let mallorys = story.cluster.store(json!({
        "kind": "Pod", "metadata": { "name": "mallorys", "namespace": "breakglass-debug", "labels": labels },
    }));
    story.end();
    story.until_finished();
    assert_eq!(story.left(), ["Pod mallorys"]);
    assert_eq!(story.cluster.objects.values().next(), Some(&mallorys));
}

#[test]
fn s11_a_pod_that_lost_label_or_owner_is_deleted_all_the_same() {
    for change in [
        |pod: &mut Value| pod["metadata"]["labels"] = json!({}),
        |pod: &mut Value| pod["metadata"]["ownerReferences"] = json!([]),
    ] {
        let mut story = Story::deployed(WorkloadKind::DaemonSet);
        let pod = ("Pod".to_owned(), "debug-session-abc123-ds-x".to_owned());
        change(story.cluster.objects.get_mut(&pod).unwrap());
        story.restart();
        story.end();
        story.until_finished();
        assert_eq!(story.left(), Vec::<String>::new());
    }
}

#[test]
fn a_workload_that_somebody_deleted_is_made_again_under_a_new_uid() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    let workload = ("DaemonSet".to_owned(), "debug-session-abc123-ds".to_owned());
    story.cluster.objects.remove(&workload);
    story.cluster.kubelet_and_collector();
    story.cluster.kubelet_and_collector();
    let told = report(&story.held, &story.cluster.observed(&story.held), at(9));
    assert_eq!(told.pods, [], "the pods of the old one are not opened");
    for _ in 0..4 {
        story.turn();
        story.cluster.controllers();
    }
    let calls = story.calls();
    assert!(
        calls.contains("confirm DaemonSet") && calls.contains("create DaemonSet"),
        "{calls}"
    );
    assert_ne!(story.held.created[0].uid, "uid-1");
    assert_eq!(story.phase(), Phase::Running);
    story.end();
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn d04_an_edited_workload_is_set_right_with_the_first_rendering() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    let workload = ("DaemonSet".to_owned(), "debug-session-abc123-ds".to_owned());
    let object = story.cluster.objects.get_mut(&workload).unwrap();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil");
    object["metadata"]["generation"] = json!(2);
    story.turn();
    let calls = story.calls();
    assert!(calls.contains("apply uid-1"), "{calls}");
    let rendered = &story.held.rendered.as_ref().unwrap().documents[0].manifest;
    assert_eq!(story.cluster.objects[&workload]["spec"], rendered["spec"]);
    story.turn();
    assert!(!story.calls().contains("apply"), "once");
}

#[test]
fn d02_deadlines_of_pods_never_pass_the_last_end() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    let pod = ("Pod".to_owned(), "debug-session-abc123-ds-x".to_owned());
    let cap = |story: &mut Story| {
        story.turn();
        story
            .calls()
            .lines()
            .find(|call| call.starts_with("cap"))
            .map(str::to_owned)
    };
    assert_eq!(cap(&mut story), None, "it is set");
    story.cluster.objects.get_mut(&pod).unwrap()["spec"]["activeDeadlineSeconds"] = json!(99_999);
    assert_eq!(
        cap(&mut story).unwrap(),
        "cap debug-session-abc123-ds-x 14425"
    );
    story.cluster.objects.get_mut(&pod).unwrap()["spec"]["activeDeadlineSeconds"] = json!(60);
    assert_eq!(cap(&mut story), None, "a smaller one stays");
    let object = story.cluster.objects.get_mut(&pod).unwrap();
    object["status"]
        .as_object_mut()
        .unwrap()
        .remove("startTime");
    object["spec"]
        .as_object_mut()
        .unwrap()
        .remove("activeDeadlineSeconds");
    story.now = 400;
    assert_eq!(
        cap(&mut story).unwrap(),
        "cap debug-session-abc123-ds-x 14030",
        "from now"
    );
}

#[test]
fn s11_leftovers_are_given_up_after_a_day_and_told() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    story.end();
    story.turn();
    story.turn();
    story.now += 24 * 3600;
    story.turn();
    story.turn();
    assert!(story.held.is_finished());
    let cleanup = story.held.cleanup.clone().unwrap();
    let kinds: Vec<&str> = cleanup
        .remaining
        .iter()
        .map(|left| left.object.kind.as_str())
        .collect();
    assert_eq!(kinds, ["Pod"], "the DaemonSet was confirmed gone");
    assert!(
        cleanup.remaining[0]
            .error
            .as_ref()
            .unwrap()
            .contains("finalizers")
    );
    assert_eq!(story.phase(), Phase::Ended);
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Turn,
    Controllers,
    Kubelet,
    Restart,
    Fail(u16),
    LoseAnswer,
    End,
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Turn),
        4 => Just(Event::Controllers),
        3 => Just(Event::Kubelet),
        2 => Just(Event::Restart),
        2 => prop_oneof![Just(0), Just(409), Just(500), Just(503)].prop_map(Event::Fail),
        1 => Just(Event::LoseAnswer),
        1 => Just(Event::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Any order of turns, controllers, crashes and failures: after the end nothing of ours is left and nothing foreign
    /// is touched.
    #[test]
    fn any_order_of_crashes_and_failures_ends_with_nothing_left(
        is_daemon_set in any::<bool>(),
        events in prop::collection::vec(events(), 0..40),
    ) {
        let kind = if is_daemon_set { WorkloadKind::DaemonSet } else { WorkloadKind::Deployment };
        let mut story = Story::new(kind);
        let foreign = json!({ "kind": "Pod", "metadata": { "name": "mallorys", "namespace": "breakglass-debug",
            "labels": { "breakglass.t-caas.telekom.com/session": "debug-session-abc123" } } });
        story.cluster.store(foreign);
        // the grant is acknowledged, and so can be lost, only after its first entry
        let first = story.steps();
        story.perform(&first[0]);
        for event in events {
            match event {
                Event::Turn => story.turn(),
                Event::Controllers => story.cluster.controllers(),
                Event::Kubelet => story.cluster.kubelet_and_collector(),
                Event::Restart => story.restart(),
                Event::Fail(code) => story.cluster.failures = vec![(code, "Trouble", "x")],
                Event::LoseAnswer => story.cluster.answers_lost = 1,
                Event::End => story.end(),
            }
        }
        story.cluster.failures.clear();
        story.end();
        story.until_finished();
        prop_assert_eq!(story.left(), ["Pod mallorys"]);
    }
}
