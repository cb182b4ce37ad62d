//! A grant as this agent holds it: what the hub wants, what was rendered and made for it, how it ended. One record of
//! the journal, so a restart at any instruction goes on from here (D5).

use std::collections::BTreeSet;

use breakglass_protocol::wire::grant::{EndReason, Grant};
use breakglass_protocol::wire::report::{Cleanup, EndRecord, ObjectRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::deadline::Deadline;
use crate::workload::Rendered;

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
    pub created: Vec<ObjectRecord>,
    /// ReplicaSets that were seen to be owned, by UID, by the recorded Deployment: what proves a pod when the
    /// Deployment is already gone, and is deleted if it was orphaned.
    #[serde(default)]
    pub replica_sets: Vec<ObjectRecord>,
    /// `metadata.generation` of the workload after our last write; another one means that somebody edited it.
    #[serde(default)]
    pub workload_generation: Option<i64>,
    /// After the end: documents without a record that were looked for and are not there (by index).
    #[serde(default)]
    pub searched: BTreeSet<usize>,
    pub end: Option<EndRecord>,
    pub cleanup: Option<Cleanup>,
    #[serde(skip)]
    pub(crate) version: u64,
    #[serde(skip)]
    pub(crate) saved: u64,
    /// UIDs of pods that were once proved to be the session's, in this process: deleted at the end also if orphaned.
    #[serde(skip)]
    pub(crate) proved_pods: BTreeSet<String>,
}

impl Held {
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
        self.end = Some(EndRecord {
            reason,
            at: now.wall,
            message,
        });
        self.cleanup = Some(Cleanup {
            started_at: now.wall,
            finished_at: None,
            pods_gone_at: None,
            removed: Vec::new(),
            remaining: Vec::new(),
        });
        self.touch();
    }

    /// Takes in what is seen; to be called before [`crate::plan::plan`]. Remembers what is proved to be the session's.
    pub fn handle_observed(&mut self, observed: &crate::observed::Observed) {
        let _ = observed;
    }

    pub(crate) fn touch(&mut self) {
        self.version += 1;
    }
}
