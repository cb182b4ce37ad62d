//! Through which binding a session is made (S1): which bindings open the template on the cluster, which of them hold now,
//! which admit the caller, and which one of those counts.
//!
//! On a cluster that any binding of the template covers, whatever its state, the template is requested through a binding.
//! A hidden binding is used by whoever names it; it is neither chosen by itself nor told to those whom it does not admit.

use std::collections::BTreeMap;

use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use jiff::Timestamp;

use super::admission::{self, Admission};
use super::layers::Layers;
use crate::caller::Caller;

mod readiness;
mod way;

pub use readiness::readiness as binding_readiness;
pub(super) use way::{Way, find_way};

/// What made a binding cover a cluster (`status.resolvedClusters[].matchedBy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedBy {
    /// `clusters` names it.
    Name,
    /// `clusterSelector` selects its labels.
    Selector,
}

impl MatchedBy {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "clusters",
            Self::Selector => "clusterSelector",
        }
    }
}

/// Whether a binding holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Effective,
    Disabled,
    /// Before `effectiveFrom`.
    NotYet(Timestamp),
    /// From `expiresAt` on.
    Expired(Timestamp),
}

impl Effect {
    /// Why a binding does not hold, worded to follow its name; `None` where it does.
    #[must_use]
    pub fn why_not(self) -> Option<String> {
        match self {
            Self::Effective => None,
            Self::Disabled => Some("is disabled".to_owned()),
            Self::NotYet(from) => Some(format!("holds only from {from} on")),
            Self::Expired(until) => Some(format!("expired at {until}")),
        }
    }
}

/// What people read for the binding: its own `displayName`, else the template's behind its prefix.
#[must_use]
pub fn display_name(
    binding: &DebugSessionClusterBinding,
    template: &DebugSessionTemplate,
) -> String {
    if let Some(own) = &binding.spec.display_name {
        return own.clone();
    }
    let name = template.metadata.name.as_deref().unwrap_or_default();
    let of_template = template.spec.display_name.as_deref().unwrap_or(name);
    match &binding.spec.display_name_prefix {
        Some(prefix) => format!("{prefix}{of_template}"),
        None => of_template.to_owned(),
    }
}

/// `namespace/name`.
#[must_use]
pub fn full_name(binding: &DebugSessionClusterBinding) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let metadata = &binding.metadata;
    format!("{}/{}", part(&metadata.namespace), part(&metadata.name))
}

/// Whether the binding is the template's: by name, or by the template's labels.
#[must_use]
pub fn opens(binding: &DebugSessionClusterBinding, template: &DebugSessionTemplate) -> bool {
    let spec = &binding.spec;
    let by_name = spec
        .template_ref
        .as_ref()
        .is_some_and(|wanted| Some(&wanted.name) == template.metadata.name.as_ref());
    let none = BTreeMap::new();
    let labels = template.metadata.labels.as_ref().unwrap_or(&none);
    let by_label = spec
        .template_selector
        .as_ref()
        .is_some_and(|selector| selector.matches(labels));
    by_name || by_label
}

/// Whether the binding covers a cluster of this name; by its labels too, if there is one. Either is enough (D3).
#[must_use]
pub fn reaches(
    binding: &DebugSessionClusterBinding,
    name: &str,
    cluster: Option<&Cluster>,
) -> Option<MatchedBy> {
    if binding.spec.clusters.iter().any(|known| known == name) {
        return Some(MatchedBy::Name);
    }
    let selector = binding.spec.cluster_selector.as_ref()?;
    let none = BTreeMap::new();
    let labels = cluster?.metadata.labels.as_ref().unwrap_or(&none);
    selector.matches(labels).then_some(MatchedBy::Selector)
}

