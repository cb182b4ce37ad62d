//! The objects beside the workload: which are still to be made, what was left out and why, how far each is. Looked at one
//! by one, soon at first, then rarely: any kind can be watched so, and none costs a watch.

use std::time::Duration;

use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::wire::grant::AtEnd;
use breakglass_protocol::wire::report::{ObjectRecord, Readiness, ResourceStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::held::Held;
use crate::kstatus::Status;
use crate::namespace::NAMESPACE;
use crate::plan::Step;
use crate::pods::shortened;
use crate::workload::{Document, RESOURCE_QUOTA, WORKLOAD};

/// Pause after the first look, doubled after each further one that does not find it ready.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause while people wait for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Pause once it is ready: somebody may still break or delete it.
const READY_PAUSE: Duration = Duration::from_secs(60);
/// Warnings told at once in the session's message; the statuses tell all.
const MAX_WARNINGS: usize = 3;

/// What is known of one object that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    pub created_at: Timestamp,
    /// `None` before it was looked at.
    #[serde(default)]
    pub readiness: Option<Readiness>,
    /// When it was ready for the first time.
    #[serde(default)]
    pub ready_at: Option<Timestamp>,
    /// Why it is not ready.
    #[serde(default)]
    pub message: Option<String>,
}

/// When to look at it again (monotonic), and the pause after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    next: Duration,
    pause: Duration,
}

impl Held {
    fn documents(&self) -> impl Iterator<Item = (usize, &Document)> {
        self.rendered
            .iter()
            .flat_map(|rendered| rendered.documents.iter().enumerate())
    }

    pub(crate) fn document(&self, place: usize) -> Option<&Document> {
        self.rendered.as_ref()?.documents.get(place)
    }

    fn record_of(&self, document: &Document) -> Option<&ObjectRecord> {
        self.created
            .iter()
            .find(|record| record.source == document.source)
    }

    /// D9: a ResourceQuota counts everything in its namespace, so the session's own stands only in one that it made.
    pub(crate) fn has_place_for(&self, document: &Document) -> bool {
        document.source != RESOURCE_QUOTA || self.namespace_record().is_some()
    }

    /// The first document that is to be made and has no record; its outcome is known before the next is made.
    pub(crate) fn next_document(&self) -> Option<(usize, &Document)> {
        self.documents().find(|(place, document)| {
            document.is_wanted()
                && self.has_place_for(document)
                && !self.left_out.contains_key(place)
                && self.record_of(document).is_none()
        })
    }

