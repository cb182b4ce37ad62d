//! What of the hub's desired state was heard on this connection: the snapshot, newer revisions, and what may be
//! acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use breakglass_protocol::ids::{GrantUid, Revision};
use breakglass_protocol::limits::MAX_GRANTS_PER_CLUSTER;
use breakglass_protocol::wire::to_agent::SnapshotBegin;

/// Longest wait for the next frame of a snapshot, and for its beginning. A hub reads it from its own store.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(30);

/// See the module's text.
#[derive(Debug)]
pub(super) struct Sync {
    snapshot: Snapshot,
    /// Heard since the last complete snapshot, also outside of one: what the hub just spoke of is not absent.
    heard: BTreeSet<GrantUid>,
    /// Newest revision heard of each grant.
    newest: BTreeMap<GrantUid, Revision>,
    /// Not in the journal yet.
    pending: BTreeMap<GrantUid, Revision>,
    highest: Revision,
    acknowledged: Option<Revision>,
    policies: HeardPolicies,
}

/// Whether the hub sends deny policies with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AwaitedPolicies {
    None,
    WithSnapshot,
}

/// What was heard of deny policies on this connection.
#[derive(Debug)]
enum HeardPolicies {
    /// None, and none need to come.
    NotAwaited,
    /// None, and a snapshot without them is not complete.
    Awaited,
    /// The newest.
    Heard(Revision),
}

#[derive(Debug)]
enum Snapshot {
    Awaited {
        since: Duration,
    },
    Open {
        revision: Revision,
        count: usize,
        seen: BTreeSet<GrantUid>,
        last: Duration,
    },
    Complete {
        revision: Revision,
    },
}

/// What a grant's frame is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Counted {
    New,
    /// Overtaken by a newer one.
    Old,
    TooMany,
}

/// What the end of a snapshot means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// What it held.
    Complete(BTreeSet<GrantUid>),
    /// Doubled: it was complete before.
    Before,
    Incomplete {
        why: String,
    },
}

impl Sync {
    pub(super) fn new(now: Duration, policies: AwaitedPolicies) -> Self {
        Self {
            snapshot: Snapshot::Awaited { since: now },
            heard: BTreeSet::new(),
            newest: BTreeMap::new(),
            pending: BTreeMap::new(),
            highest: Revision(0),
            acknowledged: None,
            policies: match policies {
                AwaitedPolicies::None => HeardPolicies::NotAwaited,
                AwaitedPolicies::WithSnapshot => HeardPolicies::Awaited,
            },
        }
    }

    /// Deny policies came. The same revision again may say something else: the cluster's tenant is not theirs.
    pub(super) fn count_policies(&mut self, heard: Revision) -> Counted {
        if matches!(self.policies, HeardPolicies::Heard(newest) if newest > heard) {
            return Counted::Old;
        }
        self.policies = HeardPolicies::Heard(heard);
        Counted::New
    }

    pub(super) fn begin(&mut self, begin: &SnapshotBegin, now: Duration) {
        let announced = usize::try_from(begin.count).unwrap_or(usize::MAX);
        let is_known = match &self.snapshot {
            Snapshot::Awaited { .. } => false,
            // With another count the hub starts the same snapshot over: a session of it turned out to have no grant.
            Snapshot::Open {
                revision, count, ..
            } => *revision > begin.revision || (*revision == begin.revision && *count == announced),
            Snapshot::Complete { revision } => *revision >= begin.revision,
        };
        if is_known {
            return;
        }
        self.highest = self.highest.max(begin.revision);
        self.snapshot = Snapshot::Open {
            revision: begin.revision,
            count: announced,
            seen: BTreeSet::new(),
            last: now,
        };
    }

    pub(super) fn count(&mut self, uid: &GrantUid, heard: Revision, now: Duration) -> Counted {
        if let Snapshot::Open { seen, last, .. } = &mut self.snapshot {
            *last = now;
            // Also one that is newer than the snapshot: the hub loads each session when it sends it.
            seen.insert(uid.clone());
        }
        self.heard.insert(uid.clone());
        // The same revision again may say something new: how people are named in this cluster is not the session's.
        if self.newest.get(uid).is_some_and(|newest| *newest > heard) {
            return Counted::Old;
        }
        if self.newest.len() >= MAX_GRANTS_PER_CLUSTER && !self.newest.contains_key(uid) {
            return Counted::TooMany;
        }
        self.highest = self.highest.max(heard);
        self.newest.insert(uid.clone(), heard);
        self.pending.insert(uid.clone(), heard);
        Counted::New
    }

    pub(super) fn end(&mut self, ended: Revision) -> Ended {
        match &self.snapshot {
            Snapshot::Complete { revision } if *revision >= ended => Ended::Before,
            Snapshot::Awaited { .. } | Snapshot::Complete { .. } => Ended::Incomplete {
                why: format!("the end of snapshot {} came without its beginning", ended.0),
            },
            Snapshot::Open { revision, .. } if *revision > ended => Ended::Before,
            Snapshot::Open {
                revision,
                count,
                seen,
                ..
            } if *revision == ended && *count == seen.len() => {
                if matches!(self.policies, HeardPolicies::Awaited) {
                    return Ended::Incomplete {
                        why: format!("snapshot {} came without the deny policies", ended.0),
                    };
                }
                let present = seen.union(&self.heard).cloned().collect();
                self.heard.clear();
                self.snapshot = Snapshot::Complete { revision: ended };
                Ended::Complete(present)
            }
            Snapshot::Open { count, seen, .. } => Ended::Incomplete {
                why: format!(
                    "snapshot {} announced {count} grants, but {} came",
                    ended.0,
                    seen.len()
                ),
            },
        }
    }

    /// Instant by which something of the snapshot must have come.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.snapshot {
            Snapshot::Awaited { since: last } | Snapshot::Open { last, .. } => {
                Some(last.saturating_add(SNAPSHOT_PATIENCE))
            }
            Snapshot::Complete { .. } => None,
        }
    }

    pub(super) fn overdue(&self, now: Duration) -> Option<String> {
        self.due()
            .filter(|due| now >= *due)
            .map(|_| "the hub's snapshot did not come to its end in time".to_owned())
    }

    pub(super) fn journaled(&mut self, uid: &GrantUid, revision: Revision) {
        if self
            .pending
            .get(uid)
            .is_some_and(|pending| *pending <= revision)
        {
            self.pending.remove(uid);
        }
    }

    /// The grant is over; nothing of it needs to be told apart any more.
    pub(super) fn forget(&mut self, uid: &GrantUid) {
        self.heard.remove(uid);
        self.newest.remove(uid);
        self.pending.remove(uid);
    }

    /// The revision up to which everything is in the journal, if it is more than was said before.
    pub(super) fn acknowledge(&mut self) -> Option<Revision> {
        match self.snapshot {
            Snapshot::Awaited { .. } | Snapshot::Open { .. } => return None,
            Snapshot::Complete { .. } => {}
        }
        let oldest = self.pending.values().min();
        let up_to = match oldest {
            Some(oldest) => Revision(oldest.0.saturating_sub(1)),
            None => self.highest,
        };
        if self.acknowledged.is_some_and(|said| said >= up_to)
            || (oldest.is_some() && self.acknowledged.is_none())
        {
            return None;
        }
        self.acknowledged = Some(up_to);
        Some(up_to)
    }
}
