//! What a step brought, taken into the `Held` record.

use std::time::Duration;

use breakglass_protocol::labels;
use breakglass_protocol::wire::grant::EndReason;
use breakglass_protocol::wire::report::{ObjectRecord, Remaining};
use serde_json::Value;

use super::{PodRef, Step, end};
use crate::clock::Now;
use crate::held::{Held, Refused};
use crate::observed::PodFacts;
use crate::pods;
use crate::workload::WORKLOAD;

/// How long 403 is taken for passing: an API server that just started refuses for some seconds what its own caches do
/// not know yet. After that it is an answer.
const FORBIDDEN_PATIENCE: Duration = Duration::from_secs(20);

/// What the cluster said to a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Created, applied, or (after `AlreadyExists` and for `FindOurs`) found: the object as the API server returned it.
    Object(Value),
    /// Accepted: a delete that is under way, a patch, a step that needs no call.
    Accepted,
    /// 404, or a conflict on the UID precondition: this very object is not there.
    Gone,
    /// Still there.
    Present,
    /// Answer to `ConfirmPodsGone`.
    Pods(Vec<PodFacts>),
    /// The API server refused or could not be reached.
    Failed(ApiFailure),
}

/// A refusal of the API server, or no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiFailure {
    /// HTTP status; 0 when there was no answer.
    pub code: u16,
    /// `Status.reason`, such as `Forbidden`, `Invalid`.
    pub reason: String,
    /// `Status.message`, or the transport's error.
    pub message: String,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Plan again at once.
    Now,
    /// Plan again after a growing pause (the program's backoff), or when something is seen.
    Later,
}

/// Takes the outcome of a step into the record: records what was made, ends the grant as `Failed` on a refusal that no
/// retry mends, marks what is gone.
pub fn handle_outcome(held: &mut Held, step: &Step, outcome: Outcome, now: Now) -> Retry {
    match step {
        Step::CreateFirst { document, manifest } => {
            handle_create(held, *document, manifest, outcome, now)
        }
        Step::FindOurs { document, .. } => handle_find(held, *document, outcome, now),
        Step::Apply { uid, .. } => handle_apply(held, uid, outcome, now),
        Step::DeleteWorkload { record } | Step::Delete { record } => {
            handle_delete(held, record, outcome, now)
        }
        Step::DeletePod { pod } => handle_delete(held, &end::pod_record(pod), outcome, now),
        Step::ConfirmGone { record } => handle_confirm(held, record, outcome, now),
        Step::ConfirmPodsGone { .. } => handle_pods(held, outcome, now),
        Step::Fail { message } => {
            held.end(EndReason::Failed, Some(message.clone()), now);
            Retry::Now
        }
        Step::GiveUp => {
            give_up(held, now);
            Retry::Now
        }
        Step::CapDeadline { .. } => Retry::Later,
        Step::CloseAccess | Step::Journal { .. } | Step::ReadNamespace { .. } => Retry::Now,
    }
}

fn handle_create(
    held: &mut Held,
    document: usize,
    manifest: &Value,
    outcome: Outcome,
    now: Now,
) -> Retry {
    match outcome {
        Outcome::Object(object) => {
            if !is_ours(held, &object) {
                let message = format!(
                    "{} already exists and is not this session's; it is left as it is. Remove or rename it",
                    named(manifest)
                );
                held.end(EndReason::Failed, Some(message), now);
                return Retry::Now;
            }
            if is_being_deleted(&object) {
                return Retry::Later;
            }
            match source_of(held, document).and_then(|source| record_of(&object, &source)) {
                Some(record) => {
                    record_created(held, record, &object);
                    Retry::Now
                }
                None => Retry::Later,
            }
        }
        Outcome::Failed(failure) => {
            refuse_create(held, manifest, &failure, now);
            if held.has_ended() {
                Retry::Now
            } else {
                Retry::Later
            }
        }
        Outcome::Accepted | Outcome::Gone | Outcome::Present | Outcome::Pods(_) => Retry::Later,
    }
}

