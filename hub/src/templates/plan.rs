//! What to write so that the store says what the folder says. Pure and level-triggered: made from the whole folder and
//! the whole stored catalogue each time, and empty when they agree.

use std::collections::{BTreeMap, BTreeSet};

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::condition::{self, Readiness, Referable};
use super::refusals::TemplateRefusal;
use crate::store::{Commit, Expected, Key, Object, Owner, Write};

/// One document that decoded and may be used.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    pub(super) key: Key,
    pub(super) file: String,
    /// Where it begins, from 1.
    pub(super) line: u64,
    pub(super) api_version: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: Value,
}

/// One document that may not be used.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    /// What it would be, if it got as far as saying so.
    pub(super) key: Option<Key>,
    /// Never empty.
    pub(super) refusals: Vec<TemplateRefusal>,
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FileDocuments {
    pub(super) documents: Vec<Document>,
    pub(super) refused: Vec<Refused>,
}

/// The folder, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    pub(super) files: BTreeMap<String, FileDocuments>,
    /// Files that are being written: not among `files`, and nothing becomes of what they own.
    pub(super) unsettled: BTreeSet<String>,
}

/// What to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) commits: Vec<Commit>,
    pub(super) refusals: BTreeSet<TemplateRefusal>,
}

/// Makes the plan. `folder` is `None` where there is none, or where it could not be read: then only conditions are kept
/// right. `new_uid` is asked once for each object that is made.
pub(super) fn plan(
    folder: Option<&Folder>,
    stored: &[Object],
    now: Timestamp,
    new_uid: &mut dyn FnMut() -> String,
) -> Plan {
    let stored: BTreeMap<&Key, &Object> =
        stored.iter().map(|object| (&object.key, object)).collect();
    let mut plan = Plan::default();
    let wanted = match folder {
        Some(folder) => wanted(folder, &stored, &mut plan.refusals),
        None => BTreeMap::new(),
    };
    let fates = fates(folder, &stored, &wanted);
    let others = referable(&fates, &stored);
    for (key, fate) in &fates {
        let before = stored.get(*key).copied();
        plan.commits
            .extend(commit(before, fate, &others, now, new_uid));
    }
    plan
}

/// What there will be to refer to.
fn referable(fates: &BTreeMap<&Key, Fate<'_>>, stored: &BTreeMap<&Key, &Object>) -> Referable {
    let mut others = Referable::default();
    for (key, fate) in fates {
        let spec = match fate {
            Fate::Is(document) => Some(&document.spec),
            Fate::Broken(_) | Fate::Stays => stored.get(*key).map(|object| &object.body["spec"]),
            Fate::Remove => None,
        };
        if let Some(spec) = spec {
            others.add(key, spec);
        }
    }
    others
}

/// What becomes of one object.
enum Fate<'a> {
    /// As this document says.
    Is(&'a Document),
    /// The last good version stays; its file says something that cannot be used.
    Broken(&'a TemplateRefusal),
    /// No file has a say in it now.
    Stays,
    Remove,
}

/// The document that counts for each key. Of several, the one whose file owns the object already, else the first by path.
fn wanted<'a>(
    folder: &'a Folder,
    stored: &BTreeMap<&Key, &Object>,
    refusals: &mut BTreeSet<TemplateRefusal>,
) -> BTreeMap<&'a Key, &'a Document> {
    let mut claims: BTreeMap<&Key, Vec<&Document>> = BTreeMap::new();
    for file in folder.files.values() {
        for refused in &file.refused {
            refusals.extend(refused.refusals.iter().cloned());
        }
        for document in &file.documents {
            claims.entry(&document.key).or_default().push(document);
        }
    }
    let mut wanted = BTreeMap::new();
    for (key, documents) in claims {
        let owner = stored.get(key).map(|object| &object.owner);
        match owner {
            Some(Owner::Hub) => {
                refusals.extend(documents.iter().map(|document| of_the_api(document)));
                continue;
            }
            // Whether it still defines the object is not known yet.
            Some(Owner::File(file)) if folder.unsettled.contains(file) => continue,
            Some(Owner::File(_)) | None => {}
        }
        let owned = documents.iter().position(
            |document| matches!(owner, Some(Owner::File(file)) if *file == document.file),
        );
        let first = owned.unwrap_or(0);
        for (index, document) in documents.iter().enumerate() {
            if index == first {
                wanted.insert(key, *document);
            } else {
                refusals.insert(defined_twice(document, documents[first]));
            }
        }
    }
    wanted
}

