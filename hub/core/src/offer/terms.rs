//! The rules of template and binding together, as a request form shows them to one caller.

use breakglass_protocol::api::offer::{
    Offer, OfferedApproval, OfferedImpersonation, OfferedNotification, OfferedOption,
    OfferedOptions, OfferedReason, OfferedToleration, SchedulingSummary,
};
use breakglass_protocol::kinds::scheduling::{SchedulingConstraints, SchedulingOption};

use super::namespaces::namespaces;
use crate::caller::Caller;
use crate::placement::may_choose;
use crate::request::{Layers, defaults, requirement};
use crate::snapshot::Requirement;

/// What a request of this caller stands under on a cluster.
pub(super) fn offer(layers: Layers<'_>, caller: &Caller, cluster: &str) -> Offer {
    let mut categories: Vec<String> = layers.required_categories().cloned().collect();
    categories.sort();
    categories.dedup();
    Offer {
        constraints: layers.merged_constraints(),
        scheduling_constraints: summary(layers.scheduling_constraints()),
        scheduling_options: options(layers, caller),
        namespace_constraints: namespaces(layers),
        impersonation: impersonation(layers),
        required_auxiliary_resource_categories: Some(categories).filter(|c| !c.is_empty()),
        approval: Some(approval(layers, caller, cluster)),
        request_reason: layers.merged_request_reason().map(|given| {
            let terms = defaults::request_reason(&given);
            OfferedReason {
                mandatory: terms.mandatory,
                mandatory_for_rejection: None,
                description: given.description,
                min_length: Some(terms.min_length),
                max_length: Some(terms.max_length),
                suggested_reasons: given.suggested_reasons,
            }
        }),
        approval_reason: layers.merged_approval_reason().map(|given| {
            let terms = defaults::approval_reason(&given);
            OfferedReason {
                mandatory: terms.mandatory,
                mandatory_for_rejection: Some(terms.mandatory_for_rejection),
                description: given.description,
                min_length: Some(terms.min_length),
                max_length: Some(terms.max_length),
                suggested_reasons: given.suggested_reasons,
            }
        }),
        notification: notification(layers),
    }
}

fn approval(layers: Layers<'_>, caller: &Caller, cluster: &str) -> OfferedApproval {
    let required = requirement(layers, caller, cluster) == Requirement::Required;
    let Some(approvers) = layers.approvers() else {
        return OfferedApproval::default();
    };
    OfferedApproval {
        required,
        approver_groups: approvers.groups.clone(),
        approver_users: approvers.users.clone(),
        can_auto_approve: Some(!required),
    }
}

/// People are told unless template or binding says no.
fn notification(layers: Layers<'_>) -> Option<OfferedNotification> {
    let mut given = layers.notification().peekable();
    given.peek()?;
    let enabled = given.all(|notification| notification.enabled != Some(false));
    Some(OfferedNotification { enabled })
}

fn impersonation(layers: Layers<'_>) -> Option<OfferedImpersonation> {
    let account = layers
        .impersonation()
        .find_map(|given| given.service_account_ref.as_ref())?;
    Some(OfferedImpersonation {
        enabled: true,
        service_account: Some(account.name.clone()),
        namespace: Some(account.namespace.clone()),
        reason: None,
    })
}

/// The options that the caller may choose from: the binding's where it has some, else the template's. Either may require
/// that one is chosen.
fn options(layers: Layers<'_>, caller: &Caller) -> Option<OfferedOptions> {
    let offered = layers.scheduling_options().last()?;
    let required = layers
        .scheduling_options()
        .any(|o| o.required == Some(true));
    let options: Vec<OfferedOption> = offered
        .options
        .iter()
        .filter(|option| may_choose(option, caller))
        .map(one_option)
        .collect();
    Some(OfferedOptions { required, options })
}

fn one_option(option: &SchedulingOption) -> OfferedOption {
    OfferedOption {
        name: option.name.clone(),
        display_name: option.display_name.clone(),
        description: option.description.clone(),
        default: option.default,
        scheduling_constraints: summary(option.scheduling_constraints.iter()),
    }
}

fn summary<'a>(
    blocks: impl Iterator<Item = &'a SchedulingConstraints>,
) -> Option<SchedulingSummary> {
    let mut shown = SchedulingSummary::default();
    let mut told = Vec::new();
    for block in blocks {
        told.extend(block.node_selector.iter().map(|(k, v)| format!("{k}={v}")));
        let denied = block.denied_node_labels.iter();
        told.extend(denied.map(|(k, v)| format!("not {k}={v}")));
        told.extend(
            block
                .denied_nodes
                .iter()
                .map(|glob| format!("not on {glob}")),
        );
        if block.required_node_affinity.is_some() {
            told.push("required node affinity".to_owned());
        }
        shown.node_selector.extend(block.node_selector.clone());
        shown
            .denied_node_labels
            .extend(block.denied_node_labels.clone());
        let tolerations = block.tolerations.iter().map(|t| OfferedToleration {
            key: t.key.clone().unwrap_or_default(),
            operator: t.operator.clone(),
            value: t.value.clone(),
            effect: t.effect.clone(),
        });
        shown.tolerations.extend(tolerations);
    }
    shown.summary = (!told.is_empty()).then(|| told.join(", "));
    (shown != SchedulingSummary::default()).then_some(shown)
}
