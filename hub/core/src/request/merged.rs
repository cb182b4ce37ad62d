//! What template and binding make together (S1, D3): a binding narrows, it never loosens. A field that the binding leaves
//! out is the template's; where the template leaves it out too, its default stands (D13), and that is not loosened either.

use std::collections::BTreeMap;
use std::time::Duration;

use breakglass_protocol::duration::DurationText;
use breakglass_protocol::kinds::access::Approvers;
use breakglass_protocol::kinds::constraints::Constraints;
use breakglass_protocol::kinds::pod_operations::AllowedPodOperations;
use breakglass_protocol::kinds::reasons::{ApprovalReason, RequestReason};
use breakglass_protocol::wire::grant::Operations;

use super::defaults;
use super::layers::Layers;
use crate::snapshot::Admitted;

impl<'a> Layers<'a> {
    /// `constraints` of both: the smaller of every number and duration, renewal only where both allow it, its approval
    /// where either wants it.
    #[must_use]
    pub fn merged_constraints(self) -> Option<Constraints> {
        let mut blocks = self.constraints();
        let Some(binding) = self.binding.and_then(|b| b.constraints.as_ref()) else {
            return blocks.next().cloned();
        };
        let template = self.template.constraints.clone().unwrap_or_default();
        Some(narrow_constraints(template, binding))
    }

    /// What may be done on the pods: what is off anywhere stays off.
    #[must_use]
    pub fn merged_operations(self) -> Operations {
        let template = defaults::operations(self.template.allowed_pod_operations.as_ref());
        let binding = self.binding.and_then(|b| b.allowed_pod_operations);
        let AllowedPodOperations {
            exec,
            attach,
            logs,
            port_forward,
        } = binding.unwrap_or_default();
        // Left out by the binding is the template's, not the default of a block of its own.
        let open = |given: Option<bool>| given != Some(false);
        Operations {
            exec: template.exec && open(exec),
            attach: template.attach && open(attach),
            logs: template.logs && open(logs),
            port_forward: template.port_forward && open(port_forward),
        }
    }

    /// Who may ask: the binding's people, where its `allowed` names any, else the template's.
    #[must_use]
    pub fn admitted(self) -> Admitted {
        let of_binding = self.binding.and_then(|b| b.allowed.as_ref());
        let named = of_binding.filter(|a| !a.groups.is_empty() || !a.users.is_empty());
        let allowed = named.or(self.template.allowed.as_ref());
        Admitted {
            groups: allowed.map(|a| a.groups.clone()).unwrap_or_default(),
            users: allowed.map(|a| a.users.clone()).unwrap_or_default(),
        }
    }

    /// Who decides, and for whom nobody must: the binding's whole block, where it has one, else the template's.
    #[must_use]
    pub fn approvers(self) -> Option<&'a Approvers> {
        let of_binding = self.binding.and_then(|b| b.approvers.as_ref());
        of_binding.or(self.template.approvers.as_ref())
    }

    /// `requestReason` of both.
    #[must_use]
    pub fn merged_request_reason(self) -> Option<RequestReason> {
        let mut blocks = self.request_reason();
        let first = blocks.next()?.clone();
        Some(blocks.fold(first, |base, given| RequestReason {
            mandatory: either(base.mandatory, given.mandatory),
            min_length: longest(base.min_length, given.min_length),
            max_length: shortest(base.max_length, given.max_length),
            description: given.description.clone().or(base.description),
            suggested_reasons: suggested(base.suggested_reasons, &given.suggested_reasons),
        }))
    }

    /// `approvalReason` of both.
    #[must_use]
    pub fn merged_approval_reason(self) -> Option<ApprovalReason> {
        let mut blocks = self.approval_reason();
        let first = blocks.next()?.clone();
        Some(blocks.fold(first, |base, given| {
            // Absent means true here, which nothing narrows.
            let for_rejection = match (base.mandatory_for_rejection, given.mandatory_for_rejection)
            {
                (Some(false), Some(false) | None) => Some(false),
                (Some(false), Some(true)) | (Some(true) | None, _) => Some(true),
            };
            ApprovalReason {
                mandatory: either(base.mandatory, given.mandatory),
                mandatory_for_rejection: for_rejection,
                min_length: longest(base.min_length, given.min_length),
                max_length: shortest(base.max_length, given.max_length),
                description: given.description.clone().or(base.description),
                suggested_reasons: suggested(base.suggested_reasons, &given.suggested_reasons),
            }
        }))
    }

    /// Labels for everything deployed; the binding's value of a key stands. Reserved keys are refused at load.
    #[must_use]
    pub fn labels(self) -> BTreeMap<String, String> {
        over(&self.template.labels, self.binding.map(|b| &b.labels))
    }

    /// As [`Layers::labels`].
    #[must_use]
    pub fn annotations(self) -> BTreeMap<String, String> {
        over(
            &self.template.annotations,
            self.binding.map(|b| &b.annotations),
        )
    }
}

fn narrow_constraints(template: Constraints, binding: &Constraints) -> Constraints {
    let renewals = smaller(
        template.renewals(),
        defaults::MAX_RENEWALS,
        binding.renewals(),
    );
    Constraints {
        max_duration: shorter(
            template.max_duration,
            defaults::MAX_DURATION,
            binding.max_duration.as_ref(),
        ),
        default_duration: shorter(
            template.default_duration,
            defaults::DEFAULT_DURATION,
            binding.default_duration.as_ref(),
        ),
        allow_renewal: match (template.allow_renewal, binding.allow_renewal) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (given @ (Some(true) | None), Some(true) | None) => given,
        },
        max_renewals: renewals,
        renewal_limit: None,
        require_approval_for_renewal: either(
            template.require_approval_for_renewal,
            binding.require_approval_for_renewal,
        ),
        max_concurrent_sessions: smaller(
            template.max_concurrent_sessions,
            defaults::MAX_CONCURRENT_SESSIONS,
            binding.max_concurrent_sessions,
        ),
    }
}

/// `None` stays where it means the default and nothing is stricter.
fn smaller(base: Option<i32>, default: u32, given: Option<i32>) -> Option<i32> {
    let default = i32::try_from(default).unwrap_or(i32::MAX);
    match given {
        Some(given) if given < base.unwrap_or(default) => Some(given),
        Some(_) | None => base,
    }
}

fn shorter(
    base: Option<DurationText>,
    default: Duration,
    given: Option<&DurationText>,
) -> Option<DurationText> {
    let limit = base.as_ref().map_or(default, DurationText::duration);
    match given {
        Some(given) if given.duration() < limit => Some(given.clone()),
        Some(_) | None => base,
    }
}

/// Of a switch that is off where absent.
fn either(base: Option<bool>, given: Option<bool>) -> Option<bool> {
    if given == Some(true) { given } else { base }
}

fn longest(base: Option<i32>, given: Option<i32>) -> Option<i32> {
    let limit = base.unwrap_or(defaults::length_text(defaults::REASON_MIN));
    given.filter(|given| *given > limit).or(base)
}

fn shortest(base: Option<i32>, given: Option<i32>) -> Option<i32> {
    let limit = base.unwrap_or(defaults::length_text(defaults::REASON_MAX));
    given.filter(|given| *given < limit).or(base)
}

fn suggested(base: Vec<String>, given: &[String]) -> Vec<String> {
    if given.is_empty() {
        base
    } else {
        given.to_vec()
    }
}

fn over(
    base: &BTreeMap<String, String>,
    given: Option<&BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let mut merged = base.clone();
    merged.extend(
        given
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    merged
}