fn defined_twice(document: &Document, first: &Document) -> TemplateRefusal {
    refusal(
        document,
        "metadata.name",
        format!(
            "{}:{} defines the same object, and that one stays; rename or remove one of the two",
            first.file, first.line
        ),
    )
}

fn of_the_api(document: &Document) -> TemplateRefusal {
    refusal(
        document,
        "metadata.name",
        "an object of this name was made through the API; delete that one, or remove this document"
            .to_owned(),
    )
}

fn refusal(document: &Document, path: &str, message: String) -> TemplateRefusal {
    TemplateRefusal {
        file: document.file.clone(),
        line: Some(document.line),
        object: Some(document.key.to_string()),
        path: Some(path.to_owned()),
        message,
    }
}

fn fates<'a>(
    folder: Option<&'a Folder>,
    stored: &BTreeMap<&'a Key, &'a Object>,
    wanted: &BTreeMap<&'a Key, &'a Document>,
) -> BTreeMap<&'a Key, Fate<'a>> {
    let mut fates: BTreeMap<&Key, Fate<'_>> = wanted
        .iter()
        .map(|(key, document)| (*key, Fate::Is(document)))
        .collect();
    for (key, object) in stored {
        fates
            .entry(key)
            .or_insert_with(|| fate_of_unwanted(folder, key, &object.owner));
    }
    fates
}

/// What becomes of a stored object that no good document defines.
fn fate_of_unwanted<'a>(folder: Option<&'a Folder>, key: &Key, owner: &Owner) -> Fate<'a> {
    let (Some(folder), Owner::File(name)) = (folder, owner) else {
        return Fate::Stays;
    };
    let Some(file) = folder.files.get(name) else {
        return if folder.unsettled.contains(name) {
            Fate::Stays
        } else {
            Fate::Remove
        };
    };
    // A document that does not even say what it is may be this object's.
    let broken = file
        .refused
        .iter()
        .find(|refused| refused.key.as_ref() == Some(key))
        .or_else(|| file.refused.iter().find(|refused| refused.key.is_none()));
    match broken.and_then(|refused| refused.refusals.first()) {
        Some(refusal) => Fate::Broken(refusal),
        None => Fate::Remove,
    }
}

fn commit(
    before: Option<&Object>,
    fate: &Fate<'_>,
    others: &Referable,
    now: Timestamp,
    new_uid: &mut dyn FnMut() -> String,
) -> Option<Commit> {
    match (fate, before) {
        (Fate::Is(document), before) => write(document, before, others, now, new_uid),
        (Fate::Broken(refusal), Some(before)) => keep(before, Some(refusal), others, now),
        (Fate::Stays, Some(before)) => keep(before, None, others, now),
        (Fate::Remove, Some(before)) => Some(remove(before, now)),
        // Only stored objects have these fates.
        (Fate::Broken(_) | Fate::Stays | Fate::Remove, None) => None,
    }
}

/// Writes what a document says, unless that is what is stored.
fn write(
    document: &Document,
    before: Option<&Object>,
    others: &Referable,
    now: Timestamp,
    new_uid: &mut dyn FnMut() -> String,
) -> Option<Commit> {
    let owner = Owner::File(document.file.clone());
    let mut body = body(document, before, now, new_uid);
    let is_news =
        before.is_none_or(|before| before.owner != owner || !says_the_same(&before.body, &body));
    let readiness = Readiness::of(&document.key, &document.spec, others);
    condition::set_ready(&mut body, &readiness, now);
    if before.is_some_and(|before| before.owner == owner && before.body == body) {
        return None;
    }
    let events = if is_news {
        vec![
            event(
                &document.key,
                Action::TemplateLoaded,
                Outcome::Done,
                &document.file,
                now,
            )
            .with("line", document.line.to_string()),
        ]
    } else {
        Vec::new()
    };
    Some(Commit {
        key: document.key.clone(),
        change: Write::Put { owner, body },
        expected: before.map_or(Expected::Absent, |before| Expected::At(before.version)),
        events,
    })
}

