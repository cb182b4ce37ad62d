//! Several sets of constraints as one (spec 1 section 5): later ones add and never loosen. Hub and agent judge by the same
//! functions, so what a request is told is what a cluster does.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

use super::SchedulingConstraints;
use crate::limits::MAX_NODE_AFFINITY_TERMS;

/// In `deniedNodeLabels`: whatever the value is.
const ANY: &str = "*";

/// One set of constraints, and where it stands, for messages: `session template standard-debug`.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    pub place: &'a str,
    pub constraints: &'a SchedulingConstraints,
}

/// Two places that want one node label to be different things: no node fulfils both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no node can fulfil both: {first} wants label {key} to be {wanted:?}, and {second} {against}"
)]
pub struct Contradiction {
    pub key: String,
    /// What the first place wants.
    pub wanted: String,
    pub first: String,
    /// The place that is against it: the later of both where both want something.
    pub second: String,
    pub against: Against,
}

/// What the second place says of the label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    Wants(String),
    Denies(String),
}

impl std::fmt::Display for Against {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wants(value) => write!(f, "wants it to be {value:?}"),
            Self::Denies(value) if value == ANY => f.write_str("denies nodes that have it"),
            Self::Denies(value) => write!(f, "denies nodes where it is {value:?}"),
        }
    }
}

/// Node affinity that grew too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the required node affinities have {0} terms together (each term of one with each of the others); at most \
     {MAX_NODE_AFFINITY_TERMS} are possible, so write fewer terms"
)]
pub struct TooManyTerms(pub usize);

/// Every label that two places want to be different things, or that one wants and one denies.
#[must_use]
pub fn contradictions(all: &[Placed<'_>]) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let mut wanted: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for Placed { place, constraints } in all {
        for (key, value) in &constraints.node_selector {
            let (first, held) = *wanted.entry(key).or_insert((place, value));
            if held != value {
                found.push(Contradiction {
                    key: key.clone(),
                    wanted: held.to_owned(),
                    first: first.to_owned(),
                    second: (*place).to_owned(),
                    against: Against::Wants(value.clone()),
                });
            }
        }
    }
    for Placed { place, constraints } in all {
        for (key, denied) in &constraints.denied_node_labels {
            let held = wanted.get(key.as_str());
            if let Some((first, held)) = held.filter(|(_, held)| denied == ANY || denied == held) {
                found.push(Contradiction {
                    key: key.clone(),
                    wanted: (*held).to_owned(),
                    first: (*first).to_owned(),
                    second: (*place).to_owned(),
                    against: Against::Denies(denied.clone()),
                });
            }
        }
    }
    found
}

/// What both require: each term of the one with each of the other, since terms are OR-ed (spec 1 section 5).
///
/// # Errors
/// If that is more than a pod template should hold.
pub fn both(one: &NodeSelector, other: &NodeSelector) -> Result<NodeSelector, TooManyTerms> {
    let (left, right) = (telling(one), telling(other));
    let count = left.len().saturating_mul(right.len());
    if count > MAX_NODE_AFFINITY_TERMS {
        return Err(TooManyTerms(count));
    }
    let mut terms = Vec::with_capacity(count);
    for one in &left {
        for other in &right {
            let term = joined(one, other);
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
    }
    if terms.is_empty() {
        // No node fulfils one of them, so none fulfils both.
        terms.push(NodeSelectorTerm::default());
    }
    Ok(NodeSelector {
        node_selector_terms: terms,
    })
}

/// A term without requirements matches no node in Kubernetes. Joined with another it would match what that one does.
fn telling(selector: &NodeSelector) -> Vec<&NodeSelectorTerm> {
    selector
        .node_selector_terms
        .iter()
        .filter(|term| requirements(term).next().is_some())
        .collect()
}

fn requirements(term: &NodeSelectorTerm) -> impl Iterator<Item = &NodeSelectorRequirement> {
    let expressions = term.match_expressions.iter().flatten();
    expressions.chain(term.match_fields.iter().flatten())
}

fn joined(one: &NodeSelectorTerm, other: &NodeSelectorTerm) -> NodeSelectorTerm {
    NodeSelectorTerm {
        match_expressions: united(&one.match_expressions, &other.match_expressions),
        match_fields: united(&one.match_fields, &other.match_fields),
    }
}

fn united(
    one: &Option<Vec<NodeSelectorRequirement>>,
    other: &Option<Vec<NodeSelectorRequirement>>,
) -> Option<Vec<NodeSelectorRequirement>> {
    let mut all = Vec::new();
    extend(&mut all, one.iter().chain(other).flatten());
    (!all.is_empty()).then_some(all)
}

/// Adds what is not there yet.
fn extend<'a, T: Clone + PartialEq + 'a>(held: &mut Vec<T>, more: impl IntoIterator<Item = &'a T>) {
    for item in more {
        if !held.contains(item) {
            held.push(item.clone());
        }
    }
}

/// What keeps pods off nodes with this label.
fn without(key: &str, denied: &str) -> NodeSelectorRequirement {
    let (operator, values) = if denied == ANY {
        ("DoesNotExist", None)
    } else {
        // Also nodes that lack the label, as Kubernetes does it.
        ("NotIn", Some(vec![denied.to_owned()]))
    };
    NodeSelectorRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values,
    }
}

