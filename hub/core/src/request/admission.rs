//! Who may ask for a template, and where it reaches.

use breakglass_protocol::kinds::access::Allowed;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_template::{
    DebugSessionTemplate, DebugSessionTemplateSpec,
};
use breakglass_protocol::pattern::PatternSet;

use super::layers::Layers;
use crate::caller::Caller;
use crate::refusal::{Class, Violation};

/// Whether `allowed` names the caller or one of their groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Yes,
    No,
}

/// Whether a template reaches a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    Yes,
    No,
    /// It names no clusters at all: it reaches them through bindings only (S1).
    ThroughBindings,
}

/// Whether the template admits the caller. No `allowed`, or one that names nobody, admits nobody.
#[must_use]
pub fn admits(template: &DebugSessionTemplateSpec, caller: &Caller) -> Admission {
    if Layers::of_template(template).admitted().holds(caller) {
        Admission::Yes
    } else {
        Admission::No
    }
}

/// Whether the template reaches a cluster of this name; by its labels too, if there is one.
#[must_use]
pub fn covers(
    template: &DebugSessionTemplateSpec,
    name: &str,
    cluster: Option<&Cluster>,
) -> Coverage {
    let Some(allowed) = &template.allowed else {
        return Coverage::ThroughBindings;
    };
    if allowed.clusters.is_empty() && allowed.cluster_selector.is_none() {
        return Coverage::ThroughBindings;
    }
    if selects(allowed, name, cluster) {
        Coverage::Yes
    } else {
        Coverage::No
    }
}

/// Whether `allowed` names the cluster: by a glob or by its labels, either is enough.
pub(super) fn selects(allowed: &Allowed, name: &str, cluster: Option<&Cluster>) -> bool {
    let labels = cluster.map(|c| c.metadata.labels.clone().unwrap_or_default());
    let by_label = allowed
        .cluster_selector
        .as_ref()
        .zip(labels.as_ref())
        .is_some_and(|(selector, labels)| selector.matches(labels));
    by_label || matches_any(&allowed.clusters, name)
}

/// Whether one of the globs matches. A list that does not compile matches nothing: it was refused at load.
pub(super) fn matches_any(patterns: &[String], name: &str) -> bool {
    PatternSet::new(patterns).is_ok_and(|set| set.matches(name))
}

pub(super) fn refuse(template: &DebugSessionTemplateSpec, name: &str) -> Violation {
    let groups = template
        .allowed
        .as_ref()
        .map(|a| a.groups.clone())
        .unwrap_or_default();
    let message = if groups.is_empty() {
        format!("session template {name} admits no group, and not you")
    } else {
        format!(
            "session template {name} admits members of {}; you are in none of them",
            groups.join(", ")
        )
    };
    Violation::new(Class::Forbidden, "templateRef", "allowed", message).allowing(groups)
}

/// Whether the template itself reaches the cluster. Whether a cluster that it does not reach exists is not told.
pub(super) fn check_reached(
    template: &DebugSessionTemplate,
    cluster: Option<&Cluster>,
    name: &str,
) -> Result<(), Violation> {
    let template_name = template.metadata.name.as_deref().unwrap_or_default();
    let wrong =
        |message: String| Violation::new(Class::Forbidden, "cluster", "allowed.clusters", message);
    match covers(&template.spec, name, cluster) {
        Coverage::Yes => Ok(()),
        Coverage::No => {
            let allowed = template.spec.allowed.as_ref();
            let clusters = allowed.map(|a| a.clusters.clone()).unwrap_or_default();
            let message =
                format!("session template {template_name} does not reach a cluster {name:?}");
            Err(wrong(message).allowing(clusters))
        }
        Coverage::ThroughBindings => Err(wrong(format!(
            "session template {template_name} reaches clusters through bindings only, and none covers a cluster {name:?}"
        ))),
    }
}

/// The cluster, if it is there and can be used.
pub(super) fn find_cluster<'a>(
    cluster: Option<&'a Cluster>,
    name: &str,
) -> Result<&'a Cluster, Violation> {
    let violation = |class, rule, message: String| Violation::new(class, "cluster", rule, message);
    let Some(cluster) = cluster else {
        let message = format!("there is no cluster {name:?}");
        return Err(violation(Class::NotFound, "cluster.exists", message));
    };
    if cluster
        .status
        .as_ref()
        .is_some_and(|status| status.revoked_at.is_some())
    {
        let message =
            format!("cluster {name} was revoked; an administrator has to register it anew");
        return Err(violation(Class::Conflict, "cluster.revoked", message));
    }
    if cluster.spec.accepted == Some(false) {
        let message = format!(
            "cluster {name} is not accepted yet; an administrator has to run `bgctl cluster accept {name}`"
        );
        return Err(violation(Class::Conflict, "cluster.accepted", message));
    }
    Ok(cluster)
}
