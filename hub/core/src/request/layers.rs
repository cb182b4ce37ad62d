//! The rules that one session stands under, as its template and its binding wrote them. What they make together is in
//! `merged.rs`.

use breakglass_protocol::kinds::constraints::Constraints;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBindingSpec;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;
use breakglass_protocol::kinds::impersonation::Impersonation;
use breakglass_protocol::kinds::namespace_constraints::NamespaceConstraints;
use breakglass_protocol::kinds::notification::Notification;
use breakglass_protocol::kinds::pod_operations::AllowedPodOperations;
use breakglass_protocol::kinds::reasons::{ApprovalReason, RequestReason};
use breakglass_protocol::kinds::scheduling::{SchedulingConstraints, SchedulingOptions};

/// The rules that a session stands under: its template's, and its binding's where it is made through one. Everything but
/// `allowed`, `approvers`, `clusters` narrows (S1, D3), so each rule looks at every layer. Each iterator gives the
/// template's first and skips what is absent.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    pub template: &'a DebugSessionTemplateSpec,
    pub binding: Option<&'a DebugSessionClusterBindingSpec>,
}

impl<'a> Layers<'a> {
    #[must_use]
    pub fn of_template(template: &'a DebugSessionTemplateSpec) -> Self {
        Self {
            template,
            binding: None,
        }
    }

    pub fn constraints(self) -> impl Iterator<Item = &'a Constraints> {
        both(
            &self.template.constraints,
            self.binding.map(|b| &b.constraints),
        )
    }

    pub fn scheduling_constraints(self) -> impl Iterator<Item = &'a SchedulingConstraints> {
        both(
            &self.template.scheduling_constraints,
            self.binding.map(|b| &b.scheduling_constraints),
        )
    }

    pub fn scheduling_options(self) -> impl Iterator<Item = &'a SchedulingOptions> {
        both(
            &self.template.scheduling_options,
            self.binding.map(|b| &b.scheduling_options),
        )
    }

    pub fn namespace_constraints(self) -> impl Iterator<Item = &'a NamespaceConstraints> {
        both(
            &self.template.namespace_constraints,
            self.binding.map(|b| &b.namespace_constraints),
        )
    }

    pub fn impersonation(self) -> impl Iterator<Item = &'a Impersonation> {
        both(
            &self.template.impersonation,
            self.binding.map(|b| &b.impersonation),
        )
    }

    pub fn notification(self) -> impl Iterator<Item = &'a Notification> {
        both(
            &self.template.notification,
            self.binding.map(|b| &b.notification),
        )
    }

    pub fn pod_operations(self) -> impl Iterator<Item = &'a AllowedPodOperations> {
        both(
            &self.template.allowed_pod_operations,
            self.binding.map(|b| &b.allowed_pod_operations),
        )
    }

    pub fn request_reason(self) -> impl Iterator<Item = &'a RequestReason> {
        both(
            &self.template.request_reason,
            self.binding.map(|b| &b.request_reason),
        )
    }

    pub fn approval_reason(self) -> impl Iterator<Item = &'a ApprovalReason> {
        both(
            &self.template.approval_reason,
            self.binding.map(|b| &b.approval_reason),
        )
    }

    /// Categories of which a session must take every resource.
    pub fn required_categories(self) -> impl Iterator<Item = &'a String> {
        let of_binding = self
            .binding
            .map(|b| b.required_auxiliary_resource_categories.as_slice());
        self.template
            .required_auxiliary_resource_categories
            .iter()
            .chain(of_binding.unwrap_or_default())
    }
}

fn both<'a, T>(
    template: &'a Option<T>,
    binding: Option<&'a Option<T>>,
) -> impl Iterator<Item = &'a T> {
    let of_binding = binding.and_then(Option::as_ref);
    template.iter().chain(of_binding)
}