/// D19: what no retry mends fails the session, in the API server's own words.
fn refuse_create(held: &mut Held, manifest: &Value, failure: &ApiFailure, now: Now) {
    let message = format!("{} cannot be created: {}", named(manifest), said(failure));
    let since = held
        .refused
        .as_ref()
        .map_or(now.monotonic, |refused| refused.since);
    let is_final = match failure.code {
        400 | 404 | 405 | 406 | 410 | 413 | 415 | 422 => true,
        403 => now.monotonic.saturating_sub(since) >= FORBIDDEN_PATIENCE,
        // No answer, 401 (the agent's own token), 409, 429, 5xx: the cluster's trouble, which passes.
        _ => false,
    };
    if is_final {
        held.end(EndReason::Failed, Some(message), now);
    } else {
        held.refused = Some(Refused { since, message });
    }
}

fn record_created(held: &mut Held, record: ObjectRecord, object: &Value) {
    if record.source == WORKLOAD {
        held.workload_generation = generation(object);
    }
    held.refused = None;
    held.created.retain(|known| known.source != record.source);
    held.created.push(record);
    held.touch();
}

/// After the end: an object that a crash left without a record is recorded, so that it is deleted.
fn handle_find(held: &mut Held, document: usize, outcome: Outcome, now: Now) -> Retry {
    let is_absent = match &outcome {
        Outcome::Object(object) => !is_ours(held, object),
        Outcome::Gone => true,
        Outcome::Failed(failure) => failure.code == 404,
        Outcome::Accepted | Outcome::Present | Outcome::Pods(_) => false,
    };
    if is_absent {
        held.searched.insert(document);
        held.try_finish(now);
        return Retry::Now;
    }
    let Outcome::Object(object) = outcome else {
        return Retry::Later;
    };
    match source_of(held, document).and_then(|source| record_of(&object, &source)) {
        Some(record) => {
            record_created(held, record, &object);
            Retry::Now
        }
        None => Retry::Later,
    }
}

fn handle_apply(held: &mut Held, uid: &str, outcome: Outcome, now: Now) -> Retry {
    match outcome {
        Outcome::Object(object) if text(&object, "/metadata/uid") == Some(uid) => {
            held.workload_generation = generation(&object);
            held.refused = None;
            held.touch();
        }
        Outcome::Failed(failure) => {
            let message = format!(
                "the edited workload cannot be set right: {}",
                said(&failure)
            );
            let since = held
                .refused
                .as_ref()
                .map_or(now.monotonic, |refused| refused.since);
            held.refused = Some(Refused { since, message });
        }
        Outcome::Object(_)
        | Outcome::Accepted
        | Outcome::Gone
        | Outcome::Present
        | Outcome::Pods(_) => {}
    }
    Retry::Later
}

fn handle_delete(held: &mut Held, record: &ObjectRecord, outcome: Outcome, now: Now) -> Retry {
    match outcome {
        Outcome::Gone => held.confirm_removed(record, now),
        // 409 can only be the UID precondition: another object has the name now.
        Outcome::Failed(failure) if matches!(failure.code, 404 | 409) => {
            held.confirm_removed(record, now);
        }
        Outcome::Failed(failure) => {
            held.errors.insert(record.uid.clone(), said(&failure));
        }
        Outcome::Accepted | Outcome::Object(_) | Outcome::Present => {
            held.asked.insert(record.uid.clone());
            held.errors.remove(&record.uid);
        }
        Outcome::Pods(_) => {}
    }
    Retry::Later
}

fn handle_confirm(held: &mut Held, record: &ObjectRecord, outcome: Outcome, now: Now) -> Retry {
    let is_gone = match &outcome {
        Outcome::Gone => true,
        Outcome::Failed(failure) => failure.code == 404,
        Outcome::Object(_) | Outcome::Accepted | Outcome::Present | Outcome::Pods(_) => false,
    };
    if !is_gone {
        return Retry::Later;
    }
    if held.has_ended() {
        held.confirm_removed(record, now);
    } else {
        // Somebody deleted it while the grant runs: without a record it is made anew.
        held.created.retain(|known| known.uid != record.uid);
        held.workload_generation = None;
        held.touch();
    }
    Retry::Now
}

