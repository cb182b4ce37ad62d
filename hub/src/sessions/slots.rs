//! Sets of slot numbers: few as a sorted list, many as one bit each. A question over all sessions is then a handful of
//! passes over a few kilobytes, however many sessions there are.

const BITS: u32 = u64::BITS;
/// A set of this many stays a list: below it a list is small whatever the highest slot is.
const ALWAYS_FEW: usize = 64;

/// Which sessions have one thing in common.
#[derive(Debug)]
pub(super) enum Slots {
    /// Sorted. Four bytes each.
    Few(Vec<u32>),
    /// One bit per slot, and how many are set.
    Many(Mask, usize),
}

impl Default for Slots {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Slots {
    pub(super) fn insert(&mut self, slot: u32) {
        match self {
            Self::Few(list) => {
                if let Err(place) = list.binary_search(&slot) {
                    list.insert(place, slot);
                }
                let highest = list.last().copied().unwrap_or_default();
                // As bits it takes no more room.
                if list.len() > ALWAYS_FEW && list.len() > word_of(highest) * 2 {
                    let count = list.len();
                    let mut mask = Mask::default();
                    list.iter().for_each(|slot| mask.set(*slot));
                    *self = Self::Many(mask, count);
                }
            }
            Self::Many(mask, count) => {
                if !mask.has(slot) {
                    mask.set(slot);
                    *count += 1;
                }
            }
        }
    }

    pub(super) fn remove(&mut self, slot: u32) {
        match self {
            Self::Few(list) => {
                if let Ok(place) = list.binary_search(&slot) {
                    list.remove(place);
                }
            }
            Self::Many(mask, count) => {
                if mask.has(slot) {
                    mask.clear(slot);
                    *count -= 1;
                }
                if *count <= ALWAYS_FEW {
                    *self = Self::Few(mask.iter().collect());
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(list) => list.is_empty(),
            Self::Many(_, count) => *count == 0,
        }
    }

    /// Adds these to `mask`.
    pub(super) fn add_to(&self, mask: &mut Mask) {
        match self {
            Self::Few(list) => list.iter().for_each(|slot| mask.set(*slot)),
            Self::Many(own, _) => mask.add(own),
        }
    }
}

/// One bit per slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Mask(Vec<u64>);

impl Mask {
    pub(super) fn set(&mut self, slot: u32) {
        let word = word_of(slot);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit_of(slot);
    }

    fn clear(&mut self, slot: u32) {
        if let Some(word) = self.0.get_mut(word_of(slot)) {
            *word &= !bit_of(slot);
        }
    }

    pub(super) fn has(&self, slot: u32) -> bool {
        self.0
            .get(word_of(slot))
            .is_some_and(|word| word & bit_of(slot) != 0)
    }

    fn add(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    /// Keeps only what is in both.
    pub(super) fn keep(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine &= theirs;
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0_u32..).zip(&self.0).flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(index * BITS + bit)
            })
        })
    }
}

fn word_of(slot: u32) -> usize {
    (slot / BITS) as usize
}

fn bit_of(slot: u32) -> u64 {
    1 << (slot % BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Against the obvious: random insertions and removals that cross between list and bits both ways.
    #[test]
    fn slots_are_a_set() {
        let mut random = StdRng::seed_from_u64(1);
        let (mut slots, mut naive) = (Slots::default(), BTreeSet::new());
        let mut forms = BTreeSet::new();
        for round in 0..20_000 {
            let slot = random.random_range(0..2_000);
            let growing = (round / 5_000) % 2 == 0;
            if random.random_bool(if growing { 0.8 } else { 0.1 }) {
                slots.insert(slot);
                naive.insert(slot);
            } else {
                slots.remove(slot);
                naive.remove(&slot);
            }
            forms.insert(matches!(slots, Slots::Many(..)));
            let mut mask = Mask::default();
            slots.add_to(&mut mask);
            assert_eq!(mask.count(), naive.len());
            assert_eq!(mask.has(slot), naive.contains(&slot));
            assert_eq!(slots.is_empty(), naive.is_empty());
            if round % 100 == 0 {
                assert!(mask.iter().eq(naive.iter().copied()));
            }
        }
        assert_eq!(forms.len(), 2, "both forms were met");
    }

    #[test]
    fn what_is_in_both_is_kept() {
        let mask = |slots: &[u32]| {
            let mut mask = Mask::default();
            slots.iter().for_each(|slot| mask.set(*slot));
            mask
        };
        let mut one = mask(&[1, 64, 700]);
        one.keep(&mask(&[1, 2, 700, 9_000]));
        assert_eq!(one.iter().collect::<Vec<_>>(), [1, 700]);
        one.keep(&mask(&[1]));
        assert_eq!(one.iter().collect::<Vec<_>>(), [1]);
    }
}
