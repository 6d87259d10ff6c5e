//! Units whose time has passed at one output: one that is complete within a second was late, any other is lost.
//!
//! A sender that was out of reach, or a hostile one, can leave millions of units out at once. So the missing are kept as
//! spans of numbers.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bondbox_units::Instant;

/// Units that were not put out, for as long as they may turn out late.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// In order, none overlapping.
    spans: VecDeque<Span>,
}

#[derive(Debug)]
struct Span {
    units: Range<u64>,
    since: Instant,
    late: u64,
}

impl Missed {
    /// All of `units`, which follow those missed before, have missed their turn now. Gives how many were lost before
    /// their second was over because there are too many spans.
    pub(super) fn miss(&mut self, now: Instant, units: Range<u64>) -> u64 {
        self.spans.push_back(Span { units, since: now, late: 0 });
        if self.spans.len() > MAX_SPANS { self.settle_first() } else { 0 }
    }

    /// Whether `unit` may still turn out late.
    pub(super) fn contains(&self, unit: u64) -> bool {
        self.span(unit).is_some_and(|at| self.spans[at].units.contains(&unit))
    }

    /// `unit` is complete: gives how late it is, if it was missed. To be called once for each.
    pub(super) fn on_complete(&mut self, now: Instant, unit: u64) -> Option<Duration> {
        let at = self.span(unit)?;
        let span = self.spans.get_mut(at).filter(|span| span.units.contains(&unit))?;
        span.late += 1;
        Some(now - span.since)
    }

    /// Forgets what will not come any more; gives how many units were lost.
    pub(super) fn settle(&mut self, now: Instant) -> u64 {
        let mut lost = 0;
        while self.spans.front().is_some_and(|span| now - span.since >= LATE_GRACE) {
            lost += self.settle_first();
        }
        lost
    }

    /// The first unit that may still turn out late.
    pub(super) fn first(&self) -> Option<u64> {
        self.spans.front().map(|span| span.units.start)
    }

    /// Units that are neither late nor lost yet.
    #[cfg(test)]
    pub(super) fn pending(&self) -> u64 {
        self.spans.iter().map(|span| span.units.end - span.units.start - span.late).sum()
    }

    fn span(&self, unit: u64) -> Option<usize> {
        let after = self.spans.partition_point(|span| span.units.end <= unit);
        (after < self.spans.len()).then_some(after)
    }

    fn settle_first(&mut self) -> u64 {
        self.spans.pop_front().map_or(0, |span| span.units.end - span.units.start - span.late)
    }
}

/// A unit that comes later than this after its time counts as lost, not late.
const LATE_GRACE: Duration = Duration::from_secs(1);
/// More than four thousand holes in a second is no stream.
const MAX_SPANS: usize = 4_096;
