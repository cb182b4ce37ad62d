//! On which clusters a caller may request a template now, through which bindings, and what they get there: judged by the
//! very rules that a request meets.

use breakglass_protocol::api::offer::{
    BindingOption, ClusterHealth, ClusterOffer, Offer, OfferedBinding, TemplateClusters,
};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;

use super::{Supply, is_unfit, terms};
use crate::caller::Caller;
use crate::request::{
    Admission, Candidate, Coverage, Layers, Wish, admits, binding_readiness, candidates, covers,
    display_name, foremost, full_name, opens, reference_to, requirement,
};
use crate::snapshot::Requirement;

/// Which clusters somebody wants to see; `None` is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    pub environment: Option<String>,
    pub location: Option<String>,
    /// `namespace/name` or `name` of a binding: only where it may be used, and with what it gives. Hidden ones too.
    pub binding: Option<String>,
}

/// What the template offers to the caller, by cluster's name.
#[must_use]
pub fn template_clusters(
    template: &DebugSessionTemplate,
    supply: Supply<'_>,
    caller: &Caller,
    sought: &Sought,
) -> TemplateClusters {
    let name = template.metadata.name.clone().unwrap_or_default();
    let mut clusters: Vec<ClusterOffer> = reachable(template, supply, caller, sought)
        .into_iter()
        .filter(|found| is_sought(found.cluster, sought))
        .map(|found| cluster_offer(template, &found, caller))
        .collect();
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    TemplateClusters {
        template_display_name: template.spec.display_name.clone().unwrap_or(name.clone()),
        template_name: name,
        clusters,
    }
}

/// The registered, accepted clusters on which this caller may request the template now, by name.
#[must_use]
pub fn available_clusters(
    template: &DebugSessionTemplate,
    supply: Supply<'_>,
    caller: &Caller,
) -> Vec<ClusterName> {
    let mut names: Vec<ClusterName> = reachable(template, supply, caller, &Sought::default())
        .into_iter()
        .map(|found| ClusterName::new(found.name))
        .collect();
    names.sort();
    names
}

/// Whether a request of this caller waits for an approver in one at least of the ways that it can go now. Where none is
/// open, what the template alone says.
#[must_use]
pub fn approval(
    template: &DebugSessionTemplate,
    supply: Supply<'_>,
    caller: &Caller,
) -> Requirement {
    let reached = reachable(template, supply, caller, &Sought::default());
    let judge = |binding: Option<&DebugSessionClusterBinding>, cluster: &str| {
        requirement(layers(template, binding), caller, cluster)
    };
    let mut ways = reached.iter().flat_map(|found| match &found.ways {
        Ways::Direct => vec![judge(None, found.name)],
        Ways::Through { open, .. } => open
            .iter()
            .map(|binding| judge(Some(binding), found.name))
            .collect(),
    });
    if reached.is_empty() {
        // No cluster has an empty name: only `*` approves by itself everywhere.
        judge(None, "")
    } else if ways.any(|way| way == Requirement::Required) {
        Requirement::Required
    } else {
        Requirement::NotRequired
    }
}

fn layers<'a>(
    template: &'a DebugSessionTemplate,
    binding: Option<&'a DebugSessionClusterBinding>,
) -> Layers<'a> {
    Layers {
        template: &template.spec,
        binding: binding.map(|binding| &binding.spec),
    }
}

fn is_sought(cluster: &Cluster, sought: &Sought) -> bool {
    let fits = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
    fits(&sought.environment, &cluster.spec.environment)
        && fits(&sought.location, &cluster.spec.location)
}

/// One cluster on which the caller may request the template.
struct Reached<'a> {
    name: &'a str,
    cluster: &'a Cluster,
    ways: Ways<'a>,
}

/// How.
enum Ways<'a> {
    Direct,
    Through {
        /// What a request that names none goes through.
        chosen: Option<&'a DebugSessionClusterBinding>,
        /// Never empty.
        open: Vec<&'a DebugSessionClusterBinding>,
    },
}

