//! Every pod that carries our session label, by name: what strict enforcement keeps shut. The label narrows and refuses
//! here; it proves nothing (S3). Sharded as the index of grants is, so that one pod's change copies little.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Shards of the index, as many as of [`crate::grants::GrantIndex`].
const SHARDS: usize = 256;

/// Namespace → names.
type Shard = BTreeMap<String, BTreeSet<String>>;

/// An immutable snapshot.
#[derive(Clone, Debug)]
pub struct SessionPods {
    shards: Vec<Arc<Shard>>,
}

impl Default for SessionPods {
    fn default() -> Self {
        Self {
            shards: vec![Arc::default(); SHARDS],
        }
    }
}

impl SessionPods {
    #[must_use]
    pub fn contains(&self, namespace: &str, name: &str) -> bool {
        self.shards
            .get(shard_of(name))
            .and_then(|shard| shard.get(namespace))
            .is_some_and(|names| names.contains(name))
    }
}

fn shard_of(name: &str) -> usize {
    crate::grants::shard_of(name)
}

/// The loop's side of it.
#[derive(Debug, Default)]
pub struct SessionPodBook {
    index: SessionPods,
    /// UID → namespace and name: an end is told by UID.
    known: BTreeMap<String, (String, String)>,
}

impl SessionPodBook {
    /// A pod with the label is there.
    pub fn set(&mut self, uid: &str, namespace: &str, name: &str) {
        let place = (namespace.to_owned(), name.to_owned());
        if self.known.get(uid) == Some(&place) {
            return;
        }
        self.remove(uid);
        if let Some(shard) = self.index.shards.get_mut(shard_of(name)) {
            let names = Arc::make_mut(shard).entry(place.0.clone()).or_default();
            names.insert(place.1.clone());
        }
        self.known.insert(uid.to_owned(), place);
    }

    /// It is gone, or has the label no more.
    pub fn remove(&mut self, uid: &str) {
        let Some((namespace, name)) = self.known.remove(uid) else {
            return;
        };
        // Made anew under its name, told in either order. Rare, and only as many as there are session pods.
        let is_there = |place: &(String, String)| place.0 == namespace && place.1 == name;
        if self.known.values().any(is_there) {
            return;
        }
        let Some(shard) = self.index.shards.get_mut(shard_of(&name)) else {
            return;
        };
        let shard = Arc::make_mut(shard);
        if let Some(names) = shard.get_mut(&namespace) {
            names.remove(&name);
            if names.is_empty() {
                shard.remove(&namespace);
            }
        }
    }

    /// Nothing is known any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// As it is now, for readers. Costs 256 reference counts.
    #[must_use]
    pub fn index(&self) -> Arc<SessionPods> {
        Arc::new(self.index.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s15_what_has_the_label_is_known_by_name_until_it_is_gone() {
        let mut book = SessionPodBook::default();
        book.set("1", "ns", "a");
        book.set("2", "ns", "b");
        let before = book.index();
        assert!(before.contains("ns", "a") && !before.contains("other", "a"));
        // Made anew under its name before the end of the old one is told.
        book.set("3", "ns", "a");
        book.remove("1");
        assert!(book.index().contains("ns", "a"));
        book.remove("3");
        assert!(!book.index().contains("ns", "a"));
        assert!(before.contains("ns", "a"), "a snapshot never changes");
        book.remove("unknown");
        book.clear();
        assert!(!book.index().contains("ns", "b"));
    }
}