    /// Whether everything is made that is to be made.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.next_document().is_none()
    }

    /// Whether it stays when the session ends.
    pub(crate) fn is_kept(&self, record: &ObjectRecord) -> bool {
        if record.source == NAMESPACE {
            return self.remains.kept.is_some();
        }
        record.source != WORKLOAD
            && self.documents().any(|(_, document)| {
                document.source == record.source && document.at_end() == AtEnd::Keep
            })
    }

    /// What stays when the session ends: as its template says, or because others use it.
    pub fn kept(&self) -> impl Iterator<Item = &ObjectRecord> {
        self.created.iter().filter(|record| self.is_kept(record))
    }

    /// Looks that are due.
    pub(crate) fn due_looks(&self, now: Now) -> Vec<Step> {
        self.beside_records()
            .filter(|(place, _)| {
                self.looks
                    .get(place)
                    .is_none_or(|look| look.next <= now.monotonic)
            })
            .map(|(document, record)| Step::Look {
                document,
                record: record.clone(),
            })
            .collect()
    }

    fn beside_records(&self) -> impl Iterator<Item = (usize, &ObjectRecord)> {
        self.documents()
            .filter(|(_, document)| document.source != WORKLOAD)
            .filter_map(|(place, document)| Some((place, self.record_of(document)?)))
    }

    /// Monotonic instant of the next look, if there is one to come; to be planned again by then.
    #[must_use]
    pub fn next_look(&self) -> Option<Duration> {
        if self.has_ended() {
            return None;
        }
        self.looks.values().map(|look| look.next).min()
    }

    pub(crate) fn note_created(&mut self, place: usize, now: Now) {
        let is_beside = self
            .document(place)
            .is_some_and(|document| document.source != WORKLOAD);
        self.left_out.remove(&place);
        if is_beside {
            self.looks.remove(&place);
            self.resources.entry(place).or_insert(Resource {
                created_at: now.wall,
                readiness: None,
                ready_at: None,
                message: None,
            });
        }
    }

    /// What a look brought; `None` if it brought nothing that tells.
    pub(crate) fn note_look(&mut self, place: usize, status: Option<Status>, now: Now) {
        let is_ready = status
            .as_ref()
            .is_some_and(|status| status.readiness == Readiness::Current);
        let pause = self
            .looks
            .get(&place)
            .map_or(FIRST_PAUSE, |look| look.pause);
        self.looks.insert(
            place,
            Look {
                next: now.monotonic + if is_ready { READY_PAUSE } else { pause },
                pause: if is_ready {
                    FIRST_PAUSE
                } else {
                    (pause * 2).min(LONGEST_PAUSE)
                },
            },
        );
        let (Some(status), Some(resource)) = (status, self.resources.get_mut(&place)) else {
            return;
        };
        let before = resource.clone();
        resource.readiness = Some(status.readiness);
        resource.message = Some(status.message).filter(|message| !message.is_empty());
        if is_ready {
            resource.ready_at.get_or_insert(now.wall);
        }
        if *resource != before {
            self.touch();
        }
    }

    /// It is not made, and the session goes on without it.
    pub(crate) fn leave_out(&mut self, place: usize, why: String) {
        self.left_out.insert(place, why);
        self.refused = None;
        self.touch();
    }
}

/// Every object beside the workload, made or not.
pub(crate) fn statuses(held: &Held) -> Vec<ResourceStatus> {
    held.documents()
        .filter_map(|(place, document)| status_of(held, place, document))
        .collect()
}

fn status_of(held: &Held, place: usize, document: &Document) -> Option<ResourceStatus> {
    let beside = document.beside.as_ref()?;
    let record = held.record_of(document);
    let known = held.resources.get(&place);
    let deleted_at = record.and_then(|record| held.removed_at(&record.uid));
    let is_asked = record.is_some_and(|record| held.asked.contains(&record.uid));
    let readiness = match (deleted_at, is_asked) {
        (Some(_), _) => Some(Readiness::NotFound),
        (None, true) => Some(Readiness::Terminating),
        (None, false) => known.and_then(|known| known.readiness),
    };
    let error = why_left_out(held, place, document).or_else(|| match (deleted_at, record) {
        (Some(_), _) => None,
        (None, Some(record)) if held.has_ended() => held.errors.get(&record.uid).cloned(),
        (None, _) => known.and_then(|known| known.message.clone()),
    });
    Some(ResourceStatus {
        source: document.source.clone(),
        origin: beside.origin.clone(),
        api_version: document.api_version().to_owned(),
        kind: document.kind().to_owned(),
        name: document.name().to_owned(),
        namespace: document.namespace().map(str::to_owned),
        created_at: known.map(|known| known.created_at),
        readiness,
        ready_at: known.and_then(|known| known.ready_at),
        deleted_at,
        error,
    })
}

fn why_left_out(held: &Held, place: usize, document: &Document) -> Option<String> {
    let never = document.beside.as_ref()?.left_out.as_ref();
    never.or_else(|| held.left_out.get(&place)).cloned()
}

/// What was left out under `failurePolicy: warn`, for the session's people.
pub(crate) fn warning(held: &Held) -> Option<String> {
    let told: Vec<String> = held
        .documents()
        .filter(|(_, document)| document.failure_policy() == FailurePolicy::Warn)
        .filter_map(|(place, document)| why_left_out(held, place, document))
        .map(|why| shortened(&why))
        .collect();
    let more = told.len().saturating_sub(MAX_WARNINGS);
    let mut text = told
        .iter()
        .take(MAX_WARNINGS)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    (!told.is_empty()).then(|| format!("Warning: {text}."))
}
