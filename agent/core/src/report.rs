//! What the hub is told of one grant.

use breakglass_protocol::wire::report::{Phase, Report};

use crate::clock::Now;
use crate::held::Held;
use crate::observed::Observed;
use crate::pods;

/// The whole report; the newest replaces all older ones.
#[must_use]
pub fn report(held: &Held, observed: &Observed, now: Now) -> Report {
    Report {
        uid: held.grant.uid.clone(),
        at: now.wall,
        renewal: held.deadline.renewal(),
        phase: if held.is_finished() {
            Phase::Ended
        } else if held.has_ended() {
            Phase::Ending
        } else {
            Phase::Deploying
        },
        message: pods::explain(held, observed),
        pods: pods::allowed_pods(held, observed),
        deployed: held.created.clone(),
        end: held.end.clone(),
        cleanup: held.cleanup.clone(),
    }
}
