//! Tells a template's author, when it is saved, what would fail at three in the morning: every text is parsed and
//! rendered with sample values made from its own variables, each branch that a variable opens as far as one can tell.

use breakglass_protocol::kinds::auxiliary::AuxiliaryResource;
use breakglass_protocol::kinds::debug_pod_template::{DebugPodTemplateSpec, TemplateEngine};
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;
use breakglass_protocol::kinds::variables::{DeployVariable, declared};
use breakglass_protocol::wire::grant::{AuxiliarySource, PodSource, TemplateText};

use crate::documents::Scene;
use crate::error::Position;
use crate::grant::{self, RenderError};
use crate::limits::Budget;
use crate::template::compile;

mod sample;

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
    let Some(text) = &spec.template_string else {
        return Vec::new();
    };
    let text = TemplateText {
        engine: spec.template_engine.unwrap_or_default(),
        text: text.clone(),
        place: format!("DebugPodTemplate {name} spec.templateString"),
    };
    let check = Check {
        template: name,
        variables: &spec.extra_deploy_variables,
        resources: &[],
        undeclared: Undeclared::Unknown,
    };
    check.pod("spec.templateString", &PodSource::Text(text))
}

/// What is wrong with a session template's own texts, and with the pod template that it names, under its variables.
/// Findings in the pod template's text have fields that start with `podTemplateRef`.
#[must_use]
pub fn check_session_template(
    name: &str,
    spec: &DebugSessionTemplateSpec,
    pod_template: Option<(&str, &DebugPodTemplateSpec)>,
) -> Vec<Finding> {
    let of_pod = pod_template.map(|(_, pod)| pod.extra_deploy_variables.as_slice());
    let declared: Vec<DeployVariable> =
        declared(&spec.extra_deploy_variables, of_pod.unwrap_or_default())
            .into_iter()
            .cloned()
            .collect();
    let check = Check {
        template: name,
        variables: &declared,
        resources: &spec.auxiliary_resources,
        // Without the pod template its variables are not known.
        undeclared: if spec.pod_template_ref.is_some() && pod_template.is_none() {
            Undeclared::Unknown
        } else {
            Undeclared::Wrong
        },
    };
    let engine = spec.template_engine.unwrap_or_default();
    let mut findings = Vec::new();
    if let Some((pod_name, pod)) = pod_template
        && let Some(text) = &pod.template_string
    {
        let source = PodSource::Text(TemplateText {
            engine: pod.template_engine.unwrap_or_default(),
            text: text.clone(),
            place: format!("DebugPodTemplate {pod_name} spec.templateString"),
        });
        findings.extend(check.pod("podTemplateRef.spec.templateString", &source));
    }
    let text = |field: &str, text: &String| TemplateText {
        engine,
        text: text.clone(),
        place: format!("DebugSessionTemplate {name} {field}"),
    };
    if let Some(pod) = &spec.pod_template_string {
        let field = "spec.podTemplateString";
        findings.extend(check.pod(field, &PodSource::Text(text(field, pod))));
    }
    if let Some(overrides) = &spec.pod_overrides_template {
        let field = "spec.podOverridesTemplate";
        findings.extend(check.overrides(field, &text(field, overrides)));
    }
    for (index, resource) in spec.auxiliary_resources.iter().enumerate() {
        let field = format!("spec.auxiliaryResources[{index}]");
        findings.extend(check.auxiliary(name, &field, engine, resource));
    }
    findings
}

/// What a variable means that nobody declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undeclared {
    /// Another document may declare it.
    Unknown,
    Wrong,
}

struct Check<'a> {
    /// Names the template in contexts.
    template: &'a str,
    variables: &'a [DeployVariable],
    resources: &'a [AuxiliaryResource],
    undeclared: Undeclared,
}

impl Check<'_> {
    fn pod(&self, field: &str, source: &PodSource) -> Vec<Finding> {
        let PodSource::Text(text) = source else {
            return Vec::new();
        };
        self.text(field, text, |scene| {
            grant::render_pod(scene, source).map(|_| ())
        })
    }

    fn overrides(&self, field: &str, text: &TemplateText) -> Vec<Finding> {
        self.text(field, text, |scene| {
            grant::render_overrides(scene, text).map(|_| ())
        })
    }

    fn auxiliary(
        &self,
        name: &str,
        field: &str,
        engine: TemplateEngine,
        resource: &AuxiliaryResource,
    ) -> Vec<Finding> {
        if let Some(text) = &resource.template_string {
            let field = format!("{field}.templateString");
            let text = TemplateText {
                engine,
                text: text.clone(),
                place: format!("DebugSessionTemplate {name} {field}"),
            };
            let source = AuxiliarySource::Text(text.clone());
            return self.text(&field, &text, |scene| {
                grant::render_auxiliary(scene, &source).map(|_| ())
            });
        }
        let mut findings = Vec::new();
        if let Some(template) = &resource.template {
            let field = format!("{field}.template");
            for (path, text) in strings(&field, &serde_json::Value::Object(template.clone())) {
                if !text.contains('{') {
                    continue;
                }
                let source = TemplateText {
                    engine,
                    text,
                    place: format!("DebugSessionTemplate {name} {path}"),
                };
                findings.extend(self.text(&path, &source, |scene| {
                    scene
                        .render_string(engine, &source.place, &source.text)
                        .map(|_| ())
                }));
            }
        }
        findings
    }

    /// Parses the text, then renders it with each set of sample values until one fails.
    fn text(
        &self,
        field: &str,
        text: &TemplateText,
        render: impl Fn(&Scene<'_>) -> Result<(), RenderError>,
    ) -> Vec<Finding> {
        let finding = |error: &RenderError, with: &str| {
            vec![Finding {
                field: field.to_owned(),
                position: Some(error.position()),
                message: format!("{}{with}", error.message()),
            }]
        };
        let template = match compile(text.engine, &text.place, &text.text) {
            Ok(template) => template,
            Err(error) => return finding(&RenderError::Template(error), ""),
        };
        let used = template.variables();
        let is_open = self.undeclared == Undeclared::Unknown
            && used
                .iter()
                .any(|(name, _)| self.variables.iter().all(|variable| variable.name != *name));
        let budget = Budget::new();
        for sample in sample::sets(self.variables, &used) {
            let facts = sample::facts(self.template, &sample.values, self.resources);
            let Err(error) = render(&Scene::new(&facts, sample::SEED, &budget)) else {
                continue;
            };
            // A large template with many variables: what was tried so far is what is known.
            if budget.is_used_up() && sample.changed.is_some() {
                break;
            }
            // What an undeclared variable would hold is not known, so neither is what would have come.
            if is_open {
                break;
            }
            let with = match &sample.changed {
                None => String::new(),
                Some(changed) => format!(" (with {changed})"),
            };
            return finding(&error, &with);
        }
        Vec::new()
    }
}

/// Every string below, with its path.
fn strings(path: &str, value: &serde_json::Value) -> Vec<(String, String)> {
    use serde_json::Value;
    match value {
        Value::String(text) => vec![(path.to_owned(), text.clone())],
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| strings(&format!("{path}[{index}]"), item))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, item)| strings(&format!("{path}.{key}"), item))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
