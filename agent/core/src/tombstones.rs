//! UIDs of grants that ended here. One of them is never deployed again, whatever revision arrives (S12).

use std::collections::BTreeMap;

use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::report::{Cleanup, EndRecord, Phase, Report};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::Now;

/// How long after its last possible end a UID is remembered: by then every hub, also one restored from last week's
/// backup, sees that the grant's own `lastEnd` has passed.
pub const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Tombstones at most; at about 150 bytes each they fit one Secret (1 MiB). Beyond it the one whose `lastEnd` passed
/// longest ago goes first; one whose `lastEnd` is still to come goes last.
pub const MAX: usize = 5_000;

/// One ended grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tombstone {
    pub end: EndRecord,
    pub finished_at: Timestamp,
    pub last_end: Timestamp,
}

impl Tombstone {
    /// What the hub is told when it sends a grant that ended here before.
    #[must_use]
    pub fn report(&self, uid: &GrantUid, now: Now) -> Report {
        Report {
            uid: uid.clone(),
            at: now.wall,
            renewal: 0,
            expires_at: None,
            recycled: 0,
            phase: Phase::Ended,
            message: self.end.message.clone(),
            pods: Vec::new(),
            deployed: Vec::new(),
            resources: Vec::new(),
            end: Some(self.end.clone()),
            cleanup: Some(Cleanup {
                started_at: self.end.at,
                finished_at: Some(self.finished_at),
                pods_gone_at: None,
                removed: Vec::new(),
                remaining: Vec::new(),
                kept: Vec::new(),
            }),
        }
    }
}

/// The ended grants that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tombstones(BTreeMap<GrantUid, Tombstone>);

impl Tombstones {
    #[must_use]
    pub fn get(&self, uid: &GrantUid) -> Option<&Tombstone> {
        self.0.get(uid)
    }

    /// Remembers an ended grant and forgets what is too old or too much.
    pub fn bury(&mut self, uid: GrantUid, tombstone: Tombstone, wall: Timestamp) {
        self.0.insert(uid, tombstone);
        self.0.retain(|_, stone| {
            stone
                .last_end
                .checked_add(KEPT)
                .is_ok_and(|until| until > wall)
        });
        while self.0.len() > MAX {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, stone)| stone.last_end)
                .map(|(uid, _)| uid.clone());
            let Some(oldest) = oldest else { break };
            self.0.remove(&oldest);
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use breakglass_protocol::wire::grant::EndReason;

    use super::*;
    use crate::sample::wall;

    fn stone(last_end: i64) -> Tombstone {
        Tombstone {
            end: EndRecord {
                reason: EndReason::Expired,
                at: wall(0),
                message: None,
            },
            finished_at: wall(0),
            last_end: wall(last_end),
        }
    }

    #[test]
    fn s12_remembered_for_a_week_after_the_last_possible_end() {
        let mut stones = Tombstones::default();
        let week = 7 * 24 * 3600;
        stones.bury(GrantUid::new("old"), stone(100), wall(0));
        stones.bury(GrantUid::new("a"), stone(1000), wall(week + 99));
        assert!(stones.get(&GrantUid::new("old")).is_some());
        stones.bury(GrantUid::new("b"), stone(1000), wall(week + 100));
        assert!(stones.get(&GrantUid::new("old")).is_none());
        assert_eq!(stones.len(), 2);
    }

    #[test]
    fn bounded_and_the_oldest_goes_first() {
        let mut stones = Tombstones::default();
        for place in 0..=i64::try_from(MAX).unwrap() {
            stones.bury(GrantUid::new(format!("{place:05}")), stone(place), wall(0));
        }
        assert_eq!(stones.len(), MAX);
        assert!(stones.get(&GrantUid::new("00000")).is_none());
        let json = serde_json::to_vec(&stones).unwrap();
        assert!(
            json.len() < 1024 * 1024,
            "{} bytes do not fit a Secret",
            json.len()
        );
    }
}
