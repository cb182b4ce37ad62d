//! Whether the catalogue of now still offers a session to its requester (S7).

use jiff::Timestamp;

use super::admission::{self, Admission};
use super::{Catalogue, Wish, admits, binding, binding_readiness, readiness};
use crate::caller::{Caller, Standing};
use crate::lifecycle::StillOffered;
use crate::session::Session;

/// The template, its pod and the binding are there and fit for use, the requester (with the groups of the request) is
/// admitted, the cluster is covered. Edits that leave all of this true change nothing: the snapshot is what runs.
#[must_use]
pub fn still_offered(session: &Session, catalogue: &Catalogue<'_>, now: Timestamp) -> StillOffered {
    match problem(session, catalogue, now) {
        None => StillOffered::Yes,
        Some(reason) => StillOffered::No { reason },
    }
}

fn problem(session: &Session, catalogue: &Catalogue<'_>, now: Timestamp) -> Option<String> {
    let name = &session.spec.template_ref;
    let Some(template) = catalogue.template else {
        return Some(format!("session template {name} was deleted"));
    };
    if let Some(problem) = readiness(template, catalogue.pod_template).first() {
        return Some(format!(
            "session template {name} cannot be used now: {}",
            problem.message
        ));
    }
    let requester = Caller {
        identity: session.requester.clone(),
        display_name: None,
        groups: session.spec.user_groups.clone(),
        standing: Standing::User,
    };
    let wish = Wish {
        template,
        cluster_name: &session.spec.cluster,
        cluster: catalogue.cluster,
        caller: &requester,
        now,
    };
    of_way(session, catalogue, &wish).or_else(|| {
        admission::find_cluster(catalogue.cluster, &session.spec.cluster)
            .err()
            .map(|violation| violation.message)
    })
}

/// What is wrong with the way by which the session was requested.
fn of_way(session: &Session, catalogue: &Catalogue<'_>, wish: &Wish<'_>) -> Option<String> {
    let candidates = binding::candidates(catalogue.bindings, wish);
    let Some(reference) = &session.spec.binding_ref else {
        return directly(session, &candidates, wish);
    };
    let name = format!("{}/{}", reference.namespace, reference.name);
    if !catalogue
        .bindings
        .iter()
        .any(|b| binding::full_name(b) == name)
    {
        return Some(format!("binding {name} was deleted"));
    }
    let Some(found) = candidates
        .iter()
        .find(|c| binding::full_name(c.binding) == name)
    else {
        return Some(format!(
            "binding {name} no longer opens session template {} to cluster {}",
            session.spec.template_ref, session.spec.cluster
        ));
    };
    if let Some(why) = found.effect.why_not() {
        return Some(format!("binding {name} {why}"));
    }
    if found.admission == Admission::No {
        let who = &session.requester.name;
        return Some(format!("binding {name} no longer admits {who}"));
    }
    binding_readiness(&name, &found.binding.spec, &wish.template.spec)
        .into_iter()
        .next()
        .map(|problem| problem.message)
}

/// Of a session made through no binding: since S1, a binding that covers the cluster now takes that way away.
fn directly(
    session: &Session,
    candidates: &[binding::Candidate<'_>],
    wish: &Wish<'_>,
) -> Option<String> {
    let (name, cluster) = (&session.spec.template_ref, &session.spec.cluster);
    if !candidates.is_empty() {
        return Some(format!(
            "session template {name} is by now requested through a binding on cluster {cluster}"
        ));
    }
    if admits(&wish.template.spec, wish.caller) == Admission::No {
        let who = &session.requester.name;
        return Some(format!("session template {name} no longer admits {who}"));
    }
    admission::check_reached(wish.template, wish.cluster, cluster)
        .err()
        .map(|violation| violation.message)
}
