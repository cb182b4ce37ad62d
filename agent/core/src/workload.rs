//! A grant's manifests: its texts are rendered, the pod becomes a DaemonSet or Deployment, everything else a complete
//! object beside it. Rendered once, journaled, applied unchanged for the grant's whole life (D4).
//!
//! [`render`]: texts → objects (`breakglass_render`) → [`assemble`]: the order of spec 1 section 11, each object brought
//! into the session's namespace and marked as ours ([`object`]).
//!
//! Works on JSON, not on typed structs: a field that this build does not know still reaches the API server, which
//! refuses it by name.

use std::collections::{BTreeMap, BTreeSet};

use breakglass_protocol::labels;
use breakglass_protocol::wire::grant::{Auxiliary, AuxiliaryOrder, Grant};
use breakglass_render::grant::{RenderError, RenderedGrant, render_grant};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

mod budget;
mod document;
mod namespace;
mod object;
mod overrides;
mod pod;
mod resource_quota;
pub(crate) mod scheduling;
mod seed;

pub use budget::DISRUPTION_BUDGET;
pub use document::{Beside, Document};
pub use namespace::OwnNamespace;
pub use resource_quota::RESOURCE_QUOTA;
pub use seed::Seed;

/// Everything to be made for a grant, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendered {
    pub documents: Vec<Document>,
    /// Made before the documents, if the namespace is missing then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<OwnNamespace>,
}

/// `Document.source` of the DaemonSet or Deployment.
pub const WORKLOAD: &str = "workload";

/// Rendered documents at most, as JSON: with a grant of 512 KiB beside them they still fit one Secret (1 MiB).
pub const MAX_RENDERED_BYTES: usize = 384 * 1024;
/// Objects of one session at most: each is a call to make, calls to watch and a call to remove, within the time that
/// people wait for a session. The largest honest bundle has a dozen.
pub const MAX_DOCUMENTS: usize = 64;

/// Why a grant has no manifests. Each names the template or the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    #[error("{0}")]
    Text(String),
    #[error("the pod template's spec is not a pod spec: {0}")]
    NotAPodSpec(String),
    #[error("the pod template's spec.containers is empty; name at least one container")]
    NoContainers,
    #[error(
        "the pod template sets spec.{field}, which a {kind} does not take; take it out ({why})"
    )]
    NotInWorkload {
        field: &'static str,
        kind: &'static str,
        why: &'static str,
    },
    #[error(
        "podOverrides.containers names \"{name}\", which the pod template lacks; it has: {known}"
    )]
    NoSuchContainer { name: String, known: String },
    #[error("the debug pods cannot be placed: {0}")]
    Scheduling(String),
    #[error("{place} sets \"{key}\", which is the agent's own; take it out")]
    ReservedKey { place: &'static str, key: String },
    #[error("{document}: {why}")]
    Object { document: String, why: String },
    #[error("{second} is the same object as {first}; give it another name")]
    Twice { first: String, second: String },
    #[error("the session has {0} objects; at most {MAX_DOCUMENTS} are made for one")]
    TooMany(usize),
    #[error(
        "the rendered documents have {0} bytes; at most {MAX_RENDERED_BYTES} fit the agent's journal"
    )]
    TooLarge(usize),
}

impl From<RenderError> for WorkloadError {
    fn from(error: RenderError) -> Self {
        Self::Text(error.to_string())
    }
}

impl Rendered {
    /// The DaemonSet's or Deployment's manifest and its place in the order.
    #[must_use]
    pub fn workload(&self) -> Option<(usize, &Value)> {
        self.documents
            .iter()
            .enumerate()
            .find(|(_, document)| document.source == WORKLOAD)
            .map(|(place, document)| (place, &document.manifest))
    }

    /// Documents beside the workload that are to be made, with their places.
    pub(crate) fn beside(&self) -> impl Iterator<Item = (usize, &Document)> {
        self.documents
            .iter()
            .enumerate()
            .filter(|(_, document)| document.source != WORKLOAD && document.is_wanted())
    }

    /// Names of the objects of a core or RBAC kind that the session makes itself.
    pub(crate) fn own_names(&self, kind: &str) -> BTreeSet<&str> {
        self.beside()
            .filter(|(_, document)| document.known().is_some_and(|known| known.kind == kind))
            .map(|(_, document)| document.name())
            .collect()
    }

    /// The pod spec inside the workload's manifest.
    #[must_use]
    pub fn pod_spec(&self) -> Option<&Value> {
        self.workload()?.1.pointer("/spec/template/spec")
    }

    /// Labels that every pod of the workload carries.
    #[must_use]
    pub fn pod_labels(&self) -> BTreeMap<&str, &str> {
        self.workload()
            .and_then(|(_, manifest)| manifest.pointer("/spec/template/metadata/labels"))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect()
    }
}