fn handle_pods(held: &mut Held, outcome: Outcome, now: Now) -> Retry {
    let Outcome::Pods(listed) = outcome else {
        return Retry::Later;
    };
    let left: Vec<PodRef> = listed
        .iter()
        .filter(|pod| pods::is_owned(held, pod, &[]))
        .map(|pod| PodRef {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
        })
        .collect();
    if left.is_empty() {
        if let Some(cleanup) = &mut held.cleanup {
            cleanup.pods_gone_at.get_or_insert(now.wall);
        }
        held.try_finish(now);
        return Retry::Now;
    }
    for pod in left {
        held.pods.insert(pod.uid, pod.name);
    }
    Retry::Later
}

/// S11: what is left after a day is told, and no more retried.
fn give_up(held: &mut Held, now: Now) {
    let remaining = remaining(held);
    if let Some(cleanup) = &mut held.cleanup {
        cleanup.remaining = remaining
            .into_iter()
            .map(|left| Remaining {
                error: Some(left.error.unwrap_or_else(|| {
                    "the cluster accepted the deletion but did not finish it; look for finalizers".to_owned()
                })),
                ..left
            })
            .collect();
        cleanup.finished_at.get_or_insert(now.wall);
        held.touch();
    }
}

/// What is not confirmed gone, with the last error.
pub(crate) fn remaining(held: &Held) -> Vec<Remaining> {
    let objects = held.to_remove().cloned();
    let pods = held.pods_to_remove().map(|pod| end::pod_record(&pod));
    objects
        .chain(pods)
        .map(|object| Remaining {
            error: held.errors.get(&object.uid).cloned(),
            object,
        })
        .collect()
}

/// D5: our session label and our grant's UID.
fn is_ours(held: &Held, object: &Value) -> bool {
    let mark = |map: &str, key: &str| {
        object
            .pointer(map)
            .and_then(|map| map.get(key))
            .and_then(Value::as_str)
    };
    mark("/metadata/labels", labels::SESSION) == Some(held.grant.session.as_str())
        && mark("/metadata/annotations", labels::GRANT) == Some(held.grant.uid.as_str())
}

fn is_being_deleted(object: &Value) -> bool {
    object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|time| !time.is_null())
}

fn generation(object: &Value) -> Option<i64> {
    object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
}

fn source_of(held: &Held, document: usize) -> Option<String> {
    let rendered = held.rendered.as_ref()?;
    Some(rendered.documents.get(document)?.source.clone())
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

/// `DaemonSet breakglass-debug/debug-session-abc123-ds`.
fn named(manifest: &Value) -> String {
    let at = |pointer| text(manifest, pointer).unwrap_or("?");
    match text(manifest, "/metadata/namespace") {
        Some(namespace) => format!("{} {namespace}/{}", at("/kind"), at("/metadata/name")),
        None => format!("{} {}", at("/kind"), at("/metadata/name")),
    }
}

fn said(failure: &ApiFailure) -> String {
    let words = pods::shortened(&failure.message);
    match failure.code {
        0 => format!("the API server did not answer ({words})"),
        code => format!("{words} ({code} {})", pods::shortened(&failure.reason)),
    }
}

/// The record of an object that was made, if it has a name and a UID.
#[must_use]
pub fn record_of(object: &Value, source: &str) -> Option<ObjectRecord> {
    let owned = |pointer: &str| text(object, pointer).map(str::to_owned);
    Some(ObjectRecord {
        api_version: owned("/apiVersion")?,
        kind: owned("/kind")?,
        namespace: owned("/metadata/namespace"),
        name: owned("/metadata/name")?,
        uid: owned("/metadata/uid").filter(|uid| !uid.is_empty())?,
        source: source.to_owned(),
    })
}
