//! Where the pods may go by template and binding together: what `request/namespace.rs` would answer, told beforehand.

use breakglass_protocol::api::offer::{NamedAndLabelled, OfferedNamespaces};
use breakglass_protocol::kinds::namespace_constraints::NamespaceConstraints;
use breakglass_protocol::kinds::namespace_filter::NamespaceFilter;
use breakglass_protocol::kinds::selector::LabelSelector;
use breakglass_protocol::pattern::{MAX_PATTERNS, overlap};

use crate::request::{Layers, default_namespace, namespace_may_be_asked_for};

/// `None` where neither speaks of namespaces.
pub(super) fn namespaces(layers: Layers<'_>) -> Option<OfferedNamespaces> {
    let blocks: Vec<&NamespaceConstraints> = layers.namespace_constraints().collect();
    if blocks.is_empty() {
        return None;
    }
    let allowed = blocks.iter().filter_map(|rules| rules.allowed());
    let allowed = allowed.map(Allowed::from).reduce(Allowed::and);
    let is_open = allowed.as_ref().is_none_or(|allowed| !allowed.is_nothing());
    let allowed = allowed.unwrap_or_default();
    let denied = blocks.iter().filter_map(|rules| rules.denied());
    let denied = denied.fold(NamespaceFilter::default(), |mut all, filter| {
        all.patterns.extend(filter.patterns);
        all.selector_terms.extend(filter.selector_terms);
        all
    });
    Some(OfferedNamespaces {
        allowed_patterns: allowed.patterns,
        allowed_label_selectors: allowed.selectors,
        allowed_with_labels: allowed.mixed,
        denied_patterns: denied.patterns,
        denied_label_selectors: denied.selector_terms,
        default_namespace: Some(default_namespace(layers)),
        // What no name can fulfil is not worth asking for.
        allow_user_namespace: is_open && namespace_may_be_asked_for(&blocks),
    })
}

/// What allow filters permit together: by name, by labels, or by both.
#[derive(Default)]
struct Allowed {
    patterns: Vec<String>,
    selectors: Vec<LabelSelector>,
    mixed: Vec<NamedAndLabelled>,
}

impl From<NamespaceFilter> for Allowed {
    fn from(filter: NamespaceFilter) -> Self {
        Self {
            patterns: filter.patterns,
            selectors: filter.selector_terms,
            mixed: Vec::new(),
        }
    }
}

impl Allowed {
    /// Of two filters, template's and binding's. (A third would have to meet what is mixed already.)
    fn and(self, other: Self) -> Self {
        let patterns = overlap(&self.patterns, &other.patterns);
        let selectors = merged_selectors(&self.selectors, &other.selectors);
        let mixed = [
            (self.patterns, other.selectors),
            (other.patterns, self.selectors),
        ];
        Self {
            patterns,
            selectors,
            mixed: mixed
                .into_iter()
                .filter(|(patterns, selectors)| !patterns.is_empty() && !selectors.is_empty())
                .map(|(patterns, label_selectors)| NamedAndLabelled {
                    patterns,
                    label_selectors,
                })
                .collect(),
        }
    }

    fn is_nothing(&self) -> bool {
        self.patterns.is_empty() && self.selectors.is_empty() && self.mixed.is_empty()
    }
}

/// Every pair that some labels can fulfil.
fn merged_selectors(one: &[LabelSelector], other: &[LabelSelector]) -> Vec<LabelSelector> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let merged = pairs.filter_map(|(a, b)| merged_selector(a, b));
    merged.take(MAX_PATTERNS).collect()
}

/// `None` if they want different values of one label.
fn merged_selector(a: &LabelSelector, b: &LabelSelector) -> Option<LabelSelector> {
    let mut both = a.clone();
    for (key, value) in &b.match_labels {
        let known = both.match_labels.insert(key.clone(), value.clone());
        if known.is_some_and(|known| known != *value) {
            return None;
        }
    }
    for expression in &b.match_expressions {
        if !both.match_expressions.contains(expression) {
            both.match_expressions.push(expression.clone());
        }
    }
    Some(both)
}
