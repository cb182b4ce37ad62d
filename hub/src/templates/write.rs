//! One commit of a plan: what becomes of one object, as the store is to hold it.

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::condition::{self, Readiness, Referable};
use super::plan::{Document, Fate};
use super::refusals::TemplateRefusal;
use crate::store::{Commit, Expected, Key, Object, Owner, Write};

/// What brings one object to its fate; `None` if it is there already.
pub(super) fn commit(
    before: Option<&Object<Value>>,
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
    before: Option<&Object<Value>>,
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
        change: Write::Put {
            owner,
            body: body.into(),
        },
        expected: before.map_or(Expected::Absent, |before| Expected::At(before.version)),
        events,
    })
}

/// Keeps an object as it is but for its condition.
fn keep(
    before: &Object<Value>,
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
            body: body.into(),
        },
        expected: Expected::At(before.version),
        events: events.into_iter().collect(),
    })
}

fn remove(before: &Object<Value>, now: Timestamp) -> Commit {
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
pub(super) fn body(
    document: &Document,
    before: Option<&Object<Value>>,
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
pub(super) fn says_the_same(one: &Value, other: &Value) -> bool {
    one["spec"] == other["spec"] && one["metadata"] == other["metadata"]
}
