//! What a step brought, taken into the `Held` record.

use breakglass_protocol::wire::report::ObjectRecord;
use serde_json::Value;

use super::Step;
use crate::clock::Now;
use crate::held::Held;
use crate::observed::PodFacts;

/// What the cluster said to a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Created, applied, or (after `AlreadyExists` and for `FindOurs`) found: the object as the API server returned it.
    Object(Value),
    /// Accepted: a delete that is under way, a patch.
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
    let _ = (held, step, outcome, now);
    Retry::Later
}

/// The record of an object that was made, if it has a name and a UID.
#[must_use]
pub fn record_of(object: &Value, source: &str) -> Option<ObjectRecord> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    Some(ObjectRecord {
        api_version: text("/apiVersion")?,
        kind: text("/kind")?,
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name")?,
        uid: text("/metadata/uid").filter(|uid| !uid.is_empty())?,
        source: source.to_owned(),
    })
}
