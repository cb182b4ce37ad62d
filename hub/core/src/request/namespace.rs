//! Where the pods go (spec 1 section 6, D13, D23). The hub judges the name; label terms that the name leaves open go to
//! the agent, which decides on the live namespace and within its own ceiling (S17).
//!
//! Every layer (template, binding) must permit it; each is asked by its own words.

use std::collections::BTreeMap;

use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::kinds::debug_session::{NamespaceTerms, NamespaceTermsLayer};
use breakglass_protocol::kinds::debug_session_template::FailMode;
use breakglass_protocol::kinds::namespace_constraints::NamespaceConstraints;
use breakglass_protocol::kinds::namespace_filter::NamespaceFilter;
use breakglass_protocol::labels::DEFAULT_TARGET_NAMESPACE;
use breakglass_protocol::pattern::PatternSet;

use super::assemble::reference_to;
use super::{Facts, Layers};
use crate::refusal::{Class, Violation};

/// Where the pods go, and what of that the cluster still decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Chosen {
    pub(super) namespace: String,
    /// `None` if nothing is open.
    pub(super) terms: Option<NamespaceTerms>,
}

/// A template or binding that speaks of namespaces.
struct Layer<'a> {
    /// For people: `session template placed-debug`.
    place: String,
    rules: &'a NamespaceConstraints,
}

/// What one filter says of a namespace.
enum Answer {
    Matches,
    /// Its labels decide.
    Open,
    No,
    /// Its patterns cannot be read (refused at load): taken for the closed side.
    Unknown,
}

/// The namespace that was asked for, in either spelling.
pub(super) fn asked(asked: &CreateDebugSession) -> Option<&str> {
    asked
        .target_namespace
        .as_deref()
        .or(asked.namespace.as_deref())
}

pub(super) fn resolve(facts: &Facts<'_>) -> Result<Chosen, Vec<Violation>> {
    let layers = layers(facts);
    let default = default(facts.layers);
    let mut violations = Vec::new();
    violations.extend(check_spellings(facts.asked));
    let wanted = asked(facts.asked);
    // Asking for what one would get anyway is not asking for another.
    let mut other = wanted.filter(|wanted| *wanted != default);
    if let Some(violation) = other.and_then(|wanted| check_asked(wanted, &default, &layers)) {
        violations.push(violation);
        // What may not be asked for at all needs no second reason.
        other = None;
    }
    let chosen = wanted.map_or(default, str::to_owned);
    let mut open = Vec::new();
    for layer in &layers {
        match judge(layer, &chosen, other) {
            Ok(terms) => open.extend(terms),
            Err(violation) => violations.push(violation),
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Chosen {
        namespace: chosen,
        terms: terms(facts, &layers, open),
    })
}

fn layers<'a>(facts: &Facts<'a>) -> Vec<Layer<'a>> {
    let of_template = facts.layers.template.namespace_constraints.as_ref();
    let of_binding = facts
        .layers
        .binding
        .and_then(|binding| binding.namespace_constraints.as_ref());
    let template = of_template.map(|rules| Layer {
        place: format!("session template {}", facts.asked.template_ref),
        rules,
    });
    let binding = of_binding.zip(facts.binding).map(|(rules, binding)| {
        let reference = reference_to(binding);
        Layer {
            place: format!("binding {}/{}", reference.namespace, reference.name),
            rules,
        }
    });
    template.into_iter().chain(binding).collect()
}

/// D13: a `defaultNamespace` that is given, the binding's first; then `targetNamespace`.
pub(crate) fn default(layers: Layers<'_>) -> String {
    let of = |rules: &NamespaceConstraints| rules.default_namespace.clone();
    // The last layer is the binding's.
    layers
        .namespace_constraints()
        .filter_map(of)
        .last()
        .or_else(|| layers.template.target_namespace.clone())
        .unwrap_or_else(|| DEFAULT_TARGET_NAMESPACE.to_owned())
}

fn check_spellings(asked: &CreateDebugSession) -> Option<Violation> {
    match (&asked.namespace, &asked.target_namespace) {
        (Some(old), Some(new)) if old != new => {
            let message =
                format!("says {old:?} and targetNamespace says {new:?}; give only targetNamespace");
            Some(Violation::constraint(
                "namespace",
                "targetNamespace",
                message,
            ))
        }
        (Some(_) | None, Some(_) | None) => None,
    }
}

