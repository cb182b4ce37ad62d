//! One question of the API server → one verdict (spec 1 section 8): first debug sessions, which may allow, then [`deny`]
//! policies, which may refuse, then [`strict`] enforcement, else no opinion. Reads immutable indexes, allocates only the reason.

use std::time::Duration;

use breakglass_protocol::limits::WATCH_FRESHNESS;
use breakglass_protocol::wire::access::Denial;
use breakglass_protocol::wire::grant::{Operation, Operations, Role};

use crate::clock::Now;
use crate::grants::{GrantIndex, PodEntry};
use crate::session_pods::SessionPods;

mod decision;
mod deny;
mod strict;

pub use decision::{Decided, Decision, decision};
pub use deny::{DenyIndex, DenyIndexError, NamespaceLabels};
pub use strict::{CANARY_POD, CANARY_USER, Enforcement};

/// What a SubjectAccessReview says, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewFacts {
    pub user: String,
    pub groups: Vec<String>,
    /// `None` for a non-resource request.
    pub resource: Option<ResourceFacts>,
}

/// `resourceAttributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceFacts {
    pub verb: String,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    /// `fieldSelector.requirements`, parsed by the API server. A raw selector is never parsed here: leave it empty.
    pub field_requirements: Vec<FieldRequirement>,
}

/// One `fieldSelector.requirements[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldRequirement {
    pub key: String,
    pub operator: String,
    pub values: Vec<String>,
}

/// How fresh the agent's view of pods is (S3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Monotonic instant of the pod watch's last progress (an event or a bookmark); `None` until it has synced and the
    /// journal is loaded.
    pub last_progress: Option<Duration>,
}

/// What a verdict is made from: one moment's state of the agent.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub grants: &'a GrantIndex,
    pub freshness: Freshness,
    pub denied: &'a DenyIndex,
    pub namespaces: &'a NamespaceLabels,
    pub enforcement: Enforcement,
    /// Every pod with our session label.
    pub session_pods: &'a SessionPods,
    /// The agent's own name in the cluster, to which no policy applies.
    pub agent: &'a str,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow {
        reason: String,
    },
    /// Nothing that the API server asks after this one can allow it.
    Denied {
        reason: String,
    },
    NoOpinion {
        reason: String,
    },
    /// The agent cannot know: the API server does what its configuration says of a webhook that fails.
    Unavailable {
        reason: String,
    },
}

/// What a review asks of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Open(Operation),
    /// `get`, or `list`/`watch` narrowed to the one pod: what kubectl does first.
    See,
}

/// Who a review is about that no session is for (S5): Kubernetes's own and whoever is above RBAC anyway.
const NOT_FOR_SESSIONS: [&str; 4] = [
    "system:serviceaccounts",
    "system:nodes",
    "system:masters",
    "system:unauthenticated",
];

/// Judges one review. The rules in order; the first that says something is told.
#[must_use]
pub fn authorize(known: Known<'_>, review: &ReviewFacts, now: Now) -> Verdict {
    let by_sessions = judge_by_sessions(known.grants, review, now, known.freshness);
    match by_sessions {
        Verdict::Allow { .. } | Verdict::Denied { .. } | Verdict::Unavailable { .. } => by_sessions,
        Verdict::NoOpinion { .. } => strict::judge_canary(review)
            .or_else(|| judge_by_policies(known, review))
            .or_else(|| strict::judge(known, review, now))
            .unwrap_or(by_sessions),
    }
}

/// Rule 2: what a deny policy refuses. Requests for URLs that are no resources are nobody's.
fn judge_by_policies(known: Known<'_>, review: &ReviewFacts) -> Option<Verdict> {
    let request = review.resource.as_ref()?;
    let policy = known.denied.refusing(request, known.namespaces)?;
    // Asked last: nearly every request is refused by nothing.
    if deny::is_exempt(review, known.agent) {
        return None;
    }
    Some(Verdict::Denied {
        reason: format!("breakglass: denied by deny policy {policy}"),
    })
}

/// Rule 1: what a debug session opens.
fn judge_by_sessions(
    index: &GrantIndex,
    review: &ReviewFacts,
    now: Now,
    freshness: Freshness,
) -> Verdict {
    let Some((asked, namespace, pod)) = asked_of_a_pod(review) else {
        return no_opinion("");
    };
    if is_not_for_sessions(review) {
        return no_opinion("");
    }
    if !is_fresh(freshness, now) {
        return no_opinion(
            "breakglass: the agent does not see the cluster's pods at the moment, so no debug session opens anything",
        );
    }
    let mut refusal = None;
    for entry in index.lookup(namespace, pod) {
        match judge_entry(entry, &review.user, asked, now) {
            Judged::Allowed(reason) => return Verdict::Allow { reason },
            Judged::Refused { reason, .. } => refusal = Some(reason),
            Judged::NotTheirs => {}
        }
    }
    // The same words for a pod of somebody else's session as for any other pod: they tell nothing of it.
    Verdict::NoOpinion {
        reason: refusal.unwrap_or_else(|| {
            "breakglass: you have no debug session that opens this pod".to_owned()
        }),
    }
}

