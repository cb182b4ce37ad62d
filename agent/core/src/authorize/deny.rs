//! Deny policies (S16): one request → the first policy that refuses it. A request that could include a denied object is
//! one: without a namespace or a name it means all of them, and `*` in it is anything.
//!
//! Rules are compiled once and found by their resource; what a request costs grows with the rules for its resource and
//! those for any, of which there are at most [`breakglass_protocol::limits::MAX_DENY_RULES_PER_CLUSTER`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use breakglass_protocol::kinds::deny_policy::DenyRule;
use breakglass_protocol::kinds::namespace_filter::NamespaceFilter;
use breakglass_protocol::kinds::selector::LabelSelector;
use breakglass_protocol::pattern::{PatternError, PatternSet};
use breakglass_protocol::wire::policy::{Policy, TooMuch, check_size};

use super::{ResourceFacts, ReviewFacts};

/// Anything, in a rule and in a request.
const ANY: &str = "*";

/// Labels of the cluster's namespaces. One that is not in it is not known, and a filter that needs its labels matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceLabels(pub BTreeMap<String, Arc<BTreeMap<String, String>>>);

/// Policies, compiled. Immutable; the webhook reads one, the loop makes a new one.
#[derive(Debug, Default)]
pub struct DenyIndex {
    /// In the order in which they are asked.
    policies: Vec<String>,
    /// Of all policies, in their order.
    rules: Vec<Rule>,
    /// Places in `rules`, ascending, of those that name the resource.
    by_resource: HashMap<String, Vec<usize>>,
    /// Places in `rules`, ascending, of those for any resource.
    any_resource: Vec<usize>,
}

/// Why policies cannot be judged by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DenyIndexError {
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error("deny policy {policy}: rules[{rule}].namespaces.patterns {error}")]
    Pattern {
        policy: String,
        rule: usize,
        error: PatternError,
    },
}

#[derive(Debug)]
struct Rule {
    /// Its place in [`DenyIndex::policies`].
    policy: usize,
    verbs: Words,
    groups: Words,
    names: Words,
    subresources: Words,
    namespaces: Namespaces,
}

/// A list of words, of which one is enough.
#[derive(Debug)]
enum Words {
    Any,
    Listed(Vec<String>),
}

#[derive(Debug)]
enum Namespaces {
    Every,
    Filtered {
        patterns: PatternSet,
        terms: Vec<LabelSelector>,
    },
}

impl DenyIndex {
    /// Compiles policies, in whatever order they come.
    ///
    /// # Errors
    /// If they are too many, or a pattern is none: nothing of them is judged by then.
    pub fn new(policies: &[Policy]) -> Result<Self, DenyIndexError> {
        check_size(policies)?;
        let mut ordered: Vec<&Policy> = policies.iter().collect();
        ordered.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        let mut index = Self::default();
        for (place, policy) in ordered.into_iter().enumerate() {
            index.policies.push(policy.name.clone());
            for (number, rule) in policy.rules.iter().enumerate() {
                let compiled = compile(place, rule).map_err(|error| DenyIndexError::Pattern {
                    policy: policy.name.clone(),
                    rule: number,
                    error,
                })?;
                index.add(&rule.resources, compiled);
            }
        }
        Ok(index)
    }

