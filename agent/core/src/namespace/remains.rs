//! The end of a namespace that the session made (S8, D22): removed last, and only if no other session uses it and nothing
//! foreign is in it.

use std::collections::BTreeMap;

use breakglass_protocol::wire::grant::Grant;
use breakglass_protocol::wire::report::ObjectRecord;
use serde::{Deserialize, Serialize};

use super::NAMESPACE;
use crate::clock::Now;
use crate::held::Held;
use crate::observed::{Inhabitant, Neighbour, Observed};
use crate::plan::Step;
use crate::pods::shortened;

/// Kinds (with their apiVersion) of which a namespace must be free to be removed: all of Kubernetes's own that people and
/// controllers keep things in. What others derive from those (EndpointSlices, Events, Leases) says nothing more.
pub const LOOKED_AT: [(&str, &str); 20] = [
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "ReplicationController"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "ResourceQuota"),
    ("v1", "LimitRange"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
];
/// Foreign objects named at most; one is reason enough.
const MAX_NAMED: usize = 3;

/// What is known of the end of the session's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Remains {
    /// It was looked for without a record, and is not there or not ours.
    pub searched: bool,
    /// Why it stays.
    pub kept: Option<String>,
    /// Nothing foreign was in it when it was last looked at.
    #[serde(skip)]
    pub(crate) is_empty: bool,
}

/// Whether an object is somebody else's. Kubernetes puts two into every namespace.
#[must_use]
pub fn is_foreign(grant: &Grant, object: &Inhabitant) -> bool {
    let is_ours = object.session.as_deref() == Some(grant.session.as_str())
        && object.grant.as_deref() == Some(grant.uid.as_str());
    let is_default = matches!(
        (object.kind.as_str(), object.name.as_str()),
        ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default")
    );
    !is_ours && !is_default && !object.deleting
}

/// The next step for it, once nothing else of the session is left.
pub(crate) fn plan_end(held: &Held, observed: &Observed) -> Option<Step> {
    let record = held.namespace_record()?.clone();
    let is_last = held.pods.is_empty()
        && !held.pods_may_be_left()
        && held.to_search().next().is_none()
        && held.to_remove().all(|other| other.uid == record.uid);
    if !is_last || held.is_removed(&record.uid) || held.is_kept(&record) {
        return None;
    }
    if held.asked.contains(&record.uid) {
        // Confirmed with all else.
        return None;
    }
    Some(match &observed.neighbour {
        Neighbour::Running(session) => Step::KeepNamespace {
            why: format!("session {session} uses it"),
        },
        // Its objects are foreign only until they are gone.
        Neighbour::Ending => Step::ConfirmGone { record },
        Neighbour::None if held.remains.is_empty => Step::Delete { record },
        Neighbour::None => Step::ListInhabitants {
            namespace: record.name,
        },
    })
}

impl Held {
    /// The namespace that this session made, if it made it: its end is the session's to decide, and a ResourceQuota may
    /// stand in it (D9).
    #[must_use]
    pub fn namespace_record(&self) -> Option<&ObjectRecord> {
        self.created
            .iter()
            .find(|record| record.source == NAMESPACE)
    }

    /// A namespace that may be there without a record: see [`Held::to_search`].
    pub(crate) fn namespace_to_search(&self) -> Option<&serde_json::Value> {
        let own = self.rendered.as_ref()?.namespace.as_ref()?;
        let is_open = match self.namespace_record() {
            None => true,
            Some(record) => self.is_removed(&record.uid) && self.is_all_gone(),
        };
        (is_open && own.refused.is_none() && !self.remains.searched).then_some(&own.manifest)
    }

    pub(crate) fn keep_namespace(&mut self, why: String, now: Now) {
        self.remains.kept = Some(why);
        self.touch();
        self.try_finish(now);
    }

    /// What is in the namespace, when nothing of the session should be.
    pub(crate) fn take_inhabitants(&mut self, inhabitants: &[Inhabitant], now: Now) {
        let mut foreign: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for object in inhabitants.iter().filter(|o| is_foreign(&self.grant, o)) {
            foreign.entry(&object.kind).or_default().push(&object.name);
        }
        if foreign.is_empty() {
            self.remains.is_empty = true;
            return;
        }
        let total: usize = foreign.values().map(Vec::len).sum();
        let named: Vec<String> = foreign
            .iter()
            .flat_map(|(kind, names)| names.iter().map(move |name| format!("{kind} {name}")))
            .take(MAX_NAMED)
            .collect();
        let more = match total.saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let why = shortened(&format!(
            "{}{more} in it, not this session's",
            named.join(", ")
        ));
        self.keep_namespace(why, now);
    }
}

/// For the session's people, once it is known that the namespace stays.
#[must_use]
pub(crate) fn why_kept(held: &Held) -> Option<String> {
    let why = held.remains.kept.as_ref()?;
    Some(format!(
        "Namespace {}, made for this session, is kept: {why}.",
        held.grant.target_namespace
    ))
}
