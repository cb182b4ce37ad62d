//! The cards of all sessions, and by what they are found.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use breakglass_hub_core::access::{Openness, Sight};
use breakglass_hub_core::ledger::Seen;
use breakglass_hub_core::offer::Usage;
use breakglass_hub_core::session::{Session, StateName};
use breakglass_protocol::person::Identity;
use jiff::Timestamp;

use super::card::{Account, Card, Mark, Place, Texts};
use super::slots::{Mask, Slots};
use crate::store::Key;

/// Open sessions that are kept whole, the newest ones, since lists judge them per caller: at some 10 KiB each about
/// 10 MiB. Others are read from the store when a page shows them.
const KEPT_WHOLE: usize = 1_024;
/// Up to this many results are put in order by sorting them; more are met soon enough on a walk in order.
const SORTED: usize = 2_048;

/// Which sessions a page shows.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// What the caller sees.
    pub sight: Sight<'a>,
    pub cluster: Option<&'a str>,
    pub template: Option<&'a str>,
    /// The requester's name.
    pub user: Option<&'a str>,
    /// The requester's account.
    pub owner: Option<&'a Identity>,
    /// In any of these states; none: in every state.
    pub states: &'a [StateName],
    /// The last place of the page before.
    pub after: Option<&'a Place>,
    pub limit: usize,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many sessions fit the question, on all pages.
    pub total: usize,
    pub sessions: Vec<FoundSession>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<Place>,
}

/// A session on a page.
#[derive(Clone, Debug)]
pub struct FoundSession {
    pub card: Arc<Card>,
    /// The same session whole, where it is at hand.
    pub session: Option<Arc<Session>>,
}

struct Entry {
    card: Arc<Card>,
    /// Numbers of its marks.
    marks: Box<[u32]>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Index {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// Where each session of a name is.
    by_name: HashMap<Arc<str>, u32>,
    order: BTreeMap<Place, u32>,
    /// The ended ones, by when they ended.
    ended: BTreeSet<(Timestamp, Arc<str>)>,
    marks: Marks,
    texts: Texts,
    whole: BTreeMap<Place, Arc<Session>>,
}

/// How many sessions there are.
#[derive(Clone, Debug)]
pub struct Counted {
    pub by_state: [(StateName, usize); 6],
    /// When the request was made that waits longest for approval.
    pub oldest_waiting: Option<Timestamp>,
}

impl Index {
    /// Takes in a session as it is now, in place of what was known of it.
    pub(super) fn insert(&mut self, session: Session) {
        self.remove(&session.name);
        let card = Card::of(&session, &mut self.texts);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            // A session takes some kilobytes on disk: four thousand million of them are not stored.
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        let marks = card
            .marks(&session)
            .into_iter()
            .map(|mark| self.marks.insert(mark, slot))
            .collect();
        let place = card.place().clone();
        self.by_name.insert(place.shared_name(), slot);
        self.order.insert(place.clone(), slot);
        if let Some(at) = card.ended_at() {
            self.ended.insert((at, place.shared_name()));
        }
        if card.openness() == Openness::Open {
            self.whole.insert(place, Arc::new(session));
            if self.whole.len() > KEPT_WHOLE {
                self.whole.pop_last();
            }
        }
        let entry = Entry {
            card: Arc::new(card),
            marks,
        };
        if let Some(free) = usize::try_from(slot)
            .ok()
            .and_then(|at| self.entries.get_mut(at))
        {
            *free = Some(entry);
        }
    }

