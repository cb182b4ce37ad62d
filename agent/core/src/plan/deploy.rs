//! The steps of a grant that runs: journal → namespace (looked at, made if need be) → documents in order → keep it so.

use breakglass_protocol::labels;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::recycle::plan_recycle;
use super::{Deployer, PodRef, Step, journal, placement};
use crate::clock::Now;
use crate::deadline::millis_between;
use crate::held::Held;
use crate::namespace::{self, Verdict};
use crate::observed::{
    DeployerSeen, NamespaceSeen, Observed, PodFacts, ServiceFacts, WorkloadSeen,
};
use crate::pods;
use crate::quota;
use crate::workload::{Rendered, WORKLOAD};

pub(super) fn plan_deploy(held: &Held, observed: &Observed, now: Now) -> Vec<Step> {
    // First, so that what is rendered and what was made is written before anything more is made (D4, D5).
    let mut steps: Vec<Step> = journal(held).into_iter().collect();
    if held.rendered.is_none() {
        return steps;
    }
    steps.extend(plan_recycle(held, observed));
    let caps = cap_pods(held, observed, now);
    steps.extend(placement::remove_pods(held, observed));
    match held.next_document() {
        Some(_) if placement::waits_for_nodes(held, observed) => steps.extend(caps),
        Some((place, document)) => {
            // Before an object that may be refused for a while.
            steps.extend(caps);
            let create = || Step::CreateFirst {
                document: place,
                manifest: document.manifest.clone(),
                deployer: Deployer::of(held),
            };
            steps.push(if let Some(over) = over_quota(held, observed) {
                over
            } else if document.source == WORKLOAD {
                let create = || create_workload(held, observed, place, &document.manifest);
                beside_services(held, observed, now, create)
            } else {
                in_namespace(held, observed, now, create)
            });
        }
        None => {
            steps.extend(keep_workload(held, observed, now));
            steps.extend(caps);
            steps.extend(held.due_looks(now));
        }
    }
    steps
}

/// D9: nothing is made of a session that would be more than it may.
fn over_quota(held: &Held, observed: &Observed) -> Option<Step> {
    let refusals = quota::judge_totals(held, observed);
    let words: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| Step::Fail {
        message: words.join("; "),
    })
}

fn create_workload(held: &Held, observed: &Observed, document: usize, manifest: &Value) -> Step {
    match placement::first_manifest(held, observed, manifest) {
        Ok(manifest) => Step::CreateFirst {
            document,
            manifest,
            deployer: Deployer::of(held),
        },
        Err(message) => Step::Fail { message },
    }
}

/// The step, if the live namespace permits it (S17), else what must come before.
fn in_namespace(held: &Held, observed: &Observed, now: Now, step: impl FnOnce() -> Step) -> Step {
    let namespace = held.grant.target_namespace.clone();
    match namespace::judge_held(held, observed, now) {
        Verdict::Look => Step::ReadNamespace { namespace },
        Verdict::Refuse(refusal) => Step::Fail {
            message: refusal.to_string(),
        },
        Verdict::Proceed => {
            made_unrecorded(held, observed).unwrap_or_else(|| as_deployer(held, observed, step))
        }
        Verdict::Create => as_deployer(held, observed, || create_namespace(held)),
    }
}

/// A crash between making the namespace and its record left it with our label: whether it is ours (D5) decides what may
/// stand in it (D9). Found once or never.
fn made_unrecorded(held: &Held, observed: &Observed) -> Option<Step> {
    let NamespaceSeen::Active(seen) = &observed.namespace else {
        return None;
    };
    let is_labelled = seen.labels.get(labels::SESSION) == Some(&held.grant.session);
    let manifest = held
        .namespace_to_search()
        .filter(|_| is_labelled && held.namespace_record().is_none())?;
    Some(Step::FindNamespace {
        manifest: manifest.clone(),
    })
}

fn create_namespace(held: &Held) -> Step {
    let own = held.rendered.as_ref().and_then(|r| r.namespace.as_ref());
    match own {
        Some(own) => Step::CreateNamespace {
            manifest: own.manifest.clone(),
            deployer: Deployer::of(held),
        },
        // Judged so only where there is one; looking again is harmless.
        None => Step::ReadNamespace {
            namespace: held.grant.target_namespace.clone(),
        },
    }
}

