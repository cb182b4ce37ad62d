//! What creating, finding and setting right brought.

use std::time::Duration;

use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::labels;
use breakglass_protocol::wire::grant::EndReason;
use serde_json::Value;

use super::{ApiFailure, Outcome, Retry, record_of, said, text};
use crate::clock::Now;
use crate::held::{Held, Refused};
use crate::plan::Step;
use crate::workload::WORKLOAD;
use crate::workload::scheduling::nodes_left_out;

/// How long 403 is taken for passing: an API server that just started refuses for some seconds what its own caches do
/// not know yet. After that it is an answer.
const FORBIDDEN_PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn handle_create(
    held: &mut Held,
    document: usize,
    manifest: &Value,
    outcome: Outcome,
    now: Now,
) -> Retry {
    match outcome {
        Outcome::Object(object) => {
            if !is_ours(held, &object) {
                // Whatever its failure policy: what runs beside it may take that object for the session's (S8).
                let message = format!(
                    "{} already exists and is not this session's; it is left as it is. Remove or rename it",
                    named(held, document, manifest)
                );
                held.end(EndReason::Failed, Some(message), now);
                return Retry::Now;
            }
            if is_being_deleted(&object) {
                return Retry::Later;
            }
            record_created(held, document, &object, now)
        }
        Outcome::Failed(failure) => refuse_create(held, document, manifest, &failure, now),
        Outcome::Accepted
        | Outcome::Gone
        | Outcome::Present
        | Outcome::Pods(_)
        | Outcome::Inhabitants(_) => Retry::Later,
    }
}

/// D19: what no retry mends fails the session, or leaves the object out, in the API server's own words.
fn refuse_create(
    held: &mut Held,
    document: usize,
    manifest: &Value,
    failure: &ApiFailure,
    now: Now,
) -> Retry {
    let message = format!(
        "{} cannot be created: {}",
        named(held, document, manifest),
        said(failure)
    );
    if is_final(held, failure, now) {
        go_on_without(held, document, message, now);
        Retry::Now
    } else {
        refuse_for_now(held, message, now);
        Retry::Later
    }
}

/// Whether no retry mends it.
pub(super) fn is_final(held: &Held, failure: &ApiFailure, now: Now) -> bool {
    match failure.code {
        400 | 404 | 405 | 406 | 410 | 413 | 415 | 422 => true,
        403 => now.monotonic.saturating_sub(refused_since(held, now)) >= FORBIDDEN_PATIENCE,
        // No answer, 401 (the agent's own token), 409, 429, 5xx: the cluster's trouble, which passes.
        _ => false,
    }
}

pub(super) fn refuse_for_now(held: &mut Held, message: String, now: Now) {
    let since = refused_since(held, now);
    held.refused = Some(Refused { since, message });
}

fn refused_since(held: &Held, now: Now) -> Duration {
    held.refused
        .as_ref()
        .map_or(now.monotonic, |refused| refused.since)
}

/// By the document's failure policy.
fn go_on_without(held: &mut Held, document: usize, message: String, now: Now) {
    let policy = held
        .document(document)
        .map_or(FailurePolicy::Fail, |document| document.failure_policy());
    match policy {
        FailurePolicy::Fail => held.end(EndReason::Failed, Some(message), now),
        FailurePolicy::Ignore | FailurePolicy::Warn => held.leave_out(document, message),
    }
}

/// The program tried a step in vain for as long as anybody would wait: fails the session, or goes on without the object.
pub fn give_up_on(held: &mut Held, step: &Step, message: String, now: Now) {
    match step {
        Step::CreateFirst { document, .. } => go_on_without(held, *document, message, now),
        Step::ReadNamespace { .. }
        | Step::ReadDeployer { .. }
        | Step::CreateNamespace { .. }
        | Step::FindNamespace { .. }
        | Step::ListInhabitants { .. }
        | Step::KeepNamespace { .. }
        | Step::Journal { .. }
        | Step::CloseAccess
        | Step::FindOurs { .. }
        | Step::Look { .. }
        | Step::Apply { .. }
        | Step::CapDeadline { .. }
        | Step::DeleteWorkload { .. }
        | Step::DeletePod { .. }
        | Step::Delete { .. }
        | Step::ConfirmGone { .. }
        | Step::ConfirmPodsGone { .. }
        | Step::Fail { .. }
        | Step::GiveUp => held.end(EndReason::Failed, Some(message), now),
    }
}

