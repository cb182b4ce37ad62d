//! Replacing the pods of a session, once each time it is wanted: to cut the streams of somebody who was removed (D7), and
//! at the end of one whose workload stays (S11). The workload's controller makes new pods; they are judged afresh.
//!
//! Which pods are old is told by the API server's own clock: those that were made no later than the youngest pod that was
//! seen when the replacement began. A new pod of that very second is replaced once more, and no record grows with the
//! number of pods.

use breakglass_protocol::limits::CLEANUP_RETENTION;
use breakglass_protocol::wire::grant::{AtExpiry, EndReason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::deadline::millis_between;
use crate::held::Held;
use crate::observed::{Observed, PodFacts, Watches};
use crate::plan::PodRef;
use crate::pods;

/// How far the replacements are. Part of the journal's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Recycled {
    /// The replacement that began last.
    begun: u32,
    /// Pods made until then are old.
    before: Option<Timestamp>,
    /// The replacement that is done: no old pod is left.
    done: u32,
}

impl Held {
    /// The number that the hub is told: its own replacements that are done.
    #[must_use]
    pub(crate) fn recycled(&self) -> u32 {
        self.recycled.done.min(self.grant.recycle)
    }

    pub(crate) fn is_recycling(&self) -> bool {
        self.recycled.begun > self.recycled.done
    }

    /// Whether a pod is from before the last replacement.
    pub(crate) fn is_old(&self, pod: &PodFacts) -> bool {
        let made = pod.created_at;
        let before = self.recycled.before;
        before.is_some_and(|before| made.is_none_or(|made| made <= before))
    }

    /// Remembered pods that no watch shows: gone, or somebody took their label.
    pub(crate) fn unseen_pods(&self, observed: &Observed) -> Vec<PodRef> {
        let is_seen = |pod: &PodRef| observed.pods.iter().any(|seen| seen.uid == pod.uid);
        self.pods_to_remove().filter(|pod| !is_seen(pod)).collect()
    }

    /// Begins what is wanted and notes what is done, once all pods are known.
    pub(crate) fn handle_recycling(&mut self, observed: &Observed) {
        match observed.watches {
            Watches::Syncing => return,
            Watches::Synced => {}
        }
        let owned = observed
            .pods
            .iter()
            .filter(|pod| pods::is_owned(self, pod, &observed.replica_sets));
        let owned: Vec<&PodFacts> = owned.collect();
        let before = self.recycled;
        let wanted = self.replacements_wanted();
        if wanted > before.begun {
            let youngest = owned.iter().filter_map(|pod| pod.created_at).max();
            self.recycled.begun = wanted;
            self.recycled.before = youngest.max(before.before);
        }
        let is_done = !owned.iter().any(|pod| self.is_old(pod));
        if self.is_recycling() && is_done && self.unseen_pods(observed).is_empty() {
            self.recycled.done = self.recycled.begun;
        }
        if self.recycled != before {
            self.touch();
        }
    }

    /// One for each that the hub wants, and one at the end of a workload that stays.
    fn replacements_wanted(&self) -> u32 {
        let at_end = u32::from(self.keeps_workload());
        self.grant.recycle.saturating_add(at_end)
    }

    /// Whether its time is over and its workload stays, for nobody's use.
    #[must_use]
    pub fn keeps_workload(&self) -> bool {
        let has_expired = self
            .end
            .as_ref()
            .is_some_and(|end| end.reason == EndReason::Expired);
        has_expired && self.cleanup.is_none()
    }

    /// Whether an end for this reason leaves the workload there.
    pub(crate) fn would_keep_workload(&self, reason: EndReason) -> bool {
        let is_wanted = match self.grant.at_expiry {
            AtExpiry::RemoveAll => false,
            AtExpiry::KeepWorkload => self.workload_record().is_some(),
        };
        is_wanted && reason == EndReason::Expired
    }

    /// Whether a workload that stayed has stayed long enough (S11).
    pub(crate) fn has_stayed_long(&self, now: Now) -> bool {
        self.keeps_workload()
            && self.end.as_ref().is_some_and(|end| {
                u128::from(millis_between(end.at, now.wall)) >= CLEANUP_RETENTION.as_millis()
            })
    }

    /// What stayed goes now.
    pub(crate) fn release(&mut self, now: Now) {
        if self.keeps_workload() {
            self.begin_cleanup(now);
        }
    }
}
