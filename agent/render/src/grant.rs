//! A grant's texts become objects: the pod, its later documents, the overrides and the auxiliary resources, checked
//! against the values that its requester typed (S13).

use std::collections::BTreeMap;

use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use breakglass_protocol::kinds::pod_overrides;
use breakglass_protocol::wire::grant::{
    AuxiliarySource, ContainerOverride, Grant, PodOverrides, PodSource, TemplateText, Work,
};
use serde_json::Value;

use crate::context::Facts;
use crate::documents::Scene;
use crate::error::{Position, TemplateError};
use crate::limits::Budget;

/// What the texts of a grant gave. Nothing here has been checked against a cluster or a ceiling.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedGrant {
    pub pod: Pod,
    /// Later documents of the pod template, in order: complete objects, made before the workload.
    pub resources: Vec<Value>,
    /// What `podOverridesTemplate` gave; applied after the grant's own `overrides`.
    pub overrides: Option<PodOverrides>,
    /// One for each of the grant's `auxiliary`, in its order: its objects, or why it gave none (for its failure policy).
    pub auxiliary: Vec<Result<Vec<Value>, RenderError>>,
}

/// A pod template's pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// core/v1 PodSpec; an object, not checked further.
    pub spec: Value,
}

/// Why a text gave no objects.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// The text, or an expression in it.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// What the text gave is not what is wanted there.
    #[error("{place}:{}:{}: {document}: {message}", position.line, position.column)]
    Document {
        place: String,
        position: Position,
        /// `document 2 (PersistentVolumeClaim pvc-1)`
        document: String,
        message: String,
    },
    /// S13: a value would change more than its own text. Fails the session whatever the failure policy.
    #[error("{place}:{}:{}: {message}", position.line, position.column)]
    Value {
        place: String,
        position: Position,
        message: String,
    },
}

impl RenderError {
    /// In the text.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Template(error) => error.position,
            Self::Document { position, .. } | Self::Value { position, .. } => *position,
        }
    }

    /// Without place and position.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Template(error) => error.words(),
            Self::Document {
                document, message, ..
            } => format!("{document}: {message}"),
            Self::Value { message, .. } => message.clone(),
        }
    }
}

/// Renders everything in a grant that is text. `seed` keys the random functions and belongs to this grant alone; `now` in
/// templates is the grant's start.
///
/// # Errors
/// The first text of pod or overrides that does not give what it must, or a value that S13 refuses anywhere.
pub fn render_grant(grant: &Grant, seed: [u8; 32]) -> Result<RenderedGrant, RenderError> {
    let budget = Budget::new();
    let scene = Scene::new(&Facts::of_grant(grant), seed, &budget);
    let Work::Workload(workload) = &grant.work;
    let (pod, resources) = render_pod(&scene, &workload.pod)?;
    let overrides = workload
        .overrides_template
        .as_ref()
        .map(|text| render_overrides(&scene, text))
        .transpose()?
        .flatten();
    let mut auxiliary = Vec::with_capacity(grant.auxiliary.len());
    for resource in &grant.auxiliary {
        match render_auxiliary(&scene, &resource.source) {
            Err(error @ RenderError::Value { .. }) => return Err(error),
            result @ (Ok(_) | Err(_)) => auxiliary.push(result),
        }
    }
    Ok(RenderedGrant {
        pod,
        resources,
        overrides,
        auxiliary,
    })
}

pub(crate) fn render_pod(
    scene: &Scene<'_>,
    source: &PodSource,
) -> Result<(Pod, Vec<Value>), RenderError> {
    match source {
        PodSource::Structured {
            labels,
            annotations,
            spec,
        } => Ok((
            Pod {
                labels: labels.clone(),
                annotations: annotations.clone(),
                spec: spec.clone(),
            },
            Vec::new(),
        )),
        PodSource::Text(text) => scene.documents(text)?.into_pod(),
    }
}

/// The shape of `podOverrides`: its fields, below `spec` or without.
pub(crate) fn render_overrides(
    scene: &Scene<'_>,
    text: &TemplateText,
) -> Result<Option<PodOverrides>, RenderError> {
    let documents = scene.documents(text)?;
    let wrong = documents.fault("");
    let Some(fields) = documents.into_single()? else {
        return Ok(None);
    };
    let whole = if fields.contains_key("spec") {
        Value::Object(fields)
    } else {
        serde_json::json!({ "spec": fields })
    };
    match serde_json::from_value::<pod_overrides::PodOverrides>(whole) {
        Ok(read) => Ok(Some(overrides(read))),
        Err(error) => Err(match wrong {
            RenderError::Document {
                place, position, ..
            } => RenderError::Document {
                place,
                position,
                document: "the overrides".to_owned(),
                message: error.to_string(),
            },
            other @ (RenderError::Template(_) | RenderError::Value { .. }) => other,
        }),
    }
}

fn overrides(from: pod_overrides::PodOverrides) -> PodOverrides {
    let spec = from.spec.unwrap_or_default();
    PodOverrides {
        host_network: spec.host_network,
        host_pid: spec.host_pid,
        host_ipc: spec.host_ipc,
        containers: spec
            .containers
            .into_iter()
            .map(|container| ContainerOverride {
                name: container.name,
                env: container.env,
                resources: container.resources,
                security_context: container.security_context,
            })
            .collect(),
    }
}

pub(crate) fn render_auxiliary(
    scene: &Scene<'_>,
    source: &AuxiliarySource,
) -> Result<Vec<Value>, RenderError> {
    match source {
        AuxiliarySource::Structured {
            engine,
            template,
            place,
        } => Ok(vec![render_strings(scene, *engine, place, template)?]),
        AuxiliarySource::Text(text) => scene.documents(text)?.into_objects(),
    }
}

/// Every string below, rendered by itself; numbers, keys and structure stay as they are written.
fn render_strings(
    scene: &Scene<'_>,
    engine: TemplateEngine,
    place: &str,
    template: &Value,
) -> Result<Value, RenderError> {
    Ok(match template {
        // Most strings of a resource hold no expression.
        Value::String(text) if !text.contains('{') => template.clone(),
        Value::String(text) => Value::String(scene.render_string(engine, place, text)?),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    render_strings(scene, engine, &format!("{place}[{index}]"), item)
                })
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| {
                    let rendered = render_strings(scene, engine, &format!("{place}.{key}"), value)?;
                    Ok((key.clone(), rendered))
                })
                .collect::<Result<_, RenderError>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
    })
}
