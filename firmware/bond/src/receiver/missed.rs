//! Units whose time has passed: one that is complete within a second was late, any other is lost.
//!
//! A sender that was out of reach, or a hostile one, can leave millions of units out at once. So the missing are kept as
//! spans of numbers, and only what did arrive of one takes room.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::frame::Media;

use super::OutOfBounds;
use super::assembly::{Assembly, OVERHEAD};
use super::pool::Pool;
use crate::ordered::Ordered;

/// Units that were not put out, for as long as they may turn out late.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// In order, none overlapping.
    spans: VecDeque<Span>,
    /// What arrived of them; `None` when all did, and was counted.
    parts: Ordered<Option<Box<Assembly>>>,
    held: usize,
}

#[derive(Debug)]
struct Span {
    units: Range<u64>,
    since: Instant,
    late: u64,
}

impl Missed {
    /// Bytes held.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// All of `units`, which follow those missed before, have missed their turn now. Gives how many were lost before
    /// their second was over because there are too many spans.
    pub(super) fn miss(&mut self, now: Instant, units: Range<u64>, pool: &mut Pool) -> u64 {
        self.spans.push_back(Span { units, since: now, late: 0 });
        if self.spans.len() > MAX_SPANS { self.settle_first(pool) } else { 0 }
    }

    /// Keeps what arrived of a unit that was missed, the last of them.
    pub(super) fn keep(&mut self, unit: u64, part: Box<Assembly>) {
        let held = part.held();
        if self.parts.get_or_insert_with(unit, || Some(part)).is_some() {
            self.held += held;
        }
    }

    /// Takes in bytes of a unit before the next; gives how late it was when they complete it.
    pub(super) fn on_media(
        &mut self,
        now: Instant,
        unit: u64,
        media: &Media<'_>,
        room: usize,
        pool: &mut Pool,
    ) -> Result<Option<Duration>, OutOfBounds> {
        let after = self.spans.partition_point(|span| span.units.end <= unit);
        let Some(span) = self.spans.get_mut(after).filter(|span| span.units.contains(&unit)) else { return Ok(None) };
        let fresh = !self.parts.contains(unit);
        let room = if fresh { room.checked_sub(OVERHEAD).ok_or(OutOfBounds)? } else { room };
        let slot = self.parts.get_or_insert_with(unit, || Some(pool.assembly())).ok_or(OutOfBounds)?;
        self.held += if fresh { OVERHEAD } else { 0 };
        let Some(part) = slot else { return Ok(None) };
        let before = part.held();
        let result = part.insert(media, room, pool);
        self.held = self.held + part.held() - before;
        result?;
        if !part.is_complete() {
            return Ok(None);
        }
        self.held = self.held - part.held() + OVERHEAD;
        slot.take().into_iter().for_each(|part| pool.recycle(part));
        span.late += 1;
        Ok(Some(now - span.since))
    }

    /// Forgets what will not come any more; gives how many units were lost.
    pub(super) fn settle(&mut self, now: Instant, pool: &mut Pool) -> u64 {
        let mut lost = 0;
        while self.spans.front().is_some_and(|span| now - span.since >= LATE_GRACE) {
            lost += self.settle_first(pool);
        }
        lost
    }

    /// Units that are neither late nor lost yet.
    #[cfg(test)]
    pub(super) fn pending(&self) -> u64 {
        self.spans.iter().map(|span| span.units.end - span.units.start - span.late).sum()
    }

    fn settle_first(&mut self, pool: &mut Pool) -> u64 {
        let Some(span) = self.spans.pop_front() else { return 0 };
        while let Some((_, part)) = self.parts.pop_below(span.units.end) {
            self.held -= part.as_ref().map_or(OVERHEAD, |part| part.held());
            part.into_iter().for_each(|part| pool.recycle(part));
        }
        span.units.end - span.units.start - span.late
    }
}

/// A unit that comes later than this after its time counts as lost, not late.
const LATE_GRACE: Duration = Duration::from_secs(1);
/// More than four thousand holes in a second is no stream.
const MAX_SPANS: usize = 4_096;
