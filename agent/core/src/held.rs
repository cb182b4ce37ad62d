//! A grant as this agent holds it: what the hub wants, what was rendered and made for it, how it ended. One record of
//! the journal, so a restart at any instruction goes on from here (D5).

use std::collections::{BTreeMap, BTreeSet};

use breakglass_protocol::wire::grant::{EndReason, Grant};
use breakglass_protocol::wire::report::{Cleanup, EndRecord, ObjectRecord, Removed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::deadline::Deadline;
use crate::namespace::Remains;
use crate::observed::Observed;
use crate::plan::PodRef;
use crate::pods;
use crate::recycle::Recycled;
use crate::resources::{Look, Resource};
use crate::workload::{Rendered, WORKLOAD};

/// Pods whose UIDs are remembered: 1,000 of about 100 bytes each leave the record room in its Secret. Pods beyond are
/// still found by label and owner.
const MAX_REMEMBERED_PODS: usize = 1_000;
/// ReplicaSets that are remembered; an unedited Deployment has one.
const MAX_REPLICA_SETS: usize = 50;

/// See the module's text. Every change through a method counts up [`Held::version`]; the record must be written
/// whenever [`Held::is_saved`] is false.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    pub grant: Grant,
    pub deadline: Deadline,
    /// First receipt, by this agent's wall clock.
    pub received_at: Timestamp,
    /// Made once, when the grant came (D4). `None` only for a grant that was refused before rendering.
    pub rendered: Option<Rendered>,
    /// What was made, in order of creation.
    #[serde(default)]
    pub created: Vec<ObjectRecord>,
    /// ReplicaSets that were seen to be owned, by UID, by the recorded Deployment: they prove a pod when the
    /// Deployment is already gone, and are deleted with it.
    #[serde(default)]
    pub replica_sets: Vec<ObjectRecord>,
    /// Pods (UID → name) that were proved to be the session's: deleted at the end also when somebody took their
    /// label or owner away.
    #[serde(default)]
    pub pods: BTreeMap<String, String>,
    /// `metadata.generation` of the workload after our last write; another one means that somebody edited it.
    #[serde(default)]
    pub workload_generation: Option<i64>,
    /// Nodes that the workload's affinity keeps free by name, as it was last written (D4).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub nodes_left_out: BTreeSet<String>,
    /// Documents that the cluster refused and whose failure policy lets the session go on (by index), with why.
    #[serde(default)]
    pub left_out: BTreeMap<usize, String>,
    /// What is known of the objects beside the workload (by index).
    #[serde(default)]
    pub resources: BTreeMap<usize, Resource>,
    /// After the end: documents without a record that were looked for and are not there (by index).
    #[serde(default)]
    pub searched: BTreeSet<usize>,
    /// What is known of the end of a namespace that the session made.
    #[serde(default)]
    pub remains: Remains,
    #[serde(default)]
    pub end: Option<EndRecord>,
    /// `None` while it runs, and while its workload stays after the end.
    #[serde(default)]
    pub cleanup: Option<Cleanup>,
    #[serde(default)]
    pub(crate) recycled: Recycled,
    /// UIDs whose deletion the API server accepted, in this process.
    #[serde(skip)]
    pub(crate) asked: BTreeSet<String>,
    /// Why the deletion of an object (by UID) failed last.
    #[serde(skip)]
    pub(crate) errors: BTreeMap<String, String>,
    /// When to look at an object beside the workload again (by index).
    #[serde(skip)]
    pub(crate) looks: BTreeMap<usize, Look>,
    /// Why the last attempt to make something failed, and since when (monotonic) without a success between.
    #[serde(skip)]
    pub(crate) refused: Option<Refused>,
    #[serde(skip)]
    pub(crate) version: u64,
    #[serde(skip)]
    pub(crate) saved: u64,
}

/// An attempt to make something that failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) since: std::time::Duration,
    pub(crate) message: String,
}

