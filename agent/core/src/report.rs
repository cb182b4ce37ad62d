//! What the hub is told of one grant.

use breakglass_protocol::wire::report::{Phase, Report};

use crate::clock::Now;
use crate::held::Held;
use crate::namespace;
use crate::observed::{Observed, WorkloadSeen};
use crate::plan::outcome;
use crate::pods;
use crate::resources;

/// What people are told of a workload that stays (S11).
const KEPT: &str = "Access has ended. The workload stays, for nobody's use, until the session is terminated or for a day.";

/// The whole report; the newest replaces all older ones.
#[must_use]
pub fn report(held: &Held, observed: &Observed, now: Now) -> Report {
    let pods = pods::allowed_pods(held, observed);
    let ready = pods.iter().filter(|pod| pod.ready).count();
    let mut cleanup = held.cleanup.clone();
    if let Some(cleanup) = &mut cleanup {
        cleanup.kept = held.kept().cloned().collect();
        if cleanup.finished_at.is_none() {
            cleanup.remaining = outcome::remaining(held);
        }
    }
    Report {
        uid: held.grant.uid.clone(),
        at: now.wall,
        renewal: held.deadline.renewal(),
        expires_at: Some(held.deadline.expires_at()),
        recycled: held.recycled(),
        phase: phase(held, observed, ready),
        message: message(held, observed, now),
        pods,
        deployed: held.created.clone(),
        resources: resources::statuses(held),
        end: held.end.clone(),
        cleanup,
    }
}

/// What is wrong with the pods, what is still tried, and what was left out with a warning.
fn message(held: &Held, observed: &Observed, now: Now) -> Option<String> {
    let pods = pods::explain(held, observed);
    if held.keeps_workload() {
        return Some(KEPT.to_owned());
    }
    if held.has_ended() {
        let Some(kept) = namespace::why_kept(held) else {
            return pods;
        };
        let ended = pods.map(|why| format!("{}. ", why.trim_end_matches('.')));
        return Some(format!("{}{kept}", ended.unwrap_or_default()));
    }
    let refused = held
        .refused
        .as_ref()
        .filter(|_| held.workload_record().is_some() && !held.is_complete())
        .map(|refused| format!("Deploying is tried again: {}.", refused.message));
    let all: Vec<String> = pods
        .into_iter()
        .chain(refused)
        .chain(namespace::why_nothing_more(held, observed, now))
        .chain(resources::warning(held))
        .collect();
    (!all.is_empty()).then(|| all.join(" "))
}

fn phase(held: &Held, observed: &Observed, ready: usize) -> Phase {
    if held.is_finished() {
        return Phase::Ended;
    }
    if held.has_ended() {
        return Phase::Ending;
    }
    // Whether what was made is ready is told beside, and waited for by nobody.
    let is_running = held.is_complete()
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