fn record_created(held: &mut Held, document: usize, object: &Value, now: Now) -> Retry {
    let source = held
        .document(document)
        .map(|document| document.source.clone());
    let Some(record) = source.and_then(|source| record_of(object, &source)) else {
        return Retry::Later;
    };
    if record.source == WORKLOAD {
        held.workload_generation = generation(object);
        held.nodes_left_out = nodes_left_out(object);
    }
    if held.has_ended() && record.source == WORKLOAD {
        held.expect_pods();
    }
    held.refused = None;
    held.note_created(document, now);
    held.created.retain(|known| known.source != record.source);
    held.created.push(record);
    held.touch();
    Retry::Now
}

/// After the end: an object that a crash left without a record is recorded, so that it is deleted.
pub(super) fn handle_find(held: &mut Held, document: usize, outcome: Outcome, now: Now) -> Retry {
    let is_absent = match &outcome {
        Outcome::Object(object) => !is_ours(held, object),
        Outcome::Gone => true,
        Outcome::Failed(failure) => failure.code == 404,
        Outcome::Accepted | Outcome::Present | Outcome::Pods(_) | Outcome::Inhabitants(_) => false,
    };
    if is_absent {
        held.searched.insert(document);
        held.try_finish(now);
        return Retry::Now;
    }
    let Outcome::Object(object) = outcome else {
        return Retry::Later;
    };
    let retry = record_created(held, document, &object, now);
    // What is found and kept may have been the last thing to look for.
    held.try_finish(now);
    retry
}

pub(super) fn handle_apply(held: &mut Held, uid: &str, outcome: Outcome, now: Now) -> Retry {
    match outcome {
        Outcome::Object(object) if text(&object, "/metadata/uid") == Some(uid) => {
            held.workload_generation = generation(&object);
            held.nodes_left_out = nodes_left_out(&object);
            held.refused = None;
            held.touch();
        }
        Outcome::Failed(failure) => {
            let message = format!(
                "the edited workload cannot be set right: {}",
                said(&failure)
            );
            refuse_for_now(held, message, now);
        }
        Outcome::Object(_)
        | Outcome::Accepted
        | Outcome::Gone
        | Outcome::Present
        | Outcome::Pods(_)
        | Outcome::Inhabitants(_) => {}
    }
    Retry::Later
}

/// D5: our session label and our grant's UID.
pub(super) fn is_ours(held: &Held, object: &Value) -> bool {
    let mark = |map: &str, key: &str| {
        object
            .pointer(map)
            .and_then(|map| map.get(key))
            .and_then(Value::as_str)
    };
    mark("/metadata/labels", labels::SESSION) == Some(held.grant.session.as_str())
        && mark("/metadata/annotations", labels::GRANT) == Some(held.grant.uid.as_str())
}

pub(super) fn is_being_deleted(object: &Value) -> bool {
    object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|time| !time.is_null())
}

fn generation(object: &Value) -> Option<i64> {
    object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
}

/// `DaemonSet breakglass-debug/debug-session-abc123-ds`, `document 2 of the pod template (ConfigMap x)`.
fn named(held: &Held, document: usize, manifest: &Value) -> String {
    if let Some(document) = held.document(document)
        && document.beside.is_some()
    {
        return document.label();
    }
    let at = |pointer| text(manifest, pointer).unwrap_or("?");
    match text(manifest, "/metadata/namespace") {
        Some(namespace) => format!("{} {namespace}/{}", at("/kind"), at("/metadata/name")),
        None => format!("{} {}", at("/kind"), at("/metadata/name")),
    }
}
