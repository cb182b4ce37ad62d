//! What to write so that the store says what the folder says. Pure and level-triggered: made from the whole folder and
//! the whole stored catalogue each time, and empty when they agree.

use std::collections::{BTreeMap, BTreeSet};

use breakglass_hub_core::outward::Known;
use jiff::Timestamp;
use serde_json::Value;

use super::condition::{Referable, TextMemo};
use super::refusals::TemplateRefusal;
use super::write::commit;
use crate::store::{Commit, Key, Object, Owner};

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
/// right. `destinations` are those of the hub's configuration; `memo` is the same at every look; `new_uid` is asked once for each object that is made.
pub(super) fn plan(
    folder: Option<&Folder>,
    stored: &[Object<Value>],
    destinations: Vec<Known>,
    memo: &mut TextMemo,
    now: Timestamp,
    new_uid: &mut dyn FnMut() -> String,
) -> Plan {
    let stored: BTreeMap<&Key, &Object<Value>> =
        stored.iter().map(|object| (&object.key, object)).collect();
    let mut plan = Plan::default();
    let wanted = match folder {
        Some(folder) => wanted(folder, &stored, &mut plan.refusals),
        None => BTreeMap::new(),
    };
    let fates = fates(folder, &stored, &wanted);
    let mut others = referable(&fates, &stored, destinations);
    others.check_texts(memo);
    for (key, fate) in &fates {
        let before = stored.get(*key).copied();
        plan.commits
            .extend(commit(before, fate, &others, now, new_uid));
    }
    plan
}

/// What there will be to refer to.
fn referable(
    fates: &BTreeMap<&Key, Fate<'_>>,
    stored: &BTreeMap<&Key, &Object<Value>>,
    destinations: Vec<Known>,
) -> Referable {
    let mut others = Referable::with_destinations(destinations);
    for (key, fate) in fates {
        match fate {
            Fate::Is(document) => others.add_document(document),
            Fate::Broken(_) | Fate::Stays => {
                if let Some(object) = stored.get(*key) {
                    others.add_stored(object);
                }
            }
            Fate::Remove => {}
        }
    }
    others
}

/// What becomes of one object.
pub(super) enum Fate<'a> {
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
    stored: &BTreeMap<&Key, &Object<Value>>,
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
        column: None,
        object: Some(document.key.to_string()),
        path: Some(path.to_owned()),
        message,
    }
}

fn fates<'a>(
    folder: Option<&'a Folder>,
    stored: &BTreeMap<&'a Key, &'a Object<Value>>,
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

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
