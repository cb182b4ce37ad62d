//! `enforcement: strict` (S15): what no session allows on a session's pod is refused, so that RBAC behind the webhook
//! cannot open it. Here a label is enough to refuse; it never allows anything.
//!
//! Also the canary, by which the agent proves that the API server asks it before RBAC: a made-up user whom the chart's
//! RBAC allows one thing that the webhook always refuses.

use super::{Known, ResourceFacts, ReviewFacts, Verdict, deny, is_fresh};
use crate::clock::Now;

/// Whether the webhook refuses what sessions do not allow on their pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// RBAC decides about what no session allows.
    #[default]
    Off,
    Strict,
}

/// Whom the canary's question is about; the chart's Role names the same. Nobody has this name: an authenticator gives out
/// no names with a colon unless it is told to.
pub const CANARY_USER: &str = "breakglass:order-canary";
/// The pod of the canary's question; none has this name.
pub const CANARY_POD: &str = "breakglass-order-canary";

/// Ways into a pod, and to it, that a session opens to its people at most.
const WAYS_IN: [&str; 6] = [
    "exec",
    "attach",
    "portforward",
    "log",
    "ephemeralcontainers",
    "proxy",
];

/// Refuses the canary, whatever else is known.
pub(super) fn judge_canary(review: &ReviewFacts) -> Option<Verdict> {
    let request = review.resource.as_ref()?;
    let is_canary = review.user == CANARY_USER
        && request.resource == "pods"
        && request.subresource == "exec"
        && request.name == CANARY_POD;
    is_canary.then(|| Verdict::Denied {
        reason: "breakglass: the canary is always refused".to_owned(),
    })
}

/// Rule 3. Where the agent does not know which pods are sessions', it does not answer.
pub(super) fn judge(known: Known<'_>, review: &ReviewFacts, now: Now) -> Option<Verdict> {
    match known.enforcement {
        Enforcement::Off => return None,
        Enforcement::Strict => {}
    }
    let request = review.resource.as_ref()?;
    if !touches_a_pod(request) || deny::is_exempt(review, known.agent) {
        return None;
    }
    if !is_fresh(known.freshness, now) {
        return Some(Verdict::Unavailable {
            reason: "breakglass: the agent does not see the cluster's pods at the moment"
                .to_owned(),
        });
    }
    let is_sessions = known
        .session_pods
        .contains(&request.namespace, &request.name)
        || !known
            .grants
            .lookup(&request.namespace, &request.name)
            .is_empty();
    is_sessions.then(|| Verdict::Denied {
        reason: "breakglass: this is a debug session's pod, and you have no session that allows this (enforcement: strict)"
            .to_owned(),
    })
}

/// Whether it is a way into one pod, or changes one.
fn touches_a_pod(request: &ResourceFacts) -> bool {
    let changes = matches!(request.verb.as_str(), "update" | "patch");
    let is_way_in = WAYS_IN.contains(&request.subresource.as_str());
    request.group.is_empty() && request.resource == "pods" && (changes || is_way_in)
}
