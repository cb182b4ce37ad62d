//! Tells a template's author, when it is saved, what would fail at three in the morning: every text is parsed and
//! rendered with sample values made from its own variables.

use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplateSpec;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;

use crate::error::Position;

/// One thing wrong with a text of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The field that holds the text: `spec.templateString`, `spec.auxiliaryResources[1].template.metadata.name`.
    pub field: String,
    /// In the text; `None` if it is of the text as a whole.
    pub position: Option<Position>,
    /// What is wrong, where, and what to do; names no file and no line.
    pub message: String,
}

/// What is wrong with a pod template by itself. Variables that it does not declare are a session template's business
/// (D11).
#[must_use]
pub fn check_pod_template(name: &str, spec: &DebugPodTemplateSpec) -> Vec<Finding> {
    let _ = (name, spec);
    Vec::new()
}

/// What is wrong with a session template's own texts, and with the pod template that it names, under its variables.
/// Findings in the pod template's text have fields that start with `podTemplateRef`.
#[must_use]
pub fn check_session_template(
    name: &str,
    spec: &DebugSessionTemplateSpec,
    pod_template: Option<(&str, &DebugPodTemplateSpec)>,
) -> Vec<Finding> {
    let _ = (name, spec, pod_template);
    Vec::new()
}
