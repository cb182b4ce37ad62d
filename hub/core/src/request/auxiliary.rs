//! Which of the template's auxiliary resources a session takes (spec 1 section 7).
//!
//! One that is not `optional` is always taken, and so is every one of a required category. Of the others a binding's
//! `auxiliaryResourceOverrides` decides, by name, else by category; where it is silent, the requester's list does; where
//! they give no list, `auxiliaryResourceDefaults` does, in the same order; else it is left out.

use std::collections::BTreeMap;

use breakglass_protocol::kinds::auxiliary::AuxiliaryResource;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;
use breakglass_protocol::manifest::did_you_mean;

use super::layers::Layers;
use super::{Facts, TOLD_UNKNOWN, shortened};
use crate::refusal::Violation;

/// Names of the resources taken, in the template's order.
pub(super) fn resolve(facts: &Facts<'_>) -> Result<Vec<String>, Vec<Violation>> {
    let spec = &facts.template.spec;
    let selected = facts.asked.selected_auxiliary_resources.as_deref();
    let mut violations = unknown(spec, selected.unwrap_or_default());
    violations.extend(left_out(facts, selected.unwrap_or_default()));
    if !violations.is_empty() {
        return Err(violations);
    }
    let is_taken = |resource: &&AuxiliaryResource| {
        is_required(facts.layers, resource)
            || match (overridden(facts.layers, resource), selected) {
                (Some(taken), _) => taken,
                (None, Some(selected)) => selected.contains(&resource.name),
                (None, None) => by_name_or_category(&spec.auxiliary_resource_defaults, resource)
                    .unwrap_or(false),
            }
    };
    let taken = spec.auxiliary_resources.iter().filter(is_taken);
    Ok(taken.map(|resource| resource.name.clone()).collect())
}

/// Always taken, whatever anybody asks.
fn is_required(layers: Layers<'_>, resource: &AuxiliaryResource) -> bool {
    let category = resource.category.as_ref();
    let of_required = category.is_some_and(|c| layers.required_categories().any(|r| r == c));
    resource.optional != Some(true) || of_required
}

/// What the binding says of a resource.
fn overridden(layers: Layers<'_>, resource: &AuxiliaryResource) -> Option<bool> {
    by_name_or_category(&layers.binding?.auxiliary_resource_overrides, resource)
}

/// What was asked for and the binding leaves out: told, not dropped.
fn left_out(facts: &Facts<'_>, selected: &[String]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, name) in selected.iter().enumerate() {
        let mut resources = facts.template.spec.auxiliary_resources.iter();
        let is_left_out = resources.any(|resource| {
            resource.name == *name
                && !is_required(facts.layers, resource)
                && overridden(facts.layers, resource) == Some(false)
        });
        if is_left_out {
            let field = format!("selectedAuxiliaryResources[{index}]");
            let message = format!("{name:?} is left out by the binding; do not select it");
            violations.push(Violation::constraint(
                field,
                "auxiliaryResourceOverrides",
                message,
            ));
        }
    }
    violations
}

/// Required categories of which the template has no resource: no session could satisfy them.
pub(super) fn missing_categories(layers: Layers<'_>) -> Vec<&str> {
    let has = |category: &str| {
        let mut resources = layers.template.auxiliary_resources.iter();
        resources.any(|resource| resource.category.as_deref() == Some(category))
    };
    let required = layers.required_categories();
    required
        .map(String::as_str)
        .filter(|category| !has(category))
        .collect()
}

fn by_name_or_category(
    table: &BTreeMap<String, bool>,
    resource: &AuxiliaryResource,
) -> Option<bool> {
    let by_category = || table.get(resource.category.as_ref()?);
    table.get(&resource.name).or_else(by_category).copied()
}

fn unknown(spec: &DebugSessionTemplateSpec, selected: &[String]) -> Vec<Violation> {
    let names = || {
        spec.auxiliary_resources
            .iter()
            .map(|resource| resource.name.as_str())
    };
    selected
        .iter()
        .enumerate()
        .filter(|(_, name)| !names().any(|n| n == name.as_str()))
        .take(TOLD_UNKNOWN)
        .map(|(index, name)| {
            let name = shortened(name);
            let message = if spec.auxiliary_resources.is_empty() {
                "names an auxiliary resource, and this template has none".to_owned()
            } else {
                let known: Vec<&str> = names().collect();
                let hint = did_you_mean(&name, names());
                let known = known.join(", ");
                format!("{name:?} is no auxiliary resource of this template: {known}{hint}")
            };
            let field = format!("selectedAuxiliaryResources[{index}]");
            Violation::constraint(field, "auxiliaryResources", message).allowing(names())
        })
        .collect()
}