fn reachable<'a>(
    template: &DebugSessionTemplate,
    supply: Supply<'a>,
    caller: &Caller,
    sought: &Sought,
) -> Vec<Reached<'a>> {
    if is_unfit(template) {
        return Vec::new();
    }
    let bindings: Vec<&DebugSessionClusterBinding> = supply
        .bindings
        .iter()
        .filter(|binding| opens(binding, template))
        .collect();
    let usable = supply.clusters.iter().filter(|cluster| {
        let revoked = cluster
            .status
            .as_ref()
            .is_some_and(|s| s.revoked_at.is_some());
        cluster.spec.accepted != Some(false) && !revoked
    });
    usable
        .filter_map(|cluster| {
            let name = cluster.metadata.name.as_deref()?;
            let wish = Wish {
                template,
                cluster_name: name,
                cluster: Some(cluster),
                caller,
                now: supply.now,
            };
            let ways = ways(&bindings, &wish, sought)?;
            Some(Reached {
                name,
                cluster,
                ways,
            })
        })
        .collect()
}

/// `None` where the caller has no way.
fn ways<'a>(
    bindings: &[&'a DebugSessionClusterBinding],
    wish: &Wish<'_>,
    sought: &Sought,
) -> Option<Ways<'a>> {
    let found = candidates(bindings.iter().copied(), wish);
    if found.is_empty() {
        let template = &wish.template.spec;
        let is_open = admits(template, wish.caller) == Admission::Yes
            && covers(template, wish.cluster_name, wish.cluster) == Coverage::Yes
            && sought.binding.is_none();
        return is_open.then_some(Ways::Direct);
    }
    let is_ready = |binding: &DebugSessionClusterBinding| {
        let name = full_name(binding);
        binding_readiness(&name, &binding.spec, &wish.template.spec).is_empty()
    };
    let open: Vec<&DebugSessionClusterBinding> = found
        .iter()
        .filter(|candidate| is_wanted(candidate, sought.binding.as_deref()))
        .map(|candidate| candidate.binding)
        .filter(|binding| is_ready(binding))
        .collect();
    let chosen = match (foremost(&found).as_slice(), &sought.binding) {
        (_, Some(_)) => open.first().copied().filter(|_| open.len() == 1),
        ([one], None) => Some(*one).filter(|one| is_ready(one)),
        (_several_or_none, None) => None,
    };
    (!open.is_empty()).then_some(Ways::Through { chosen, open })
}

fn is_wanted(candidate: &Candidate<'_>, named: Option<&str>) -> bool {
    match named {
        None => candidate.is_offered(),
        Some(named) => {
            let binding = candidate.binding;
            let is_it =
                full_name(binding) == named || binding.metadata.name.as_deref() == Some(named);
            is_it && candidate.is_usable()
        }
    }
}

fn cluster_offer(
    template: &DebugSessionTemplate,
    found: &Reached<'_>,
    caller: &Caller,
) -> ClusterOffer {
    let offer = |binding: Option<&DebugSessionClusterBinding>| {
        terms::offer(layers(template, binding), caller, found.name)
    };
    let spec = &found.cluster.spec;
    let base = ClusterOffer {
        name: found.name.to_owned(),
        display_name: spec.display_name.clone(),
        environment: spec.environment.clone(),
        location: spec.location.clone(),
        site: spec.site.clone(),
        tenant: spec.tenant.clone(),
        status: Some(health(found.cluster)),
        ..ClusterOffer::default()
    };
    match &found.ways {
        Ways::Direct => ClusterOffer {
            offer: offer(None),
            ..base
        },
        Ways::Through { chosen, open } => {
            let option = |binding: &&DebugSessionClusterBinding| BindingOption {
                binding_ref: named(binding),
                display_name: Some(display_name(binding, template)),
                offer: offer(Some(binding)),
            };
            ClusterOffer {
                binding_ref: chosen.map(named),
                binding_options: Some(open.iter().map(option).collect()),
                offer: chosen.map_or_else(Offer::default, |binding| offer(Some(binding))),
                ..base
            }
        }
    }
}

fn named(binding: &DebugSessionClusterBinding) -> OfferedBinding {
    let reference = reference_to(binding);
    OfferedBinding {
        name: reference.name,
        namespace: reference.namespace,
        display_name_prefix: binding.spec.display_name_prefix.clone(),
    }
}

fn health(cluster: &Cluster) -> ClusterHealth {
    let status = cluster.status.as_ref();
    ClusterHealth {
        healthy: status.is_some_and(|s| s.connected == Some(true)),
        last_checked: status
            .and_then(|s| s.last_seen.as_ref())
            .map(|seen| seen.0.to_string()),
    }
}
