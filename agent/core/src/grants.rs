//! What the webhook reads: allowed pods → who may do what on them until when. Readers hold one immutable
//! [`GrantIndex`]; the loop changes its [`GrantBook`] and hands out a new index. A lookup costs the same with one
//! session and with 100,000.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::grant::{Operations, Role};
use breakglass_protocol::wire::report::ObservedPod;
use jiff::Timestamp;

use crate::held::Held;

/// Shards of the index: one grant's change copies one of them, not the whole.
const SHARDS: usize = 256;

/// One grant as the webhook sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantEntry {
    pub uid: GrantUid,
    pub session: String,
    pub people: BTreeMap<String, Role>,
    pub operations: Operations,
    /// Both ends of S12.
    pub expires_at: Timestamp,
    pub ends: Duration,
}

/// namespace → pod name → entries.
type Shard = BTreeMap<String, BTreeMap<String, Vec<PodEntry>>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodEntry {
    pub pod_uid: String,
    pub grant: Arc<GrantEntry>,
}

/// An immutable snapshot.
#[derive(Clone, Debug)]
pub struct GrantIndex {
    shards: Vec<Arc<Shard>>,
}

impl Default for GrantIndex {
    fn default() -> Self {
        let empty = Arc::new(Shard::new());
        Self {
            shards: vec![empty; SHARDS],
        }
    }
}

impl GrantIndex {
    /// The entries of the pod under this name; none for a pod that is no session's.
    #[must_use]
    pub fn lookup(&self, namespace: &str, pod: &str) -> &[PodEntry] {
        self.shards
            .get(shard_of(pod))
            .and_then(|shard| shard.get(namespace))
            .and_then(|pods| pods.get(pod))
            .map_or(&[], Vec::as_slice)
    }
}

/// FNV-1a over the pod's name: the same in every run, and nothing an attacker could gain by steering it (a crowded
/// shard costs a few comparisons more).
pub(crate) fn shard_of(pod: &str) -> usize {
    let hash = pod.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % 256).unwrap_or(0)
}

/// The loop's side of the index.
#[derive(Debug, Default)]
pub struct GrantBook {
    index: GrantIndex,
    /// What each grant has in the index.
    pods: BTreeMap<GrantUid, Vec<(String, String)>>,
}

impl GrantBook {
    /// Sets what the index says of one grant: nothing if it has ended or has no allowed pods.
    pub fn set(&mut self, held: &Held, allowed: &[ObservedPod]) {
        self.remove(&held.grant.uid);
        if held.has_ended() || allowed.is_empty() {
            return;
        }
        let grant = Arc::new(GrantEntry {
            uid: held.grant.uid.clone(),
            session: held.grant.session.clone(),
            people: held
                .grant
                .people
                .iter()
                .map(|person| (person.user.clone(), person.role))
                .collect(),
            operations: held.grant.operations,
            expires_at: held.deadline.expires_at(),
            ends: held.deadline.ends(),
        });
        let mut keys = Vec::with_capacity(allowed.len());
        for pod in allowed {
            if let Some(shard) = self.index.shards.get_mut(shard_of(&pod.name)) {
                Arc::make_mut(shard)
                    .entry(pod.namespace.clone())
                    .or_default()
                    .entry(pod.name.clone())
                    .or_default()
                    .push(PodEntry {
                        pod_uid: pod.uid.clone(),
                        grant: Arc::clone(&grant),
                    });
                keys.push((pod.namespace.clone(), pod.name.clone()));
            }
        }
        self.pods.insert(held.grant.uid.clone(), keys);
    }

    /// Takes a grant out of the index.
    pub fn remove(&mut self, uid: &GrantUid) {
        for (namespace, name) in self.pods.remove(uid).unwrap_or_default() {
            let Some(shard) = self.index.shards.get_mut(shard_of(&name)) else {
                continue;
            };
            let shard = Arc::make_mut(shard);
            let Some(pods) = shard.get_mut(&namespace) else {
                continue;
            };
            if let Some(entries) = pods.get_mut(&name) {
                entries.retain(|entry| entry.grant.uid != *uid);
                if entries.is_empty() {
                    pods.remove(&name);
                }
            }
            if pods.is_empty() {
                shard.remove(&namespace);
            }
        }
    }

    /// The index as it is now, for readers. Costs 256 reference counts.
    #[must_use]
    pub fn index(&self) -> Arc<GrantIndex> {
        Arc::new(self.index.clone())
    }
}

#[cfg(test)]
mod tests {
    use breakglass_protocol::wire::grant::{EndReason, WorkloadKind};
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{self, at};

    fn held(uid: &str) -> Held {
        let mut grant = sample::grant(WorkloadKind::DaemonSet);
        grant.uid = GrantUid::new(uid);
        let uid = grant.uid.clone();
        let mut holdings = sample::holdings(at(0));
        holdings.receive(sample::received(grant, 3600), &sample::seed(), at(0));
        holdings.get(&uid).unwrap().clone()
    }

    fn pod(name: &str) -> ObservedPod {
        ObservedPod {
            namespace: "breakglass-debug".into(),
            name: name.into(),
            uid: format!("uid-{name}"),
            node_name: None,
            phase: None,
            ready: true,
            container_status: None,
        }
    }

    fn opens(index: &GrantIndex, name: &str) -> Vec<String> {
        index
            .lookup("breakglass-debug", name)
            .iter()
            .map(|entry| entry.grant.uid.to_string())
            .collect()
    }

    #[test]
    fn what_is_taken_out_is_out_of_the_next_index_only() {
        let mut book = GrantBook::default();
        let mut one = held("1");
        book.set(&one, &[pod("a"), pod("b")]);
        let before = book.index();
        book.set(&one, &[pod("b")]);
        let after = book.index();
        assert_eq!(opens(&before, "a"), ["1"], "a snapshot never changes");
        assert_eq!(opens(&after, "a"), Vec::<String>::new());
        assert_eq!(opens(&after, "b"), ["1"]);
        one.end(EndReason::Terminated, None, at(1));
        book.set(&one, &[pod("b")]);
        assert_eq!(
            opens(&book.index(), "b"),
            Vec::<String>::new(),
            "ended opens nothing"
        );
        assert!(book.index().lookup("default", "b").is_empty());
    }

    proptest! {
        /// The book says what a plain map says, whatever is set and removed.
        #[test]
        fn the_book_is_a_map(changes in prop::collection::vec((0_u8..4, prop::collection::vec(0_u8..6, 0..4)), 0..30)) {
            let mut book = GrantBook::default();
            let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
            let grants: Vec<Held> = (0..4).map(|uid| held(&uid.to_string())).collect();
            for (uid, mut pods) in changes {
                pods.sort_unstable();
                pods.dedup();
                let named: Vec<ObservedPod> = pods.iter().map(|name| pod(&name.to_string())).collect();
                book.set(&grants[usize::from(uid)], &named);
                model.insert(uid.to_string(), pods);
            }
            let index = book.index();
            for name in 0..6_u8 {
                let mut opened = opens(&index, &name.to_string());
                opened.sort();
                let expected: Vec<String> = model.iter()
                    .filter(|(_, pods)| pods.contains(&name))
                    .map(|(uid, _)| uid.clone())
                    .collect();
                prop_assert_eq!(opened, expected);
            }
        }
    }
}
