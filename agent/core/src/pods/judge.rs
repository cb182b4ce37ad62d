//! The rules of S3 in order, for the pods of one grant.

use std::collections::BTreeSet;

use breakglass_protocol::wire::grant::Work;
use k8s_openapi::api::core::v1::PodSpec;

use super::{PodRefusal, PodVerdict, is_owned_now, template};
use crate::held::Held;
use crate::nodes::Constraints;
use crate::observed::{Observed, Origin, PodFacts};

/// What the pods of one grant are judged by, read once for all of them.
#[derive(Debug)]
pub struct PodJudge<'a> {
    held: &'a Held,
    observed: &'a Observed,
    applied: PodSpec,
    constraints: Constraints<'a>,
    /// UIDs of the pods that are more than the session may have.
    surplus: BTreeSet<&'a str>,
    max_pods: u32,
}

impl<'a> PodJudge<'a> {
    /// `None` where nothing was rendered that a pod could be.
    #[must_use]
    pub fn of(held: &'a Held, observed: &'a Observed) -> Option<Self> {
        let spec = held.rendered.as_ref()?.pod_spec()?;
        let Work::Workload(workload) = &held.grant.work;
        let max_pods = workload.quota.as_ref().and_then(|quota| quota.max_pods);
        let mut judge = Self {
            held,
            observed,
            applied: serde_json::from_value(spec.clone()).ok()?,
            constraints: Constraints::of(&held.grant),
            surplus: BTreeSet::new(),
            max_pods: max_pods.unwrap_or(u32::MAX),
        };
        if let Some(limit) = max_pods {
            judge.surplus = judge.beyond(limit);
        }
        Some(judge)
    }

    /// The rules in order; the first that refuses is told.
    #[must_use]
    pub fn verdict(&self, pod: &PodFacts) -> PodVerdict {
        let refusal = self
            .not_the_sessions(pod)
            .or_else(|| self.not_on_its_node(pod))
            .or_else(|| self.over_quota(pod))
            .or_else(|| template::difference(&self.applied, &pod.spec).map(PodRefusal::Differs));
        refusal.map_or(PodVerdict::Allowed, PodVerdict::NotAllowed)
    }

    /// Whether a pod is the session's, and must go: its node is denied now, or it is one too many.
    #[must_use]
    pub fn must_go(&self, pod: &PodFacts) -> bool {
        let is_denied = || {
            matches!(
                self.not_on_its_node(pod),
                Some(PodRefusal::NodeDenied { .. })
            )
        };
        self.not_the_sessions(pod).is_none() && (is_denied() || self.over_quota(pod).is_some())
    }

    fn not_the_sessions(&self, pod: &PodFacts) -> Option<PodRefusal> {
        let held = self.held;
        if held.has_ended() {
            Some(PodRefusal::Ended)
        } else if held.workload_record().is_none() {
            Some(PodRefusal::NoWorkload)
        } else if pod.namespace != held.grant.target_namespace {
            Some(PodRefusal::OtherNamespace(pod.namespace.clone()))
        } else if pod.uid.is_empty() {
            Some(PodRefusal::NoUid)
        } else if pod.deleting.is_some() {
            Some(PodRefusal::Deleting)
        } else if held.is_old(pod) {
            Some(PodRefusal::Old)
        } else if !is_owned_now(held, pod, &self.observed.replica_sets) {
            Some(PodRefusal::OtherOwner)
        } else if pod.origin != Origin::MadeByOwner {
            Some(PodRefusal::Adopted)
        } else {
            None
        }
    }

    /// The constraints as they read on the node as it is now, whatever the scheduler saw.
    fn not_on_its_node(&self, pod: &PodFacts) -> Option<PodRefusal> {
        if !self.constraints.choose_nodes() {
            return None;
        }
        // Before it has a node it runs nowhere.
        let name = pod.spec.node_name.as_deref()?;
        let Some(node) = self.observed.nodes.get(name) else {
            return Some(PodRefusal::NodeUnknown(name.to_owned()));
        };
        let why = self.constraints.against(node)?;
        Some(PodRefusal::NodeDenied {
            node: name.to_owned(),
            why,
        })
    }

    fn over_quota(&self, pod: &PodFacts) -> Option<PodRefusal> {
        self.surplus
            .contains(pod.uid.as_str())
            .then_some(PodRefusal::OverQuota(self.max_pods))
    }

    /// A DaemonSet cannot be capped: nodes that join later give it more pods. The oldest stay.
    fn beyond(&self, limit: u32) -> BTreeSet<&'a str> {
        let is_daemon_set = self
            .held
            .workload_record()
            .is_some_and(|record| record.kind == "DaemonSet");
        if !is_daemon_set {
            return BTreeSet::new();
        }
        let mut pods: Vec<&PodFacts> = self
            .observed
            .pods
            .iter()
            .filter(|pod| {
                self.not_the_sessions(pod).is_none() && self.not_on_its_node(pod).is_none()
            })
            .collect();
        pods.sort_by_key(|pod| (pod.created_at, &pod.uid));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        pods.iter()
            .skip(limit)
            .map(|pod| pod.uid.as_str())
            .collect()
    }
}
