//! What a template offers to a caller: in the list of templates, and on each cluster with its bindings.

use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use jiff::Timestamp;

use crate::caller::{Caller, Standing};
use crate::request::is_open_to;

mod bindings;
mod clusters;
mod namespaces;
mod terms;

pub use bindings::{Knows, Usage, known_of, status};
pub use clusters::{Sought, approval, available_clusters, template_clusters};

/// What there is to offer with, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Supply<'a> {
    pub clusters: &'a [Cluster],
    pub bindings: &'a [DebugSessionClusterBinding],
    pub now: Timestamp,
}

/// Whether the loader found that nobody can use the template (condition `Ready` is False): a request would be refused.
/// A file that was broken by an edit leaves its last good version in use.
fn is_unfit(template: &DebugSessionTemplate) -> bool {
    let conditions = template.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == "Ready")
        .any(|condition| condition.status == "False" && condition.reason != "BrokenEdit")
}

/// What a list of templates should hold besides those that can be requested now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Also templates that reach no cluster on which the caller may request them.
    pub unavailable: bool,
    /// Also hidden ones; only admins are heard.
    pub hidden: bool,
}

/// Whether a caller sees a template: one that admits them, itself or through a binding (admins see all), not hidden unless wanted, with a cluster
/// unless unavailable ones are wanted.
#[must_use]
pub fn is_listed(
    template: &DebugSessionTemplate,
    supply: Supply<'_>,
    caller: &Caller,
    wanted: Wanted,
) -> bool {
    let is_hidden = template.spec.hidden == Some(true);
    let is_shown = !is_hidden || (wanted.hidden && caller.standing == Standing::Admin);
    let is_available = !available_clusters(template, supply, caller).is_empty();
    is_known_to(template, supply.bindings, caller)
        && is_shown
        && (is_available || wanted.unavailable)
}

/// Whether a caller who knows its name may look at a template: one that admits them, itself or through a binding, hidden
/// or not; admins all.
#[must_use]
pub fn is_known_to(
    template: &DebugSessionTemplate,
    bindings: &[DebugSessionClusterBinding],
    caller: &Caller,
) -> bool {
    caller.standing == Standing::Admin || is_open_to(template, bindings, caller)
}