/// Keeps an object as it is but for its condition.
fn keep(
    before: &Object,
    broken: Option<&TemplateRefusal>,
    others: &Referable,
    now: Timestamp,
) -> Option<Commit> {
    let readiness = Readiness::of(&before.key, &before.body["spec"], others);
    let readiness = match broken {
        Some(refusal) => readiness.broken_edit(refusal),
        None => readiness,
    };
    let mut body = before.body.clone();
    condition::set_ready(&mut body, &readiness, now);
    if body == before.body {
        return None;
    }
    let events = broken.map(|refusal| {
        event(
            &before.key,
            Action::TemplateRefused,
            Outcome::Refused,
            &refusal.file,
            now,
        )
        .with("message", refusal.to_string())
    });
    Some(Commit {
        key: before.key.clone(),
        change: Write::Put {
            owner: before.owner.clone(),
            body,
        },
        expected: Expected::At(before.version),
        events: events.into_iter().collect(),
    })
}

fn remove(before: &Object, now: Timestamp) -> Commit {
    let file = match &before.owner {
        Owner::File(file) => file.as_str(),
        Owner::Hub => "",
    };
    Commit {
        key: before.key.clone(),
        change: Write::Delete,
        expected: Expected::At(before.version),
        events: vec![event(
            &before.key,
            Action::TemplateRemoved,
            Outcome::Done,
            file,
            now,
        )],
    }
}

fn event(key: &Key, action: Action, outcome: Outcome, file: &str, now: Timestamp) -> AuditEvent {
    let namespace = Some(key.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let actor = Actor::Hub {
        job: "templates".to_owned(),
    };
    AuditEvent::new(
        now,
        actor,
        action,
        ObjectRef::new(key.kind.as_str(), namespace, &key.name),
        outcome,
    )
    .from(None, Some(file.to_owned()))
}

/// The object as it is to be stored, conditions as before.
fn body(
    document: &Document,
    before: Option<&Object>,
    now: Timestamp,
    new_uid: &mut dyn FnMut() -> String,
) -> Value {
    let old = |pointer: &str| {
        before
            .and_then(|before| before.body.pointer(pointer))
            .cloned()
    };
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(document.key.name));
    if !document.key.namespace.is_empty() {
        metadata.insert("namespace".to_owned(), json!(document.key.namespace));
    }
    for (field, map) in [
        ("labels", &document.labels),
        ("annotations", &document.annotations),
    ] {
        if !map.is_empty() {
            metadata.insert(field.to_owned(), json!(map));
        }
    }
    let uid = old("/metadata/uid").unwrap_or_else(|| json!(new_uid()));
    metadata.insert("uid".to_owned(), uid);
    let created = old("/metadata/creationTimestamp").unwrap_or_else(|| condition::time(now));
    metadata.insert("creationTimestamp".to_owned(), created);
    let generation = old("/metadata/generation")
        .and_then(|g| g.as_i64())
        .unwrap_or(0);
    let same_spec = old("/spec").as_ref() == Some(&document.spec);
    let generation = if same_spec {
        generation.max(1)
    } else {
        generation + 1
    };
    metadata.insert("generation".to_owned(), json!(generation));
    let mut body = json!({
        "apiVersion": document.api_version,
        "kind": document.key.kind.as_str(),
        "metadata": metadata,
        "spec": document.spec,
    });
    if let Some(status) = old("/status") {
        body["status"] = status;
    }
    body
}

/// Whether users would read the same in both, conditions aside.
fn says_the_same(one: &Value, other: &Value) -> bool {
    one["spec"] == other["spec"] && one["metadata"] == other["metadata"]
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
