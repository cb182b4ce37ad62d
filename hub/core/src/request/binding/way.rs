//! The way of one request: directly, or through which binding; and what is said where there is none.

use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;

use super::{Candidate, Effect, Wish, candidates, foremost, full_name, opens};
use crate::refusal::{Class, Violation};
use crate::request::admission::Admission;
use crate::request::layers::Layers;
use crate::request::shortened;

/// The way by which a request goes.
#[derive(Clone, Copy, Debug)]
pub(in crate::request) enum Way<'a> {
    /// The template itself reaches the cluster, if anything does; no binding covers it.
    Direct,
    Through(&'a DebugSessionClusterBinding),
}

/// Finds the way. `named` is `bindingRef`: `namespace/name` or `name`.
pub(in crate::request) fn find_way<'a>(
    bindings: &'a [DebugSessionClusterBinding],
    named: Option<&str>,
    wish: &Wish<'_>,
) -> Result<Way<'a>, Violation> {
    let candidates = candidates(bindings, wish);
    if let Some(named) = named {
        return named_one(bindings, &candidates, named, wish).map(Way::Through);
    }
    if candidates.is_empty() {
        return Ok(Way::Direct);
    }
    match foremost(&candidates).as_slice() {
        [one] => Ok(Way::Through(one)),
        [] => Err(none_usable(&candidates, wish)),
        tied => Err(tie(tied, wish)),
    }
}

fn named_one<'a>(
    bindings: &'a [DebugSessionClusterBinding],
    candidates: &[Candidate<'a>],
    named: &str,
    wish: &Wish<'_>,
) -> Result<&'a DebugSessionClusterBinding, Violation> {
    let is_named = |binding: &DebugSessionClusterBinding| {
        full_name(binding) == named || binding.metadata.name.as_deref() == Some(named)
    };
    let found: Vec<&Candidate<'a>> = candidates.iter().filter(|c| is_named(c.binding)).collect();
    match found.as_slice() {
        [] => Err(not_of_this_cluster(bindings, is_named, named, wish)),
        [one] => match (one.admission, one.effect.why_not()) {
            (Admission::No, _) if one.is_hidden() => Err(unknown(named, wish)),
            (Admission::No, _) => Err(not_admitted(&[one], wish)),
            (Admission::Yes, Some(why)) => Err(conflict(format!("binding {named} {why}"))),
            (Admission::Yes, None) => Ok(one.binding),
        },
        several => {
            let names: Vec<String> = several.iter().map(|c| full_name(c.binding)).collect();
            let message = format!(
                "{named:?} names several bindings; give one with its namespace: {}",
                names.join(", ")
            );
            Err(ambiguous(message, names))
        }
    }
}

/// A binding that does not exist, opens another template, or covers other clusters: only the last is told apart, and only
/// to those whom it admits.
fn not_of_this_cluster(
    bindings: &[DebugSessionClusterBinding],
    is_named: impl Fn(&DebugSessionClusterBinding) -> bool,
    named: &str,
    wish: &Wish<'_>,
) -> Violation {
    let elsewhere = bindings
        .iter()
        .filter(|b| opens(b, wish.template) && is_named(b))
        .any(|b| {
            let layers = Layers {
                template: &wish.template.spec,
                binding: Some(&b.spec),
            };
            layers.admitted().holds(wish.caller)
        });
    if !elsewhere {
        return unknown(named, wish);
    }
    let message = format!(
        "binding {named} does not cover cluster {:?}; choose another cluster or another binding",
        wish.cluster_name
    );
    Violation::new(Class::Forbidden, "bindingRef", "binding.clusters", message)
}

fn unknown(named: &str, wish: &Wish<'_>) -> Violation {
    let template = wish.template.metadata.name.as_deref().unwrap_or_default();
    let named = shortened(named);
    let message = format!("session template {template} has no binding {named:?}");
    Violation::new(Class::NotFound, "bindingRef", "bindingRef.exists", message)
}

/// No binding counts for this caller now: those that would admit them are told why they do not hold, others whom the
/// bindings admit.
fn none_usable(candidates: &[Candidate<'_>], wish: &Wish<'_>) -> Violation {
    let shown: Vec<&Candidate<'_>> = candidates.iter().filter(|c| !c.is_hidden()).collect();
    let reasons: Vec<String> = shown
        .iter()
        .filter(|c| c.admission == Admission::Yes)
        .filter_map(|c| Some(format!("{} {}", full_name(c.binding), c.effect.why_not()?)))
        .collect();
    if reasons.is_empty() {
        return not_admitted(&shown, wish);
    }
    conflict(format!(
        "{}, and {}",
        through_bindings(wish),
        reasons.join(", ")
    ))
}

fn through_bindings(wish: &Wish<'_>) -> String {
    let template = wish.template.metadata.name.as_deref().unwrap_or_default();
    format!(
        "session template {template} is requested through a binding on cluster {}",
        wish.cluster_name
    )
}

fn not_admitted(shown: &[&Candidate<'_>], wish: &Wish<'_>) -> Violation {
    let mut groups: Vec<String> = shown
        .iter()
        .filter(|c| c.effect == Effect::Effective)
        .flat_map(|c| {
            let layers = Layers {
                template: &wish.template.spec,
                binding: Some(&c.binding.spec),
            };
            layers.admitted().groups
        })
        .collect();
    groups.sort();
    groups.dedup();
    let who = if groups.is_empty() {
        "none admits you".to_owned()
    } else {
        let groups = groups.join(", ");
        format!("those that hold now admit members of {groups}, and not you here")
    };
    let message = format!("{}, and {who}", through_bindings(wish));
    Violation::new(Class::Forbidden, "bindingRef", "allowed", message).allowing(groups)
}

fn conflict(message: String) -> Violation {
    Violation::new(Class::Conflict, "bindingRef", "binding.effective", message)
}

fn tie(tied: &[&DebugSessionClusterBinding], wish: &Wish<'_>) -> Violation {
    let names: Vec<String> = tied.iter().map(|binding| full_name(binding)).collect();
    let message = format!(
        "{}, and several of the same priority admit you; name one of {}",
        through_bindings(wish),
        names.join(", ")
    );
    ambiguous(message, names)
}

fn ambiguous(message: String, names: Vec<String>) -> Violation {
    Violation::constraint("bindingRef", "bindingRef.ambiguous", message).allowing(names)
}
