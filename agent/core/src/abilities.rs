//! What this agent can do: as features, of which a grant may require some, and as words for people, of which those count
//! only that the cluster's owner permits.

use breakglass_protocol::wire::grant::feature;
use breakglass_protocol::wire::{access, policy};

use crate::ceiling::{Ceiling, WORKLOAD_MODE};

struct Ability {
    /// For people: `Cluster.status.capabilities`.
    word: &'static str,
    /// For the hub's `requires`; `None` where no grant or policy set needs it of an agent.
    feature: Option<&'static str>,
    /// Whether the ceiling lets any session make use of it.
    is_open: fn(&Ceiling) -> bool,
}

const fn ability(
    word: &'static str,
    feature: Option<&'static str>,
    is_open: fn(&Ceiling) -> bool,
) -> Ability {
    Ability {
        word,
        feature,
        is_open,
    }
}

const ABILITIES: [Ability; 13] = [
    ability("workload", Some(feature::WORKLOAD), permits_workload),
    ability("templates", Some(feature::TEMPLATES), permits_workload),
    ability("scheduling", Some(feature::SCHEDULING), permits_workload),
    ability("resource-quota", Some(feature::QUOTA), permits_workload),
    ability(
        "pod-disruption-budget",
        Some(feature::DISRUPTION_BUDGET),
        |ceiling| {
            let mut kinds = ceiling.extra_kinds.iter();
            permits_workload(ceiling)
                && kinds.any(|kind| {
                    kind == "PodDisruptionBudget" || kind == "PodDisruptionBudget.policy"
                })
        },
    ),
    ability(
        "namespace-labels",
        Some(feature::NAMESPACES),
        permits_workload,
    ),
    ability("create-namespaces", None, |ceiling| {
        permits_workload(ceiling) && ceiling.create_namespaces
    }),
    ability("impersonation", Some(feature::IMPERSONATION), |ceiling| {
        permits_workload(ceiling) && !ceiling.impersonation.service_accounts.is_empty()
    }),
    ability(
        "remove-participants",
        Some(feature::RECYCLE),
        permits_workload,
    ),
    ability("notify-only", Some(feature::NOTIFY_ONLY), permits_workload),
    ability("deny-policies", Some(policy::FEATURE), |ceiling| {
        ceiling.deny_policies
    }),
    // Grants are of no use without it, so none requires it. Whether the API server asks it is told beside.
    ability("authorization-webhook", None, |_| true),
    // Nor this: it is told to a hub that takes it.
    ability("access-audit", Some(access::FEATURE), |_| true),
];

/// There is no other mode yet, so without it there are no sessions.
fn permits_workload(ceiling: &Ceiling) -> bool {
    ceiling.modes.iter().any(|mode| mode == WORKLOAD_MODE)
}

/// What this program understands, for its Hello: also what its ceiling then refuses, in the ceiling's words.
#[must_use]
pub fn features() -> Vec<String> {
    let all = ABILITIES.iter().filter_map(|ability| ability.feature);
    all.map(str::to_owned).collect()
}

/// What sessions and policies can have in this cluster, for people.
#[must_use]
pub fn capabilities(ceiling: &Ceiling) -> Vec<String> {
    let open = ABILITIES
        .iter()
        .filter(|ability| (ability.is_open)(ceiling));
    open.map(|ability| ability.word.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::ImpersonationCeiling;

    #[test]
    fn every_feature_of_the_protocol_is_told_to_the_hub() {
        let told = features();
        for feature in feature::ALL
            .into_iter()
            .chain([policy::FEATURE, access::FEATURE])
        {
            assert!(told.iter().any(|one| one == feature), "{feature}");
        }
        assert_eq!(told.len(), feature::ALL.len() + 2, "{told:?}");
    }

    #[test]
    fn capabilities_are_what_the_ceiling_leaves() {
        let told = |ceiling: &Ceiling| capabilities(ceiling).join(" ");
        assert_eq!(
            told(&Ceiling::default()),
            "workload templates scheduling resource-quota pod-disruption-budget namespace-labels remove-participants \
             notify-only deny-policies authorization-webhook access-audit"
        );
        let open = Ceiling {
            create_namespaces: true,
            impersonation: ImpersonationCeiling {
                service_accounts: vec!["a/b".into()],
            },
            ..Ceiling::default()
        };
        assert_eq!(
            told(&open),
            "workload templates scheduling resource-quota pod-disruption-budget namespace-labels create-namespaces \
             impersonation remove-participants notify-only deny-policies authorization-webhook access-audit"
        );
        let without_budgets = Ceiling {
            extra_kinds: Vec::new(),
            deny_policies: false,
            ..Ceiling::default()
        };
        assert_eq!(
            told(&without_budgets),
            "workload templates scheduling resource-quota namespace-labels remove-participants notify-only \
             authorization-webhook access-audit"
        );
        let closed = Ceiling {
            modes: Vec::new(),
            ..open
        };
        assert_eq!(
            told(&closed),
            "deny-policies authorization-webhook access-audit"
        );
    }
}
