//! What the hub is told of one grant.

use breakglass_protocol::wire::report::{Phase, Report};

use crate::clock::Now;
use crate::held::Held;
use crate::observed::{Observed, WorkloadSeen};
use crate::plan::outcome;
use crate::pods;

/// The whole report; the newest replaces all older ones.
#[must_use]
pub fn report(held: &Held, observed: &Observed, now: Now) -> Report {
    let pods = pods::allowed_pods(held, observed);
    let ready = pods.iter().filter(|pod| pod.ready).count();
    let mut cleanup = held.cleanup.clone();
    if let Some(cleanup) = &mut cleanup
        && cleanup.finished_at.is_none()
    {
        cleanup.remaining = outcome::remaining(held);
    }
    Report {
        uid: held.grant.uid.clone(),
        at: now.wall,
        renewal: held.deadline.renewal(),
        phase: phase(held, observed, ready),
        message: pods::explain(held, observed),
        pods,
        deployed: held.created.clone(),
        resources: Vec::new(),
        end: held.end.clone(),
        cleanup,
    }
}

fn phase(held: &Held, observed: &Observed, ready: usize) -> Phase {
    if held.is_finished() {
        return Phase::Ended;
    }
    if held.has_ended() {
        return Phase::Ending;
    }
    let documents = held
        .rendered
        .as_ref()
        .map_or(0, |rendered| rendered.documents.len());
    let is_running = held.created.len() >= documents
        && match &observed.workload {
            WorkloadSeen::Present(facts) => {
                let wanted = usize::try_from(facts.desired).unwrap_or(0);
                // Before a controller has looked, it wants nothing; nor does a DaemonSet for which no node fits.
                facts.observed_generation >= facts.generation && wanted > 0 && ready >= wanted
            }
            WorkloadSeen::Unknown | WorkloadSeen::Absent => false,
        };
    if is_running {
        Phase::Running
    } else {
        Phase::Deploying
    }
}
