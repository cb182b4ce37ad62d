//! `DebugPodTemplate`: the pod that a session runs.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Checks, FieldError};
use super::variables::DeployVariable;
use super::variables::check_variables;

/// A pod, structured (`template`) or as text to be rendered (`templateString`), never both.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "breakglass.t-caas.telekom.com",
    version = "v1alpha1",
    kind = "DebugPodTemplate",
    plural = "debugpodtemplates",
    shortname = "dpt",
    status = "DebugPodTemplateStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    derive = "schemars::JsonSchema",
    printcolumn = r#"{"name":"Display Name","type":"string","jsonPath":".spec.displayName"}"#,
    printcolumn = r#"{"name":"Description","type":"string","jsonPath":".spec.description"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugPodTemplateSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The pod as it is. Not together with `templateString`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
    /// Renders to a pod spec, or to a full Pod; later YAML documents are resources made before the workload. Not
    /// together with `template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_string: Option<String>,
    /// The language of `templateString`. Absent: go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_engine: Option<TemplateEngine>,
    /// Inputs that `templateString` reads as `.vars`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_deploy_variables: Vec<DeployVariable>,
}

/// A pod with its labels and annotations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodTemplate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodMetadata>,
    pub spec: PodSpec,
}

/// Labels and annotations of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodMetadata {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The language of a template text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TemplateEngine {
    /// Go's text/template with Sprig's functions.
    #[default]
    Go,
    Jinja,
}

/// What the hub knows of a pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugPodTemplateStatus {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_count: Option<i32>,
    /// Names of the session templates that use it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}

impl DebugPodTemplate {
    /// Everything wrong with the fields that a schema cannot say.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut checks = Checks::of_spec();
        self.spec.check(&mut checks);
        checks.into_errors()
    }
}

impl DebugPodTemplateSpec {
    fn check(&self, checks: &mut Checks) {
        match (&self.template, &self.template_string) {
            (Some(_), Some(_)) => {
                checks.refuse_here("has both template and templateString; keep one of them")
            }
            (None, None) => {
                checks.refuse_here("has neither template nor templateString; add one of them")
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        checks.not_blank("templateString", self.template_string.as_ref());
        checks.within_some("template", self.template.as_ref(), PodTemplate::check);
        if self.template_engine.is_some() && self.template_string.is_none() {
            checks.refuse(
                "templateEngine",
                "has a meaning with templateString only; remove it",
            );
        }
        check_variables(&self.extra_deploy_variables, checks);
    }
}

impl PodTemplate {
    fn check(&self, checks: &mut Checks) {
        checks.within_some("metadata", self.metadata.as_ref(), |metadata, checks| {
            checks.labels("labels", &metadata.labels);
            checks.annotations("annotations", &metadata.annotations);
        });
        checks.within("spec", |checks| check_pod(&self.spec, checks));
    }
}

/// What a pod in a DaemonSet or Deployment must not have (D2), and what is plainly missing.
fn check_pod(pod: &PodSpec, checks: &mut Checks) {
    if pod.containers.is_empty() {
        checks.refuse("containers", "is empty; a pod needs a container");
    }
    let init = pod.init_containers.as_deref().unwrap_or_default();
    checks.unique(
        "containers",
        "name",
        pod.containers.iter().map(|c| c.name.as_str()),
    );
    checks.unique(
        "initContainers",
        "name",
        init.iter().map(|c| c.name.as_str()),
    );
    if pod.active_deadline_seconds.is_some() {
        checks.refuse(
            "activeDeadlineSeconds",
            "is forbidden in a DaemonSet or Deployment; the session's end is set by constraints",
        );
    }
    if pod
        .restart_policy
        .as_deref()
        .is_some_and(|policy| policy != "Always")
    {
        checks.refuse(
            "restartPolicy",
            "must be Always in a DaemonSet or Deployment; remove it",
        );
    }
    if pod
        .ephemeral_containers
        .as_ref()
        .is_some_and(|list| !list.is_empty())
    {
        checks.refuse(
            "ephemeralContainers",
            "cannot be part of a new pod; make it an ordinary container",
        );
    }
}
