//! What admins write and delete through the API (`PUT`, `DELETE`, `bgctl apply`): decoded and judged as the templates
//! folder's documents are, by the same functions; stored with the hub as owner. What a file owns is the file's (D22).

mod changes;
mod errors;

use breakglass_hub_core::audit::{self, Action, Actor, AuditEvent, ObjectRef};
use breakglass_protocol::api::cluster::RegisterCluster;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::Kind;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::manifest::{self, Manifest};
use jiff::Timestamp;
use serde_json::Value;

pub use errors::WriteError;

use super::condition::{self, Readiness, Referable};
use super::document::{self, Way, all_problems};
use super::plan::Document;
use super::write;
use crate::app::App;
use crate::clusters::{By, ClusterError};
use crate::store::{
    Commit, CommitError, Expected, Key, Object, ObjectKind, Owner, StoreError, Version, Write,
};

/// How often a write is decided again after somebody else was faster; who gave a `resourceVersion` is told at once.
const TRIES: u32 = 16;

/// Whether something is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    No,
    /// Everything is judged, nothing is stored.
    All,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Configured,
    Unchanged,
    Deleted,
}

/// What is true after a write; of a dry run, what would be.
#[derive(Clone, Debug)]
pub struct Written {
    pub outcome: Outcome,
    /// The object, with `metadata.resourceVersion` where it is stored.
    pub object: Value,
    /// What its author should know: why nobody can use it yet.
    pub warnings: Vec<String>,
}

/// What is to be written where.
pub struct Asked<'a> {
    pub kind: Kind,
    /// Empty for kinds of cluster scope.
    pub namespace: &'a str,
    pub name: &'a str,
    pub dry_run: DryRun,
}

impl Asked<'_> {
    fn key(&self) -> Key {
        document::key(self.kind, None, self.name, self.namespace)
    }
}

/// A document that may be stored.
struct Good {
    document: Document,
    /// What the author last saw, where they say so.
    expected: Option<String>,
    others: Referable,
}

/// Writes what `text` (YAML or JSON, one document) says.
///
/// # Errors
/// See [`WriteError`]: everything that is wrong with the document, or why it may not be written now.
pub async fn apply(
    app: &App,
    by: &By,
    asked: &Asked<'_>,
    text: String,
) -> Result<Written, WriteError> {
    let good = judge(app, asked, text).await?;
    let key = good.document.key.clone();
    for _ in 0..TRIES {
        let before = stored(app, &key).await?;
        check_owner(before.as_ref())?;
        check_version(&key, good.expected.as_deref(), before.as_ref())?;
        let now = app.now().wall;
        let (body, readiness) = next_body(&good, before.as_ref(), now);
        let written = Written {
            outcome: outcome(before.as_ref(), &body),
            object: body.clone(),
            warnings: readiness.warning().into_iter().collect(),
        };
        if written.outcome == Outcome::Unchanged {
            return Ok(stamped(written, before.map(|object| object.version)));
        }
        if asked.dry_run == DryRun::All {
            return Ok(written);
        }
        let changed = changes::paths(before.as_ref().map(|object| &object.body), &body);
        let commit = Commit {
            key: key.clone(),
            change: Write::Put {
                owner: Owner::Hub,
                body: body.into(),
            },
            expected: before
                .as_ref()
                .map_or(Expected::Absent, |object| Expected::At(object.version)),
            events: vec![event(by, &key, Action::ManifestApplied, now).with("changed", changed)],
        };
        match app.store.commit(commit).await {
            Ok(committed) => return Ok(stamped(written, Some(committed.version))),
            Err(CommitError::Conflict { .. }) => app.metrics.commit_conflicts.inc(),
            Err(error) => return Err(error.into()),
        };
    }
    Err(WriteError::Contended(key))
}

