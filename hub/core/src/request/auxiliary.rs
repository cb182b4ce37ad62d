//! Which of the template's auxiliary resources a session takes (spec 1 section 7).
//!
//! One that is not `optional` is always taken, and so is every one of a required category. Of the others the requester's
//! list decides; where they give no list, `auxiliaryResourceDefaults` does: by name, else by category, else it is left out.

use breakglass_protocol::kinds::auxiliary::AuxiliaryResource;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;
use breakglass_protocol::manifest::did_you_mean;

use super::{Facts, TOLD_UNKNOWN, shortened};
use crate::refusal::Violation;

/// Names of the resources taken, in the template's order.
pub(super) fn resolve(facts: &Facts<'_>) -> Result<Vec<String>, Vec<Violation>> {
    let spec = &facts.template.spec;
    let selected = facts.asked.selected_auxiliary_resources.as_deref();
    let violations = unknown(spec, selected.unwrap_or_default());
    if !violations.is_empty() {
        return Err(violations);
    }
    // A binding adds its own categories here and answers `auxiliaryResourceOverrides` before the defaults.
    let required = &spec.required_auxiliary_resource_categories;
    let is_taken = |resource: &&AuxiliaryResource| {
        resource.optional != Some(true)
            || is_of(resource, required)
            || match selected {
                Some(selected) => selected.contains(&resource.name),
                None => is_default(spec, resource),
            }
    };
    let taken = spec.auxiliary_resources.iter().filter(is_taken);
    Ok(taken.map(|resource| resource.name.clone()).collect())
}

/// Required categories of which the template has no resource: no session could satisfy them.
pub(super) fn missing_categories(spec: &DebugSessionTemplateSpec) -> Vec<&str> {
    let has = |category: &str| {
        let mut resources = spec.auxiliary_resources.iter();
        resources.any(|resource| resource.category.as_deref() == Some(category))
    };
    let required = spec.required_auxiliary_resource_categories.iter();
    required
        .map(String::as_str)
        .filter(|category| !has(category))
        .collect()
}

fn is_of(resource: &AuxiliaryResource, categories: &[String]) -> bool {
    resource
        .category
        .as_ref()
        .is_some_and(|category| categories.contains(category))
}

fn is_default(spec: &DebugSessionTemplateSpec, resource: &AuxiliaryResource) -> bool {
    let defaults = &spec.auxiliary_resource_defaults;
    let by_category = || {
        resource
            .category
            .as_ref()
            .and_then(|category| defaults.get(category))
    };
    defaults
        .get(&resource.name)
        .or_else(by_category)
        .copied()
        .unwrap_or(false)
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
