//! What the webhook decided, on its way to the hub's audit log (S20). Repeats are counted, the whole is bounded, and
//! what does not fit is counted too: denials go first, the oldest first, then allows, and a gap's record says how many.
//!
//! Records leave in order, one batch at a time. One that may have been sent never changes: the hub tells repeats by start
//! and number, so that each counts once, however often it is sent. What waits is in the journal; a restart sends it
//! under the start that numbered it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use breakglass_protocol::limits::{MAX_AUDIT_BYTES, MAX_AUDIT_RECORDS};
use breakglass_protocol::wire::access::{AccessRecord, Recorded};
use breakglass_protocol::wire::to_hub::AuditFrame;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::authorize::{Decided, Decision};
use crate::clock::Now;

mod room;

/// Decisions that say the same within this time are one record, but for the first, which is told at once: `kubectl
/// port-forward` and people who look again and again ask every few seconds.
const WINDOW: Duration = Duration::from_secs(60);
/// What waits is written this long after a change: with a hub at hand it is delivered by then, and nothing is to be written.
/// What a crash loses is at most so old.
pub const SAVE_AFTER: Duration = Duration::from_secs(10);
/// Decisions whose repeats are known. Of more at once some repeats get records of their own.
const MAX_RECENT: usize = 2_000;
/// Besides the record itself: its start's id and punctuation.
const OVERHEAD: usize = 64;

/// What may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub records: usize,
    /// Encoded.
    pub bytes: usize,
}

impl Default for Bounds {
    /// A thousand people's decisions of a minute; in bytes what a ConfigMap holds easily, which bounds the writes to the
    /// cluster's database too.
    fn default() -> Self {
        Self {
            records: 1_000,
            bytes: 256 * 1024,
        }
    }
}

/// What waits, as the journal holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeldRecords(pub Vec<HeldStart>);

/// Records of one start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldStart {
    pub boot: String,
    pub records: Vec<AccessRecord>,
}

/// Decisions that are not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    pub allows: u64,
    pub denials: u64,
}

/// See the module's text.
#[derive(Debug)]
pub struct Recorder {
    /// This start.
    boot: Arc<str>,
    next: u64,
    bounds: Bounds,
    /// In the order in which they are sent.
    entries: VecDeque<Entry>,
    /// The cost of all entries.
    bytes: usize,
    recent: BTreeMap<Decision, Recent>,
    in_flight: Option<InFlight>,
    dropped: Lost,
    /// Counts changes.
    version: u64,
    saved: u64,
    journal: Journal,
}

#[derive(Debug)]
struct Entry {
    boot: Arc<str>,
    record: AccessRecord,
    cost: usize,
    /// Monotonic: until then it takes repeats and is not sent.
    due: Duration,
    /// Repeats later than this get a record of their own (monotonic).
    closes: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// The hub may have it: it must not change.
    MayBeTold,
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    sequence: u64,
    /// Monotonic.
    last: Duration,
}

#[derive(Debug, PartialEq, Eq)]
struct InFlight {
    boot: Arc<str>,
    through: u64,
}

/// What the journal's record is known to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Journal {
    Nothing,
    Something,
}

impl Recorder {
    /// Starts with what the journal held. `boot` was never used before; `marked` is when sessions were last seen to run by
    /// the start before, if some did: what it neither told nor wrote after that is lost, and that is told.
    #[must_use]
    pub fn restore(boot: &str, held: HeldRecords, marked: Option<Timestamp>, now: Now) -> Self {
        let mut recorder = Self::bounded(boot, held, now, Bounds::default());
        if let Some(marked) = marked {
            recorder.note_restart(marked, now);
        }
        recorder
    }

