//! What a step brought, taken into the `Held` record.

use breakglass_protocol::wire::grant::EndReason;
use breakglass_protocol::wire::report::{ObjectRecord, Remaining};
use serde_json::Value;

use super::{PodRef, Step, end};
use crate::clock::Now;
use crate::held::Held;
use crate::observed::{Inhabitant, PodFacts};
use crate::pods;

mod create;
mod look;
mod place;

pub use create::give_up_on;

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
    /// Answer to `ListInhabitants`.
    Inhabitants(Vec<Inhabitant>),
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
    /// What to do about it, in the agent's own words: told whole, unlike the cluster's.
    pub remedy: Option<String>,
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
        Step::CreateFirst {
            document, manifest, ..
        } => create::handle_create(held, *document, manifest, outcome, now),
        Step::CreateNamespace { .. } => place::handle_create(held, outcome, now),
        Step::FindNamespace { .. } => place::handle_find(held, outcome, now),
        Step::ListInhabitants { .. } => place::handle_inhabitants(held, outcome, now),
        Step::KeepNamespace { why } => {
            held.keep_namespace(why.clone(), now);
            Retry::Now
        }
        Step::ReadNamespace { .. } | Step::ReadDeployer { .. } => {
            place::handle_read(held, outcome, now)
        }
        Step::FindOurs { document, .. } => create::handle_find(held, *document, outcome, now),
        Step::Look { document, record } => look::handle_look(held, *document, record, outcome, now),
        Step::Apply { uid, .. } => create::handle_apply(held, uid, outcome, now),
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
        Step::CloseAccess | Step::Journal { .. } => Retry::Now,
    }
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
        Outcome::Pods(_) | Outcome::Inhabitants(_) => {}
    }
    Retry::Later
}

fn handle_confirm(held: &mut Held, record: &ObjectRecord, outcome: Outcome, now: Now) -> Retry {
    let is_gone = match &outcome {
        Outcome::Gone => true,
        Outcome::Failed(failure) => failure.code == 404,
        Outcome::Object(_)
        | Outcome::Accepted
        | Outcome::Present
        | Outcome::Pods(_)
        | Outcome::Inhabitants(_) => false,
    };
    if !is_gone {
        return Retry::Later;
    }
    if held.has_ended() {
        held.confirm_removed(record, now);
    } else if held.forget_pod(&record.uid) {
        // A pod that was replaced.
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

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

fn said(failure: &ApiFailure) -> String {
    let words = pods::shortened(&failure.message);
    let said = match failure.code {
        0 => format!("the API server did not answer ({words})"),
        code => format!("{words} ({code} {})", pods::shortened(&failure.reason)),
    };
    match &failure.remedy {
        Some(remedy) => format!("{said}. {remedy}"),
        None => said,
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
