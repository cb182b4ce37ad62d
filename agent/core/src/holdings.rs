//! Every grant that this agent holds, and the UIDs that ended here. The only place where a frame of the hub changes a
//! grant; any order, repetition or loss of frames ends in the same holdings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use breakglass_protocol::ids::{ClusterName, GrantUid};
use breakglass_protocol::wire::grant::{EndReason, Grant};
use breakglass_protocol::wire::report::Report;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ceiling::Ceiling;
use crate::clock::Now;
use crate::held::Held;
use crate::tombstones::Tombstones;

/// A grant from the hub, decoded, with its envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub grant: Grant,
    /// What the hub said was left when it sent this.
    pub remaining: Duration,
    /// Features in `requires` that this agent lacks; not empty = the grant is refused (D17).
    pub missing_features: Vec<String>,
}

/// What the agent writes down beside the grants: one small record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    pub tombstones: Tombstones,
    /// The latest wall clock reading while any grant ran (S12).
    pub high_water: Option<Timestamp>,
}

/// What became of something received.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// The grant is new or changed: save it, plan it, report it.
    Changed,
    /// Nothing new in it.
    Same,
    /// It ended here before; this is what to tell the hub. Nothing is held for it.
    EndedBefore(Box<Report>),
    /// It is not for this cluster, or unreadable; nothing is held for it. For log and metrics; the report for the hub.
    Refused { why: String, report: Box<Report> },
}

/// See the module's text.
#[derive(Debug)]
pub struct Holdings {
    cluster: ClusterName,
    ceiling: Ceiling,
    held: BTreeMap<GrantUid, Held>,
    memory: Memory,
    memory_version: u64,
    memory_saved: u64,
}

impl Holdings {
    /// What the journal holds after a restart; nothing at the first start.
    #[must_use]
    pub fn restore(
        cluster: ClusterName,
        ceiling: Ceiling,
        held: Vec<Held>,
        memory: Memory,
        now: Now,
    ) -> Self {
        let high_water = memory.high_water.unwrap_or(now.wall);
        let held = held
            .into_iter()
            .map(|mut held| {
                held.deadline.resume(high_water, now);
                (held.grant.uid.clone(), held)
            })
            .collect();
        Self {
            cluster,
            ceiling,
            held,
            memory,
            memory_version: 0,
            memory_saved: 0,
        }
    }

    #[must_use]
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    #[must_use]
    pub fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }

    #[must_use]
    pub fn get(&self, uid: &GrantUid) -> Option<&Held> {
        self.held.get(uid)
    }

    pub fn get_mut(&mut self, uid: &GrantUid) -> Option<&mut Held> {
        self.held.get_mut(uid)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// Takes in a grant from the hub.
    pub fn receive(&mut self, received: Received, now: Now) -> Taken {
        let _ = (received, now);
        Taken::Same
    }

    /// A grant's frame that cannot be read. What is held under its UID ends: the frame may have been a restriction.
    pub fn refuse_unreadable(&mut self, uid: &GrantUid, why: &str, now: Now) -> Taken {
        let _ = (uid, why, now);
        Taken::Same
    }

    /// After a complete snapshot: ends every running grant that it did not hold. Returns those.
    pub fn withdraw_absent(&mut self, present: &BTreeSet<GrantUid>, now: Now) -> Vec<GrantUid> {
        let mut withdrawn = Vec::new();
        for (uid, held) in &mut self.held {
            if !held.has_ended() && !present.contains(uid) {
                held.end(EndReason::Withdrawn, None, now);
                withdrawn.push(uid.clone());
            }
        }
        withdrawn
    }

    /// The hub stored the final report: the record may go (from the journal too), the UID stays. Returns whether
    /// there was a finished grant under it.
    pub fn settle(&mut self, uid: &GrantUid, now: Now) -> bool {
        let _ = (uid, now);
        false
    }

    /// Takes in a reading of the clocks; ends what has passed its deadline and returns those.
    pub fn handle_time(&mut self, now: Now) -> Vec<GrantUid> {
        let _ = now;
        Vec::new()
    }

    /// The local kill switch: ends everything and returns what it ended.
    pub fn end_all(&mut self, message: &str, now: Now) -> Vec<GrantUid> {
        let _ = (message, now);
        Vec::new()
    }

    /// Monotonic instant of the next expiry.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.held
            .values()
            .filter(|held| !held.has_ended())
            .map(|held| held.deadline.ends())
            .min()
    }

    /// What to write beside the grants, with its version, if the last version written is another.
    #[must_use]
    pub fn unsaved_memory(&self) -> Option<(u64, &Memory)> {
        (self.memory_version != self.memory_saved).then_some((self.memory_version, &self.memory))
    }

    /// The journal holds that version of [`Memory`].
    pub fn handle_memory_saved(&mut self, version: u64) {
        self.memory_saved = self.memory_saved.max(version);
    }
}