    /// Forgets a session. One that is not there changes nothing.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(slot) = self.by_name.remove(name) else {
            return;
        };
        let at = usize::try_from(slot).unwrap_or(usize::MAX);
        let Some(entry) = self.entries.get_mut(at).and_then(Option::take) else {
            return;
        };
        self.order.remove(entry.card.place());
        if let Some(at) = entry.card.ended_at() {
            self.ended.remove(&(at, entry.card.place().shared_name()));
        }
        self.whole.remove(entry.card.place());
        for mark in entry.marks {
            self.marks.remove(mark, slot);
        }
        self.free.push(slot);
    }

    /// Answers a question.
    pub(super) fn find(&self, question: &Question<'_>) -> Found {
        let Some(fitting) = self.fitting(question) else {
            return self.walk(question, self.order.len(), |_| true);
        };
        let total = fitting.count();
        if total > SORTED {
            return self.walk(question, total, |slot| fitting.has(slot));
        }
        let mut places: Vec<(&Place, u32)> = fitting
            .iter()
            .filter_map(|slot| Some((self.entry(slot)?.card.place(), slot)))
            .filter(|(place, _)| question.after.is_none_or(|after| *place > after))
            .collect();
        places.sort_unstable();
        self.page(question, total, places.into_iter().map(|(_, slot)| slot))
    }

    /// The slots that fit; `None`: all of them.
    fn fitting(&self, question: &Question<'_>) -> Option<Mask> {
        let shared = |text: &str| -> Arc<str> { text.into() };
        let seen = match &question.sight {
            Sight::Everything => None,
            Sight::Only(keys) => Some(keys.iter().map(|key| Mark::from(*key)).collect()),
        };
        let states = question.states.iter().map(|state| Mark::State(*state));
        let groups: [Option<HashSet<Mark>>; 6] = [
            seen,
            question
                .cluster
                .map(|name| [Mark::Cluster(shared(name))].into()),
            question
                .template
                .map(|name| [Mark::Template(shared(name))].into()),
            question
                .user
                .map(|name| [Mark::RequestedBy(shared(name))].into()),
            question
                .owner
                .map(|owner| [Mark::Owner(Account::of(owner))].into()),
            (!question.states.is_empty()).then(|| states.collect()),
        ];
        groups
            .into_iter()
            .flatten()
            .map(|any_of| self.marks.any(&any_of))
            .reduce(|mut one, other| {
                one.keep(&other);
                one
            })
    }

    /// In order from the page's start, until the page is full.
    fn walk(&self, question: &Question<'_>, total: usize, fits: impl Fn(u32) -> bool) -> Found {
        let start = question.after.map_or(Bound::Unbounded, Bound::Excluded);
        let slots = self
            .order
            .range::<Place, _>((start, Bound::Unbounded))
            .map(|(_, slot)| *slot)
            .filter(|slot| fits(*slot));
        self.page(question, total, slots)
    }

    fn page(
        &self,
        question: &Question<'_>,
        total: usize,
        slots: impl Iterator<Item = u32>,
    ) -> Found {
        let mut cards = slots.filter_map(|slot| Some(&self.entry(slot)?.card));
        let sessions: Vec<FoundSession> = cards
            .by_ref()
            .take(question.limit)
            .map(|card| FoundSession {
                session: self.whole.get(card.place()).cloned(),
                card: card.clone(),
            })
            .collect();
        let next = cards
            .next()
            .and_then(|_| sessions.last().map(|last| last.card.place().clone()));
        Found {
            total,
            sessions,
            next,
        }
    }

    /// The keys of all sessions in these states.
    pub(super) fn in_states(&self, states: &[StateName]) -> Vec<Key> {
        self.keys(&states.iter().map(|state| Mark::State(*state)).collect())
    }

    /// The keys of all sessions of which clusters should hold a grant.
    pub(super) fn granted(&self) -> Vec<Key> {
        self.keys(&[Mark::Granted].into())
    }

    /// The ended sessions, those that ended first coming first.
    pub(super) fn ended(&self) -> impl Iterator<Item = (Timestamp, &Arc<str>)> {
        self.ended.iter().map(|(at, name)| (*at, name))
    }

    fn keys(&self, any_of: &HashSet<Mark>) -> Vec<Key> {
        let fitting = self.marks.any(any_of);
        fitting
            .iter()
            .filter_map(|slot| Some(self.entry(slot)?.card.key()))
            .collect()
    }

    /// How many there are in each state.
    pub(super) fn census(&self) -> Counted {
        let of = |state| {
            let marks = [Mark::State(state)];
            self.marks.any(&marks.into_iter().collect())
        };
        let waiting = of(StateName::PendingApproval);
        let since = waiting
            .iter()
            .filter_map(|slot| Some(self.entry(slot)?.card.place().created_at()));
        Counted {
            oldest_waiting: since.min(),
            by_state: StateName::ALL.map(|state| (state, of(state).iter().count())),
        }
    }

    /// How a template or binding was used, by the sessions that are stored.
    pub(super) fn usage(&self, mark: Mark) -> Usage {
        let all = self.marks.any(&[mark].into());
        let in_states = |states: &[StateName]| {
            let marks = states.iter().map(|state| Mark::State(*state)).collect();
            let mut some = self.marks.any(&marks);
            some.keep(&all);
            some
        };
        let active = in_states(&[StateName::Active]);
        let mut active_by_user = BTreeMap::new();
        for card in active
            .iter()
            .filter_map(|slot| Some(&self.entry(slot)?.card))
        {
            let count: &mut usize = active_by_user
                .entry(card.requested_by().to_owned())
                .or_default();
            *count += 1;
        }
        let total = all.count();
        Usage {
            active: active.count(),
            active_by_user,
            pending: in_states(&[StateName::Pending, StateName::PendingApproval]).count(),
            seen: Seen {
                sessions: u64::try_from(total).unwrap_or(u64::MAX),
                newest: self.newest(&all, total),
            },
        }
    }

    /// When the newest of some sessions was made: few are compared, of many one is met soon enough on a walk in order.
    fn newest(&self, some: &Mask, count: usize) -> Option<Timestamp> {
        if count <= SORTED {
            let cards = some.iter().filter_map(|slot| Some(&self.entry(slot)?.card));
            return cards.map(|card| card.place().created_at()).max();
        }
        let mut places = self.order.iter();
        places
            .find(|(_, slot)| some.has(**slot))
            .map(|(place, _)| place.created_at())
    }

    fn entry(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(slot).ok()?)?.as_ref()
    }
}

