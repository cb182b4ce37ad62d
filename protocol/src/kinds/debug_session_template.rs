//! `DebugSessionTemplate`: how sessions of one sort behave.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::AllowedOf;
use super::access::{Allowed, Approvers};
use super::audit::Audit;
use super::auxiliary::AuxiliaryResource;
use super::check::{Checks, FieldError};
use super::constraints::Constraints;
use super::debug_pod_template::TemplateEngine;
use super::impersonation::Impersonation;
use super::kubectl_debug::KubectlDebug;
use super::namespace_constraints::NamespaceConstraints;
use super::notification::Notification;
use super::pod_operations::AllowedPodOperations;
use super::pod_overrides::PodOverrides;
use super::quota::{SessionDisruptionBudget, SessionQuota};
use super::reasons::{ApprovalReason, RequestReason};
use super::references::NameRef;
use super::scheduling::{SchedulingConstraints, SchedulingOptions};
use super::terminal_sharing::TerminalSharing;
use super::variables::DeployVariable;
use super::variables::check_variables;
use crate::duration::DurationText;

/// Everything that sessions of one sort have in common. An absent field means its default (D13), never "off".
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "breakglass.t-caas.telekom.com",
    version = "v1alpha1",
    kind = "DebugSessionTemplate",
    plural = "debugsessiontemplates",
    shortname = "dst",
    status = "DebugSessionTemplateStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    derive = "schemars::JsonSchema",
    printcolumn = r#"{"name":"Display Name","type":"string","jsonPath":".spec.displayName"}"#,
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".spec.mode"}"#,
    printcolumn = r#"{"name":"Workload Type","type":"string","jsonPath":".spec.workloadType"}"#,
    printcolumn = r#"{"name":"Active Sessions","type":"integer","jsonPath":".status.activeSessionCount"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugSessionTemplateSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Go on everything that is deployed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Go on everything that is deployed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Higher ones are listed first. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Not listed. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_message: Option<String>,
    /// Absent: workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The pod, by name. In workload and hybrid mode this or `podTemplateString`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template_ref: Option<NameRef>,
    /// The pod, as text to be rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template_string: Option<String>,
    /// The language of `podTemplateString`, `podOverridesTemplate` and the auxiliary resources. Absent: go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_engine: Option<TemplateEngine>,
    /// Changes to the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_overrides: Option<PodOverrides>,
    /// Changes to the pod, as text to be rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_overrides_template: Option<String>,
    /// Absent: DaemonSet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_type: Option<WorkloadType>,
    /// Pods of a Deployment. Absent: 1.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Where pods go by default. Absent: breakglass-debug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    /// Replaces the pod's affinity, part by part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity_overrides: Option<Affinity>,
    /// Added to the pod's tolerations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_tolerations: Vec<Toleration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// Absent: nobody needs to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Approvers>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Constraints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_constraints: Option<SchedulingConstraints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_options: Option<SchedulingOptions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_constraints: Option<NamespaceConstraints>,
    /// In kubectl-debug and hybrid mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubectl_debug: Option<KubectlDebug>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<Impersonation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auxiliary_resources: Vec<AuxiliaryResource>,
    /// By name or category: whether a resource is taken if the requester says nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_resource_defaults: BTreeMap<String, bool>,
    /// Categories that the session must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_auxiliary_resource_categories: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_pod_operations: Option<AllowedPodOperations>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal_sharing: Option<TerminalSharing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_reason: Option<RequestReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_reason: Option<ApprovalReason>,
    /// Absent: terminate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_behavior: Option<ExpirationBehavior>,
    /// People are warned this long before the end. Absent: 15m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_before_expiry: Option<DurationText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_quota: Option<SessionQuota>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budget: Option<SessionDisruptionBudget>,
    /// Inputs that the requester fills in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_deploy_variables: Vec<DeployVariable>,
    /// Whether the label check passes for a namespace that cannot be read. Absent: closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_mode: Option<FailMode>,
}

/// What a session offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Debug pods of its own.
    #[default]
    Workload,
    /// Operations on pods and nodes that are there.
    KubectlDebug,
    /// Both.
    Hybrid,
}

impl Mode {
    /// As it is written in `spec.mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::KubectlDebug => "kubectl-debug",
            Self::Hybrid => "hybrid",
        }
    }
}

/// How debug pods are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadType {
    /// One pod on each eligible node.
    #[default]
    DaemonSet,
    /// `replicas` pods.
    Deployment,
}

impl WorkloadType {
    /// As it is written in `spec.workloadType`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
        }
    }
}

/// What happens to the pods when the time is up. Access ends either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpirationBehavior {
    #[default]
    Terminate,
    NotifyOnly,
}

/// What a check that cannot be made means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailMode {
    #[default]
    Closed,
    Open,
}

