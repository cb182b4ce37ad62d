//! The condition `Ready` of templates and bindings: whether requests can use them, and if not, why and where.

use std::collections::BTreeMap;

use breakglass_hub_core::outward::{DESTINATIONS_NOT_CONFIGURED, Known, judge_destinations};
use breakglass_hub_core::texts::{self, TEXTS_DO_NOT_RENDER};
use breakglass_hub_core::{request, snapshot};
use breakglass_protocol::kinds::Time;
use breakglass_protocol::kinds::debug_pod_template::{DebugPodTemplate, DebugPodTemplateSpec};
use breakglass_protocol::kinds::debug_session_cluster_binding::{
    DebugSessionClusterBinding, DebugSessionClusterBindingSpec,
};
use breakglass_protocol::kinds::debug_session_template::{
    DebugSessionTemplate, DebugSessionTemplateSpec,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::Document;
use super::refusals::TemplateRefusal;
use crate::store::{Key, Object, ObjectKind};

/// What `Ready` is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Readiness {
    status: &'static str,
    reason: &'static str,
    message: String,
    /// Of a session template that refers to a pod template: whether that is there.
    pod_template_resolved: Option<bool>,
}

/// Everything that others refer to, as it will be stored.
#[derive(Default)]
pub(super) struct Referable {
    pods: BTreeMap<String, DebugPodTemplate>,
    /// `None` where it cannot be read.
    templates: BTreeMap<String, Option<DebugSessionTemplate>>,
    /// What keeps each session template's texts from rendering, by its name.
    texts: BTreeMap<String, Vec<String>>,
    /// The audit destinations of the hub's configuration.
    destinations: Vec<Known>,
}

/// What was said to texts at the last look, by the digest of everything that it depends on: rendering them takes
/// milliseconds each, and most templates are what they were. Holds one entry for each session template there is.
#[derive(Debug, Default)]
pub(super) struct TextMemo {
    told: BTreeMap<String, Vec<String>>,
}

impl Referable {
    /// Beside the objects, templates refer to the hub's configuration.
    pub(super) fn with_destinations(destinations: Vec<Known>) -> Self {
        Self {
            destinations,
            ..Self::default()
        }
    }

    /// Adds an object as it is stored.
    pub(super) fn add_stored(&mut self, object: &Object<Value>) {
        let labels = object.body.pointer("/metadata/labels").cloned();
        // What is stored was written from such a map.
        let labels = labels
            .and_then(|labels| serde_json::from_value(labels).ok())
            .unwrap_or_default();
        self.add(&object.key, &labels, &object.body["spec"]);
    }

    /// Adds an object as a document says it.
    pub(super) fn add_document(&mut self, document: &Document) {
        self.add(&document.key, &document.labels, &document.spec);
    }

    fn add(&mut self, key: &Key, labels: &BTreeMap<String, String>, spec: &Value) {
        match key.kind {
            ObjectKind::DebugPodTemplate => {
                // One that cannot be read is as good as none: what refers to it is not ready.
                if let Ok(spec) = serde_json::from_value(spec.clone()) {
                    let pod = DebugPodTemplate::new(&key.name, spec);
                    self.pods.insert(key.name.clone(), pod);
                }
            }
            ObjectKind::DebugSessionTemplate => {
                let spec = serde_json::from_value(spec.clone()).ok();
                let template = spec.map(|spec| {
                    let mut template = DebugSessionTemplate::new(&key.name, spec);
                    template.metadata.labels = Some(labels.clone());
                    template
                });
                self.templates.insert(key.name.clone(), template);
            }
            ObjectKind::Cluster
            | ObjectKind::DebugSession
            | ObjectKind::DebugSessionClusterBinding
            | ObjectKind::DenyPolicy
            | ObjectKind::Enrolment
            | ObjectKind::AgentRecords
            | ObjectKind::Bars
            | ObjectKind::Ledger
            | ObjectKind::Cursor
            | ObjectKind::Delivery
            | ObjectKind::Tally
            | ObjectKind::Warning => {}
        }
    }