/// Deletes an object; `expected` is the `resourceVersion` that the caller last saw, where they say so.
///
/// # Errors
/// See [`WriteError`].
pub async fn delete(
    app: &App,
    by: &By,
    asked: &Asked<'_>,
    expected: Option<&str>,
) -> Result<Written, WriteError> {
    let key = asked.key();
    for _ in 0..TRIES {
        let Some(before) = stored(app, &key).await? else {
            return Err(WriteError::NotFound(key));
        };
        check_owner(Some(&before))?;
        check_version(&key, expected, Some(&before))?;
        if key.kind == ObjectKind::Cluster {
            crate::clusters::check_unused(app, &ClusterName::new(key.name.clone())).await?;
        }
        let written = Written {
            outcome: Outcome::Deleted,
            object: before.body.clone(),
            warnings: Vec::new(),
        };
        if asked.dry_run == DryRun::All {
            return Ok(stamped(written, Some(before.version)));
        }
        if key.kind == ObjectKind::Cluster {
            // First what bars its agent: a certificate must not outlive the cluster's registration.
            crate::clusters::bar(app, by, &ClusterName::new(key.name.clone())).await?;
        }
        let now = app.now().wall;
        let commit = Commit {
            key: key.clone(),
            change: Write::Delete,
            expected: Expected::At(before.version),
            events: vec![event(by, &key, Action::ManifestDeleted, now)],
        };
        match app.store.commit(commit).await {
            Ok(_) => return Ok(stamped(written, Some(before.version))),
            Err(CommitError::Conflict { .. }) => app.metrics.commit_conflicts.inc(),
            Err(error) => return Err(error.into()),
        };
    }
    Err(WriteError::Contended(key))
}

/// Decodes and judges a document, with the stored catalogue for what it refers to.
async fn judge(app: &App, asked: &Asked<'_>, text: String) -> Result<Good, WriteError> {
    let stored = super::stored(app).await?;
    let (kind, name, namespace) = (
        asked.kind,
        asked.name.to_owned(),
        asked.namespace.to_owned(),
    );
    let destinations = app.outward.known();
    // Texts are rendered with many samples: that takes its time.
    let judged = tokio::task::spawn_blocking(move || {
        let document = decoded(&text, kind, &namespace, &name)?;
        let key = document::key(kind, None, &name, &namespace);
        let mut others = Referable::with_destinations(destinations);
        for object in stored.iter().filter(|object| object.key != key) {
            others.add_stored(object);
        }
        let problems = all_problems(Way::Api, &document, |pod| others.pod(pod));
        if !problems.is_empty() {
            return Err(WriteError::refused(problems));
        }
        let expected = document.manifest.metadata().resource_version.clone();
        let document = document::good("", &document, key);
        others.add_document(&document);
        if document.key.kind == ObjectKind::DebugSessionTemplate {
            others.check_texts_of(&document.key.name);
        }
        Ok(Good {
            document,
            expected,
            others,
        })
    });
    judged
        .await
        .map_err(|error| WriteError::Aborted(error.to_string()))?
}

/// The one document of a body, if it is what the path says.
fn decoded(
    text: &str,
    kind: Kind,
    namespace: &str,
    name: &str,
) -> Result<manifest::Document, WriteError> {
    let mut outcome = manifest::decode("body", text);
    if !outcome.errors.is_empty() {
        return Err(WriteError::unreadable(&outcome.errors));
    }
    let (Some(document), None) = (outcome.documents.pop(), outcome.documents.pop()) else {
        return Err(WriteError::malformed(
            "",
            "must hold exactly one document; send each object on its own",
        ));
    };
    let manifest: &Manifest = &document.manifest;
    let given = manifest.kind();
    if given != kind {
        let message = format!("is {given}, but this path takes {kind}");
        return Err(WriteError::malformed("kind", message));
    }
    if manifest.name() != name {
        let message = format!("is {:?}, but the path names {name:?}", manifest.name());
        return Err(WriteError::malformed("metadata.name", message));
    }
    if let Manifest::Cluster(cluster) = manifest {
        check_cluster(name, cluster)?;
    }
    let elsewhere = manifest.namespace().filter(|given| *given != namespace);
    if let Some(given) = elsewhere.filter(|_| kind.is_namespaced()) {
        let message = format!("is {given:?}, but the path names {namespace:?}");
        return Err(WriteError::malformed("metadata.namespace", message));
    }
    Ok(document)
}