/// What the hub knows of a session template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugSessionTemplateStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_session_count: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_count: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound_clusters: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_session_count: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template_resolved: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_session_count: Option<i64>,
}

impl DebugSessionTemplate {
    /// Everything wrong with the fields that a schema cannot say.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut checks = Checks::of_spec();
        self.spec.check_pod_source(&mut checks);
        self.spec.check_people(&mut checks);
        self.spec.check_placement(&mut checks);
        self.spec.check_extras(&mut checks);
        checks.into_errors()
    }
}

impl DebugSessionTemplateSpec {
    fn check_pod_source(&self, checks: &mut Checks) {
        let mode = self.mode.unwrap_or_default();
        let runs_pods = match mode {
            Mode::Workload | Mode::Hybrid => true,
            Mode::KubectlDebug => false,
        };
        match (&self.pod_template_ref, &self.pod_template_string) {
            (Some(_), Some(_)) => {
                checks
                    .refuse_here("has both podTemplateRef and podTemplateString; keep one of them");
            }
            (None, None) if runs_pods => {
                checks.refuse_here(
                    "needs podTemplateRef or podTemplateString, as it deploys pods of its own",
                );
            }
            (Some(_), None) | (None, Some(_) | None) => {}
        }
        match (mode, &self.kubectl_debug) {
            (Mode::KubectlDebug | Mode::Hybrid, None) => {
                checks.refuse(
                    "kubectlDebug",
                    "is required in the modes kubectl-debug and hybrid",
                );
            }
            (Mode::Workload, _) | (Mode::KubectlDebug | Mode::Hybrid, Some(_)) => {}
        }
        checks.not_blank("podTemplateString", self.pod_template_string.as_ref());
        checks.not_blank("podOverridesTemplate", self.pod_overrides_template.as_ref());
        let has_text = self.pod_template_string.is_some()
            || self.pod_overrides_template.is_some()
            || !self.auxiliary_resources.is_empty();
        if self.template_engine.is_some() && !has_text {
            checks.refuse(
                "templateEngine",
                "has a meaning with podTemplateString, podOverridesTemplate or auxiliaryResources only; remove it",
            );
        }
        checks.within_some(
            "podOverrides",
            self.pod_overrides.as_ref(),
            PodOverrides::check,
        );
        checks.within_some(
            "kubectlDebug",
            self.kubectl_debug.as_ref(),
            KubectlDebug::check,
        );
    }

    fn check_people(&self, checks: &mut Checks) {
        checks.within_some("allowed", self.allowed.as_ref(), |allowed, checks| {
            allowed.check(AllowedOf::Template, checks);
        });
        checks.within_some("approvers", self.approvers.as_ref(), Approvers::check);
        checks.within_some("constraints", self.constraints.as_ref(), Constraints::check);
        checks.within_some(
            "requestReason",
            self.request_reason.as_ref(),
            RequestReason::check,
        );
        checks.within_some(
            "approvalReason",
            self.approval_reason.as_ref(),
            ApprovalReason::check,
        );
        checks.within_some(
            "notification",
            self.notification.as_ref(),
            Notification::check,
        );
        checks.within_some(
            "terminalSharing",
            self.terminal_sharing.as_ref(),
            TerminalSharing::check,
        );
        check_variables(&self.extra_deploy_variables, checks);
    }

    fn check_placement(&self, checks: &mut Checks) {
        if let Some(name) = &self.target_namespace {
            checks.dns_label("targetNamespace", name);
        }
        checks.within_some(
            "schedulingConstraints",
            self.scheduling_constraints.as_ref(),
            SchedulingConstraints::check,
        );
        checks.within_some(
            "schedulingOptions",
            self.scheduling_options.as_ref(),
            SchedulingOptions::check,
        );
        checks.within_some(
            "namespaceConstraints",
            self.namespace_constraints.as_ref(),
            NamespaceConstraints::check,
        );
        checks.within_some(
            "impersonation",
            self.impersonation.as_ref(),
            Impersonation::check,
        );
    }

    fn check_extras(&self, checks: &mut Checks) {
        checks.labels("labels", &self.labels);
        checks.annotations("annotations", &self.annotations);
        let names = self.auxiliary_resources.iter().map(|r| r.name.as_str());
        checks.unique("auxiliaryResources", "name", names);
        checks.within_each(
            "auxiliaryResources",
            &self.auxiliary_resources,
            AuxiliaryResource::check,
        );
        checks.within_some("audit", self.audit.as_ref(), Audit::check);
        checks.within_some(
            "resourceQuota",
            self.resource_quota.as_ref(),
            SessionQuota::check,
        );
        let workload = self.workload_type.unwrap_or_default();
        checks.within_some(
            "podDisruptionBudget",
            self.pod_disruption_budget.as_ref(),
            |budget, checks| {
                budget.check(workload, checks);
            },
        );
    }
}
