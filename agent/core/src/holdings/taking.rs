//! How a frame of the hub becomes, or changes, what is held.

use breakglass_protocol::limits::MAX_PEOPLE_PER_SESSION;
use breakglass_protocol::wire::grant::{AtExpiry, Desired, EndReason, Grant};

use super::{Received, Taken};
use crate::ceiling::{Ceiling, judge_grant, leave_out_unlisted, settle_namespace};
use crate::clock::Now;
use crate::held::Held;
use crate::pods::shortened;
use crate::quota;
use crate::workload::{self, Rendered, Seed};

/// Takes a later frame into a grant that is held. What was approved never changes (S7, D4): work, namespace, labels and
/// name stay those of the first frame.
pub(super) fn update(held: &mut Held, received: Received, now: Now) -> Taken {
    if held.has_ended() {
        return released(held, &received.grant, now);
    }
    let before = changing(held);
    let grant = received.grant;
    held.deadline
        .receive(grant.renewal, grant.expires_at, received.remaining, now);
    held.grant.at_expiry = grant.at_expiry;
    if let Some((reason, message)) = wanted_end(&grant) {
        held.end(reason, message, now);
    } else if let Some(why) = missing(&received.missing_features) {
        held.end(EndReason::Failed, Some(why), now);
    } else if let Some(why) = too_many_people(&grant) {
        held.end(EndReason::Failed, Some(why), now);
    } else {
        held.grant.people = grant.people;
        held.grant.operations = grant.operations;
        held.grant.recycle = held.grant.recycle.max(grant.recycle);
        held.grant.renewal = held.deadline.renewal();
        held.grant.expires_at = held.deadline.expires_at();
        held.grant.last_end = grant.last_end;
    }
    if changing(held) == before {
        return Taken::Same;
    }
    if !held.has_ended() {
        held.touch();
    }
    Taken::Changed
}

/// After the end a frame can only say that what stayed is to go.
fn released(held: &mut Held, grant: &Grant, now: Now) -> Taken {
    match grant.at_expiry {
        AtExpiry::RemoveAll if held.keeps_workload() => {
            held.release(now);
            Taken::Changed
        }
        AtExpiry::RemoveAll | AtExpiry::KeepWorkload => Taken::Same,
    }
}

/// All that a later frame can change.
fn changing(held: &Held) -> impl PartialEq + use<> {
    (
        held.grant.people.clone(),
        held.grant.operations,
        held.grant.last_end,
        (held.grant.recycle, held.grant.at_expiry),
        held.deadline.renewal(),
        held.deadline.expires_at(),
        held.deadline.ends(),
        held.has_ended(),
    )
}

/// The end that the hub asks for.
pub(super) fn wanted_end(grant: &Grant) -> Option<(EndReason, Option<String>)> {
    match &grant.desired {
        Desired::Running {} => None,
        Desired::Ended { reason, by, .. } => Some((
            *reason,
            by.as_ref().map(|by| format!("ended by {}", shortened(by))),
        )),
    }
}

/// The grant's manifests, or why it is not taken, in words for its people.
pub(super) fn render_within(
    ceiling: &Ceiling,
    grant: &Grant,
    lacking: &[String],
    seed: &Seed,
    now: Now,
) -> Result<Rendered, String> {
    if let Some(why) = missing(lacking).or_else(|| too_many_people(grant)) {
        return Err(why);
    }
    let mut rendered = workload::render(grant, seed).map_err(|e| e.to_string())?;
    leave_out_unlisted(ceiling, &mut rendered);
    let unbounded = quota::judge_containers(grant, &rendered);
    if !unbounded.is_empty() {
        return Err(in_words(&unbounded));
    }
    settle_namespace(ceiling, &mut rendered);
    judge_grant(ceiling, grant, &rendered, now.wall).map_err(|refusals| in_words(&refusals))?;
    Ok(rendered)
}

fn in_words(refusals: &[impl ToString]) -> String {
    let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// D17: an ignored restriction would fail open.
fn missing(features: &[String]) -> Option<String> {
    (!features.is_empty()).then(|| {
        format!(
            "the session needs what this cluster's agent does not have ({}); upgrade the agent",
            features.join(", ")
        )
    })
}

fn too_many_people(grant: &Grant) -> Option<String> {
    (grant.people.len() > MAX_PEOPLE_PER_SESSION).then(|| {
        format!(
            "the session has {} people; at most {MAX_PEOPLE_PER_SESSION} are possible",
            grant.people.len()
        )
    })
}