/// The rules of a registration.
fn check_cluster(name: &str, cluster: &Cluster) -> Result<(), WriteError> {
    let spec = &cluster.spec;
    let said = RegisterCluster {
        name: name.to_owned(),
        display_name: spec.display_name.clone(),
        environment: spec.environment.clone(),
        location: spec.location.clone(),
        site: spec.site.clone(),
        tenant: spec.tenant.clone(),
        labels: cluster.metadata.labels.clone().unwrap_or_default(),
    };
    match crate::clusters::check(&said) {
        Ok(_) => Ok(()),
        Err(ClusterError::Invalid { field, message }) => {
            let place = if matches!(field, "name" | "labels") {
                "metadata"
            } else {
                "spec"
            };
            Err(WriteError::malformed(&format!("{place}.{field}"), message))
        }
        Err(error) => Err(error.into()),
    }
}

async fn stored(app: &App, key: &Key) -> Result<Option<Object<Value>>, StoreError> {
    let found = app.store.get(key.clone()).await?;
    found.map(|object| object.read()).transpose()
}

fn check_owner(before: Option<&Object<Value>>) -> Result<(), WriteError> {
    match before {
        Some(Object {
            key,
            owner: Owner::File(file),
            ..
        }) => Err(WriteError::OwnedByFile {
            key: key.clone(),
            file: file.clone(),
        }),
        Some(Object {
            owner: Owner::Hub, ..
        })
        | None => Ok(()),
    }
}

fn check_version(
    key: &Key,
    expected: Option<&str>,
    before: Option<&Object<Value>>,
) -> Result<(), WriteError> {
    let Some(expected) = expected.filter(|version| !version.is_empty()) else {
        return Ok(());
    };
    let found = before.map(|object| object.version.to_string());
    if found.as_deref() == Some(expected) {
        return Ok(());
    }
    Err(WriteError::Changed {
        key: key.clone(),
        expected: expected.to_owned(),
        found,
    })
}

/// What is to be stored. What only the hub knows of the object (its status, when and as what it was made) stays.
fn next_body(good: &Good, before: Option<&Object<Value>>, now: Timestamp) -> (Value, Readiness) {
    let document = accepted_as_before(&good.document, before);
    let mut new_uid = || uuid::Uuid::new_v4().to_string();
    let mut body = write::body(&document, before, now, &mut new_uid);
    let readiness = Readiness::of(&document.key, &document.spec, &good.others);
    if document.key.kind != ObjectKind::Cluster {
        condition::set_ready(&mut body, &readiness, now);
    }
    (body, readiness)
}

/// A cluster that waits to be accepted goes on waiting unless the document itself says otherwise.
fn accepted_as_before(document: &Document, before: Option<&Object<Value>>) -> Document {
    let mut document = document.clone();
    let was = before.and_then(|object| object.body.pointer("/spec/accepted"));
    if let Some(was) = was
        && document.key.kind == ObjectKind::Cluster
        && document.spec.get("accepted").is_none()
    {
        document.spec["accepted"] = was.clone();
    }
    document
}

fn outcome(before: Option<&Object<Value>>, body: &Value) -> Outcome {
    match before {
        None => Outcome::Created,
        Some(before) if write::says_the_same(&before.body, body) => Outcome::Unchanged,
        Some(_) => Outcome::Configured,
    }
}

fn stamped(mut written: Written, version: Option<Version>) -> Written {
    if let Some(version) = version {
        written.object["metadata"]["resourceVersion"] = Value::from(version.to_string());
    }
    written
}

fn event(by: &By, key: &Key, action: Action, at: Timestamp) -> AuditEvent {
    let namespace = Some(key.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let object = ObjectRef::new(key.kind.as_str(), namespace, &key.name);
    let actor = Actor::Person(by.person.clone());
    AuditEvent::new(at, actor, action, object, audit::Outcome::Done)
        .from(by.request_id.clone(), by.source.clone())
}
