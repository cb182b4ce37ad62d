//! Why pods are not ready, for the people of the session: what is wrong, on which pod or image, in the cluster's own
//! words where those help, shortened.

use std::collections::BTreeMap;

use super::{PodJudge, PodRefusal, PodVerdict, condition, is_owned_now, is_ready, statuses};
use crate::held::Held;
use crate::nodes::{Constraints, NodesSeen};
use crate::observed::{NamespaceSeen, Observed, PodFacts, WorkloadSeen};
use crate::quota;

/// Longest quotation of the cluster's own words: a line or two on a screen.
const MAX_QUOTE: usize = 240;
/// Causes told at once; who needs more looks at the pods.
const MAX_CAUSES: usize = 3;

/// Why not all wanted pods are ready, in plain words; `None` when all is well. After an end that has a message, that.
#[must_use]
pub fn explain(held: &Held, observed: &Observed) -> Option<String> {
    if let Some(end) = &held.end {
        return end.message.clone();
    }
    if held.workload_record().is_none() {
        return Some(before_the_workload(held, observed));
    }
    match &observed.workload {
        WorkloadSeen::Unknown => Some("Waiting for the cluster to show the debug pods.".to_owned()),
        WorkloadSeen::Absent => {
            Some("The session's workload was deleted in the cluster; it is made again.".to_owned())
        }
        WorkloadSeen::Present(workload) => {
            let ours: Vec<&PodFacts> = observed
                .pods
                .iter()
                .filter(|pod| is_owned_now(held, pod, &observed.replica_sets))
                .filter(|pod| pod.deleting.is_none())
                .collect();
            let wanted = usize::try_from(workload.desired).unwrap_or(0);
            let ready = ours.iter().filter(|pod| is_ready(pod)).count();
            let mut causes = causes(held, observed, &ours);
            if ours.len() < wanted {
                // Quota and admission refuse a pod before it exists: the owner's words come first.
                causes.splice(0..0, failures(observed).into_iter().map(not_made));
            }
            let is_seen = workload.observed_generation >= workload.generation;
            if causes.is_empty() && is_seen && wanted == 0 {
                return Some(
                    "No node of this cluster fits the debug pods, so none was made.".to_owned(),
                );
            }
            if causes.is_empty() && is_seen && ready >= wanted {
                return None;
            }
            let mut text = format!("{} of {} pods are ready", ready.min(wanted), wanted);
            text.push_str(if causes.is_empty() { "." } else { ": " });
            let more = causes.len().saturating_sub(MAX_CAUSES);
            let told: Vec<String> = causes.into_iter().take(MAX_CAUSES).collect();
            text.push_str(&told.join("; "));
            if more > 0 {
                text.push_str(&format!("; and {more} more"));
            }
            Some(text)
        }
    }
}

fn before_the_workload(held: &Held, observed: &Observed) -> String {
    if let Some(refused) = &held.refused {
        return format!("Deploying is tried again: {}", refused.message);
    }
    match observed.namespace {
        NamespaceSeen::Unread | NamespaceSeen::Unreadable(_) | NamespaceSeen::Active(_) => match observed
            .nodes
        {
            NodesSeen::Unknown
                if Constraints::of(&held.grant).choose_nodes()
                    || quota::counts_nodes(&held.grant) =>
            {
                "Waiting for the cluster to show its nodes (the agent's role needs list and watch of nodes)."
                    .to_owned()
            }
            NodesSeen::Unknown | NodesSeen::Known(_) => {
                "The debug pods are being deployed.".to_owned()
            }
        },
        NamespaceSeen::Missing | NamespaceSeen::Terminating => format!(
            "Namespace {} is not there in the cluster.",
            held.grant.target_namespace
        ),
    }
}

/// Distinct causes, the most common first.
fn causes(held: &Held, observed: &Observed, ours: &[&PodFacts]) -> Vec<String> {
    let Some(judge) = PodJudge::of(held, observed) else {
        return Vec::new();
    };
    let mut counted: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for pod in ours {
        if let Some(cause) = pod_cause(&judge, pod) {
            let entry = counted.entry(cause).or_insert((0, pod.name.as_str()));
            entry.0 += 1;
        }
    }
    let mut by_count: Vec<_> = counted.into_iter().collect();
    by_count.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    by_count
        .into_iter()
        .map(|(cause, (count, name))| match count {
            1 => format!("pod {name}: {cause}"),
            _ => format!("{count} pods, such as {name}: {cause}"),
        })
        .collect()
}

