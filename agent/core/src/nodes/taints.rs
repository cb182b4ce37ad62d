//! Taints of nodes and what tolerates them: how many pods a DaemonSet makes depends on them.

use k8s_openapi::api::core::v1::{self as core, Toleration};

/// One taint of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    pub key: String,
    pub value: String,
    pub effect: TaintEffect,
}

/// Whether a taint keeps pods away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaintEffect {
    NoSchedule,
    NoExecute,
    /// `PreferNoSchedule`, and whatever Kubernetes may learn later: it keeps nobody away for certain.
    Other,
}

/// What a DaemonSet's controller makes its pods tolerate, whatever their template says.
const OF_DAEMON_SETS: [&str; 6] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];
/// And this one for pods on the node's own network.
const OF_HOST_NETWORK: &str = "node.kubernetes.io/network-unavailable";

impl Taint {
    pub(super) fn of(taint: core::Taint) -> Self {
        Self {
            key: taint.key,
            value: taint.value.unwrap_or_default(),
            effect: match taint.effect.as_str() {
                "NoSchedule" => TaintEffect::NoSchedule,
                "NoExecute" => TaintEffect::NoExecute,
                _ => TaintEffect::Other,
            },
        }
    }

    fn is_tolerated(&self, toleration: &Toleration) -> bool {
        let effect = match self.effect {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::NoExecute => "NoExecute",
            TaintEffect::Other => return true,
        };
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        let (key, operator) = (of(&toleration.key), of(&toleration.operator));
        let is_meant = of(&toleration.effect).is_empty() || of(&toleration.effect) == effect;
        let is_key = key == self.key || (key.is_empty() && operator == "Exists");
        let is_value = match operator.as_str() {
            "Exists" => true,
            "" | "Equal" => of(&toleration.value) == self.value,
            _ => false,
        };
        is_meant && is_key && is_value
    }
}

/// Whether a DaemonSet's pod with this spec tolerates all of a node's taints.
pub(crate) fn daemon_tolerates(spec: &core::PodSpec, taints: &[Taint]) -> bool {
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let is_automatic = |taint: &Taint| {
        OF_DAEMON_SETS.contains(&taint.key.as_str())
            || (spec.host_network == Some(true) && taint.key == OF_HOST_NETWORK)
    };
    taints.iter().all(|taint| {
        taint.effect == TaintEffect::Other
            || is_automatic(taint)
            || tolerations.iter().any(|held| taint.is_tolerated(held))
    })
}
