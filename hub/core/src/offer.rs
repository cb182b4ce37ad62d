//! What a template offers to a caller, for the list of templates. Constraints per cluster come with bindings.

use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_template::{
    DebugSessionTemplate, DebugSessionTemplateSpec,
};

use crate::caller::{Caller, Standing};
use crate::request::{Admission, Coverage, admits, covers};

/// The registered, accepted clusters on which this caller may request the template now, by name.
#[must_use]
pub fn available_clusters<'a>(
    template: &DebugSessionTemplate,
    clusters: impl IntoIterator<Item = &'a Cluster>,
    caller: &Caller,
) -> Vec<ClusterName> {
    if admits(&template.spec, caller) == Admission::No || is_unfit(template) {
        return Vec::new();
    }
    let mut names: Vec<ClusterName> = clusters
        .into_iter()
        .filter(|cluster| cluster.spec.accepted != Some(false))
        .filter(|cluster| {
            cluster
                .status
                .as_ref()
                .is_none_or(|s| s.revoked_at.is_none())
        })
        .filter_map(|cluster| {
            let name = cluster.metadata.name.as_deref()?;
            (covers(&template.spec, name, Some(cluster)) == Coverage::Yes)
                .then(|| ClusterName::new(name))
        })
        .collect();
    names.sort();
    names
}

/// Whether the loader found that nobody can use the template (condition `Ready` is False): a request would be refused.
/// A file that was broken by an edit leaves its last good version in use.
fn is_unfit(template: &DebugSessionTemplate) -> bool {
    let conditions = template.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == "Ready")
        .any(|condition| condition.status == "False" && condition.reason != "BrokenEdit")
}

/// Whether the template has approvers at all; some requests may still be approved by themselves.
#[must_use]
pub fn requires_approval(template: &DebugSessionTemplateSpec) -> bool {
    template
        .approvers
        .as_ref()
        .is_some_and(|a| !a.groups.is_empty() || !a.users.is_empty())
}

/// What a list of templates should hold besides those that can be requested now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Also templates that reach no cluster on which the caller may request them.
    pub unavailable: bool,
    /// Also hidden ones; only admins are heard.
    pub hidden: bool,
}

/// Whether a caller sees a template: one that admits them (admins see all), not hidden unless wanted, with a cluster
/// unless unavailable ones are wanted.
#[must_use]
pub fn is_listed(
    template: &DebugSessionTemplate,
    clusters: &[Cluster],
    caller: &Caller,
    wanted: Wanted,
) -> bool {
    let is_hidden = template.spec.hidden == Some(true);
    let is_shown = !is_hidden || (wanted.hidden && caller.standing == Standing::Admin);
    let is_available = !available_clusters(template, clusters, caller).is_empty();
    is_known_to(template, caller) && is_shown && (is_available || wanted.unavailable)
}

/// Whether a caller who knows its name may look at a template: one that admits them, hidden or not; admins all.
#[must_use]
pub fn is_known_to(template: &DebugSessionTemplate, caller: &Caller) -> bool {
    caller.standing == Standing::Admin || admits(&template.spec, caller) == Admission::Yes
}
