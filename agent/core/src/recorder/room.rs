//! Room for what waits: what goes first when there is none, and how that is told.

use std::time::Duration;

use breakglass_protocol::wire::access::Recorded;

use super::{Entry, Lost, Recorder, State, cost_of};
use crate::clock::Now;

impl Recorder {
    /// Drops what does not fit, and says so. What is on its way stays, and so does the newest gap's record.
    pub(super) fn make_room(&mut self, now: Now) {
        while self.entries.len() > self.bounds.records || self.bytes > self.bounds.bytes {
            let Some(place) = self.droppable() else {
                return;
            };
            if let Some(entry) = self.remove(place) {
                self.note_gap(lost_with(&entry.record.what), now);
            }
        }
    }

    fn droppable(&self) -> Option<usize> {
        let flying = self.in_flight.as_ref();
        let may_go = |entry: &Entry| {
            flying.is_none_or(|flying| {
                entry.boot != flying.boot || entry.record.sequence > flying.through
            })
        };
        let first = |is: fn(&Entry) -> bool| {
            self.entries
                .iter()
                .position(|entry| is(entry) && may_go(entry))
        };
        first(|entry| matches!(entry.record.what, Recorded::Denied { .. }))
            .or_else(|| first(|entry| matches!(entry.record.what, Recorded::Allowed { .. })))
            .or_else(|| first(|entry| !is_open_gap(entry)))
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<Entry> {
        let entry = self.entries.remove(place)?;
        self.bytes -= entry.cost;
        Some(entry)
    }

    pub(super) fn note_gap(&mut self, lost: Lost, now: Now) {
        self.dropped.allows = self.dropped.allows.saturating_add(lost.allows);
        self.dropped.denials = self.dropped.denials.saturating_add(lost.denials);
        let open = self
            .entries
            .iter_mut()
            .rev()
            .find(|entry| is_open_gap(entry));
        let Some(entry) = open else {
            let Lost { allows, denials } = lost;
            self.push(Recorded::Gap { allows, denials }, now, Duration::ZERO);
            return;
        };
        if let Recorded::Gap { allows, denials } = &mut entry.record.what {
            *allows = allows.saturating_add(lost.allows);
            *denials = denials.saturating_add(lost.denials);
            entry.record.last_at = now.wall;
            self.bytes -= entry.cost;
            entry.cost = cost_of(&entry.record);
            self.bytes += entry.cost;
        }
    }
}

fn is_open_gap(entry: &Entry) -> bool {
    entry.state == State::Waiting && matches!(entry.record.what, Recorded::Gap { .. })
}

fn lost_with(what: &Recorded) -> Lost {
    match what {
        Recorded::Allowed { count, .. } => Lost {
            allows: *count,
            denials: 0,
        },
        Recorded::Denied { count, .. } => Lost {
            allows: 0,
            denials: *count,
        },
        Recorded::Gap { allows, denials } => Lost {
            allows: *allows,
            denials: *denials,
        },
        Recorded::Restart => Lost::default(),
    }
}