    /// Renders the texts of the session templates that are not what they were; to be done when all is added.
    pub(super) fn check_texts(&mut self, memo: &mut TextMemo) {
        let mut before = std::mem::take(&mut memo.told);
        for (name, template) in &self.templates {
            let Some(spec) = template.as_ref().map(|t| &t.spec) else {
                continue;
            };
            let pod = self.pod_of(spec);
            let digest = snapshot::digest(&json!([name, spec, pod]));
            let told = before
                .remove(&digest)
                .unwrap_or_else(|| texts::of_session_template(name, spec, pod));
            self.texts.insert(name.clone(), told.clone());
            memo.told.insert(digest, told);
        }
    }

    /// Renders the texts of one session template only.
    pub(super) fn check_texts_of(&mut self, name: &str) {
        let Some(Some(template)) = self.templates.get(name) else {
            return;
        };
        let spec = &template.spec;
        let told = texts::of_session_template(name, spec, self.pod_of(spec));
        self.texts.insert(name.to_owned(), told);
    }

    fn pod_of<'a>(
        &'a self,
        spec: &'a DebugSessionTemplateSpec,
    ) -> Option<(&'a str, &'a DebugPodTemplateSpec)> {
        let wanted = spec.pod_template_ref.as_ref()?.name.as_str();
        Some((wanted, &self.pods.get(wanted)?.spec))
    }

    /// A stored pod template's spec.
    pub(super) fn pod(&self, name: &str) -> Option<&DebugPodTemplateSpec> {
        Some(&self.pods.get(name)?.spec)
    }
}

impl Readiness {
    /// Judged by what an object refers to (D11) and by what its references make of it.
    pub(super) fn of(key: &Key, spec: &Value, others: &Referable) -> Self {
        match key.kind {
            ObjectKind::DebugSessionTemplate => Self::of_template(&key.name, spec, others),
            ObjectKind::DebugSessionClusterBinding => Self::of_binding(key, spec, others),
            ObjectKind::Cluster
            | ObjectKind::DebugPodTemplate
            | ObjectKind::DebugSession
            | ObjectKind::DenyPolicy
            | ObjectKind::Enrolment
            | ObjectKind::AgentRecords
            | ObjectKind::Bars
            | ObjectKind::Ledger
            | ObjectKind::Cursor
            | ObjectKind::Delivery
            | ObjectKind::Tally
            | ObjectKind::Warning => Self::ready(),
        }
    }

    fn ready() -> Self {
        Self {
            status: "True",
            reason: "Valid",
            message: String::new(),
            pod_template_resolved: None,
        }
    }

    fn not_ready(reason: &'static str, message: String) -> Self {
        Self {
            status: "False",
            reason,
            message: format!("{message}; requests are refused until that is mended"),
            pod_template_resolved: None,
        }
    }

    /// The same rules as a request meets.
    fn of_template(name: &str, spec: &Value, others: &Referable) -> Self {
        let spec: DebugSessionTemplateSpec = match serde_json::from_value(spec.clone()) {
            Ok(spec) => spec,
            Err(error) => return Self::not_ready("Unreadable", format!("spec: {error}")),
        };
        let wanted = spec.pod_template_ref.as_ref().map(|wanted| &wanted.name);
        let pod = wanted.and_then(|wanted| others.pods.get(wanted));
        let template = DebugSessionTemplate::new(name, spec.clone());
        let violations = request::readiness(&template, pod);
        let messages: Vec<String> = violations.into_iter().map(|v| v.message).collect();
        let unrendered = others.texts.get(name).filter(|told| !told.is_empty());
        let audit = spec.audit.as_ref();
        let unknown = audit.map(|audit| judge_destinations(audit, &others.destinations));
        let judged = if messages.is_empty() {
            match unrendered {
                None => match unknown.filter(|told| !told.is_empty()) {
                    None => Self::ready(),
                    Some(told) => Self::not_ready(DESTINATIONS_NOT_CONFIGURED, told.join("; ")),
                },
                Some(told) => Self::not_ready(TEXTS_DO_NOT_RENDER, told.join("; ")),
            }
        } else if wanted.is_some() && pod.is_none() {
            Self::not_ready("PodTemplateNotFound", messages.join("; "))
        } else {
            Self::not_ready("NotUsable", messages.join("; "))
        };
        Self {
            pod_template_resolved: wanted.map(|_| pod.is_some()),
            ..judged
        }
    }

