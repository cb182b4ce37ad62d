//! What looking at, making and ending the session's namespace brought, and looking at the ServiceAccount that deploys.

use breakglass_protocol::wire::grant::EndReason;

use super::create::{is_being_deleted, is_final, is_ours, refuse_for_now};
use super::{ApiFailure, Outcome, Retry, record_of, said};
use crate::clock::Now;
use crate::held::Held;
use crate::namespace::NAMESPACE;

/// What was read goes into `Observed`; here only what could not be.
pub(super) fn handle_read(held: &mut Held, outcome: Outcome, now: Now) -> Retry {
    match outcome {
        Outcome::Failed(failure) => {
            let message = format!(
                "namespace {}, or the ServiceAccount that deploys there, cannot be read: {}",
                held.grant.target_namespace,
                said(&failure)
            );
            settle(held, &failure, message, now)
        }
        Outcome::Object(_)
        | Outcome::Accepted
        | Outcome::Gone
        | Outcome::Present
        | Outcome::Pods(_)
        | Outcome::Inhabitants(_) => Retry::Now,
    }
}

/// Made, or found: somebody else's is judged as any other that was there before (S17), so nothing is adopted.
pub(super) fn handle_create(held: &mut Held, outcome: Outcome, now: Now) -> Retry {
    match outcome {
        Outcome::Object(object) if is_being_deleted(&object) => Retry::Later,
        Outcome::Object(object) if is_ours(held, &object) => {
            held.created.extend(record_of(&object, NAMESPACE));
            held.refused = None;
            held.touch();
            Retry::Now
        }
        Outcome::Failed(failure) => {
            let message = format!(
                "namespace {} cannot be made: {}",
                held.grant.target_namespace,
                said(&failure)
            );
            settle(held, &failure, message, now)
        }
        Outcome::Object(_)
        | Outcome::Accepted
        | Outcome::Gone
        | Outcome::Present
        | Outcome::Pods(_)
        | Outcome::Inhabitants(_) => Retry::Later,
    }
}

fn settle(held: &mut Held, failure: &ApiFailure, message: String, now: Now) -> Retry {
    if is_final(held, failure, now) && !held.has_ended() && held.workload_record().is_none() {
        held.end(EndReason::Failed, Some(message), now);
        return Retry::Now;
    }
    refuse_for_now(held, message, now);
    Retry::Later
}

/// After the end: a namespace that a crash left without a record is recorded, so that it is removed.
pub(super) fn handle_find(held: &mut Held, outcome: Outcome, now: Now) -> Retry {
    let is_absent = match &outcome {
        Outcome::Object(object) => !is_ours(held, object),
        Outcome::Gone => true,
        Outcome::Failed(failure) => failure.code == 404,
        Outcome::Accepted | Outcome::Present | Outcome::Pods(_) | Outcome::Inhabitants(_) => false,
    };
    if is_absent {
        held.remains.searched = true;
        held.touch();
        held.try_finish(now);
        return Retry::Now;
    }
    let Outcome::Object(object) = outcome else {
        return Retry::Later;
    };
    if let Some(record) = record_of(&object, NAMESPACE) {
        held.created.retain(|known| known.source != NAMESPACE);
        held.created.insert(0, record);
        held.remains.is_empty = false;
        held.touch();
    }
    Retry::Now
}

/// Without a whole list nothing is known, so nothing is removed.
pub(super) fn handle_inhabitants(held: &mut Held, outcome: Outcome, now: Now) -> Retry {
    match outcome {
        Outcome::Inhabitants(inhabitants) => {
            held.take_inhabitants(&inhabitants, now);
            Retry::Now
        }
        Outcome::Failed(failure) => {
            let uid = held.namespace_record().map(|record| record.uid.clone());
            let why = format!("what is in it cannot be seen: {}", said(&failure));
            if is_final(held, &failure, now) {
                held.keep_namespace(why, now);
                return Retry::Now;
            }
            refuse_for_now(held, why.clone(), now);
            if let Some(uid) = uid {
                held.errors.insert(uid, why);
            }
            Retry::Later
        }
        Outcome::Object(_)
        | Outcome::Accepted
        | Outcome::Gone
        | Outcome::Present
        | Outcome::Pods(_) => Retry::Later,
    }
}