/// Which sessions carry which mark. A mark that no session carries any more is forgotten.
#[derive(Default)]
struct Marks {
    numbers: HashMap<Mark, u32>,
    sets: Vec<(Option<Mark>, Slots)>,
    free: Vec<u32>,
}

impl Marks {
    fn insert(&mut self, mark: Mark, slot: u32) -> u32 {
        let number = match self.numbers.get(&mark) {
            Some(number) => *number,
            None => self.add(mark),
        };
        if let Some((_, slots)) = self.set_mut(number) {
            slots.insert(slot);
        }
        number
    }

    fn add(&mut self, mark: Mark) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.sets.push((None, Slots::default()));
            u32::try_from(self.sets.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(set) = self.set_mut(number) {
            set.0 = Some(mark.clone());
        }
        self.numbers.insert(mark, number);
        number
    }

    fn remove(&mut self, number: u32, slot: u32) {
        let Some((mark, slots)) = self.set_mut(number) else {
            return;
        };
        slots.remove(slot);
        if slots.is_empty()
            && let Some(mark) = mark.take()
        {
            self.numbers.remove(&mark);
            self.free.push(number);
        }
    }

    /// The sessions that carry at least one of `marks`.
    fn any(&self, marks: &HashSet<Mark>) -> Mask {
        let mut mask = Mask::default();
        for number in marks.iter().filter_map(|mark| self.numbers.get(mark)) {
            let set = usize::try_from(*number)
                .ok()
                .and_then(|at| self.sets.get(at));
            if let Some((_, slots)) = set {
                slots.add_to(&mut mask);
            }
        }
        mask
    }

    fn set_mut(&mut self, number: u32) -> Option<&mut (Option<Mark>, Slots)> {
        self.sets.get_mut(usize::try_from(number).ok()?)
    }
}
