//! What can be asked for and is not built: refused, never ignored (D10).

use breakglass_protocol::api::debug_session::CreateDebugSession;

use crate::refusal::Violation;

pub(super) fn check(asked: &CreateDebugSession) -> Vec<Violation> {
    let set = |given: bool, field: &str, what: &str| {
        given.then(|| {
            let message = format!("{what} not supported yet; leave it out");
            Violation::constraint(field, "unbuilt", message)
        })
    };
    let mut violations: Vec<Violation> = [
        set(asked.binding_ref.is_some(), "bindingRef", "bindings are"),
        set(
            asked.node_selector.as_ref().is_some_and(|s| !s.is_empty()),
            "nodeSelector",
            "node selectors are",
        ),
        set(
            asked.selected_scheduling_option.is_some(),
            "selectedSchedulingOption",
            "scheduling options are",
        ),
        set(
            asked
                .selected_auxiliary_resources
                .as_ref()
                .is_some_and(|r| !r.is_empty()),
            "selectedAuxiliaryResources",
            "auxiliary resources are",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    // S13: no template declares a variable as long as variables are not built, so none is known.
    violations.extend(asked.extra_deploy_values.iter().flatten().map(|(name, _)| {
        let message = "this template declares no such variable";
        Violation::constraint(
            format!("extraDeployValues.{name}"),
            "extraDeployVariables",
            message,
        )
    }));
    violations
}
