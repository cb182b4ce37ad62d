//! The cluster's nodes, and which of them a session's constraints permit now (S3, spec 1 section 5). Selectors mean what
//! they mean to Kubernetes's scheduler; anything that cannot be understood permits no node.

use std::collections::BTreeMap;
use std::sync::Arc;

use breakglass_protocol::pattern::PatternSet;
use breakglass_protocol::wire::grant::{Grant, SchedulingLayer, Work};
use k8s_openapi::api::core::v1::{Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

mod taints;

pub(crate) use taints::daemon_tolerates;
pub use taints::{Taint, TaintEffect};

/// Nodes that are kept at most: twice what Kubernetes is tested with. Pods on nodes beyond are not allowed where constraints
/// choose nodes.
pub const MAX_NODES: usize = 10_000;

/// The only field that `matchFields` knows.
pub(crate) const NODE_NAME: &str = "metadata.name";

/// A node, as far as placement looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// What keeps pods away that do not tolerate it; cordoning is one too.
    pub taints: Vec<Taint>,
}

impl NodeFacts {
    #[must_use]
    pub fn of(node: Node) -> Self {
        let spec = node.spec.unwrap_or_default();
        Self {
            name: node.metadata.name.unwrap_or_default(),
            labels: node.metadata.labels.unwrap_or_default(),
            taints: spec
                .taints
                .unwrap_or_default()
                .into_iter()
                .map(Taint::of)
                .collect(),
        }
    }
}

/// The nodes, from the watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodesSeen {
    /// The watch has not told all yet.
    #[default]
    Unknown,
    /// By name; shared, since every plan of every grant looks at them.
    Known(Arc<BTreeMap<String, NodeFacts>>),
}

impl NodesSeen {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&NodeFacts> {
        match self {
            Self::Unknown => None,
            Self::Known(nodes) => nodes.get(name),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &NodeFacts> {
        match self {
            Self::Unknown => None,
            Self::Known(nodes) => Some(nodes.values()),
        }
        .into_iter()
        .flatten()
    }
}

/// The constraints of one grant, ready to judge nodes.
#[derive(Debug)]
pub struct Constraints<'a> {
    layers: Vec<Compiled<'a>>,
}

#[derive(Debug)]
struct Compiled<'a> {
    layer: &'a SchedulingLayer,
    /// `None` if the globs make no sense, which was refused at load: then every node is denied.
    denied: Option<PatternSet>,
    required: Option<NodeSelector>,
}

impl<'a> Constraints<'a> {
    #[must_use]
    pub fn of(grant: &'a Grant) -> Self {
        let Work::Workload(workload) = &grant.work;
        let layers = workload.scheduling.iter().map(|layer| Compiled {
            layer,
            denied: PatternSet::new(&layer.constraints.denied_nodes).ok(),
            required: match layer.constraints.required() {
                Ok(required) => required,
                // Such a grant is never rendered; no node at all is the closed side.
                Err(_) => Some(NodeSelector::default()),
            },
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// Whether they say anything of nodes.
    #[must_use]
    pub fn choose_nodes(&self) -> bool {
        self.layers.iter().any(|compiled| {
            let constraints = &compiled.layer.constraints;
            compiled.required.is_some()
                || !constraints.node_selector.is_empty()
                || !constraints.denied_nodes.is_empty()
        })
    }

    /// Why no pod of the session may be on this node now, worded to follow the node's name; `None` if one may.
    #[must_use]
    pub fn against(&self, node: &NodeFacts) -> Option<String> {
        self.layers.iter().find_map(|compiled| {
            let place = &compiled.layer.place;
            let constraints = &compiled.layer.constraints;
            if compiled.denies_name(&node.name) {
                return Some(format!("is among the deniedNodes of {place}"));
            }
            let lacking = constraints
                .node_selector
                .iter()
                .find(|(key, value)| node.labels.get(*key) != Some(*value));
            if let Some((key, value)) = lacking {
                return Some(format!("lacks label {key}={value}, which {place} requires"));
            }
            let is_selected = compiled
                .required
                .as_ref()
                .is_none_or(|required| selects(required, node));
            (!is_selected).then(|| {
                format!("has labels that {place} does not permit (required node affinity or deniedNodeLabels)")
            })
        })
    }

    /// Whether a node's name is denied, whatever its labels are.
    #[must_use]
    pub fn deny_name(&self, name: &str) -> bool {
        self.layers
            .iter()
            .any(|compiled| compiled.denies_name(name))
    }
}

impl Compiled<'_> {
    fn denies_name(&self, name: &str) -> bool {
        self.denied.as_ref().is_none_or(|set| set.matches(name))
    }
}

/// Whether a required node affinity permits a node: one of its terms does.
#[must_use]
pub fn selects(selector: &NodeSelector, node: &NodeFacts) -> bool {
    selector
        .node_selector_terms
        .iter()
        .any(|term| fulfils(term, node))
}

/// All requirements of a term; one without any permits nothing.
fn fulfils(term: &NodeSelectorTerm, node: &NodeFacts) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let is_empty = expressions.is_empty() && fields.is_empty();
    !is_empty
        && expressions
            .iter()
            .all(|wanted| is_met(wanted, node.labels.get(&wanted.key).map(String::as_str)))
        && fields
            .iter()
            .all(|wanted| wanted.key == NODE_NAME && is_met(wanted, Some(&node.name)))
}

fn is_met(wanted: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = wanted.values.as_deref().unwrap_or_default();
    let is_listed = value.is_some_and(|value| values.iter().any(|listed| listed == value));
    let compared = |is: fn(&i64, &i64) -> bool| {
        let [limit] = values else { return false };
        let number = value.and_then(|value| value.parse::<i64>().ok());
        number
            .zip(limit.parse::<i64>().ok())
            .is_some_and(|(number, limit)| is(&number, &limit))
    };
    match wanted.operator.as_str() {
        "In" => is_listed,
        "NotIn" => !values.is_empty() && !is_listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared(i64::gt),
        "Lt" => compared(i64::lt),
        // Kubernetes's word, not ours: one that it may learn later permits nothing here.
        _ => false,
    }
}

#[cfg(test)]
mod tests;