enum Judged {
    Allowed(String),
    /// The person's own session does not allow it, and why.
    Refused {
        why: Denial,
        reason: String,
    },
    /// The person is not in this session.
    NotTheirs,
}

fn judge_entry(entry: &PodEntry, user: &str, asked: Asked, now: Now) -> Judged {
    let grant = &entry.grant;
    // Byte for byte (S6).
    let Some(role) = grant.people.get(user).copied() else {
        return Judged::NotTheirs;
    };
    let session = &grant.session;
    if now.wall >= grant.expires_at || now.monotonic >= grant.ends {
        return Judged::Refused {
            why: Denial::Ended,
            reason: format!("breakglass: your debug session {session} has ended"),
        };
    }
    let allowed = match asked {
        Asked::Open(operation) => may(role, grant.operations, operation),
        Asked::See => Operation::ALL
            .iter()
            .any(|operation| may(role, grant.operations, *operation)),
    };
    let (role, asked) = (role_name(role), asked_name(asked));
    if allowed {
        Judged::Allowed(format!(
            "breakglass: debug session {session}, role {role}, operation {asked}"
        ))
    } else {
        Judged::Refused {
            why: Denial::NotAllowed,
            reason: format!(
                "breakglass: your debug session {session} does not allow {asked} to the role {role}"
            ),
        }
    }
}

/// S4: viewers watch, they do not type.
fn may(role: Role, operations: Operations, operation: Operation) -> bool {
    role.permits(operation) && operations.allows(operation)
}

/// The pod that a review is about, if it is about one pod in a way that a session can open.
fn asked_of_a_pod(review: &ReviewFacts) -> Option<(Asked, &str, &str)> {
    let resource = review.resource.as_ref()?;
    if !resource.group.is_empty() || resource.resource != "pods" || resource.namespace.is_empty() {
        return None;
    }
    let verb = resource.verb.as_str();
    let asked = match (resource.subresource.as_str(), verb) {
        ("exec", "get" | "create") => Asked::Open(Operation::Exec),
        ("attach", "get" | "create") => Asked::Open(Operation::Attach),
        ("portforward", "get" | "create") => Asked::Open(Operation::PortForward),
        ("log", "get") => Asked::Open(Operation::Logs),
        ("", "get" | "list" | "watch") => Asked::See,
        _ => return None,
    };
    let pod = match verb {
        "list" | "watch" if resource.subresource.is_empty() => selected_name(resource)?,
        _ => resource.name.as_str(),
    };
    (!pod.is_empty() && pod != "*").then_some((asked, resource.namespace.as_str(), pod))
}

/// S3: exactly one parsed `metadata.name` equality, nothing beside it.
fn selected_name(resource: &ResourceFacts) -> Option<&str> {
    let [requirement] = resource.field_requirements.as_slice() else {
        return None;
    };
    let [name] = requirement.values.as_slice() else {
        return None;
    };
    let is_equality = requirement.key == "metadata.name" && requirement.operator == "In";
    // The API server also puts the name it found in the selector into `name`; another one there is no equality.
    let agrees = resource.name.is_empty() || resource.name == *name;
    (is_equality && agrees).then_some(name.as_str())
}

fn is_not_for_sessions(review: &ReviewFacts) -> bool {
    review.user.starts_with("system:")
        || review
            .groups
            .iter()
            .any(|group| NOT_FOR_SESSIONS.contains(&group.as_str()))
}

fn is_fresh(freshness: Freshness, now: Now) -> bool {
    freshness
        .last_progress
        .is_some_and(|at| now.monotonic.saturating_sub(at) < WATCH_FRESHNESS)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Participant => "participant",
        Role::Viewer => "viewer",
    }
}

fn asked_name(asked: Asked) -> &'static str {
    match asked {
        Asked::Open(Operation::Exec) => "exec",
        Asked::Open(Operation::Attach) => "attach",
        Asked::Open(Operation::Logs) => "logs",
        Asked::Open(Operation::PortForward) => "port-forward",
        Asked::See => "get",
    }
}

fn no_opinion(reason: &str) -> Verdict {
    Verdict::NoOpinion {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
