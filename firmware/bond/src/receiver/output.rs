//! One output of one track: what it has put out, what it missed, and what is broken by that.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::frame::UnitHeader;

use super::missed::Missed;

/// What became of a track's units at one output. Each is counted once: as delivered, damaged, late or lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackCounters {
    /// Put out in full and in time.
    pub delivered: u64,
    /// Of these, units that needed bytes to be sent again.
    pub repaired: u64,
    /// Of those delivered, units that build on one that was not.
    pub undecodable: u64,
    /// Put out in time with holes, where that is wanted.
    pub damaged: u64,
    /// Complete only after they were due: not put out.
    pub late: u64,
    /// Never complete.
    pub lost: u64,
    /// Bytes put out.
    pub bytes: u64,
    /// Longest stretch between two units put out, around missing ones.
    pub longest_gap: Duration,
    /// How late the latest of the late units was.
    pub latest: Duration,
}

/// One output of one track.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) counters: TrackCounters,
    /// The first unit that it put out or missed.
    pub(super) begun: Option<u64>,
    /// The unit to put out next; `None` before the first.
    pub(super) next: Option<u64>,
    /// Units to come whose header is there: only these say when they are due.
    pub(super) headed: BinaryHeap<Reverse<u64>>,
    pub(super) missed: Missed,
    /// The last unit that is missing and that something built on, until a keyframe comes.
    pub(super) broken: Option<u64>,
    /// The first unit that is missing since one was put out.
    hole: Option<u64>,
    last_due: Option<Instant>,
}

/// A unit on its way out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passing {
    pub(super) unit: u64,
    pub(super) due: Instant,
    pub(super) header: UnitHeader,
    /// Units of the track build on each other.
    pub(super) pictures: bool,
}

/// What is to be known of a unit that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    /// Units before it did not come out.
    pub(super) gap: bool,
    pub(super) undecodable: bool,
}

impl Output {
    /// The first unit of which something may still matter here.
    pub(super) fn floor(&self) -> u64 {
        self.missed.first().or(self.next).unwrap_or(0)
    }

    /// Units whose turn has come without them.
    pub(super) fn miss(&mut self, now: Instant, units: Range<u64>) {
        self.hole.get_or_insert(units.start);
        self.counters.lost += self.missed.miss(now, units);
    }

    /// Whether `unit` has yet to have its turn.
    pub(super) fn waits_for(&self, unit: u64) -> bool {
        self.next.is_none_or(|next| unit >= next)
    }

    /// A unit is complete; where its turn was over, it is late.
    pub(super) fn on_complete(&mut self, now: Instant, unit: u64) {
        if let Some(late) = self.missed.on_complete(now, unit) {
            self.counters.late += 1;
            self.counters.latest = self.counters.latest.max(late);
        }
    }

    /// A whole unit goes out.
    pub(super) fn deliver(&mut self, passing: &Passing, len: usize, repaired: bool) -> Context {
        let context = self.pass(passing);
        let counters = &mut self.counters;
        counters.delivered += 1;
        counters.repaired += u64::from(repaired);
        counters.undecodable += u64::from(context.undecodable);
        counters.bytes += len as u64;
        context
    }

    /// A unit with holes goes out; what builds on it is as good as if it had not.
    pub(super) fn deliver_damaged(&mut self, passing: &Passing, len: usize) -> Context {
        let context = self.pass(passing);
        self.counters.damaged += 1;
        self.counters.bytes += len as u64;
        self.hole = Some(passing.unit);
        context
    }

    fn pass(&mut self, passing: &Passing) -> Context {
        let hole = self.hole.take();
        let last_due = self.last_due.replace(passing.due);
        if let Some(last) = last_due.filter(|_| hole.is_some()) {
            self.counters.longest_gap = self.counters.longest_gap.max(passing.due - last);
        }
        if passing.header.keyframe || !passing.pictures {
            self.broken = None;
        } else if last_due.is_none() {
            // It begins in the middle: what this one builds on was before.
            self.broken = passing.unit.checked_sub(1);
        } else if let Some(hole) = hole {
            // What nothing builds on is no loss to this one.
            let base = passing.unit.checked_sub(1 + u64::from(passing.header.skips)).filter(|base| *base >= hole);
            self.broken = base.or(self.broken);
        }
        Context { gap: hole.is_some(), undecodable: self.broken.is_some() }
    }
}
