//! What a look at an object beside the workload brought.

use breakglass_protocol::wire::report::{ObjectRecord, Readiness};

use super::{Outcome, Retry, said, text};
use crate::clock::Now;
use crate::held::Held;
use crate::kstatus::{self, Status};

pub(super) fn handle_look(
    held: &mut Held,
    document: usize,
    record: &ObjectRecord,
    outcome: Outcome,
    now: Now,
) -> Retry {
    let not_found = || Status {
        readiness: Readiness::NotFound,
        message: "it was deleted in the cluster; it is not made again".to_owned(),
    };
    let status = match outcome {
        Outcome::Object(object) if text(&object, "/metadata/uid") == Some(&record.uid) => {
            Some(kstatus::status(&object, now.wall))
        }
        Outcome::Object(_) | Outcome::Gone => Some(not_found()),
        Outcome::Failed(failure) if failure.code == 404 => Some(not_found()),
        Outcome::Failed(failure) if failure.code == 403 => Some(Status {
            readiness: Readiness::Unknown,
            message: said(&failure),
        }),
        Outcome::Failed(_)
        | Outcome::Accepted
        | Outcome::Present
        | Outcome::Pods(_)
        | Outcome::Inhabitants(_) => None,
    };
    held.note_look(document, status, now);
    Retry::Later
}
