//! Labels of the cluster's namespaces, as their watch told them: what filters of deny policies ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use breakglass_agent_core::authorize::NamespaceLabels;

use super::view::Touched;
use super::watch::{Change, Labelled};

/// Namespaces whose labels are held: about 4 MiB. A filter that needs the labels of one beyond these matches.
const MAX_NAMESPACES: usize = 20_000;

/// A namespace's name and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    labels: Arc<NamespaceLabels>,
    /// Names by UID, since an end is told by that.
    names: BTreeMap<String, String>,
}

impl Namespaces {
    pub(super) fn labels(&self) -> Arc<NamespaceLabels> {
        Arc::clone(&self.labels)
    }

    pub(super) fn take(&mut self, change: Change<NamespaceFacts>) -> Touched {
        match change {
            Change::Listed(all) => {
                *self = Self::default();
                for namespace in all {
                    self.set(namespace);
                }
            }
            Change::Changed(namespace) => self.set(namespace),
            Change::Removed { uid } => {
                let Some(name) = self.names.remove(&uid) else {
                    return Touched::None;
                };
                // One that was made anew under its name is there under another UID.
                if !self.names.values().any(|other| *other == name) {
                    Arc::make_mut(&mut self.labels).0.remove(&name);
                }
            }
            Change::Progress => return Touched::None,
        }
        Touched::Namespaces
    }

    fn set(&mut self, namespace: Labelled<NamespaceFacts>) {
        let NamespaceFacts { name, labels } = namespace.facts;
        if self.names.len() >= MAX_NAMESPACES && !self.names.contains_key(&namespace.uid) {
            return;
        }
        self.names.insert(namespace.uid, name.clone());
        let known = Arc::make_mut(&mut self.labels);
        known.0.insert(name, Arc::new(labels));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(uid: &str, name: &str, tier: &str) -> Labelled<NamespaceFacts> {
        Labelled {
            uid: uid.into(),
            session: String::new(),
            facts: NamespaceFacts {
                name: name.into(),
                labels: BTreeMap::from([("tier".into(), tier.into())]),
            },
        }
    }

    fn tier(namespaces: &Namespaces, name: &str) -> Option<String> {
        namespaces.labels().0.get(name)?.get("tier").cloned()
    }

    #[test]
    fn the_newest_labels_count_and_what_is_gone_is_unknown() {
        let mut namespaces = Namespaces::default();
        let listed = vec![namespace("1", "a", "dev"), namespace("2", "b", "dev")];
        assert_eq!(namespaces.take(Change::Listed(listed)), Touched::Namespaces);
        let before = namespaces.labels();
        namespaces.take(Change::Changed(namespace("1", "a", "prod")));
        assert_eq!(tier(&namespaces, "a").as_deref(), Some("prod"));
        assert_eq!(before.0["a"]["tier"], "dev", "a snapshot never changes");
        // Deleted and made anew, told in either order.
        namespaces.take(Change::Changed(namespace("3", "b", "prod")));
        namespaces.take(Change::Removed { uid: "2".into() });
        assert_eq!(tier(&namespaces, "b").as_deref(), Some("prod"));
        namespaces.take(Change::Removed { uid: "3".into() });
        assert_eq!(tier(&namespaces, "b"), None);
        let unknown = Change::Removed { uid: "9".into() };
        assert_eq!(namespaces.take(unknown), Touched::None);
        assert_eq!(namespaces.take(Change::Progress), Touched::None);
        namespaces.take(Change::Listed(Vec::new()));
        assert_eq!(tier(&namespaces, "a"), None);
    }

    #[test]
    fn s16_beyond_the_bound_labels_are_unknown_rather_than_wrong() {
        let mut namespaces = Namespaces::default();
        let all = (0..=MAX_NAMESPACES)
            .map(|n| namespace(&n.to_string(), &format!("n{n}"), "dev"))
            .collect();
        namespaces.take(Change::Listed(all));
        assert_eq!(tier(&namespaces, &format!("n{MAX_NAMESPACES}")), None);
        assert_eq!(namespaces.labels().0.len(), MAX_NAMESPACES);
    }
}