    /// The same rules as a request meets, with each template that the binding opens. One usable template is enough: what
    /// is wrong with another concerns that one's requests, and is told all the same.
    fn of_binding(key: &Key, spec: &Value, others: &Referable) -> Self {
        let spec: DebugSessionClusterBindingSpec = match serde_json::from_value(spec.clone()) {
            Ok(spec) => spec,
            Err(error) => return Self::not_ready("Unreadable", format!("spec: {error}")),
        };
        let mut binding = DebugSessionClusterBinding::new(&key.name, spec);
        binding.metadata.namespace = Some(key.namespace.clone());
        let opened: Vec<&DebugSessionTemplate> = others
            .templates
            .values()
            .flatten()
            .filter(|template| request::opens(&binding, template))
            .collect();
        if opened.is_empty() {
            return Self::not_ready("TemplateNotFound", opens_nothing(&binding.spec));
        }
        let name = request::full_name(&binding);
        let told: Vec<String> = opened
            .iter()
            .filter_map(|template| told_of(&name, &binding, template))
            .collect();
        match told.len() {
            0 => Self::ready(),
            all if all == opened.len() => Self::not_ready("NotUsable", told.join("; ")),
            _some => Self {
                message: told.join("; "),
                ..Self::ready()
            },
        }
    }

    /// What an author should know at once: why requests are refused.
    pub(super) fn warning(&self) -> Option<String> {
        (self.status == "False").then(|| self.message.clone())
    }

    /// The file says something else now, which cannot be used.
    pub(super) fn broken_edit(self, refusal: &TemplateRefusal) -> Self {
        if self.status == "False" {
            // The last good version cannot be used either, and that is what keeps requests out.
            return Self {
                message: format!("{}; and its file cannot be used: {refusal}", self.message),
                ..self
            };
        }
        Self {
            status: "False",
            reason: "BrokenEdit",
            message: format!("{refusal}; the last good version stays in use"),
            ..self
        }
    }
}

fn opens_nothing(spec: &DebugSessionClusterBindingSpec) -> String {
    match &spec.template_ref {
        Some(wanted) => format!(
            "spec.templateRef names {}, and there is no such session template",
            wanted.name
        ),
        None => "spec.templateSelector selects no session template".to_owned(),
    }
}

/// What keeps sessions of one template from being made through the binding.
fn told_of(
    name: &str,
    binding: &DebugSessionClusterBinding,
    template: &DebugSessionTemplate,
) -> Option<String> {
    let violations = request::binding_readiness(name, &binding.spec, &template.spec);
    let messages: Vec<String> = violations.into_iter().map(|v| v.message).collect();
    let template = template.metadata.name.as_deref().unwrap_or_default();
    (!messages.is_empty())
        .then(|| format!("with session template {template}: {}", messages.join("; ")))
}

/// A time as Kubernetes writes it.
pub(super) fn time(at: Timestamp) -> Value {
    // Time is a string in JSON; serialising it cannot fail.
    serde_json::to_value(Time(at)).unwrap_or(Value::Null)
}

/// Puts the condition into an object's status; its time changes only when `status` does.
pub(super) fn set_ready(body: &mut Value, readiness: &Readiness, now: Timestamp) {
    let generation = body["metadata"]["generation"].clone();
    if !body["status"].is_object() {
        body["status"] = json!({});
    }
    let status = &mut body["status"];
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let before = conditions
        .iter()
        .position(|condition| condition["type"] == "Ready")
        .map(|at| conditions.remove(at));
    let since = before
        .filter(|before| before["status"] == readiness.status)
        .map_or_else(|| time(now), |before| before["lastTransitionTime"].clone());
    let mut condition = json!({
        "type": "Ready",
        "status": readiness.status,
        "reason": readiness.reason,
        "message": readiness.message,
        "lastTransitionTime": since,
    });
    if generation.is_i64() {
        condition["observedGeneration"] = generation.clone();
        status["observedGeneration"] = generation;
    }
    conditions.insert(0, condition);
    status["conditions"] = Value::Array(conditions);
    match readiness.pod_template_resolved {
        Some(resolved) => status["podTemplateResolved"] = json!(resolved),
        None => {
            if let Some(fields) = status.as_object_mut() {
                fields.remove("podTemplateResolved");
            }
        }
    }
}
