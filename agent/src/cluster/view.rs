//! What the watches have told so far, by session. Labels only sort it: what belongs to a session is judged by the core,
//! by UID (S3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use breakglass_agent_core::authorize::NamespaceLabels;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::held::Held;
use breakglass_agent_core::observed::{
    DeployerSeen, NamespaceSeen, Neighbour, Observed, OwnerFacts, PodFacts, Watches, WorkloadFacts,
    WorkloadSeen,
};
use breakglass_agent_core::session_pods::{SessionPodBook, SessionPods};
use breakglass_agent_core::workload::WORKLOAD;

mod nodes;

use super::namespaces::Namespaces;
use super::watch::{Change, KillSwitch, Watched};

/// The watched world.
#[derive(Debug, Default)]
pub struct View {
    pods: Known<PodFacts>,
    replica_sets: Known<OwnerFacts>,
    daemon_sets: Known<WorkloadFacts>,
    deployments: Known<WorkloadFacts>,
    nodes: nodes::Nodes,
    kill_switch: Known<KillSwitch>,
    namespaces: Namespaces,
    session_pods: SessionPodBook,
}

/// What was read for one grant beside the watches.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    pub namespace: NamespaceSeen,
    pub deployer: DeployerSeen,
    pub trouble: Vec<String>,
    /// Since when (monotonic) the namespace could not be read.
    unreadable_since: Option<Duration>,
}

impl Reads {
    /// Whether it is news.
    pub fn take_namespace(&mut self, mut seen: NamespaceSeen, now: Now) -> bool {
        match &mut seen {
            NamespaceSeen::Unreadable(unreadable) => {
                unreadable.since = *self.unreadable_since.get_or_insert(now.monotonic);
            }
            NamespaceSeen::Unread
            | NamespaceSeen::Missing
            | NamespaceSeen::Terminating
            | NamespaceSeen::Active(_) => self.unreadable_since = None,
        }
        let is_news = self.namespace != seen;
        self.namespace = seen;
        is_news
    }

    /// Something was written: the next write is decided on what is there then (S17).
    pub fn forget_place(&mut self) {
        self.namespace = NamespaceSeen::Unread;
        self.deployer = DeployerSeen::Unread;
    }
}

/// Which sessions a change touches.
#[derive(Debug, PartialEq, Eq)]
pub enum Touched {
    None,
    Session(String),
    All,
    /// No session, but what deny policies ask of namespaces.
    Namespaces,
}

#[derive(Debug)]
struct Known<T> {
    /// By session label, then UID.
    sessions: BTreeMap<String, BTreeMap<String, T>>,
    session_of: BTreeMap<String, String>,
    synced: bool,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            sessions: BTreeMap::new(),
            session_of: BTreeMap::new(),
            synced: false,
        }
    }
}

impl<T> Known<T> {
    fn take(&mut self, change: Change<T>) -> Touched {
        match change {
            Change::Listed(all) => {
                *self = Self {
                    synced: true,
                    ..Self::default()
                };
                for object in all {
                    self.set(object.session, object.uid, object.facts);
                }
                Touched::All
            }
            Change::Changed(object) => {
                let session = object.session.clone();
                self.set(object.session, object.uid, object.facts);
                Touched::Session(session)
            }
            Change::Removed { uid } => match self.remove(&uid) {
                Some(session) => Touched::Session(session),
                None => Touched::None,
            },
            Change::Progress => Touched::None,
        }
    }

    fn set(&mut self, session: String, uid: String, facts: T) {
        // An object whose session label was changed is no longer the former session's.
        if self
            .session_of
            .get(&uid)
            .is_some_and(|known| *known != session)
        {
            self.remove(&uid);
        }
        self.session_of.insert(uid.clone(), session.clone());
        self.sessions.entry(session).or_default().insert(uid, facts);
    }

    fn remove(&mut self, uid: &str) -> Option<String> {
        let session = self.session_of.remove(uid)?;
        if let Some(objects) = self.sessions.get_mut(&session) {
            objects.remove(uid);
            if objects.is_empty() {
                self.sessions.remove(&session);
            }
        }
        Some(session)
    }

    fn of<'a>(&'a self, session: &str) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.sessions
            .get(session)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    fn get(&self, session: &str, uid: &str) -> Option<&T> {
        self.sessions.get(session)?.get(uid)
    }
}

impl View {
    /// Takes in what a watch saw.
    pub fn take(&mut self, watched: Watched) -> Touched {
        match watched {
            Watched::Pods(change) => {
                self.follow_pods(&change);
                self.pods.take(change)
            }
            Watched::ReplicaSets(change) => self.replica_sets.take(change),
            Watched::DaemonSets(change) => self.daemon_sets.take(change),
            Watched::Deployments(change) => self.deployments.take(change),
            Watched::Nodes(change) => self.nodes.take(change),
            Watched::KillSwitch(change) => match self.kill_switch.take(change) {
                Touched::None => Touched::None,
                Touched::Session(_) | Touched::All | Touched::Namespaces => Touched::All,
            },
            Watched::Namespaces(change) => self.namespaces.take(change),
        }
    }