/// S10: a ServiceAccount that is named and missing fails the session; the API server itself would let a missing one be
/// impersonated.
fn as_deployer(held: &Held, observed: &Observed, step: impl FnOnce() -> Step) -> Step {
    let Some(account) = &held.grant.impersonate else {
        return step();
    };
    match observed.deployer {
        DeployerSeen::Present => step(),
        DeployerSeen::Unread => Step::ReadDeployer {
            account: account.clone(),
        },
        DeployerSeen::Missing => Step::Fail {
            message: format!(
                "ServiceAccount {account}, as which impersonation.serviceAccountRef deploys, does not exist in cluster {}; \
                 create it or change the template or binding",
                held.grant.cluster
            ),
        },
    }
}

/// S9: workload pods match no Service, except those that the session itself made for them.
fn beside_services(
    held: &Held,
    observed: &Observed,
    now: Now,
    step: impl FnOnce() -> Step,
) -> Step {
    let services = match &observed.namespace {
        NamespaceSeen::Active(facts) => facts.services.as_slice(),
        NamespaceSeen::Unreadable(facts) => facts.services.as_slice(),
        NamespaceSeen::Unread | NamespaceSeen::Missing | NamespaceSeen::Terminating => &[],
    };
    let rendered = held.rendered.as_ref();
    match rendered.and_then(|rendered| selecting_service(held, services, rendered)) {
        Some(service) => Step::Fail {
            message: format!(
                "Service {service} in namespace {} would send its traffic to the debug pods; change the labels of the \
                 pod template or session",
                held.grant.target_namespace
            ),
        },
        None => in_namespace(held, observed, now, step),
    }
}

fn selecting_service<'a>(
    held: &Held,
    services: &'a [ServiceFacts],
    rendered: &Rendered,
) -> Option<&'a str> {
    let labels = rendered.pod_labels();
    let is_own = |uid: &str| held.created.iter().any(|record| record.uid == uid);
    services
        .iter()
        .filter(|service| !service.selector.is_empty() && !is_own(&service.uid))
        .find(|service| {
            service
                .selector
                .iter()
                .all(|(key, value)| labels.get(key.as_str()) == Some(&value.as_str()))
        })
        .map(|service| service.name.as_str())
}

/// Sets right what somebody deleted or edited.
fn keep_workload(held: &Held, observed: &Observed, now: Now) -> Option<Step> {
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
            let rendered = held.rendered.as_ref()?;
            let (_, rendered_once) = rendered.workload()?;
            let edited = || placement::same_manifest(held, rendered_once).filter(|_| was_edited);
            let manifest =
                placement::changed_manifest(held, observed, rendered_once).or_else(edited)?;
            Some(set_right(held, observed, now, || Step::Apply {
                manifest,
                uid: record.uid.clone(),
                deployer: Deployer::of(held),
            }))
        }
    }
}

/// A namespace that was permitted when its session was deployed and is not any more ends nothing that runs there; only
/// nothing more is written. It is looked at again, for as long as there is something to set right.
fn set_right(held: &Held, observed: &Observed, now: Now, step: impl FnOnce() -> Step) -> Step {
    match namespace::judge_held(held, observed, now) {
        Verdict::Proceed => beside_services(held, observed, now, step),
        Verdict::Look | Verdict::Create | Verdict::Refuse(_) => Step::ReadNamespace {
            namespace: held.grant.target_namespace.clone(),
        },
    }
}

/// The backstop is behind the agent's own end: with the clocks of node and agent a little apart it must not be the kubelet
/// that ends the pods of a session that was renewed to the last.
const SLACK: SignedDuration = SignedDuration::from_secs(30);

/// D2: the kubelet ends each pod soon after the last possible end, even if this agent is gone by then.
fn cap_pods(held: &Held, observed: &Observed, now: Now) -> Vec<Step> {
    let last_end = held.grant.last_end.min(held.deadline.limit());
    let last_end = last_end.checked_add(SLACK).unwrap_or(Timestamp::MAX);
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