/// All manifests of a grant. `seed` keys the random functions of its texts.
///
/// # Errors
/// What in the grant cannot be deployed, by template or field.
pub fn render(grant: &Grant, seed: &Seed) -> Result<Rendered, WorkloadError> {
    assemble(grant, render_grant(grant, seed.bytes())?)
}

/// All manifests of a grant whose texts are rendered.
///
/// # Errors
/// What in the grant cannot be deployed, by document or field. An auxiliary resource that gave no object, or one that
/// cannot be made, is only an error if its failure policy says so.
pub fn assemble(grant: &Grant, texts: RenderedGrant) -> Result<Rendered, WorkloadError> {
    let quota = resource_quota::render(grant)?.into_iter();
    let mut documents: Vec<Document> = quota.chain(budget::render(grant)?).collect();
    for (place, manifest) in texts.resources.into_iter().enumerate() {
        let document = Document::of_pod_template(place + 1, manifest);
        documents.push(object::finish_document(grant, document)?);
    }
    let mut after = Vec::new();
    let mut results = texts.auxiliary.into_iter();
    for auxiliary in &grant.auxiliary {
        // A resource that silently is not there may have been a restriction.
        let objects = results.next().ok_or_else(|| {
            WorkloadError::Text(format!(
                "auxiliary resource {} was not rendered",
                auxiliary.name
            ))
        })?;
        let made = of_auxiliary(grant, auxiliary, objects)?;
        match auxiliary.order {
            AuxiliaryOrder::BeforeWorkload => documents.extend(made),
            AuxiliaryOrder::AfterWorkload => after.extend(made),
        }
    }
    documents.push(Document {
        source: WORKLOAD.to_owned(),
        manifest: pod::render_workload(grant, &texts.pod, texts.overrides.as_ref())?,
        beside: None,
    });
    documents.extend(after);
    check_all(&documents)?;
    Ok(Rendered {
        documents,
        namespace: namespace::render(grant)?,
    })
}

fn of_auxiliary(
    grant: &Grant,
    auxiliary: &Auxiliary,
    objects: Result<Vec<Value>, RenderError>,
) -> Result<Vec<Document>, WorkloadError> {
    let objects = match objects {
        Ok(objects) => objects,
        // S13 holds whatever the policy says.
        Err(error @ RenderError::Value { .. }) => return Err(error.into()),
        Err(error) => {
            let document = Document::of_auxiliary(auxiliary, 0, Value::Null);
            return Ok(vec![document.left_out(&error.to_string())?]);
        }
    };
    objects
        .into_iter()
        .enumerate()
        .map(|(place, manifest)| {
            let document = Document::of_auxiliary(auxiliary, place, manifest);
            object::finish_document(grant, document)
        })
        .collect()
}

/// What holds for all documents together.
fn check_all(documents: &[Document]) -> Result<(), WorkloadError> {
    if documents.len() > MAX_DOCUMENTS {
        return Err(WorkloadError::TooMany(documents.len()));
    }
    let mut seen: BTreeMap<_, &Document> = BTreeMap::new();
    for document in documents.iter().filter(|document| document.is_wanted()) {
        if let Some(first) = seen.insert(document.identity(), document) {
            return Err(WorkloadError::Twice {
                first: first.label(),
                second: document.label(),
            });
        }
    }
    let bytes = serde_json::to_vec(documents).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_RENDERED_BYTES {
        return Err(WorkloadError::TooLarge(bytes));
    }
    Ok(())
}

fn own_labels(grant: &Grant) -> BTreeMap<&'static str, &str> {
    BTreeMap::from([
        (labels::SESSION, grant.session.as_str()),
        (labels::SESSION_TYPE, labels::SESSION_TYPE_DEBUG),
        (labels::TEMPLATE, grant.context.template.as_str()),
        (labels::CLUSTER, grant.cluster.as_str()),
        (labels::MANAGED_BY, labels::MANAGED_BY_BREAKGLASS),
    ])
}

fn own_annotations(grant: &Grant) -> BTreeMap<&'static str, &str> {
    BTreeMap::from([(labels::GRANT, grant.uid.as_str())])
}

/// Later sources add to and replace earlier ones; our own keys stand above all and nobody may name them.
fn merged<const N: usize>(
    sources: [(&'static str, &BTreeMap<String, String>); N],
    own: &BTreeMap<&'static str, &str>,
) -> Result<Value, WorkloadError> {
    let mut all = Map::new();
    for (place, source) in sources {
        for (key, value) in source {
            if labels::is_reserved(key) {
                return Err(WorkloadError::ReservedKey {
                    place,
                    key: key.clone(),
                });
            }
            all.insert(key.clone(), json!(value));
        }
    }
    all.extend(
        own.iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value))),
    );
    Ok(Value::Object(all))
}

#[cfg(test)]
mod tests;
