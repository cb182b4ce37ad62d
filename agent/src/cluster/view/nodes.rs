//! The cluster's nodes as the watch told them. A kubelet writes its node's status every few minutes; only what placement
//! looks at touches the sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use breakglass_agent_core::nodes::{MAX_NODES, NodeFacts, NodesSeen};

use super::Touched;
use crate::cluster::watch::Change;

/// See the module's text. The map is shared with every plan, and copied only when a node changes while one is made.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_name: Arc<BTreeMap<String, NodeFacts>>,
    /// Names by UID: a removal tells only that.
    names: BTreeMap<String, String>,
    synced: bool,
}

impl Nodes {
    pub(super) fn take(&mut self, change: Change<NodeFacts>) -> Touched {
        match change {
            Change::Listed(all) => {
                *self = Self {
                    synced: true,
                    ..Self::default()
                };
                for node in all {
                    self.set(node.uid, node.facts);
                }
                Touched::All
            }
            Change::Changed(node) => self.set(node.uid, node.facts),
            Change::Removed { uid } => match self.names.remove(&uid) {
                // Another node of this name may have come before this one's end was told.
                Some(name) if !self.names.values().any(|known| *known == name) => {
                    Arc::make_mut(&mut self.by_name).remove(&name);
                    Touched::All
                }
                Some(_) | None => Touched::None,
            },
            Change::Progress => Touched::None,
        }
    }

    fn set(&mut self, uid: String, facts: NodeFacts) -> Touched {
        let known = self.by_name.get(&facts.name);
        let is_room = known.is_some() || self.by_name.len() < MAX_NODES;
        let is_same = known == Some(&facts) && self.names.contains_key(&uid);
        if is_same || !is_room {
            return Touched::None;
        }
        self.names.insert(uid, facts.name.clone());
        Arc::make_mut(&mut self.by_name).insert(facts.name.clone(), facts);
        Touched::All
    }

    pub(super) fn seen(&self) -> NodesSeen {
        if self.synced {
            NodesSeen::Known(Arc::clone(&self.by_name))
        } else {
            NodesSeen::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::watch::Labelled;

    fn node(uid: &str, name: &str, zone: &str) -> Labelled<NodeFacts> {
        Labelled {
            uid: uid.into(),
            session: String::new(),
            facts: NodeFacts {
                name: name.into(),
                labels: [("zone".to_owned(), zone.to_owned())].into(),
                taints: Vec::new(),
            },
        }
    }

    #[test]
    fn only_what_placement_looks_at_touches_sessions() {
        let mut nodes = Nodes::default();
        assert_eq!(nodes.seen(), NodesSeen::Unknown);
        assert_eq!(
            nodes.take(Change::Listed(vec![node("1", "a", "x")])),
            Touched::All
        );
        let again = nodes.take(Change::Changed(node("1", "a", "x")));
        assert_eq!(again, Touched::None, "a heartbeat");
        let relabelled = nodes.take(Change::Changed(node("1", "a", "y")));
        assert_eq!(relabelled, Touched::All);
        assert_eq!(nodes.seen().get("a").unwrap().labels["zone"], "y");
    }

    #[test]
    fn a_node_that_came_again_under_its_name_outlives_the_end_of_the_first() {
        let mut nodes = Nodes::default();
        nodes.take(Change::Listed(vec![node("1", "a", "x")]));
        nodes.take(Change::Changed(node("2", "a", "x")));
        let gone = Change::Removed { uid: "1".into() };
        assert_eq!(nodes.take(gone), Touched::None);
        assert!(nodes.seen().get("a").is_some());
        let gone = Change::Removed { uid: "2".into() };
        assert_eq!(nodes.take(gone), Touched::All);
        assert!(nodes.seen().get("a").is_none());
    }
}