    /// A workload that was just written, as the API server answered: known before its watch tells, so that it is not
    /// taken for deleted in between.
    pub fn take_written(&mut self, session: &str, kind: &str, facts: WorkloadFacts) {
        let known = match kind {
            "DaemonSet" => &mut self.daemon_sets,
            "Deployment" => &mut self.deployments,
            _ => return,
        };
        if known
            .get(session, &facts.uid)
            .is_none_or(|old| old.generation < facts.generation)
        {
            known.set(session.to_owned(), facts.uid.clone(), facts);
        }
    }

    /// Every pod with our label, for strict enforcement.
    #[must_use]
    pub fn session_pods(&self) -> Arc<SessionPods> {
        self.session_pods.index()
    }

    fn follow_pods(&mut self, change: &Change<PodFacts>) {
        match change {
            Change::Listed(all) => {
                self.session_pods.clear();
                for pod in all {
                    self.session_pods
                        .set(&pod.uid, &pod.facts.namespace, &pod.facts.name);
                }
            }
            Change::Changed(pod) => {
                self.session_pods
                    .set(&pod.uid, &pod.facts.namespace, &pod.facts.name);
            }
            Change::Removed { uid } => self.session_pods.remove(uid),
            Change::Progress => {}
        }
    }

    /// Labels of the cluster's namespaces, as far as they are known.
    #[must_use]
    pub fn namespace_labels(&self) -> Arc<NamespaceLabels> {
        self.namespaces.labels()
    }

    /// Whether every watch on session objects has told all there is.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.pods.synced
            && self.replica_sets.synced
            && self.daemon_sets.synced
            && self.deployments.synced
    }

    /// Whether the cluster's owner ends everything. Without a ConfigMap there is no switch.
    #[must_use]
    pub fn kill_switch(&self) -> KillSwitch {
        self.kill_switch
            .sessions
            .values()
            .flat_map(BTreeMap::values)
            .copied()
            .find(|switch| *switch == KillSwitch::On)
            .unwrap_or(KillSwitch::Off)
    }

    /// What is seen of one grant.
    #[must_use]
    pub fn observed(&self, held: &Held, reads: &Reads) -> Observed {
        let session = held.grant.session.as_str();
        let namespace = held.grant.target_namespace.as_str();
        Observed {
            watches: if self.is_synced() {
                Watches::Synced
            } else {
                Watches::Syncing
            },
            namespace: reads.namespace.clone(),
            deployer: reads.deployer,
            neighbour: Neighbour::None,
            workload: self.workload(held),
            replica_sets: self
                .replica_sets
                .of(session)
                .filter(|set| set.namespace == namespace)
                .cloned()
                .collect(),
            pods: self
                .pods
                .of(session)
                .filter(|pod| pod.namespace == namespace)
                .cloned()
                .collect(),
            nodes: self.nodes.seen(),
            trouble: reads.trouble.clone(),
        }
    }

    fn workload(&self, held: &Held) -> WorkloadSeen {
        let Some(record) = held.created.iter().find(|record| record.source == WORKLOAD) else {
            return WorkloadSeen::Unknown;
        };
        let known = match record.kind.as_str() {
            "DaemonSet" => &self.daemon_sets,
            "Deployment" => &self.deployments,
            _ => return WorkloadSeen::Unknown,
        };
        match known.get(&held.grant.session, &record.uid) {
            Some(facts) => WorkloadSeen::Present(facts.clone()),
            None if known.synced => WorkloadSeen::Absent,
            None => WorkloadSeen::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::Labelled;
    use super::*;

    fn pod(session: &str, uid: &str) -> Labelled<PodFacts> {
        Labelled {
            uid: uid.into(),
            session: session.into(),
            facts: PodFacts {
                uid: uid.into(),
                ..PodFacts::default()
            },
        }
    }

    fn uids(view: &View, session: &str) -> Vec<String> {
        view.pods.of(session).map(|pod| pod.uid.clone()).collect()
    }

    #[test]
    fn a_list_replaces_and_changes_move_between_sessions() {
        let mut view = View::default();
        let listed = Change::Listed(vec![pod("a", "1"), pod("b", "2")]);
        assert_eq!(view.take(Watched::Pods(listed)), Touched::All);
        let moved = Change::Changed(pod("b", "1"));
        assert_eq!(
            view.take(Watched::Pods(moved)),
            Touched::Session("b".into())
        );
        assert_eq!(uids(&view, "a"), Vec::<String>::new());
        assert_eq!(uids(&view, "b"), ["1", "2"]);
        let removed = Change::Removed { uid: "1".into() };
        assert_eq!(
            view.take(Watched::Pods(removed)),
            Touched::Session("b".into())
        );
        let again = Change::Removed { uid: "1".into() };
        assert_eq!(view.take(Watched::Pods(again)), Touched::None);
        view.take(Watched::Pods(Change::Listed(Vec::new())));
        assert!(uids(&view, "b").is_empty() && view.pods.session_of.is_empty());
        assert!(
            !view.is_synced(),
            "three other watches have told nothing yet"
        );
    }
}
