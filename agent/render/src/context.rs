//! What every template sees (spec 2, "Context"): the session's facts under small letters, and the same under the names
//! of Go's structs.

use std::collections::BTreeMap;
use std::rc::Rc;

use breakglass_protocol::wire::grant::{Grant, GrantedValue, ValueOrigin};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::value::Value;

/// A template's context: JSON, as it would come from a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    dot: Json,
    /// `Session`, `Target`, `Template`, `Vars`: found by name, not listed.
    aliases: Map<String, Json>,
}

impl Context {
    /// Takes the value as it is; the other spelling is made from `session`, `target`, `template` and `vars`.
    #[must_use]
    pub fn new(dot: Json) -> Self {
        let aliases = dot.as_object().map(aliases).unwrap_or_default();
        Self { dot, aliases }
    }

    /// The field of this name, in either spelling.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Json> {
        self.dot.get(name).or_else(|| self.aliases.get(name))
    }

    /// The names that are listed.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.dot
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    }

    /// All that is found, in both spellings; a field stands above an alias of its name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Json)> {
        let fields = self.dot.as_object().into_iter().flatten();
        self.aliases
            .iter()
            .chain(fields)
            .map(|(name, value)| (name.as_str(), value))
    }

    /// As the Go dialect's dot. New with each call: templates may change the maps in it.
    pub(crate) fn to_value(&self) -> Value {
        let read = |fields: &Map<String, Json>| -> BTreeMap<Rc<str>, Value> {
            fields
                .iter()
                .map(|(key, value)| (Rc::from(key.as_str()), Value::from(value)))
                .collect()
        };
        match &self.dot {
            Json::Object(fields) => {
                let dot = crate::value::Map::new(crate::value::MapKind::Any, read(fields));
                Value::Map(dot.with_aliases(read(&self.aliases)))
            }
            other @ (Json::Null
            | Json::Bool(_)
            | Json::Number(_)
            | Json::String(_)
            | Json::Array(_)) => Value::from(other),
        }
    }

    /// With what people type (`vars`, names, reason) changed by a function.
    pub(crate) fn with_typed(&self, change: impl Fn(&str) -> String) -> Self {
        let mut dot = self.dot.clone();
        let apply = |value: Option<&mut Json>| {
            if let Some(Json::String(text)) = value {
                *text = change(text);
            }
        };
        for field in ["requestedBy", "approvedBy", "reason"] {
            apply(dot.pointer_mut(&format!("/session/{field}")));
        }
        if let Some(vars) = dot.get_mut("vars").and_then(Json::as_object_mut) {
            for value in vars.values_mut() {
                apply(Some(value));
            }
        }
        Self::new(dot)
    }
}

fn aliases(fields: &Map<String, Json>) -> Map<String, Json> {
    let at = |object: &str, key: &str| fields.get(object).and_then(|o| o.get(key)).cloned();
    let mut aliases = Map::new();
    let mut add = |name: &str, parts: Vec<(&str, Option<Json>)>| {
        let present: Map<String, Json> = parts
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect();
        if !present.is_empty() {
            aliases.insert(name.to_owned(), Json::Object(present));
        }
    };
    let spec: Map<String, Json> = [
        ("Cluster", at("session", "cluster")),
        ("User", at("session", "requestedBy")),
        ("TargetNamespace", at("target", "namespace")),
        ("Reason", at("session", "reason")),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect();
    add(
        "Session",
        vec![
            ("Name", at("session", "name")),
            ("Namespace", at("session", "namespace")),
            ("Spec", (!spec.is_empty()).then_some(Json::Object(spec))),
        ],
    );
    add("Target", vec![("Namespace", at("target", "namespace"))]);
    add("Template", vec![("Name", at("template", "name"))]);
    if let Some(vars) = fields.get("vars") {
        aliases.insert("Vars".to_owned(), vars.clone());
    }
    aliases
}

/// The facts of one session, before they become a [`Context`].
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub session: String,
    pub namespace: String,
    pub cluster: String,
    pub requested_by: String,
    pub approved_by: String,
    pub reason: String,
    pub expires_at: Timestamp,
    /// The activation's time (D4).
    pub now: Timestamp,
    pub target_namespace: String,
    pub template: String,
    /// `namespace/name`
    pub binding: Option<String>,
    pub values: BTreeMap<String, GrantedValue>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Names of the auxiliary resources that the session takes.
    pub enabled_resources: Vec<String>,
}