    fn add(&mut self, resources: &[String], rule: Rule) {
        let place = self.rules.len();
        self.rules.push(rule);
        if resources.iter().any(|resource| resource == ANY) {
            self.any_resource.push(place);
            return;
        }
        for resource in resources {
            let places = self.by_resource.entry(resource.clone()).or_default();
            // A resource that a rule names twice is still one.
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }

    /// How many policies there are.
    #[must_use]
    pub fn policies(&self) -> usize {
        self.policies.len()
    }

    /// The name of the policy that refuses this, if one does.
    #[must_use]
    pub fn refusing(&self, request: &ResourceFacts, labels: &NamespaceLabels) -> Option<&str> {
        let labels = labels.0.get(&request.namespace).map(AsRef::as_ref);
        let refuses = |place: &usize| {
            self.rules
                .get(*place)
                .is_some_and(|rule| rule.matches(request, labels))
        };
        let first = if is_open(&request.resource) {
            (0..self.rules.len()).find(refuses)
        } else {
            let named = self
                .by_resource
                .get(&request.resource)
                .and_then(|places| places.iter().find(|place| refuses(place)));
            let any = self.any_resource.iter().find(|place| refuses(place));
            named.into_iter().chain(any).min().copied()
        };
        let rule = self.rules.get(first?)?;
        self.policies.get(rule.policy).map(String::as_str)
    }
}

fn compile(policy: usize, rule: &DenyRule) -> Result<Rule, PatternError> {
    let subresources = rule.subresources.as_deref().unwrap_or_default();
    Ok(Rule {
        policy,
        verbs: Words::listed(&rule.verbs),
        groups: Words::listed(&rule.api_groups),
        names: Words::optional(&rule.resource_names),
        subresources: Words::optional(subresources),
        namespaces: Namespaces::compile(rule.namespaces.as_ref())?,
    })
}

impl Rule {
    fn matches(&self, request: &ResourceFacts, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.verbs.include_verb(&request.verb)
            && self.groups.include_group(&request.group)
            && self.names.include(&request.name)
            && self.includes_subresource(request)
            && self.namespaces.include(&request.namespace, labels)
    }

    /// `*` as the request's resource is every resource with all below it; otherwise no subresource is the resource itself.
    fn includes_subresource(&self, request: &ResourceFacts) -> bool {
        is_open(&request.resource) || self.subresources.include_group(&request.subresource)
    }
}

impl Words {
    /// A list that says all that it means: an empty one includes nothing.
    fn listed(words: &[String]) -> Self {
        if words.iter().any(|word| word == ANY) {
            Self::Any
        } else {
            Self::Listed(words.to_vec())
        }
    }

    /// A list that may be left out.
    fn optional(words: &[String]) -> Self {
        if words.is_empty() {
            Self::Any
        } else {
            Self::listed(words)
        }
    }

    fn holds(&self, wanted: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(words) => words.iter().any(|word| wanted(word)),
        }
    }

    /// Where the empty word is a word: the core group, the resource itself.
    fn include_group(&self, asked: &str) -> bool {
        asked == ANY || self.holds(|word| word == asked)
    }

    fn include(&self, asked: &str) -> bool {
        is_open(asked) || self.holds(|word| word == asked)
    }

    /// To list or watch is to get each, to delete a collection is to delete each.
    fn include_verb(&self, asked: &str) -> bool {
        let single = match asked {
            "list" | "watch" => "get",
            "deletecollection" => "delete",
            other => other,
        };
        is_open(asked) || self.holds(|word| word == asked || word == single)
    }
}

impl Namespaces {
    fn compile(filter: Option<&NamespaceFilter>) -> Result<Self, PatternError> {
        match filter {
            // An empty filter is refused at load; here it must not be what denies nothing.
            Some(filter) if !filter.is_empty() => Ok(Self::Filtered {
                patterns: PatternSet::new(&filter.patterns)?,
                terms: filter.selector_terms.clone(),
            }),
            Some(_) | None => Ok(Self::Every),
        }
    }

    fn include(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        match self {
            Self::Every => true,
            Self::Filtered { .. } if is_open(namespace) => true,
            Self::Filtered { patterns, terms } => {
                patterns.matches(namespace)
                    || match labels {
                        Some(labels) => terms.iter().any(|term| term.matches(labels)),
                        None => !terms.is_empty(),
                    }
            }
        }
    }
}

/// Whether a part of a request leaves open which one.
fn is_open(part: &str) -> bool {
    part.is_empty() || part == ANY
}

/// Who is never denied anything by a policy (S16): a cluster whose own parts are refused does not run. `agent` is the
/// agent's own name in the cluster.
#[must_use]
pub fn is_exempt(review: &ReviewFacts, agent: &str) -> bool {
    let user = review.user.as_str();
    let is_node = user.starts_with("system:node:")
        && review.groups.iter().any(|group| group == "system:nodes");
    is_node
        || user.starts_with("system:kube-")
        || user.starts_with("system:serviceaccount:kube-system:")
        || (!agent.is_empty() && user == agent)
}

#[cfg(test)]
mod tests;
