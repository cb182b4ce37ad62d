//! Whether a binding can be used for a template: what no single document shows. The loader puts it into the `Ready`
//! condition; a request looks again.

use breakglass_protocol::kinds::auxiliary::AuxiliaryResource;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBindingSpec;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;

use crate::refusal::Violation;
use crate::request::layers::Layers;
use crate::request::{auxiliary, defaults, deployer};
use crate::unbuilt::{self, Document};

/// Every reason why sessions of this template cannot be made through this binding; none = ready. `name` is the binding's,
/// for the messages.
#[must_use]
pub fn readiness(
    name: &str,
    binding: &DebugSessionClusterBindingSpec,
    template: &DebugSessionTemplateSpec,
) -> Vec<Violation> {
    let layers = Layers {
        template,
        binding: Some(binding),
    };
    let mut violations: Vec<Violation> = unbuilt::of(Document::Binding(binding))
        .into_iter()
        .map(|u| not_ready("unbuilt", name, &format!("{}: {}", u.field, u.message)))
        .collect();
    violations.extend(names_approvers(name, binding));
    violations.extend(categories_are_there(name, layers));
    violations.extend(overrides_mean_something(name, binding, template));
    violations.extend(reasons_can_be_given(name, layers));
    violations.extend(names_no_other_deployer(name, layers));
    violations
}

fn not_ready(rule: &'static str, name: &str, message: &str) -> Violation {
    Violation::constraint("bindingRef", rule, format!("binding {name}: {message}"))
}

/// S1: a set that names nobody would be taken for "no approval needed".
fn names_approvers(name: &str, binding: &DebugSessionClusterBindingSpec) -> Option<Violation> {
    let nobody = binding
        .approvers
        .as_ref()
        .is_some_and(|a| a.groups.is_empty() && a.users.is_empty());
    nobody.then(|| {
        let message = "spec.approvers names no group and no user; name one, or remove the block";
        not_ready("approvers", name, message)
    })
}

fn categories_are_there(name: &str, layers: Layers<'_>) -> Option<Violation> {
    let missing = auxiliary::missing_categories(layers);
    (!missing.is_empty()).then(|| {
        let message = format!(
            "spec.requiredAuxiliaryResourceCategories names {}, of which the template has no auxiliary resource",
            missing.join(", ")
        );
        not_ready("requiredAuxiliaryResourceCategories", name, &message)
    })
}

/// S10: a binding names a ServiceAccount only where its template names none, or the same.
fn names_no_other_deployer(name: &str, layers: Layers<'_>) -> Option<Violation> {
    let wrong = deployer(layers).err()?;
    Some(not_ready(wrong.rule, name, &wrong.message))
}

/// An override that hits nothing, or that would leave out what the template always takes, does nothing: it is refused
/// rather than ignored.
fn overrides_mean_something(
    name: &str,
    binding: &DebugSessionClusterBindingSpec,
    template: &DebugSessionTemplateSpec,
) -> Vec<Violation> {
    let wrong = |key: &str, message: &str| {
        let message = format!("spec.auxiliaryResourceOverrides.{key} {message}");
        not_ready("auxiliaryResourceOverrides", name, &message)
    };
    let mut violations = Vec::new();
    for (key, taken) in &binding.auxiliary_resource_overrides {
        let hit: Vec<&AuxiliaryResource> = template
            .auxiliary_resources
            .iter()
            .filter(|r| r.name == *key || r.category.as_ref() == Some(key))
            .collect();
        if hit.is_empty() {
            violations.push(wrong(
                key,
                "names no auxiliary resource of the template and no category of one",
            ));
        } else if !taken && hit.iter().all(|r| r.optional != Some(true)) {
            violations.push(wrong(
                key,
                "cannot be false: the template always takes that resource",
            ));
        }
    }
    violations
}

/// The larger minimum and the smaller maximum must leave something to write.
fn reasons_can_be_given(name: &str, layers: Layers<'_>) -> Vec<Violation> {
    let request = layers
        .merged_request_reason()
        .map(|r| defaults::request_reason(&r))
        .map(|r| ("requestReason", r.min_length, r.max_length));
    let approval = layers
        .merged_approval_reason()
        .map(|r| defaults::approval_reason(&r))
        .map(|r| ("approvalReason", r.min_length, r.max_length));
    [request, approval]
        .into_iter()
        .flatten()
        .filter(|(_, min, max)| min > max)
        .map(|(field, min, max)| {
            let message = format!(
                "spec.{field} and the template's leave no reason that could be given: at least {min} and at most {max} characters"
            );
            not_ready("reasons", name, &message)
        })
        .collect()
}