impl Facts {
    /// With everything that the requester typed made harmless to a YAML line.
    #[must_use]
    pub fn of_grant(grant: &Grant) -> Self {
        let mut facts = Self {
            session: grant.session.clone(),
            namespace: grant.namespace.clone(),
            cluster: grant.cluster.as_str().to_owned(),
            requested_by: grant.context.requested_by.clone(),
            approved_by: grant.context.approved_by.clone().unwrap_or_default(),
            reason: grant.context.reason.clone().unwrap_or_default(),
            expires_at: grant.expires_at,
            now: grant.starts_at,
            target_namespace: grant.target_namespace.clone(),
            template: grant.context.template.clone(),
            binding: grant.context.binding.clone(),
            values: grant.values.clone(),
            labels: grant.labels.clone(),
            annotations: grant.annotations.clone(),
            enabled_resources: grant.auxiliary.iter().map(|a| a.name.clone()).collect(),
        };
        facts.change_typed(one_line);
        facts
    }

    /// The same session, had its people typed nothing but letters: what S13 compares with. `None` if they did.
    pub(crate) fn neutral(&self) -> Option<Self> {
        let mut neutral = self.clone();
        neutral.change_typed(neutral_text);
        (neutral != *self).then_some(neutral)
    }

    /// Everything whose words are a person's own.
    fn change_typed(&mut self, change: impl Fn(&str) -> String) {
        for text in [
            &mut self.requested_by,
            &mut self.approved_by,
            &mut self.reason,
        ] {
            *text = change(text);
        }
        for value in self.values.values_mut() {
            match value.origin {
                ValueOrigin::FreeText => value.text = change(&value.text),
                ValueOrigin::Constrained => {}
            }
        }
    }

    #[must_use]
    pub fn to_context(&self) -> Context {
        let (binding_namespace, binding_name) = self
            .binding
            .as_deref()
            .and_then(|binding| binding.split_once('/'))
            .unwrap_or_default();
        let vars: BTreeMap<&str, &str> = self
            .values
            .iter()
            .map(|(name, value)| (name.as_str(), value.text.as_str()))
            .collect();
        Context::new(json!({
            "session": {
                "name": self.session,
                "namespace": self.namespace,
                "cluster": self.cluster,
                "requestedBy": self.requested_by,
                "approvedBy": self.approved_by,
                "reason": self.reason,
                "expiresAt": self.expires_at.to_string(),
            },
            "target": { "namespace": self.target_namespace, "cluster": self.cluster },
            "template": { "name": self.template },
            "binding": { "name": binding_name, "namespace": binding_namespace },
            "vars": vars,
            "labels": self.labels,
            "annotations": self.annotations,
            "now": self.now.to_string(),
            "enabledResources": self.enabled_resources,
        }))
    }
}

/// Line breaks of every sort become one space each, and what would start or end a document at the start of a line is
/// moved off it.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut previous = ' ';
    for c in text.chars() {
        match c {
            '\n' if previous == '\r' => {}
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => line.push(' '),
            other => line.push(other),
        }
        previous = c;
    }
    let line = line.trim_start_matches('\u{feff}');
    if line.starts_with("---") || line.starts_with("...") {
        format!(" {line}")
    } else {
        line.to_owned()
    }
}

/// Each character outside `[A-Za-z0-9_.-]` replaced by as many `x` as it has bytes: functions that cut at a byte cut both
/// renderings alike.
#[must_use]
pub(crate) fn neutral_text(text: &str) -> String {
    let mut neutral = String::with_capacity(text.len());
    for c in text.chars() {
        if is_neutral(c) {
            neutral.push(c);
        } else {
            neutral.extend(std::iter::repeat_n('x', c.len_utf8()));
        }
    }
    neutral
}

pub(crate) fn is_neutral(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_of_every_sort_become_one_space() {
        for (typed, line) in [
            ("a\nb", "a b"),
            ("a\r\nb", "a b"),
            ("a\rb\u{85}c\u{2028}d\u{2029}e", "a b c d e"),
            ("a\n\nb", "a  b"),
            ("--- x", " --- x"),
            ("\u{feff}---", " ---"),
            ("...", " ..."),
            ("a---", "a---"),
        ] {
            assert_eq!(one_line(typed), line, "{typed:?}");
        }
    }

    #[test]
    fn the_other_spelling_is_found_and_not_listed() {
        let context = Context::new(json!({
            "session": {"name": "s", "cluster": "west", "requestedBy": "alice", "reason": "r"},
            "target": {"namespace": "d"}, "vars": {"a": "1"}
        }));
        assert_eq!(
            context.field("Session"),
            Some(&json!({"Name": "s", "Spec": {
                "Cluster": "west", "User": "alice", "TargetNamespace": "d", "Reason": "r"
            }}))
        );
        assert_eq!(context.field("Vars"), Some(&json!({"a": "1"})));
        let Value::Map(dot) = context.to_value() else {
            panic!("a map")
        };
        assert_eq!(dot.len(), 3);
        assert!(dot.field("Session").is_some() && dot.get("Session").is_none());
    }
}
