//! Where the pods go (spec 1 section 6, D13). The hub judges names; label terms are not built, and the agent looks again
//! at the live namespace and its own ceiling (S17).

use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::kinds::namespace_constraints::NamespaceConstraints;
use breakglass_protocol::labels::DEFAULT_TARGET_NAMESPACE;
use breakglass_protocol::pattern::PatternSet;

use super::Facts;
use crate::refusal::{Class, Violation};

/// The namespace that was asked for, in either spelling.
pub(super) fn asked(asked: &CreateDebugSession) -> Option<&str> {
    asked
        .target_namespace
        .as_deref()
        .or(asked.namespace.as_deref())
}

pub(super) fn resolve(facts: &Facts<'_>) -> Result<String, Vec<Violation>> {
    let spec = &facts.template.spec;
    let rules = spec.namespace_constraints.clone().unwrap_or_default();
    let default = rules
        .default_namespace
        .clone()
        .or_else(|| spec.target_namespace.clone())
        .unwrap_or_else(|| DEFAULT_TARGET_NAMESPACE.to_owned());
    let mut violations = Vec::new();
    violations.extend(check_spellings(facts.asked));
    let wanted = asked(facts.asked);
    // Asking for what one would get anyway is not asking for another.
    if let Some(wanted) = wanted.filter(|w| *w != default) {
        violations.extend(check_asked(wanted, &default, &rules));
    }
    let chosen = wanted.map_or(default, str::to_owned);
    violations.extend(check_denied(&chosen, &rules));
    if violations.is_empty() {
        Ok(chosen)
    } else {
        Err(violations)
    }
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

/// Allow filters bind only a namespace that was asked for (D11).
fn check_asked(wanted: &str, default: &str, rules: &NamespaceConstraints) -> Option<Violation> {
    let wrong = |class, rule, message: String| {
        Some(Violation::new(class, "targetNamespace", rule, message))
    };
    if !is_dns_label(wanted) {
        let message = format!(
            "{wanted:?} is not a namespace's name: lower-case letters, digits and dashes, at most 63"
        );
        return wrong(Class::Constraint, "targetNamespace", message);
    }
    let may_ask =
        rules.allow_user_namespace == Some(true) && rules.deny_user_namespace != Some(true);
    if !may_ask {
        let message = format!(
            "this template does not let you choose the namespace; leave it out to get {default}"
        );
        return wrong(
            Class::Constraint,
            "namespaceConstraints.allowUserNamespace",
            message,
        )
        .map(|v| v.allowing([default]));
    }
    let allowed = rules.allowed()?;
    let matches = PatternSet::new(&allowed.patterns).is_ok_and(|set| set.matches(wanted));
    if matches {
        return None;
    }
    let message = format!("{wanted:?} is not among the namespaces that this template allows");
    wrong(
        Class::Constraint,
        "namespaceConstraints.allowedNamespaces",
        message,
    )
    .map(|v| v.allowing(allowed.patterns))
}

/// Deny filters bind always. A filter that does not compile denies: the closed side.
fn check_denied(chosen: &str, rules: &NamespaceConstraints) -> Option<Violation> {
    let denied = rules.denied()?;
    let matches = PatternSet::new(&denied.patterns).map_or(true, |set| set.matches(chosen));
    matches.then(|| {
        let message = format!("{chosen:?} is among the namespaces that this template denies");
        Violation::constraint(
            "targetNamespace",
            "namespaceConstraints.deniedNamespaces",
            message,
        )
    })
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
