//! The steps of a grant that runs: journal → namespace → documents in order → keep it so.

use jiff::Timestamp;

use super::{PodRef, Step, journal};
use crate::clock::Now;
use crate::deadline::millis_between;
use crate::held::Held;
use crate::observed::{NamespaceFacts, NamespaceSeen, Observed, PodFacts, WorkloadSeen};
use crate::pods;
use crate::workload::{Document, Rendered};

pub(super) fn plan_deploy(held: &Held, observed: &Observed, now: Now) -> Vec<Step> {
    // First, so that what is rendered and what was made is written before anything more is made (D4, D5).
    let mut steps: Vec<Step> = journal(held).into_iter().collect();
    let Some(rendered) = &held.rendered else {
        return steps;
    };
    match next_document(held, rendered) {
        Some((place, document)) => steps.push(in_namespace(held, observed, rendered, || {
            Step::CreateFirst {
                document: place,
                manifest: document.manifest.clone(),
            }
        })),
        None => steps.extend(keep_workload(held, observed, rendered)),
    }
    steps.extend(cap_pods(held, observed, now));
    steps
}

/// The first document that has no record; its outcome is known before the next is made.
fn next_document<'a>(held: &Held, rendered: &'a Rendered) -> Option<(usize, &'a Document)> {
    rendered.documents.iter().enumerate().find(|(_, document)| {
        held.created
            .iter()
            .all(|record| record.source != document.source)
    })
}

/// The step, if the live namespace permits it (S17), else what must come before.
fn in_namespace(
    held: &Held,
    observed: &Observed,
    rendered: &Rendered,
    step: impl FnOnce() -> Step,
) -> Step {
    let namespace = held.grant.target_namespace.clone();
    match &observed.namespace {
        NamespaceSeen::Unread => Step::ReadNamespace { namespace },
        NamespaceSeen::Missing => Step::Fail {
            message: format!(
                "namespace {namespace} does not exist in cluster {}; create it or use another",
                held.grant.cluster
            ),
        },
        NamespaceSeen::Terminating => Step::Fail {
            message: format!(
                "namespace {namespace} is being deleted in cluster {}; use another",
                held.grant.cluster
            ),
        },
        NamespaceSeen::Active(facts) => match selecting_service(facts, rendered) {
            Some(service) => Step::Fail {
                message: format!(
                    "Service {service} in namespace {namespace} would send its traffic to the debug pods; change the \
                     labels of the pod template or session"
                ),
            },
            None => step(),
        },
    }
}

/// S9: workload pods match no Service.
fn selecting_service<'a>(facts: &'a NamespaceFacts, rendered: &Rendered) -> Option<&'a str> {
    let labels = rendered.pod_labels();
    facts
        .services
        .iter()
        .find(|service| {
            !service.selector.is_empty()
                && service
                    .selector
                    .iter()
                    .all(|(key, value)| labels.get(key.as_str()) == Some(&value.as_str()))
        })
        .map(|service| service.name.as_str())
}

/// Sets right what somebody deleted or edited.
fn keep_workload(held: &Held, observed: &Observed, rendered: &Rendered) -> Option<Step> {
    let record = held.workload_record()?;
    match &observed.workload {
        WorkloadSeen::Unknown => None,
        WorkloadSeen::Absent => Some(Step::ConfirmGone {
            record: record.clone(),
        }),
        WorkloadSeen::Present(facts) if facts.deleting => None,
        WorkloadSeen::Present(facts) => {
            let was_edited = held
                .workload_generation
                .is_some_and(|ours| facts.generation > ours);
            let (_, manifest) = rendered.workload().filter(|_| was_edited)?;
            Some(in_namespace(held, observed, rendered, || Step::Apply {
                manifest: manifest.clone(),
                uid: record.uid.clone(),
            }))
        }
    }
}

/// D2: the kubelet ends each pod at the last possible end, even if this agent is gone by then.
fn cap_pods(held: &Held, observed: &Observed, now: Now) -> Vec<Step> {
    let last_end = held.grant.last_end.min(held.deadline.limit());
    observed
        .pods
        .iter()
        .filter(|pod| pod.deleting.is_none())
        .filter(|pod| pods::is_owned(held, pod, &observed.replica_sets))
        .filter_map(|pod| {
            let seconds = missing_cap(pod, last_end, now)?;
            Some(Step::CapDeadline {
                pod: PodRef {
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    uid: pod.uid.clone(),
                },
                seconds,
            })
        })
        .collect()
}

/// The seconds to set, if the pod's own are missing or too many. The API server permits to set them once and then only
/// to make them fewer. They count from `startTime`; before that is known, from now is never too few, and what is too
/// much by the time until the start is taken off afterwards.
fn missing_cap(pod: &PodFacts, last_end: Timestamp, now: Now) -> Option<i64> {
    let start = pod.status.start_time.as_ref().map(|time| time.0);
    let millis = millis_between(start.unwrap_or(now.wall), last_end);
    let wanted = i64::try_from(millis.div_ceil(1000))
        .unwrap_or(i64::MAX)
        .max(1);
    match (pod.spec.active_deadline_seconds, start) {
        (None, _) => Some(wanted),
        (Some(held), Some(_)) if held > wanted => Some(wanted),
        (Some(_), Some(_) | None) => None,
    }
}
