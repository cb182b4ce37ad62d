//! One object to be made, where it comes from, and what its failure means.

use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::wire::grant::{AtEnd, Auxiliary};
use breakglass_protocol::wire::report::ResourceOrigin;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{WORKLOAD, WorkloadError};
use crate::kinds::{self, Known};

/// One object to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Which part of the grant asks for it: `workload`, `pod-template[1]`, `auxiliary/NAME[0]`; becomes
    /// `ObjectRecord.source`.
    pub source: String,
    /// `null` if the text gave none.
    pub manifest: Value,
    /// `None` for the workload (and in records of agents that made nothing else).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
}

/// What is known of a document that is not the workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    pub origin: ResourceOrigin,
    pub failure_policy: FailurePolicy,
    pub at_end: AtEnd,
    /// Why it is never made: no object came out, or its kind is not in the ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

impl Document {
    /// A later document of the pod template; the pod is document 0.
    pub(super) fn of_pod_template(place: usize, manifest: Value) -> Self {
        Self {
            source: format!("pod-template[{place}]"),
            manifest,
            beside: Some(Beside {
                origin: ResourceOrigin::PodTemplate {},
                failure_policy: FailurePolicy::Fail,
                at_end: AtEnd::Delete,
                left_out: None,
            }),
        }
    }

    pub(super) fn of_auxiliary(auxiliary: &Auxiliary, place: usize, manifest: Value) -> Self {
        Self {
            source: format!("auxiliary/{}[{place}]", auxiliary.name),
            manifest,
            beside: Some(Beside {
                origin: ResourceOrigin::Auxiliary {
                    name: auxiliary.name.clone(),
                    category: auxiliary.category.clone(),
                },
                failure_policy: auxiliary.failure_policy,
                at_end: auxiliary.at_end,
                left_out: None,
            }),
        }
    }

    /// What its failure means; the workload's fails the session.
    #[must_use]
    pub fn failure_policy(&self) -> FailurePolicy {
        self.beside
            .as_ref()
            .map_or(FailurePolicy::Fail, |beside| beside.failure_policy)
    }

    /// Whether it is removed when the session ends.
    #[must_use]
    pub fn at_end(&self) -> AtEnd {
        self.beside
            .as_ref()
            .map_or(AtEnd::Delete, |beside| beside.at_end)
    }

    /// Whether it is to be made at all.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.beside
            .as_ref()
            .is_none_or(|beside| beside.left_out.is_none())
    }

    /// It is not made, if its policy permits that.
    pub(super) fn left_out(mut self, why: &str) -> Result<Self, WorkloadError> {
        if self.failure_policy() == FailurePolicy::Fail {
            return Err(WorkloadError::Object {
                document: self.label(),
                why: why.to_owned(),
            });
        }
        self.leave_out(why.to_owned());
        Ok(self)
    }

    pub(crate) fn leave_out(&mut self, why: String) {
        if let Some(beside) = &mut self.beside {
            beside.left_out = Some(why);
        }
    }

    fn text(&self, pointer: &str) -> &str {
        self.manifest
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    #[must_use]
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        Some(self.text("/metadata/namespace")).filter(|namespace| !namespace.is_empty())
    }

    pub(crate) fn known(&self) -> Option<&'static Known> {
        kinds::known_kind(self.api_version(), self.kind())
    }

    /// What makes two documents the same object, whatever version they are written in.
    pub(super) fn identity(&self) -> (&str, &str, &str) {
        let (group, _) = kinds::split(self.api_version());
        (group, self.kind(), self.name())
    }

    /// For people: `document 2 of the pod template (PersistentVolumeClaim pvc-x)`; the pod is document 1.
    #[must_use]
    pub fn label(&self) -> String {
        let object = match (self.kind(), self.name()) {
            ("", _) => String::new(),
            (kind, "") => format!(" ({kind})"),
            (kind, name) => format!(" ({kind} {name})"),
        };
        let place = self
            .source
            .rsplit_once('[')
            .and_then(|(_, place)| place.trim_end_matches(']').parse::<usize>().ok())
            .unwrap_or(0)
            + 1;
        match self.beside.as_ref().map(|beside| &beside.origin) {
            None if self.source == WORKLOAD => format!("the workload{object}"),
            None => format!("{}{object}", self.source),
            Some(ResourceOrigin::PodTemplate {}) => {
                format!("document {place} of the pod template{object}")
            }
            Some(ResourceOrigin::Auxiliary { name, .. }) => {
                format!("document {place} of auxiliary resource {name}{object}")
            }
        }
    }
}
