//! A text of a session → its documents, with everything that can be said about them before a cluster is asked: they are
//! YAML, their values are data (S13), the first of a pod template is a pod and every other a complete object.

use std::collections::BTreeMap;

use breakglass_protocol::manifest::{self, PlainDocument};
use breakglass_protocol::wire::grant::TemplateText;
use serde_json::{Map, Value};

use crate::context::{Context, Facts, neutral_text, one_line};
use crate::error::{Position, TemplateError};
use crate::grant::{Pod, RenderError};
use crate::limits::Budget;
use crate::safety::{self, Changed};
use crate::template::{Input, Rendered, Template, compile};

/// Most documents of one text: more are a mistake, and each becomes an object.
pub const MAX_DOCUMENTS: usize = 50;

/// A session as texts see it.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    budget: &'a Budget,
    now: jiff::Timestamp,
    seed: [u8; 32],
    real: Context,
    /// The same with nothing but letters typed; `None` if that is what was typed.
    neutral: Option<Context>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(facts: &Facts, seed: [u8; 32], budget: &'a Budget) -> Self {
        Self {
            budget,
            now: facts.now,
            seed,
            real: facts.to_context(),
            neutral: facts.neutral().map(|facts| facts.to_context()),
        }
    }

    /// A context from a file, as it is.
    pub(crate) fn of_context(
        context: &Context,
        now: jiff::Timestamp,
        seed: [u8; 32],
        budget: &'a Budget,
    ) -> Self {
        Self {
            budget,
            now,
            seed,
            real: context.clone(),
            neutral: None,
        }
    }

    /// The same, taking everything in it for typed that a person could have typed.
    pub(crate) fn suspicious(&self) -> Self {
        let real = self.real.with_typed(one_line);
        let neutral = real.with_typed(neutral_text);
        Self {
            budget: self.budget,
            now: self.now,
            seed: self.seed,
            neutral: (neutral != real).then_some(neutral),
            real,
        }
    }

    /// One rendering, within what is left for all.
    fn render(&self, template: &Template, context: &Context) -> Result<Rendered, TemplateError> {
        let limits = self.budget.limits();
        let rendered = template.render(&Input {
            context: context.clone(),
            now: self.now,
            seed: self.seed,
            limits,
        });
        self.budget.take(match &rendered {
            Ok(rendered) => rendered.steps,
            Err(_) => limits.steps,
        });
        rendered
    }

    /// A string of a structured resource: it stays one string whatever is in it.
    pub(crate) fn render_string(
        &self,
        engine: breakglass_protocol::kinds::debug_pod_template::TemplateEngine,
        place: &str,
        text: &str,
    ) -> Result<String, RenderError> {
        let rendered = self.render(&compile(engine, place, text)?, &self.real)?;
        Ok(rendered.text)
    }

    /// The documents of a text that are not empty.
    pub(crate) fn documents(&self, source: &TemplateText) -> Result<Documents, RenderError> {
        let template = compile(source.engine, &source.place, &source.text)?;
        let rendered = self.render(&template, &self.real)?;
        let neutral = self
            .neutral
            .as_ref()
            .map(|context| self.render(&template, context));
        let documents = match manifest::read_plain(&rendered.text) {
            Ok(documents) => documents,
            Err(error) => {
                let innocent =
                    matches!(&neutral, Some(Ok(n)) if manifest::read_plain(&n.text).is_ok());
                return Err(if innocent {
                    value_error(source, &rendered, error.line, &error.message)
                } else {
                    not_yaml(source, &rendered, error.line, &error.message)
                });
            }
        };
        match neutral {
            None => {}
            Some(Ok(neutral)) => {
                safety::compare(&rendered.text, &neutral.text).map_err(
                    |Changed { line, why }| value_error(source, &rendered, Some(line), why),
                )?;
            }
            Some(Err(error)) => {
                let why = format!(
                    "whether it renders depends on the very characters of a typed value ({error})"
                );
                return Err(value_error(source, &rendered, None, &why));
            }
        }
        if documents.len() > MAX_DOCUMENTS {
            return Err(RenderError::Template(TemplateError {
                place: source.place.clone(),
                position: Position { line: 1, column: 1 },
                expression: String::new(),
                message: format!(
                    "the text gives {} documents; at most {MAX_DOCUMENTS} are possible",
                    documents.len()
                ),
                hint: None,
            }));
        }
        Ok(Documents {
            place: source.place.clone(),
            rendered,
            documents,
        })
    }
}

/// What a reader of the template needs to find the line in it.
fn located(rendered: &Rendered, line: Option<u32>) -> (Position, String) {
    let position = line.and_then(|line| rendered.origin_of_line(line));
    let shown = line
        .and_then(|line| rendered.text.lines().nth(line.saturating_sub(1) as usize))
        .map(|text| {
            let short: String = text.trim().chars().take(80).collect();
            // What was typed reaches terminals and logs: no control characters (S20).
            format!(" (it gave: {:?})", short)
        })
        .unwrap_or_default();
    (position.unwrap_or(Position { line: 1, column: 1 }), shown)
}

fn not_yaml(
    source: &TemplateText,
    rendered: &Rendered,
    line: Option<u32>,
    message: &str,
) -> RenderError {
    let (position, shown) = located(rendered, line);
    RenderError::Template(TemplateError {
        place: source.place.clone(),
        position,
        expression: String::new(),
        message: format!("the rendered text {message}{shown}"),
        hint: None,
    })
}

fn value_error(
    source: &TemplateText,
    rendered: &Rendered,
    line: Option<u32>,
    why: &str,
) -> RenderError {
    let (position, shown) = located(rendered, line);
    RenderError::Value {
        place: source.place.clone(),
        position,
        message: format!(
            "{why}{shown}; use plain words, or let the template's author write {{{{ … | quote }}}} there"
        ),
    }
}