fn failures(observed: &Observed) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    let workload = match &observed.workload {
        WorkloadSeen::Present(facts) => facts.failures.as_slice(),
        WorkloadSeen::Unknown | WorkloadSeen::Absent => &[],
    };
    let sets = observed.replica_sets.iter().flat_map(|set| &set.failures);
    for text in workload.iter().chain(sets).chain(&observed.trouble) {
        if !text.is_empty() && !all.contains(&text.as_str()) {
            all.push(text);
        }
    }
    all
}

fn not_made(failure: &str) -> String {
    let what = if failure.contains("exceeded quota") || failure.contains("failed quota") {
        "a quota of the namespace does not permit the pods"
    } else if failure.contains("violates PodSecurity") {
        "the namespace's pod security level does not permit the pods"
    } else {
        "the cluster refuses to make the pods"
    };
    format!("{what} ({})", shortened(failure))
}

fn pod_cause(judge: &PodJudge<'_>, pod: &PodFacts) -> Option<String> {
    if let PodVerdict::NotAllowed(refusal) = judge.verdict(pod) {
        return match refusal {
            PodRefusal::NodeDenied { .. } | PodRefusal::OverQuota(_) => {
                Some(format!("it is removed, because {refusal}"))
            }
            PodRefusal::Adopted | PodRefusal::NodeUnknown(_) | PodRefusal::Differs(_) => {
                Some(format!("it is not opened, because {refusal}"))
            }
            PodRefusal::Ended
            | PodRefusal::NoWorkload
            | PodRefusal::OtherNamespace(_)
            | PodRefusal::NoUid
            | PodRefusal::Deleting
            | PodRefusal::Old
            | PodRefusal::OtherOwner => None,
        };
    }
    if is_ready(pod) {
        return None;
    }
    unscheduled(pod)
        .or_else(|| statuses(pod).find_map(container_cause))
        .or_else(|| failed(pod))
        .or_else(|| Some("it is starting".to_owned()))
}

fn unscheduled(pod: &PodFacts) -> Option<String> {
    let (status, reason, message) = condition(pod, "PodScheduled")?;
    if status == "True" {
        return None;
    }
    if reason == "SchedulingGated" {
        return Some("a scheduling gate holds it back".to_owned());
    }
    Some(format!(
        "no node takes it ({})",
        shortened(scheduler_words(message))
    ))
}

/// `0/3 nodes are available: 3 Insufficient cpu. preemption: …` → without the second half, which repeats the first.
fn scheduler_words(message: &str) -> &str {
    message
        .split_once(" preemption:")
        .map_or(message, |(before, _)| before)
}

fn container_cause(status: &k8s_openapi::api::core::v1::ContainerStatus) -> Option<String> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let words = waiting.message.as_deref().unwrap_or_default();
    let quoted = |words: &str| {
        if words.is_empty() {
            String::new()
        } else {
            format!(" ({})", shortened(words))
        }
    };
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "RegistryUnavailable" => Some(format!(
            "image {} cannot be pulled: {reason}{}",
            shortened(&status.image),
            quoted(words)
        )),
        "CrashLoopBackOff" => {
            let last = status
                .last_state
                .as_ref()
                .and_then(|state| state.terminated.as_ref())
                .map(|terminated| format!(", last exit code {}", terminated.exit_code))
                .unwrap_or_default();
            Some(format!(
                "container {} ends again and again (CrashLoopBackOff, {} restarts{last})",
                status.name, status.restart_count
            ))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            Some(format!(
                "container {} cannot start: {reason}{}",
                status.name,
                quoted(words)
            ))
        }
        "" | "ContainerCreating" | "PodInitializing" => None,
        other => Some(format!(
            "container {} waits: {}{}",
            status.name,
            shortened(other),
            quoted(words)
        )),
    }
}

fn failed(pod: &PodFacts) -> Option<String> {
    (pod.status.phase.as_deref() == Some("Failed")).then(|| {
        let reason = pod.status.reason.as_deref().unwrap_or("Failed");
        let words = pod.status.message.as_deref().unwrap_or_default();
        format!("it failed: {} {}", shortened(reason), shortened(words))
            .trim_end()
            .to_owned()
    })
}

/// The cluster's words on one line, without anything that steers a terminal, cut to [`MAX_QUOTE`] characters.
pub(crate) fn shortened(text: &str) -> String {
    let mut clean: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !breakglass_protocol::person::is_unseen(*c))
        .collect();
    if let Some((cut, _)) = clean.char_indices().nth(MAX_QUOTE) {
        clean.truncate(cut);
        clean.push('…');
    }
    clean.trim_end_matches('.').to_owned()
}
