//! Which bytes of a unit are there.

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
            self.few = ranges[..from].iter().cloned().chain(std::iter::once(start..end)).chain(behind).collect();
        } else {
            self.many.extend(std::mem::take(&mut self.few));
            self.many.splice(from..to, std::iter::once(start..end));
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
    pub(crate) fn missing(&self, range: Range<u32>) -> Vec<Range<u32>> {
        let mut gaps = vec![];
        let mut at = range.start;
        for held in self.ranges().iter().filter(|r| overlap(r, &range) > 0) {
            if at < held.start {
                gaps.push(at..held.start);
            }
            at = at.max(held.end);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    /// All ranges, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Range<u32>> {
        self.ranges().iter()
    }

    /// Ranges held, for bounds on memory.
    pub(crate) fn pieces(&self) -> usize {
        self.ranges().len()
    }
}

/// A unit of a packet or two, or one that comes in order but for a hole.
const FEW: usize = 2;

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
            let missing: Vec<_> = ranges.missing(probe.clone()).into_iter().flatten().collect();
            prop_assert_eq!(missing, probe.filter(|at| !slow.contains(at)).collect::<Vec<_>>());
        }
    }
}