/// Whether the binding holds now.
#[must_use]
pub fn effect(binding: &DebugSessionClusterBinding, now: Timestamp) -> Effect {
    let spec = &binding.spec;
    if spec.disabled == Some(true) {
        return Effect::Disabled;
    }
    match (&spec.effective_from, &spec.expires_at) {
        (Some(from), _) if now < from.0 => Effect::NotYet(from.0),
        (_, Some(until)) if now >= until.0 => Effect::Expired(until.0),
        (Some(_) | None, Some(_) | None) => Effect::Effective,
    }
}

/// Whether the binding admits the caller: its own people, or the template's where it names none; and, where its `allowed`
/// names clusters, on those only.
#[must_use]
pub fn binding_admits(binding: &DebugSessionClusterBinding, wish: &Wish<'_>) -> Admission {
    let layers = Layers {
        template: &wish.template.spec,
        binding: Some(&binding.spec),
    };
    let allowed = binding.spec.allowed.as_ref();
    let names_clusters =
        allowed.is_some_and(|a| !a.clusters.is_empty() || a.cluster_selector.is_some());
    let on_this_cluster = !names_clusters
        || allowed.is_some_and(|a| admission::selects(a, wish.cluster_name, wish.cluster));
    if on_this_cluster && layers.admitted().holds(wish.caller) {
        Admission::Yes
    } else {
        Admission::No
    }
}

/// Whether the template is open to somebody at all: it admits them, or one of its bindings does, in whatever state.
#[must_use]
pub fn is_open_to(
    template: &DebugSessionTemplate,
    bindings: &[DebugSessionClusterBinding],
    caller: &Caller,
) -> bool {
    let of_binding = |binding: &DebugSessionClusterBinding| {
        let layers = Layers {
            template: &template.spec,
            binding: Some(&binding.spec),
        };
        opens(binding, template) && layers.admitted().holds(caller)
    };
    admission::admits(&template.spec, caller) == Admission::Yes || bindings.iter().any(of_binding)
}

/// Who wants what where.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    pub template: &'a DebugSessionTemplate,
    pub cluster_name: &'a str,
    /// `None` where there is no such cluster.
    pub cluster: Option<&'a Cluster>,
    pub caller: &'a Caller,
    pub now: Timestamp,
}

/// One binding that covers what is wished.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub binding: &'a DebugSessionClusterBinding,
    pub effect: Effect,
    pub admission: Admission,
}

impl Candidate<'_> {
    fn is_hidden(&self) -> bool {
        self.binding.spec.hidden == Some(true)
    }

    /// Whether somebody who names it may use it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.effect == Effect::Effective && self.admission == Admission::Yes
    }

    /// Whether it may be chosen for somebody who names none.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.is_usable() && !self.is_hidden()
    }
}

/// Every binding of the template that covers the cluster, whatever its state, by name.
#[must_use]
pub fn candidates<'a>(
    bindings: impl IntoIterator<Item = &'a DebugSessionClusterBinding>,
    wish: &Wish<'_>,
) -> Vec<Candidate<'a>> {
    let mut found: Vec<Candidate<'a>> = bindings
        .into_iter()
        .filter(|binding| opens(binding, wish.template))
        .filter(|binding| reaches(binding, wish.cluster_name, wish.cluster).is_some())
        .map(|binding| Candidate {
            binding,
            effect: effect(binding, wish.now),
            admission: binding_admits(binding, wish),
        })
        .collect();
    found.sort_by_key(|candidate| full_name(candidate.binding));
    found
}

/// Those of the highest priority among the bindings that may be chosen: one is the choice, several are a tie.
#[must_use]
pub fn foremost<'a>(candidates: &[Candidate<'a>]) -> Vec<&'a DebugSessionClusterBinding> {
    let priority = |binding: &DebugSessionClusterBinding| binding.spec.priority.unwrap_or(0);
    let offered = || candidates.iter().filter(|c| c.is_offered());
    let highest = offered().map(|c| priority(c.binding)).max();
    offered()
        .map(|c| c.binding)
        .filter(|binding| Some(priority(binding)) == highest)
        .collect()
}