    pub(crate) fn bounded(boot: &str, held: HeldRecords, now: Now, bounds: Bounds) -> Self {
        let mut recorder = Self {
            boot: boot.into(),
            next: 1,
            bounds,
            entries: VecDeque::new(),
            bytes: 0,
            recent: BTreeMap::new(),
            in_flight: None,
            dropped: Lost::default(),
            version: 0,
            saved: 0,
            journal: if held.0.is_empty() {
                Journal::Nothing
            } else {
                Journal::Something
            },
        };
        for start in held.0 {
            let boot: Arc<str> = start.boot.into();
            for record in start.records {
                let cost = cost_of(&record);
                recorder.bytes += cost;
                recorder.entries.push_back(Entry {
                    boot: Arc::clone(&boot),
                    record,
                    cost,
                    due: now.monotonic,
                    closes: now.monotonic,
                    state: State::MayBeTold,
                });
            }
        }
        recorder.make_room(now);
        recorder
    }

    /// Takes a decision in.
    pub fn record(&mut self, decision: Decision, now: Now) {
        self.version += 1;
        let recent = self.recent.get(&decision).copied();
        let is_repeat =
            recent.is_some_and(|recent| now.monotonic.saturating_sub(recent.last) < WINDOW);
        let merged = recent.filter(|recent| self.merge(recent.sequence, &decision, now));
        let sequence = merged.map_or_else(
            || {
                let pause = if is_repeat { WINDOW } else { Duration::ZERO };
                self.push(what(&decision), now, pause)
            },
            |recent| recent.sequence,
        );
        self.remember(decision, sequence, now);
        self.make_room(now);
    }

    /// Decisions were made that could not be handed over.
    pub fn lost(&mut self, lost: Lost, now: Now) {
        if lost != Lost::default() {
            self.version += 1;
            self.note_gap(lost, now);
            self.make_room(now);
        }
    }

    /// The next batch, if one is due and none is on its way. It stays until [`Self::handle_accepted`].
    pub fn batch(&mut self, now: Now) -> Option<AuditFrame> {
        if self.in_flight.is_some() {
            return None;
        }
        let boot = Arc::clone(&self.entries.front()?.boot);
        let mut body = vec![b'['];
        let mut through = None;
        for entry in self.entries.iter_mut().take(MAX_AUDIT_RECORDS) {
            let encoded = serde_json::to_vec(&entry.record).unwrap_or_default();
            let fits = body.len() + encoded.len() + 2 <= MAX_AUDIT_BYTES;
            if entry.boot != boot || entry.due > now.monotonic || !fits {
                break;
            }
            if through.is_some() {
                body.push(b',');
            }
            body.extend_from_slice(&encoded);
            entry.state = State::MayBeTold;
            through = Some(entry.record.sequence);
        }
        body.push(b']');
        let through = through?;
        self.in_flight = Some(InFlight {
            boot: Arc::clone(&boot),
            through,
        });
        Some(AuditFrame {
            boot: boot.to_string(),
            body,
        })
    }

    /// The hub has a batch. Only the one that is on its way counts.
    pub fn handle_accepted(&mut self, boot: &str, through: u64) {
        let is_it = |flying: &InFlight| &*flying.boot == boot && flying.through == through;
        if !self.in_flight.as_ref().is_some_and(is_it) {
            return;
        }
        self.in_flight = None;
        self.version += 1;
        while let Some(entry) = self.entries.front()
            && &*entry.boot == boot
            && entry.record.sequence <= through
        {
            self.remove(0);
        }
    }

    /// The connection is gone: whether the hub has the batch that was on its way is not known.
    pub fn handle_disconnected(&mut self) {
        self.in_flight = None;
    }