impl Held {
    /// A grant that just came; unsaved.
    #[must_use]
    pub(crate) fn new(
        grant: Grant,
        deadline: Deadline,
        rendered: Option<Rendered>,
        now: Now,
    ) -> Self {
        Self {
            grant,
            deadline,
            received_at: now.wall,
            rendered,
            created: Vec::new(),
            replica_sets: Vec::new(),
            pods: BTreeMap::new(),
            workload_generation: None,
            nodes_left_out: BTreeSet::new(),
            left_out: BTreeMap::new(),
            resources: BTreeMap::new(),
            searched: BTreeSet::new(),
            remains: Remains::default(),
            end: None,
            cleanup: None,
            recycled: Recycled::default(),
            asked: BTreeSet::new(),
            errors: BTreeMap::new(),
            looks: BTreeMap::new(),
            refused: None,
            version: 1,
            saved: 0,
        }
    }

    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the journal holds this very version.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        self.version == self.saved
    }

    /// The journal holds that version.
    pub fn handle_saved(&mut self, version: u64) {
        self.saved = self.saved.max(version);
    }

    /// Whether it has ended; from then on it gives nothing.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether nothing is left to be done but to tell the hub.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.cleanup
            .as_ref()
            .is_some_and(|cleanup| cleanup.finished_at.is_some())
    }

    /// Ends it, once: the first end stays (S12).
    pub fn end(&mut self, reason: EndReason, message: Option<String>, now: Now) {
        if self.end.is_some() {
            return;
        }
        self.deadline.observe(now);
        let stays = self.would_keep_workload(reason);
        self.end = Some(EndRecord {
            reason,
            at: now.wall,
            message,
        });
        if stays {
            self.touch();
        } else {
            self.begin_cleanup(now);
        }
    }

    pub(crate) fn begin_cleanup(&mut self, now: Now) {
        self.cleanup = Some(Cleanup {
            started_at: now.wall,
            finished_at: None,
            pods_gone_at: None,
            removed: Vec::new(),
            remaining: Vec::new(),
            kept: Vec::new(),
        });
        self.touch();
        self.try_finish(now);
    }

    /// Takes in what is seen; to be called before [`crate::plan::plan`]. Remembers what is proved to be the session's.
    pub fn handle_observed(&mut self, observed: &Observed) {
        for set in &observed.replica_sets {
            let known = self.replica_sets.iter().any(|known| known.uid == set.uid);
            if !known
                && self.replica_sets.len() < MAX_REPLICA_SETS
                && pods::owns_replica_set(self, set)
            {
                self.replica_sets.push(ObjectRecord {
                    api_version: set.api_version.clone(),
                    kind: set.kind.clone(),
                    namespace: Some(set.namespace.clone()),
                    name: set.name.clone(),
                    uid: set.uid.clone(),
                    source: WORKLOAD.to_owned(),
                });
                self.touch();
            }
        }
        for pod in &observed.pods {
            if !self.pods.contains_key(&pod.uid)
                && !pod.uid.is_empty()
                && !self.is_removed(&pod.uid)
                && pods::is_owned(self, pod, &observed.replica_sets)
            {
                self.forget_a_pod(observed);
                self.pods.insert(pod.uid.clone(), pod.name.clone());
                self.touch();
            }
        }
        self.handle_recycling(observed);
    }

    /// Makes room for one more: a pod that is no longer seen goes first.
    fn forget_a_pod(&mut self, observed: &Observed) {
        if self.pods.len() < MAX_REMEMBERED_PODS {
            return;
        }
        let unseen = self
            .pods
            .keys()
            .find(|uid| observed.pods.iter().all(|pod| pod.uid != **uid))
            .or_else(|| self.pods.keys().next())
            .cloned();
        if let Some(uid) = unseen {
            self.pods.remove(&uid);
        }
    }

    /// The record of the DaemonSet or Deployment.
    #[must_use]
    pub fn workload_record(&self) -> Option<&ObjectRecord> {
        self.created.iter().find(|record| record.source == WORKLOAD)
    }

    /// Everything that must be confirmed gone at the end, newest first.
    pub(crate) fn to_remove(&self) -> impl Iterator<Item = &ObjectRecord> {
        self.created
            .iter()
            .rev()
            .chain(&self.replica_sets)
            .filter(|record| !self.is_removed(&record.uid) && !self.is_kept(record))
    }

    /// Remembered pods that are not confirmed gone.
    pub(crate) fn pods_to_remove(&self) -> impl Iterator<Item = PodRef> {
        self.pods.iter().map(|(uid, name)| PodRef {
            namespace: self.grant.target_namespace.clone(),
            name: name.clone(),
            uid: uid.clone(),
        })
    }

    /// Documents that may be there without a record: a crash between create and journal left them, or (once nothing recorded
    /// is left) an agent that this one replaced, and that lived on for a moment, made them anew.
    pub(crate) fn to_search(&self) -> impl Iterator<Item = (usize, &serde_json::Value)> {
        let is_last_look = self.is_all_gone();
        self.rendered
            .iter()
            .flat_map(|rendered| rendered.documents.iter().enumerate())
            .filter(move |(place, document)| {
                let mut records = self
                    .created
                    .iter()
                    .filter(|record| record.source == document.source)
                    .peekable();
                let has_record = records.peek().is_some();
                document.is_wanted()
                    && self.has_place_for(document)
                    && !self.searched.contains(place)
                    && (!has_record
                        || is_last_look && records.all(|record| self.is_removed(&record.uid)))
            })
            .map(|(place, document)| (place, &document.manifest))
    }

    /// Whether everything that is recorded is confirmed gone.
    pub(crate) fn is_all_gone(&self) -> bool {
        self.pods.is_empty() && self.to_remove().next().is_none() && !self.pods_may_be_left()
    }

    pub(crate) fn is_removed(&self, uid: &str) -> bool {
        self.removed_at(uid).is_some()
    }

    /// When it was confirmed gone.
    pub(crate) fn removed_at(&self, uid: &str) -> Option<Timestamp> {
        self.cleanup
            .iter()
            .flat_map(|cleanup| &cleanup.removed)
            .find(|removed| removed.object.uid == uid)
            .map(|removed| removed.at)
    }

    pub(crate) fn confirm_removed(&mut self, record: &ObjectRecord, now: Now) {
        if self.is_removed(&record.uid) {
            return;
        }
        if let Some(cleanup) = &mut self.cleanup {
            cleanup.removed.push(Removed {
                object: record.clone(),
                at: now.wall,
            });
            self.errors.remove(&record.uid);
            self.pods.remove(&record.uid);
            self.touch();
            self.try_finish(now);
        } else {
            // A pod that was replaced: nothing proves its end, since the session's own is still to come.
            self.forget_pod(&record.uid);
        }
    }

    /// Whether it was remembered.
    pub(crate) fn forget_pod(&mut self, uid: &str) -> bool {
        let was_known = self.pods.remove(uid).is_some();
        if was_known {
            self.errors.remove(uid);
            self.touch();
        }
        was_known
    }

    /// Whether pods could still be there, as far as this record knows.
    pub(crate) fn pods_may_be_left(&self) -> bool {
        let confirmed = self
            .cleanup
            .as_ref()
            .is_some_and(|cleanup| cleanup.pods_gone_at.is_some());
        self.workload_record().is_some() && !confirmed
    }

    /// A workload was found after the end: it may have made pods that no list has told of.
    pub(crate) fn expect_pods(&mut self) {
        if let Some(cleanup) = &mut self.cleanup {
            cleanup.pods_gone_at = None;
        }
    }

    /// Finishes the cleanup once nothing is left to confirm.
    pub(crate) fn try_finish(&mut self, now: Now) {
        let is_done = self.is_all_gone()
            && self.to_search().next().is_none()
            && self.namespace_to_search().is_none();
        if is_done
            && let Some(cleanup) = &mut self.cleanup
            && cleanup.finished_at.is_none()
        {
            cleanup.finished_at = Some(now.wall);
            self.touch();
        }
    }

    pub(crate) fn touch(&mut self) {
        self.version += 1;
    }
}
