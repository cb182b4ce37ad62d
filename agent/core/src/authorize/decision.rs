//! What of a verdict goes into the audit log: whom a session let in, and who was not let in where that concerns a session
//! or a deny policy. An API server asks thousands of things that concern neither; of those nothing is kept.
//!
//! Looked at after the verdict, so that the answer costs nothing more.

use breakglass_protocol::limits::MAX_AUDIT_TEXT;
use breakglass_protocol::wire::access::{Access, Denial, SessionRef};

use super::{
    Asked, Judged, Known, ResourceFacts, ReviewFacts, Verdict, asked_name, asked_of_a_pod,
    is_fresh, is_not_for_sessions, judge_entry, strict,
};
use crate::clock::Now;
use crate::grants::{GrantEntry, PodEntry};

/// One decision that is worth a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decision {
    pub access: Access,
    pub decided: Decided,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decided {
    Allowed,
    Denied(Denial),
}

/// What is recorded of a verdict, if anything is. Texts are cut to [`MAX_AUDIT_TEXT`].
#[must_use]
pub fn decision(
    known: Known<'_>,
    review: &ReviewFacts,
    verdict: &Verdict,
    now: Now,
) -> Option<Decision> {
    let request = review.resource.as_ref()?;
    let (decided, session) = match verdict {
        Verdict::Allow { .. } => {
            let (asked, entries) = of_sessions(known, review)?;
            let opens = |entry: &&PodEntry| {
                matches!(
                    judge_entry(entry, &review.user, asked, now),
                    Judged::Allowed(_)
                )
            };
            (Decided::Allowed, Some(entries.iter().find(opens)?))
        }
        Verdict::Denied { .. } => {
            if strict::judge_canary(review).is_some() {
                return None;
            }
            let policy = known.denied.refusing(request, known.namespaces);
            let why = policy.map_or(Denial::Strict, |name| Denial::Policy { name: cut(name) });
            let held = known.grants.lookup(&request.namespace, &request.name);
            let is_pod = request.group.is_empty() && request.resource == "pods";
            (Decided::Denied(why), held.first().filter(|_| is_pod))
        }
        Verdict::NoOpinion { .. } | Verdict::Unavailable { .. } => {
            let (why, entry) = not_let_in(known, review, now)?;
            (Decided::Denied(why), Some(entry))
        }
    };
    Some(Decision {
        access: Access {
            session: session.map(|entry| session_of(&entry.grant)),
            user: cut(&review.user),
            operation: operation(review, request),
            namespace: cut(&request.namespace),
            name: cut(&request.name),
        },
        decided,
    })
}

/// Why nobody was let in by a session that holds the pod. Kubernetes's own are not told: RBAC is for them.
fn not_let_in<'a>(
    known: Known<'a>,
    review: &ReviewFacts,
    now: Now,
) -> Option<(Denial, &'a PodEntry)> {
    let (asked, entries) = of_sessions(known, review)?;
    if is_not_for_sessions(review) {
        return None;
    }
    let first = entries.first()?;
    if !is_fresh(known.freshness, now) {
        return Some((Denial::Unseen, first));
    }
    let own = entries
        .iter()
        .find_map(|entry| match judge_entry(entry, &review.user, asked, now) {
            Judged::Refused { why, .. } => Some((why, entry)),
            Judged::Allowed(_) | Judged::NotTheirs => None,
        });
    Some(own.unwrap_or((Denial::NotInSession, first)))
}

/// The pod's sessions, if it is a pod that a session could open.
fn of_sessions<'a>(known: Known<'a>, review: &ReviewFacts) -> Option<(Asked, &'a [PodEntry])> {
    let (asked, namespace, pod) = asked_of_a_pod(review)?;
    Some((asked, known.grants.lookup(namespace, pod)))
}

fn session_of(grant: &GrantEntry) -> SessionRef {
    SessionRef {
        uid: grant.uid.clone(),
        name: grant.session.clone(),
    }
}

fn operation(review: &ReviewFacts, request: &ResourceFacts) -> String {
    if let Some((asked, _, _)) = asked_of_a_pod(review) {
        return asked_name(asked).to_owned();
    }
    let mut text = format!("{} {}", request.verb, request.resource);
    for (sign, part) in [('/', &request.subresource), ('.', &request.group)] {
        if !part.is_empty() {
            text.push(sign);
            text.push_str(part);
        }
    }
    cut(&text)
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_AUDIT_TEXT).collect()
}
