//! The latest reading of the wall clock while any grant ran, written down every few seconds (S12): setting the clock back
//! while the agent is down lengthens nothing but what passed since the last writing. Each grant's record holds the reading of
//! its own last writing too; a restart takes the latest of all that run.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::deadline::millis_between;

/// How far the clock moves before the mark is written again, and by how much it can be behind. While grants run that is one
/// write of a few hundred bytes in this time, as much as the lease of one node costs; otherwise none.
pub const STEP: Duration = Duration::from_secs(10);

/// What is written: a record of its own, since the one beside the grants may have hundreds of KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mark {
    /// `None` while nothing runs, so that a clock that was wrong for a while does not spoil tomorrow's sessions.
    pub high_water: Option<Timestamp>,
}

/// Whether anything runs that the mark protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grants {
    Running,
    AllEnded,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct HighWater {
    mark: Mark,
    saved: Mark,
}

impl HighWater {
    /// What the journal holds.
    #[must_use]
    pub(crate) fn restore(mark: Mark) -> Self {
        Self { mark, saved: mark }
    }

    pub(crate) fn observe(&mut self, grants: Grants, now: Now) {
        let step = u64::try_from(STEP.as_millis()).unwrap_or(u64::MAX);
        self.mark.high_water = match (grants, self.mark.high_water) {
            (Grants::AllEnded, _) => None,
            (Grants::Running, Some(mark)) if millis_between(mark, now.wall) < step => Some(mark),
            (Grants::Running, _) => Some(now.wall),
        };
    }

    /// What to write, if the journal holds another.
    #[must_use]
    pub fn unsaved(&self) -> Option<Mark> {
        (self.mark != self.saved).then_some(self.mark)
    }

    /// The journal holds this one.
    pub fn handle_saved(&mut self, mark: Mark) {
        self.saved = mark;
    }
}