    /// When [`Self::batch`] has something, if nothing is on its way (monotonic).
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let front = self.entries.front().filter(|_| self.in_flight.is_none());
        front.map(|entry| entry.due)
    }

    /// Records that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.entries.len()
    }

    /// Decisions that were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> Lost {
        std::mem::take(&mut self.dropped)
    }

    /// Whether the journal holds something else.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        let both_empty = self.entries.is_empty() && self.journal == Journal::Nothing;
        self.version != self.saved && !both_empty
    }

    /// What the journal should hold, and the version to tell when it does.
    #[must_use]
    pub fn held(&self) -> (u64, HeldRecords) {
        let mut held: Vec<HeldStart> = Vec::new();
        for entry in &self.entries {
            match held.last_mut() {
                Some(start) if start.boot == *entry.boot => {
                    start.records.push(entry.record.clone());
                }
                Some(_) | None => held.push(HeldStart {
                    boot: entry.boot.to_string(),
                    records: vec![entry.record.clone()],
                }),
            }
        }
        (self.version, HeldRecords(held))
    }

    /// The journal holds this.
    pub fn handle_saved(&mut self, version: u64, held: &HeldRecords) {
        self.saved = self.saved.max(version);
        self.journal = if held.0.is_empty() {
            Journal::Nothing
        } else {
            Journal::Something
        };
    }

    fn note_restart(&mut self, marked: Timestamp, now: Now) {
        self.version += 1;
        self.push(Recorded::Restart, now, Duration::ZERO);
        if let Some(entry) = self.entries.back_mut() {
            let since = marked.saturating_sub(SAVE_AFTER).unwrap_or(marked);
            entry.record.first_at = since.min(now.wall);
        }
        self.make_room(now);
    }

    /// Counts a repeat in the record of the ones before. A denial that nobody was told of yet takes repeats for as long as
    /// it waits: while the hub is away they would fill the room.
    fn merge(&mut self, sequence: u64, decision: &Decision, now: Now) -> bool {
        let place = self
            .entries
            .partition_point(|entry| entry.boot != self.boot || entry.record.sequence < sequence);
        let Some(entry) = self.entries.get_mut(place) else {
            return false;
        };
        let is_denial = matches!(decision.decided, Decided::Denied(_));
        let is_open = entry.record.sequence == sequence
            && entry.state == State::Waiting
            && (is_denial || now.monotonic < entry.closes);
        let (Recorded::Allowed { count, .. } | Recorded::Denied { count, .. }) =
            &mut entry.record.what
        else {
            return false;
        };
        if !is_open {
            return false;
        }
        *count = count.saturating_add(1);
        entry.record.last_at = now.wall;
        self.bytes -= entry.cost;
        entry.cost = cost_of(&entry.record);
        self.bytes += entry.cost;
        true
    }

    fn push(&mut self, what: Recorded, now: Now, pause: Duration) -> u64 {
        let sequence = self.next;
        self.next += 1;
        let record = AccessRecord {
            sequence,
            first_at: now.wall,
            last_at: now.wall,
            what,
        };
        let cost = cost_of(&record);
        self.bytes += cost;
        self.entries.push_back(Entry {
            boot: Arc::clone(&self.boot),
            record,
            cost,
            due: now.monotonic.saturating_add(pause),
            closes: now.monotonic.saturating_add(WINDOW),
            state: State::Waiting,
        });
        sequence
    }

    fn remember(&mut self, decision: Decision, sequence: u64, now: Now) {
        let last = now.monotonic;
        self.recent.insert(decision, Recent { sequence, last });
        if self.recent.len() > MAX_RECENT {
            self.recent
                .retain(|_, recent| last.saturating_sub(recent.last) < WINDOW);
        }
        if self.recent.len() > MAX_RECENT {
            self.recent.clear();
        }
    }
}

fn what(decision: &Decision) -> Recorded {
    let access = decision.access.clone();
    match &decision.decided {
        Decided::Allowed => Recorded::Allowed { access, count: 1 },
        Decided::Denied(why) => Recorded::Denied {
            access,
            why: why.clone(),
            count: 1,
        },
    }
}

fn cost_of(record: &AccessRecord) -> usize {
    serde_json::to_vec(record).map_or(0, |encoded| encoded.len()) + OVERHEAD
}

#[cfg(test)]
mod tests;