/// The documents of one rendered text.
#[derive(Debug)]
pub(crate) struct Documents {
    place: String,
    rendered: Rendered,
    documents: Vec<PlainDocument>,
}

impl Documents {
    /// As it was rendered.
    pub(crate) fn text(&self) -> &str {
        &self.rendered.text
    }

    fn error(&self, index: usize, message: impl Into<String>) -> RenderError {
        let document = self.documents.get(index);
        let line = document.map(|document| document.line);
        let (position, _) = located(&self.rendered, line);
        let title = match document.map(|document| &document.value) {
            Some(value) => described(index, value),
            None => "document 1".to_owned(),
        };
        RenderError::Document {
            place: self.place.clone(),
            position,
            document: title,
            message: message.into(),
        }
    }

    /// The first is the pod, every other an object.
    pub(crate) fn into_pod(self) -> Result<(Pod, Vec<Value>), RenderError> {
        let Some(first) = self.documents.first() else {
            return Err(self.error(0, "the text gives no document; it must give a pod spec"));
        };
        let pod = pod_of(&first.value).map_err(|message| self.error(0, message))?;
        let rest = self.objects_from(1)?;
        Ok((pod, rest))
    }

    /// Every document is an object.
    pub(crate) fn into_objects(self) -> Result<Vec<Value>, RenderError> {
        if self.documents.is_empty() {
            return Err(self.error(0, "the text gives no document; it must give an object"));
        }
        self.objects_from(0)
    }

    fn objects_from(&self, first: usize) -> Result<Vec<Value>, RenderError> {
        self.documents
            .iter()
            .enumerate()
            .skip(first)
            .map(|(index, document)| {
                complete(&document.value).map_err(|message| self.error(index, message))?;
                Ok(document.value.clone())
            })
            .collect()
    }

    /// One document that is an object of fields, or none.
    pub(crate) fn into_single(self) -> Result<Option<Map<String, Value>>, RenderError> {
        match self.documents.as_slice() {
            [] => Ok(None),
            [one] => match &one.value {
                Value::Object(fields) => Ok(Some(fields.clone())),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => Err(self.error(0, "must give fields, such as spec: …")),
            },
            [_, _, ..] => Err(self.error(1, "only one document is possible here")),
        }
    }

    pub(crate) fn fault(&self, message: impl Into<String>) -> RenderError {
        self.error(0, message)
    }
}

/// `document 2 (ConfigMap settings)`
fn described(index: usize, value: &Value) -> String {
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str);
    let number = index + 1;
    match (text("/kind"), text("/metadata/name")) {
        (Some(kind), Some(name)) => format!("document {number} ({kind} {name})"),
        (Some(kind), None) => format!("document {number} ({kind})"),
        (None, _) => format!("document {number}"),
    }
}

/// What every object must say.
fn complete(object: &Value) -> Result<(), String> {
    if !object.is_object() {
        return Err("is not an object with apiVersion, kind and metadata".to_owned());
    }
    for (pointer, field) in [
        ("/apiVersion", "apiVersion"),
        ("/kind", "kind"),
        ("/metadata/name", "metadata.name"),
    ] {
        match object.pointer(pointer) {
            Some(Value::String(text)) if !text.is_empty() => {}
            Some(Value::String(_)) | Some(Value::Null) | None => {
                return Err(format!(
                    "{field} is missing; every document after the pod is a complete object"
                ));
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(format!("{field} must be a text; put it in quotes"));
            }
        }
    }
    Ok(())
}

/// A pod spec, a Pod, or a Pod's metadata and spec.
fn pod_of(document: &Value) -> Result<Pod, String> {
    let Value::Object(fields) = document else {
        return Err("is not a pod spec; it starts with fields such as containers: …".to_owned());
    };
    let has_kind = fields.contains_key("kind") || fields.contains_key("apiVersion");
    if has_kind {
        let is =
            |field: &str, wanted: &str| fields.get(field).and_then(Value::as_str) == Some(wanted);
        if !is("kind", "Pod") || !is("apiVersion", "v1") {
            return Err(
                "must be the pod (a pod spec, or kind: Pod with apiVersion: v1); resources follow after ---"
                    .to_owned(),
            );
        }
    }
    let Some(spec) = fields.get("spec") else {
        if has_kind || fields.contains_key("metadata") {
            return Err("spec is missing".to_owned());
        }
        return Ok(Pod {
            spec: document.clone(),
            ..Pod::default()
        });
    };
    if !spec.is_object() {
        return Err("spec must be a pod spec".to_owned());
    }
    if let Some(unknown) = fields
        .keys()
        .find(|key| !["apiVersion", "kind", "metadata", "spec"].contains(&key.as_str()))
    {
        return Err(format!(
            "{unknown} has no meaning beside spec; only metadata.labels, metadata.annotations and spec are taken"
        ));
    }
    let metadata = fields.get("metadata");
    Ok(Pod {
        labels: texts(metadata, "labels")?,
        annotations: texts(metadata, "annotations")?,
        spec: spec.clone(),
    })
}

/// Labels or annotations: all texts.
fn texts(metadata: Option<&Value>, field: &str) -> Result<BTreeMap<String, String>, String> {
    match metadata.and_then(|metadata| metadata.get(field)) {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(entries)) => entries
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.clone(), text.clone())),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => Err(format!(
                    "metadata.{field}.{key} must be a text; put it in quotes"
                )),
            })
            .collect(),
        Some(_) => Err(format!("metadata.{field} must hold names and texts")),
    }
}