impl SchedulingConstraints {
    /// `requiredNodeAffinity` and `deniedNodeLabels` as one node affinity; `None` if they require nothing.
    ///
    /// # Errors
    /// If it has too many terms.
    pub fn required(&self) -> Result<Option<NodeSelector>, TooManyTerms> {
        let denied: Vec<_> = self
            .denied_node_labels
            .iter()
            .map(|(key, value)| without(key, value))
            .collect();
        let denied = (!denied.is_empty()).then(|| NodeSelector {
            node_selector_terms: vec![NodeSelectorTerm {
                match_expressions: Some(denied),
                match_fields: None,
            }],
        });
        match (&self.required_node_affinity, denied) {
            (Some(own), Some(denied)) => both(own, &denied).map(Some),
            (Some(own), None) if own.node_selector_terms.len() > MAX_NODE_AFFINITY_TERMS => {
                Err(TooManyTerms(own.node_selector_terms.len()))
            }
            (Some(own), None) => Ok(Some(own.clone())),
            (None, denied) => Ok(denied),
        }
    }

    /// Whether it says nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another set to this one. A label that both want keeps this one's value (see [`contradictions`]).
    ///
    /// # Errors
    /// If the node affinity has too many terms then.
    pub fn add(&mut self, more: &Self) -> Result<(), TooManyTerms> {
        for (key, value) in &more.node_selector {
            self.node_selector
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
        if let Some(required) = &more.required_node_affinity {
            self.require(required)?;
        }
        for (key, value) in &more.denied_node_labels {
            self.deny_label(key, value)?;
        }
        extend(
            &mut self.preferred_node_affinity,
            &more.preferred_node_affinity,
        );
        extend(
            &mut self.required_pod_anti_affinity,
            &more.required_pod_anti_affinity,
        );
        extend(
            &mut self.preferred_pod_anti_affinity,
            &more.preferred_pod_anti_affinity,
        );
        extend(&mut self.tolerations, &more.tolerations);
        extend(
            &mut self.topology_spread_constraints,
            &more.topology_spread_constraints,
        );
        extend(&mut self.denied_nodes, &more.denied_nodes);
        Ok(())
    }

    fn require(&mut self, more: &NodeSelector) -> Result<(), TooManyTerms> {
        let required = match &self.required_node_affinity {
            Some(held) => both(held, more)?,
            None => more.clone(),
        };
        self.required_node_affinity = Some(required);
        Ok(())
    }

    /// A key has one value in the map; a second one becomes node affinity.
    fn deny_label(&mut self, key: &str, value: &str) -> Result<(), TooManyTerms> {
        match self.denied_node_labels.get(key) {
            Some(held) if held == value || held == ANY => Ok(()),
            None => {
                self.denied_node_labels
                    .insert(key.to_owned(), value.to_owned());
                Ok(())
            }
            Some(_) => self.require(&NodeSelector {
                node_selector_terms: vec![NodeSelectorTerm {
                    match_expressions: Some(vec![without(key, value)]),
                    match_fields: None,
                }],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn constraints(json: serde_json::Value) -> SchedulingConstraints {
        serde_json::from_value(json).unwrap()
    }

    fn selector(json: serde_json::Value) -> NodeSelector {
        serde_json::from_value(json!({ "nodeSelectorTerms": json })).unwrap()
    }

    fn has(key: &str) -> serde_json::Value {
        json!({ "key": key, "operator": "Exists" })
    }

    #[test]
    fn terms_are_crossed_and_an_empty_term_stays_without_a_node() {
        let crossed = both(
            &selector(
                json!([{ "matchExpressions": [has("a")] }, { "matchExpressions": [has("b")] }]),
            ),
            &selector(
                json!([{ "matchExpressions": [has("a")] }, { "matchExpressions": [has("c")] }, {}]),
            ),
        );
        let expected = selector(json!([
            { "matchExpressions": [has("a")] },
            { "matchExpressions": [has("a"), has("c")] },
            { "matchExpressions": [has("b"), has("a")] },
            { "matchExpressions": [has("b"), has("c")] },
        ]));
        assert_eq!(crossed, Ok(expected));
        let nowhere = both(
            &selector(json!([{}])),
            &selector(json!([{ "matchExpressions": [has("a")] }])),
        );
        assert_eq!(nowhere, Ok(selector(json!([{}]))));
    }

    #[test]
    fn the_cross_product_is_bounded() {
        let many = |prefix: &str, count: usize| {
            let terms: Vec<_> = (0..count)
                .map(|n| json!({ "matchExpressions": [has(&format!("{prefix}{n}"))] }))
                .collect();
            selector(json!(terms))
        };
        assert!(both(&many("a", 16), &many("b", 32)).is_ok());
        assert_eq!(
            both(&many("a", 19), &many("b", 27)),
            Err(TooManyTerms(19 * 27))
        );
    }

    #[test]
    fn what_no_node_can_fulfil_is_named_with_both_places() {
        let template = constraints(json!({ "nodeSelector": { "pool": "general" },
            "deniedNodeLabels": { "secret": "*", "zone": "a" } }));
        let request = constraints(
            json!({ "nodeSelector": { "pool": "app", "secret": "x", "zone": "b", "disk": "ssd" } }),
        );
        let all = [
            Placed {
                place: "session template t",
                constraints: &template,
            },
            Placed {
                place: "the request",
                constraints: &request,
            },
        ];
        let told: Vec<String> = contradictions(&all)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "no node can fulfil both: session template t wants label pool to be \"general\", and the request wants it to be \"app\"",
                "no node can fulfil both: the request wants label secret to be \"x\", and session template t denies nodes that have it",
            ]
        );
    }

    #[test]
    fn sets_add_up() {
        let mut all = constraints(
            json!({ "nodeSelector": { "a": "1" }, "deniedNodes": ["etcd-*"],
            "deniedNodeLabels": { "zone": "a" }, "tolerations": [{ "operator": "Exists" }] }),
        );
        all.add(&constraints(json!({ "nodeSelector": { "b": "2" }, "deniedNodes": ["etcd-*", "cp-*"],
            "deniedNodeLabels": { "zone": "b", "gpu": "*" }, "tolerations": [{ "operator": "Exists" }] })))
            .unwrap();
        let not_b = json!([{ "matchExpressions": [{ "key": "zone", "operator": "NotIn", "values": ["b"] }] }]);
        assert_eq!(
            all,
            constraints(
                json!({ "nodeSelector": { "a": "1", "b": "2" }, "deniedNodes": ["etcd-*", "cp-*"],
                "deniedNodeLabels": { "zone": "a", "gpu": "*" }, "tolerations": [{ "operator": "Exists" }],
                "requiredNodeAffinity": { "nodeSelectorTerms": not_b } })
            )
        );
        let required = all.required().unwrap().unwrap();
        assert_eq!(required.node_selector_terms.len(), 1);
        assert_eq!(requirements(&required.node_selector_terms[0]).count(), 3);
    }
}
