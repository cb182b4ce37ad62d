//! The steps of a grant that ended (D1): verdicts off → journal → workload → its pods by UID → the rest in reverse →
//! confirm → the namespace, if the session made it. None waits for another; whatever fails is planned again.

use breakglass_protocol::labels;
use breakglass_protocol::limits::{CLEANUP_RETENTION, POD_GRACE_SECONDS};
use breakglass_protocol::wire::report::ObjectRecord;

use super::recycle::plan_recycle;
use super::{PodRef, Step, journal};
use crate::clock::Now;
use crate::deadline::millis_between;
use crate::held::Held;
use crate::namespace::{self, NAMESPACE};
use crate::observed::{Observed, PodFacts};
use crate::pods;
use crate::workload::WORKLOAD;

pub(super) fn plan_end(held: &Held, observed: &Observed, now: Now) -> Vec<Step> {
    if held.is_finished() {
        return journal(held).into_iter().collect();
    }
    let mut steps = vec![Step::CloseAccess];
    steps.extend(journal(held));
    if held.keeps_workload() {
        steps.extend(plan_recycle(held, observed));
        return steps;
    }
    if is_too_old(held, now) {
        steps.push(Step::GiveUp);
        return steps;
    }
    steps.extend(delete_workload(held));
    steps.extend(delete_pods(held, observed));
    steps.extend(delete_rest(held));
    steps.extend(held.to_search().map(|(document, manifest)| Step::FindOurs {
        document,
        manifest: manifest.clone(),
    }));
    steps.extend(
        held.namespace_to_search()
            .map(|manifest| Step::FindNamespace {
                manifest: manifest.clone(),
            }),
    );
    steps.extend(namespace::plan_end(held, observed));
    steps.extend(confirm(held, observed));
    steps
}

/// S11: leftovers live at most a day.
fn is_too_old(held: &Held, now: Now) -> bool {
    held.cleanup.as_ref().is_some_and(|cleanup| {
        u128::from(millis_between(cleanup.started_at, now.wall)) >= CLEANUP_RETENTION.as_millis()
    })
}

/// The workload before its ReplicaSets before their pods: each would make the next anew.
fn delete_workload(held: &Held) -> Vec<Step> {
    let unasked = |record: &&ObjectRecord| !held.asked.contains(&record.uid);
    let mut steps = Vec::new();
    for record in held.to_remove().filter(unasked) {
        if is_replica_set(held, record) {
            steps.push(Step::Delete {
                record: record.clone(),
            });
        } else if record.source == WORKLOAD {
            steps.insert(
                0,
                Step::DeleteWorkload {
                    record: record.clone(),
                },
            );
        }
    }
    steps
}

fn is_replica_set(held: &Held, record: &ObjectRecord) -> bool {
    held.replica_sets.iter().any(|set| set.uid == record.uid)
}

/// Every pod that is seen, and every remembered one that is not seen: somebody may have taken its label.
fn delete_pods(held: &Held, observed: &Observed) -> Vec<Step> {
    let seen = observed
        .pods
        .iter()
        .filter(|pod| pods::is_owned(held, pod, &observed.replica_sets))
        .filter(|pod| !is_ending_soon(pod))
        .map(pod_ref);
    let unseen = held
        .pods_to_remove()
        .filter(|pod| !is_seen(observed, &pod.uid));
    seen.chain(unseen)
        .filter(|pod| !held.asked.contains(&pod.uid))
        .map(|pod| Step::DeletePod { pod })
        .collect()
}

pub(super) fn is_ending_soon(pod: &PodFacts) -> bool {
    pod.deleting
        .is_some_and(|deleting| deleting.grace_seconds <= POD_GRACE_SECONDS)
}

fn is_seen(observed: &Observed, uid: &str) -> bool {
    observed.pods.iter().any(|pod| pod.uid == uid)
}

pub(super) fn pod_ref(pod: &PodFacts) -> PodRef {
    PodRef {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
    }
}

/// What is neither workload nor pod, newest first.
fn delete_rest(held: &Held) -> Vec<Step> {
    held.to_remove()
        .filter(|record| !matches!(record.source.as_str(), WORKLOAD | NAMESPACE))
        .filter(|record| !held.asked.contains(&record.uid))
        .map(|record| Step::Delete {
            record: record.clone(),
        })
        .collect()
}

/// Only the API server's own answer confirms; a watch may lag.
fn confirm(held: &Held, observed: &Observed) -> Vec<Step> {
    let mut steps: Vec<Step> = held
        .to_remove()
        .filter(|record| held.asked.contains(&record.uid))
        .map(|record| Step::ConfirmGone {
            record: record.clone(),
        })
        .collect();
    steps.extend(
        held.pods_to_remove()
            .filter(|pod| held.asked.contains(&pod.uid))
            .filter(|pod| !is_seen(observed, &pod.uid))
            .map(|pod| Step::ConfirmGone {
                record: pod_record(&pod),
            }),
    );
    let is_workload_there = held.to_remove().any(|record| record.source == WORKLOAD);
    let are_pods_there = !held.pods.is_empty()
        || observed
            .pods
            .iter()
            .any(|pod| pods::is_owned(held, pod, &observed.replica_sets));
    if held.pods_may_be_left() && !is_workload_there && !are_pods_there {
        steps.push(Step::ConfirmPodsGone {
            namespace: held.grant.target_namespace.clone(),
            selector: format!("{}={}", labels::SESSION, held.grant.session),
        });
    }
    steps
}

/// The record under which a pod stands in the proof.
pub(super) fn pod_record(pod: &PodRef) -> ObjectRecord {
    ObjectRecord {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: Some(pod.namespace.clone()),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        source: WORKLOAD.to_owned(),
    }
}