/// Whether a namespace may be asked for at all: nobody forbids it, and somebody allows it.
fn check_asked(wanted: &str, default: &str, layers: &[Layer<'_>]) -> Option<Violation> {
    let wrong = |class, rule, message: String| {
        Some(Violation::new(class, "targetNamespace", rule, message))
    };
    if !is_dns_label(wanted) {
        let message = format!(
            "{wanted:?} is not a namespace's name: lower-case letters, digits and dashes, at most 63"
        );
        return wrong(Class::Constraint, "targetNamespace", message);
    }
    let rules: Vec<&NamespaceConstraints> = layers.iter().map(|layer| layer.rules).collect();
    if may_be_asked_for(&rules) {
        return None;
    }
    let message = format!("you may not choose the namespace here; leave it out to get {default}");
    wrong(
        Class::Constraint,
        "namespaceConstraints.allowUserNamespace",
        message,
    )
    .map(|v| v.allowing([default]))
}

/// Whether a requester may choose the namespace, by the rules of every layer.
pub(crate) fn may_be_asked_for(rules: &[&NamespaceConstraints]) -> bool {
    let is_denied = rules.iter().any(|r| r.deny_user_namespace == Some(true));
    !is_denied && all_agree(rules.iter().map(|r| r.allow_user_namespace))
}

/// Somebody says yes, nobody says no: a layer that says nothing leaves it to the other (D13).
fn all_agree(said: impl Iterator<Item = Option<bool>>) -> bool {
    let said: Vec<bool> = said.flatten().collect();
    said.contains(&true) && !said.contains(&false)
}

/// What a layer leaves open of its terms. Allow filters bind only a namespace that was asked for, deny filters always
/// (D11); denied wins.
fn judge(
    layer: &Layer<'_>,
    chosen: &str,
    other: Option<&str>,
) -> Result<Option<NamespaceTermsLayer>, Violation> {
    let refuse = |rule, words: &str| {
        let message = format!("{chosen:?} {words} {}", layer.place);
        Violation::constraint("targetNamespace", rule, message)
    };
    let denied = layer.rules.denied().unwrap_or_default();
    match ask(&denied, chosen) {
        Answer::Matches | Answer::Unknown => {
            let rule = "namespaceConstraints.deniedNamespaces";
            return Err(refuse(rule, "is among the namespaces denied by"));
        }
        Answer::Open | Answer::No => {}
    }
    let allowed = match (layer.rules.allowed(), other) {
        (Some(allowed), Some(wanted)) => match ask(&allowed, wanted) {
            Answer::Matches => None,
            Answer::Open => Some(allowed.selector_terms),
            Answer::No | Answer::Unknown => {
                let rule = "namespaceConstraints.allowedNamespaces";
                return Err(refuse(rule, "is not among the namespaces allowed by")
                    .allowing(allowed.patterns));
            }
        },
        (Some(_), None) | (None, _) => None,
    };
    if allowed.is_none() && denied.selector_terms.is_empty() {
        return Ok(None);
    }
    Ok(Some(NamespaceTermsLayer {
        place: layer.place.clone(),
        allowed,
        denied: denied.selector_terms,
    }))
}

/// What the name alone says.
fn ask(filter: &NamespaceFilter, name: &str) -> Answer {
    match PatternSet::new(&filter.patterns) {
        Ok(set) if set.matches(name) => Answer::Matches,
        Ok(_) if filter.selector_terms.is_empty() => Answer::No,
        Ok(_) => Answer::Open,
        Err(_) => Answer::Unknown,
    }
}

/// Everything that the cluster decides.
fn terms(
    facts: &Facts<'_>,
    layers: &[Layer<'_>],
    open: Vec<NamespaceTermsLayer>,
) -> Option<NamespaceTerms> {
    let is_made = all_agree(layers.iter().map(|layer| layer.rules.create_if_not_exists));
    let fail_mode = facts.layers.template.fail_mode.unwrap_or_default();
    if open.is_empty() && !is_made && fail_mode == FailMode::Closed {
        return None;
    }
    let labels = if is_made {
        labels(layers)
    } else {
        BTreeMap::new()
    };
    Some(NamespaceTerms {
        layers: open,
        create_if_not_exists: Some(is_made),
        namespace_labels: labels,
        fail_mode: Some(fail_mode),
    })
}

/// A binding adds labels and changes none: they may be what restricts the namespace (pod security admission).
fn labels(layers: &[Layer<'_>]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (key, value) in layers
        .iter()
        .flat_map(|layer| &layer.rules.namespace_labels)
    {
        all.entry(key.clone()).or_insert_with(|| value.clone());
    }
    all
}

/// RFC 1123 label.
fn is_dns_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<u8>| b.is_some_and(|b| b != b'-');
    name.len() <= 63
        && name.bytes().all(inner)
        && edge(name.bytes().next())
        && edge(name.bytes().last())
}

#[cfg(test)]
mod tests;
