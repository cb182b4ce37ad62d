//! A binding as people see it: who may know of it, and its status, made anew at each look from what is stored.

use std::collections::BTreeMap;

use breakglass_protocol::kinds::Time;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_cluster_binding::{
    DebugSessionClusterBinding, DebugSessionClusterBindingStatus, NameCollision, ResolvedCluster,
    ResolvedTemplate,
};
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;

use super::{Supply, is_unfit};
use crate::caller::{Caller, Standing};
use crate::ledger::{Ledger, Seen};
use crate::request::{
    Effect, Layers, binding_readiness, display_name, effect, full_name, opens, reaches,
};

/// What a caller may know of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    Nothing,
    /// Those who name it see it, but no list shows it.
    IfNamed,
    /// All but who has sessions through it, and what else has its name.
    It,
    Everything,
}

/// Those whom it admits and its approvers know a binding, admins know everything. `templates` are all.
#[must_use]
pub fn known_of(
    binding: &DebugSessionClusterBinding,
    templates: &[DebugSessionTemplate],
    caller: &Caller,
) -> Knows {
    if caller.standing == Standing::Admin {
        return Knows::Everything;
    }
    let mut opened = templates.iter().filter(|template| opens(binding, template));
    let concerns_them = opened.any(|template| {
        let layers = Layers {
            template: &template.spec,
            binding: Some(&binding.spec),
        };
        let decides = layers
            .approvers()
            .is_some_and(|a| caller.is_named_in(&a.users) || caller.is_in_any(&a.groups));
        decides || layers.admitted().holds(caller)
    });
    match (concerns_them, binding.spec.hidden == Some(true)) {
        (false, _) => Knows::Nothing,
        (true, true) => Knows::IfNamed,
        (true, false) => Knows::It,
    }
}

/// How a binding is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sessions that are Active now.
    pub active: usize,
    /// The same by the requester's name.
    pub active_by_user: BTreeMap<String, usize>,
    /// Sessions that are not Active yet.
    pub pending: usize,
    /// All that were ever made.
    pub seen: Seen,
}

impl Usage {
    /// With what the ledger remembers of sessions that are not kept any more.
    #[must_use]
    pub fn remembering(self, ledger: Ledger) -> Self {
        let ledger = ledger.counting(self.seen);
        let seen = Seen {
            sessions: ledger.made,
            newest: ledger.last_made_at,
        };
        Self { seen, ..self }
    }
}

/// The binding's status now. Conditions are those that the loader stored.
/// What only [`Knows::Everything`] covers is left out for others.
#[must_use]
pub fn status(
    binding: &DebugSessionClusterBinding,
    templates: &[DebugSessionTemplate],
    supply: Supply<'_>,
    usage: &Usage,
    knows: Knows,
) -> DebugSessionClusterBindingStatus {
    let opened: Vec<&DebugSessionTemplate> = templates
        .iter()
        .filter(|template| opens(binding, template))
        .collect();
    let stored = binding.status.clone().unwrap_or_default();
    let (active_by_user, name_collisions) = match knows {
        Knows::Everything => (by_user(usage), collisions(binding, &opened, supply)),
        Knows::Nothing | Knows::IfNamed | Knows::It => (BTreeMap::new(), Vec::new()),
    };
    DebugSessionClusterBindingStatus {
        conditions: stored.conditions,
        observed_generation: stored.observed_generation,
        is_active: Some(effect(binding, supply.now) == Effect::Effective),
        effective_display_name: effective_name(binding, &opened),
        active_session_count: Some(count(usage.active)),
        pending_session_count: Some(count(usage.pending)),
        total_session_count: Some(i64::try_from(usage.seen.sessions).unwrap_or(i64::MAX)),
        last_used: usage.seen.newest.map(Time),
        resolved_clusters: resolved_clusters(binding, supply.clusters),
        resolved_templates: opened
            .iter()
            .map(|t| resolved_template(binding, t))
            .collect(),
        active_by_user,
        name_collisions,
    }
}

/// Of a binding that opens several templates, its own name only.
fn effective_name(
    binding: &DebugSessionClusterBinding,
    opened: &[&DebugSessionTemplate],
) -> Option<String> {
    match opened {
        [one] => Some(display_name(binding, one)),
        [] | [_, _, ..] => binding.spec.display_name.clone(),
    }
}

fn resolved_clusters(
    binding: &DebugSessionClusterBinding,
    clusters: &[Cluster],
) -> Vec<ResolvedCluster> {
    clusters
        .iter()
        .filter_map(|cluster| {
            let name = cluster.metadata.name.as_deref()?;
            let matched = reaches(binding, name, Some(cluster))?;
            let status = cluster.status.as_ref();
            let ready = cluster.spec.accepted != Some(false)
                && status.is_some_and(|s| s.connected == Some(true) && s.revoked_at.is_none());
            Some(ResolvedCluster {
                name: name.to_owned(),
                matched_by: Some(matched.as_str().to_owned()),
                ready: Some(ready),
            })
        })
        .collect()
}

fn resolved_template(
    binding: &DebugSessionClusterBinding,
    template: &DebugSessionTemplate,
) -> ResolvedTemplate {
    let name = full_name(binding);
    let fits = binding_readiness(&name, &binding.spec, &template.spec).is_empty();
    ResolvedTemplate {
        name: template.metadata.name.clone().unwrap_or_default(),
        display_name: template.spec.display_name.clone(),
        ready: Some(fits && !is_unfit(template)),
    }
}

fn by_user(usage: &Usage) -> BTreeMap<String, i32> {
    let users = usage.active_by_user.iter();
    users.map(|(name, n)| (name.clone(), count(*n))).collect()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Other bindings that are listed under the same name for the same template on the same cluster.
fn collisions(
    binding: &DebugSessionClusterBinding,
    opened: &[&DebugSessionTemplate],
    supply: Supply<'_>,
) -> Vec<NameCollision> {
    let own = full_name(binding);
    let mut found = Vec::new();
    for template in opened {
        let name = display_name(binding, template);
        let others = supply.bindings.iter().filter(|other| {
            full_name(other) != own
                && opens(other, template)
                && display_name(other, template) == name
        });
        for other in others {
            for cluster in supply.clusters {
                let cluster_name = cluster.metadata.name.as_deref().unwrap_or_default();
                let both = [binding, other].map(|b| reaches(b, cluster_name, Some(cluster)));
                if both.iter().all(Option::is_some) {
                    found.push(NameCollision {
                        cluster_name: cluster_name.to_owned(),
                        colliding_binding: other.metadata.name.clone().unwrap_or_default(),
                        colliding_binding_namespace: other.metadata.namespace.clone(),
                        effective_name: name.clone(),
                        template_name: template.metadata.name.clone().unwrap_or_default(),
                    });
                }
            }
        }
    }
    found
}
