//! Which bytes of a unit are there.

use std::iter::once;
use std::ops::Range;

/// A set of byte positions, kept as ranges that do not touch.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeSet {
    /// While they are few, which they are in most units: these take no block of their own.
    few: heapless::Vec<Range<u32>, FEW>,
    /// All of them, once they were more.
    many: Vec<Range<u32>>,
}

impl RangeSet {
    /// Adds `range`; gives how many of its positions are new.
    pub(crate) fn insert(&mut self, range: Range<u32>) -> u32 {
        self.insert_with(range, &mut Spare::default())
    }

    /// The same, with a block out of `spare` when one is needed.
    pub(crate) fn insert_with(&mut self, range: Range<u32>, spare: &mut Spare) -> u32 {
        if range.is_empty() {
            return 0;
        }
        // All ranges that overlap or touch it melt into one.
        let ranges = self.ranges();
        let from = ranges.partition_point(|r| r.end < range.start);
        let to = ranges.partition_point(|r| r.start <= range.end);
        let held: u32 = ranges[from..to].iter().map(|r| overlap(r, &range)).sum();
        let start = ranges[from..to].first().map_or(range.start, |r| r.start.min(range.start));
        let end = ranges[from..to].last().map_or(range.end, |r| r.end.max(range.end));
        let new = range.end - range.start - held;
        if self.many.is_empty() && ranges.len() - (to - from) < FEW {
            let behind = ranges[to..].iter().cloned();
            self.few = ranges[..from].iter().cloned().chain(once(start..end)).chain(behind).collect();
        } else {
            if self.many.is_empty() {
                self.many = spare.take();
                self.many.extend(std::mem::take(&mut self.few));
            }
            self.many.splice(from..to, once(start..end));
        }
        new
    }

    /// All of them, in order.
    fn ranges(&self) -> &[Range<u32>] {
        if self.many.is_empty() { &self.few } else { &self.many }
    }

    /// Whether all of `range` is there.
    pub(crate) fn contains(&self, range: &Range<u32>) -> bool {
        let at = self.ranges().partition_point(|r| r.end < range.end);
        range.is_empty() || self.ranges().get(at).is_some_and(|r| r.start <= range.start)
    }

    /// The parts of `range` that are missing.
    pub(crate) fn missing(&self, range: Range<u32>) -> impl Iterator<Item = Range<u32>> {
        let (mut at, end) = (range.start, range.end);
        let held = self.ranges().iter().filter(move |held| overlap(held, &range) > 0).cloned();
        held.chain(once(end..end)).filter_map(move |held| {
            let gap = at..held.start;
            at = held.end;
            (!gap.is_empty()).then_some(gap)
        })
    }

    /// All ranges, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Range<u32>> {
        self.ranges().iter()
    }

    /// Ranges held, for bounds on memory.
    pub(crate) fn pieces(&self) -> usize {
        self.ranges().len()
    }

    /// Has served: leaves its block to those that will need one.
    pub(crate) fn retire(self, spare: &mut Spare) {
        spare.give(self.many);
    }
}

/// Blocks of sets that had many ranges.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<Vec<Range<u32>>>);

impl Spare {
    fn take(&mut self) -> Vec<Range<u32>> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(MANY))
    }

    fn give(&mut self, mut block: Vec<Range<u32>>) {
        if (1..=MOST).contains(&block.capacity()) && self.0.len() < MAX_SPARE {
            block.clear();
            self.0.push(block);
        }
    }
}

/// A unit of a packet or two, or one that comes in order but for a hole.
const FEW: usize = 2;
/// A frame whose packets come over several links.
const MANY: usize = 32;
/// In a block that waits for use: 4 kB.
const MOST: usize = 512;
/// Blocks that wait for use.
const MAX_SPARE: usize = 64;

fn overlap(a: &Range<u32>, b: &Range<u32>) -> u32 {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_set_of_positions(inserts in prop::collection::vec((0..60_u32, 0..20_u32), 0..30), probe in (0..60_u32, 0..20_u32)) {
            let mut ranges = RangeSet::default();
            let mut slow = std::collections::BTreeSet::new();
            for (start, len) in inserts {
                let new = (start..start + len).filter(|at| slow.insert(*at)).count();
                prop_assert_eq!(ranges.insert(start..start + len) as usize, new);
            }
            let probe = probe.0..probe.0 + probe.1;
            prop_assert_eq!(ranges.contains(&probe), probe.clone().all(|at| slow.contains(&at)));
            let missing: Vec<_> = ranges.missing(probe.clone()).flatten().collect();
            prop_assert_eq!(missing, probe.filter(|at| !slow.contains(at)).collect::<Vec<_>>());
        }
    }
}
