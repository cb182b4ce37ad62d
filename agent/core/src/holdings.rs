//! Every grant that this agent holds, and the UIDs that ended here. The only place where a frame of the hub changes a
//! grant; any order, repetition or loss of frames ends in the same holdings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use breakglass_protocol::ids::{ClusterName, GrantUid};
use breakglass_protocol::limits::MAX_GRANTS_PER_CLUSTER;
use breakglass_protocol::wire::grant::{EndReason, Grant};
use breakglass_protocol::wire::report::{EndRecord, Report};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ceiling::Ceiling;
use crate::clock::Now;
use crate::deadline::Deadline;
use crate::held::Held;
use crate::high_water::{Grants, HighWater, Mark};
use crate::observed::Neighbour;
use crate::tombstones::{Tombstone, Tombstones};
use crate::workload::Seed;

mod taking;

use taking::{render_within, update, wanted_end};

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
    /// The clock's mark. It has a record of its own ([`Mark`]); agents of before wrote it here.
    #[serde(skip_serializing)]
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
    /// It is not for this cluster, or unreadable, or one too many; what is held under its UID, if anything, stays as it
    /// is. For log and metrics; the report, if nothing is held, is for the hub.
    Refused {
        why: String,
        report: Option<Box<Report>>,
    },
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
    high_water: HighWater,
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
        let running = held.iter().filter(|held| !held.has_ended());
        let seen = running.map(|held| held.deadline.seen());
        let high_water = seen.chain(memory.high_water).max().unwrap_or(now.wall);
        let mark = Mark {
            high_water: memory.high_water,
        };
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
            // Written once at start too: its object is then there before the first session, and no session leaves it.
            memory_version: 1,
            memory_saved: 0,
            high_water: HighWater::restore(mark),
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

    /// Who else uses the namespace that an ended grant's session made.
    #[must_use]
    pub fn neighbour_of(&self, uid: &GrantUid) -> Neighbour {
        let ended = self
            .held
            .get(uid)
            .filter(|held| held.has_ended() && held.namespace_record().is_some());
        let Some(own) = ended else {
            return Neighbour::None;
        };
        let mut found = Neighbour::None;
        let others = self.held.values().filter(|held| {
            held.grant.uid != *uid
                && held.grant.target_namespace == own.grant.target_namespace
                && !held.is_finished()
        });
        for other in others {
            if !other.has_ended() {
                return Neighbour::Running(other.grant.session.clone());
            }
            found = Neighbour::Ending;
        }
        found
    }

    /// Takes in a grant from the hub. A new one is rendered with its seed, once (D4).
    pub fn receive(&mut self, received: Received, seed: &Seed, now: Now) -> Taken {
        let uid = received.grant.uid.clone();
        if let Some(stone) = self.memory.tombstones.get(&uid) {
            return Taken::EndedBefore(Box::new(stone.report(&uid, now)));
        }
        if received.grant.cluster != self.cluster {
            let why = format!(
                "the grant is for cluster {:?}, but this agent serves {}",
                received.grant.cluster.as_str(),
                self.cluster
            );
            return self.refuse(&uid, why, now);
        }
        match self.held.get_mut(&uid) {
            Some(held) => update(held, received, now),
            None => self.take(received, seed, now),
        }
    }

    /// A grant's frame that cannot be read. What is held under its UID ends: the frame may have been a restriction.
    pub fn refuse_unreadable(&mut self, uid: &GrantUid, why: &str, now: Now) -> Taken {
        let why = format!("the hub sent a grant that this agent cannot read: {why}");
        if let Some(stone) = self.memory.tombstones.get(uid) {
            return Taken::EndedBefore(Box::new(stone.report(uid, now)));
        }
        match self.held.get_mut(uid) {
            Some(held) if held.has_ended() => Taken::Same,
            Some(held) => {
                held.end(EndReason::Failed, Some(why), now);
                Taken::Changed
            }
            None => self.refuse(uid, why, now),
        }
    }

    /// Refuses what is not held: remembers the UID, so that the refusal stands. What is held under it stays as it is.
    fn refuse(&mut self, uid: &GrantUid, why: String, now: Now) -> Taken {
        let stone = Tombstone {
            end: EndRecord {
                reason: EndReason::Failed,
                at: now.wall,
                message: Some(why.clone()),
            },
            finished_at: now.wall,
            last_end: now.wall,
        };
        let report = (!self.held.contains_key(uid)).then(|| {
            let report = Box::new(stone.report(uid, now));
            self.bury(uid.clone(), stone, now);
            report
        });
        Taken::Refused { why, report }
    }

    /// A grant of which nothing is known here.
    fn take(&mut self, received: Received, seed: &Seed, now: Now) -> Taken {
        if self.held.len() >= MAX_GRANTS_PER_CLUSTER {
            let why = format!("this agent holds {MAX_GRANTS_PER_CLUSTER} grants and takes no more");
            return self.refuse(&received.grant.uid.clone(), why, now);
        }
        let Received {
            grant,
            remaining,
            missing_features,
        } = received;
        let deadline = Deadline::received(
            grant.renewal,
            grant.expires_at,
            remaining,
            // From the earlier of both: a record that was lost, or a hub's clock that is ahead, lengthens nothing.
            self.ceiling.latest_end(grant.starts_at.min(now.wall)),
            now,
        );
        let uid = grant.uid.clone();
        let rendered = render_within(&self.ceiling, &grant, &missing_features, seed, now);
        let (rendered, refusal) = match rendered {
            Ok(rendered) => (Some(rendered), None),
            Err(why) => (None, Some(why)),
        };
        // An ended grant is held too, with its manifests: if the journal was lost, they find what is left of it.
        let mut held = Held::new(grant, deadline, rendered, now);
        if let Some((reason, message)) = wanted_end(&held.grant) {
            held.end(reason, message, now);
        } else if let Some(why) = refusal {
            held.end(EndReason::Failed, Some(why), now);
        } else if held.deadline.has_passed(now) {
            held.end(EndReason::Expired, None, now);
        }
        self.held.insert(uid, held);
        Taken::Changed
    }

    /// After a complete snapshot: ends every running grant that it did not hold. Returns those.
    pub fn withdraw_absent(&mut self, present: &BTreeSet<GrantUid>, now: Now) -> Vec<GrantUid> {
        self.end_where(EndReason::Withdrawn, None, now, |uid, _| {
            !present.contains(uid)
        })
    }

    /// The hub stored the final report: the record may go (from the journal too), the UID stays. Returns whether
    /// there was a finished grant under it.
    pub fn settle(&mut self, uid: &GrantUid, now: Now) -> bool {
        let finished = self.held.get(uid).and_then(|held| {
            Some(Tombstone {
                end: held.end.clone()?,
                finished_at: held.cleanup.as_ref()?.finished_at?,
                last_end: held.grant.last_end.max(held.grant.expires_at),
            })
        });
        let Some(stone) = finished else {
            return false;
        };
        self.held.remove(uid);
        self.bury(uid.clone(), stone, now);
        true
    }

    fn bury(&mut self, uid: GrantUid, stone: Tombstone, now: Now) {
        self.memory.tombstones.bury(uid, stone, now.wall);
        self.memory_version += 1;
    }

    /// Takes in a reading of the clocks; ends what has passed its deadline and returns those.
    pub fn handle_time(&mut self, now: Now) -> Vec<GrantUid> {
        for held in self.held.values_mut().filter(|held| !held.has_ended()) {
            held.deadline.observe(now);
        }
        let running = self.held.values().any(|held| !held.has_ended());
        let grants = if running {
            Grants::Running
        } else {
            Grants::AllEnded
        };
        self.high_water.observe(grants, now);
        self.end_where(EndReason::Expired, None, now, |_, held| {
            held.deadline.has_passed(now)
        })
    }

    /// The local kill switch: ends everything and returns what it ended.
    pub fn end_all(&mut self, message: &str, now: Now) -> Vec<GrantUid> {
        self.end_where(EndReason::Terminated, Some(message), now, |_, _| true)
    }

    /// Workloads that stayed after the end, long enough (S11): they go now. Returns whose.
    pub fn release_old(&mut self, now: Now) -> Vec<GrantUid> {
        self.release_where(now, |held| held.has_stayed_long(now))
    }

    /// The local kill switch for what stayed.
    pub fn release_all(&mut self, now: Now) -> Vec<GrantUid> {
        self.release_where(now, Held::keeps_workload)
    }

    fn release_where(&mut self, now: Now, is_meant: impl Fn(&Held) -> bool) -> Vec<GrantUid> {
        let mut released = Vec::new();
        for (uid, held) in self.held.iter_mut().filter(|(_, held)| is_meant(held)) {
            held.release(now);
            released.push(uid.clone());
        }
        released
    }

    fn end_where(
        &mut self,
        reason: EndReason,
        message: Option<&str>,
        now: Now,
        is_meant: impl Fn(&GrantUid, &Held) -> bool,
    ) -> Vec<GrantUid> {
        let mut ended = Vec::new();
        for (uid, held) in &mut self.held {
            if !held.has_ended() && is_meant(uid, held) {
                held.end(reason, message.map(str::to_owned), now);
                ended.push(uid.clone());
            }
        }
        ended
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

    /// The clock's mark: to be written whenever it is unsaved.
    #[must_use]
    pub fn high_water(&self) -> &HighWater {
        &self.high_water
    }

    pub fn high_water_mut(&mut self) -> &mut HighWater {
        &mut self.high_water
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

#[cfg(test)]
mod tests;
