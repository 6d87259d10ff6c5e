//! Units on their way: what is still to be sent, what was acknowledged, what is past its time.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use bondbox_units::{Instant, LinkId, Priority, TrackId};
use bondbox_wire::expand;
use bondbox_wire::frame::UnitHeader;
use bytes::Bytes;

mod late;
mod shed;
#[cfg(test)]
mod tests;

use super::units::Units;
use crate::ranges::{RangeSet, Spare};

/// Bytes of one unit.
///
/// Unit numbers travel as 32 bits, which an opaque stream uses up in weeks: here they have 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) track: TrackId,
    pub(crate) unit: u64,
    pub(crate) range: Range<u32>,
}

/// A unit that was pushed and is neither acknowledged nor past its time.
#[derive(Debug)]
pub(crate) struct StoredUnit {
    pub(crate) header: UnitHeader,
    pub(crate) payload: Bytes,
    /// When it must be there, on the sender's clock.
    pub(crate) deadline: Instant,
    /// When it was pushed.
    since: Instant,
    acknowledged: RangeSet,
    /// The live output is past it, or will be: it goes on for those that wait longer.
    late: bool,
}

impl StoredUnit {
    pub(crate) fn len(&self) -> u32 {
        self.payload.len() as u32
    }
}

/// Why bytes go out a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Again {
    /// They were lost.
    Repair,
    /// Their link fell silent.
    Rescue,
    /// They are too precious to go over one link only.
    Copy,
}

/// Bytes that wait to be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    pub(crate) why: Again,
    pub(crate) deadline: Instant,
    /// Where they were lost.
    pub(crate) lost_on: Option<LinkId>,
    pub(crate) chunk: Chunk,
}

/// All units of all tracks.
#[derive(Debug, Default)]
pub(crate) struct Store {
    tracks: BTreeMap<TrackId, Units>,
    bytes: usize,
    first: VecDeque<Chunk>,
    first_bytes: u64,
    again: Vec<Repeat>,
    /// What is worth being sent over a second link too, oldest first.
    copies: VecDeque<Repeat>,
    /// What is of use only to outputs that wait longer than the live one, the most urgent first.
    late: VecDeque<(Instant, Chunk)>,
    /// How much longer the last of them waits.
    longer: Duration,
    /// What [`Store::send_again`] works with.
    wanted: Vec<Range<u32>>,
    spare: Spare,
    /// Units that were acknowledged in full.
    pub(crate) acknowledged: u64,
    /// Units given up before that.
    pub(crate) expired: u64,
    /// Units given up for the live output, whatever became of them after that.
    pub(crate) missed_live: u64,
}

impl Store {
    /// Adds a unit behind all others and gives its number on the track. When there are too many, the oldest is given up.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        track: TrackId,
        header: UnitHeader,
        payload: Bytes,
        deadline: Instant,
    ) -> u64 {
        self.bytes += payload.len();
        while self.bytes > MAX_BYTES || self.tracks.values().map(Units::span).sum::<usize>() >= MAX_UNITS {
            let front = |units: &&mut Units| units.front().map(|unit| unit.deadline);
            let with_oldest = self.tracks.values_mut().filter(|units| units.span() > 0).min_by_key(front);
            let Some(oldest) = with_oldest.and_then(Units::pop_front) else { break };
            let live = u64::from(!oldest.late);
            self.forget(oldest);
            self.give_up(1, live);
        }
        let stored =
            StoredUnit { header, payload, deadline, since: now, acknowledged: RangeSet::default(), late: false };
        let range = 0..stored.len();
        let unit = self.tracks.entry(track).or_default().push(stored);
        self.first_bytes += u64::from(range.end);
        self.first.push_back(Chunk { track, unit, range });
        unit
    }

    /// Units that are neither acknowledged nor given up.
    pub(crate) fn len(&self) -> usize {
        self.tracks.values().map(Units::len).sum()
    }

    /// Bytes of first copies that were not sent yet.
    pub(crate) const fn backlog(&self) -> u64 {
        self.first_bytes
    }

    /// The unit that `chunk` is a part of, while it is stored.
    pub(crate) fn unit(&self, chunk: &Chunk) -> Option<&StoredUnit> {
        self.tracks.get(&chunk.track)?.get(chunk.unit)
    }

    /// Whether all that follows hangs on the unit.
    pub(crate) fn is_critical(&self, chunk: &Chunk) -> bool {
        self.unit(chunk).is_some_and(|unit| unit.header.priority == Priority::Critical)
    }

    /// Whether a copy waits to be sent.
    pub(crate) fn has_copies(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Whether anything waits to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.first.is_empty() && self.again.is_empty()
    }

    /// The unit that waits longest for its first copy.
    pub(crate) fn oldest_waiting(&self) -> Option<&StoredUnit> {
        self.unit(self.first.front()?)
    }

    /// Marks bytes as arrived; the unit goes when all of it has.
    pub(crate) fn on_acknowledged(&mut self, chunk: &Chunk) {
        let Some(units) = self.tracks.get_mut(&chunk.track) else { return };
        let Some(unit) = units.get_mut(chunk.unit) else { return };
        unit.acknowledged.insert_with(chunk.range.clone(), &mut self.spare);
        if unit.acknowledged.contains(&(0..unit.len()))
            && let Some(unit) = units.remove(chunk.unit)
        {
            self.forget(unit);
            self.acknowledged += 1;
            let others = |waiting: &Chunk| (waiting.track, waiting.unit) != (chunk.track, chunk.unit);
            self.again.retain(|waiting| others(&waiting.chunk));
            self.late.retain(|(_, waiting)| others(waiting));
            // A probe may have brought a copy of what still waits for its first turn.
            if !self.first.iter().all(others) {
                self.keep_first(others);
            }
        }
    }

    /// Queues bytes for a second time unless they arrived, wait already, or their unit is gone.
    pub(crate) fn send_again(&mut self, why: Again, lost_on: Option<LinkId>, chunk: &Chunk) {
        let Some(unit) = self.tracks.get(&chunk.track).and_then(|units| units.get(chunk.unit)) else { return };
        if unit.late {
            return self.send_late(chunk);
        }
        let mut wanted = std::mem::take(&mut self.wanted);
        want(&mut wanted, unit, chunk, self.again.iter().map(|waiting| &waiting.chunk));
        let deadline = unit.deadline;
        for range in wanted.drain(..) {
            let at = self.again.partition_point(|waiting| (waiting.why, waiting.deadline) <= (why, deadline));
            self.again.insert(at, Repeat { why, deadline, lost_on, chunk: Chunk { range, ..chunk.clone() } });
        }
        self.wanted = wanted;
    }

    /// Bytes that just left over `link` are worth a copy over another when there is room for it.
    pub(crate) fn copy_later(&mut self, link: LinkId, chunk: &Chunk) {
        let Some(unit) = self.unit(chunk) else { return };
        if self.copies.len() < MAX_COPIES {
            let (deadline, chunk) = (unit.deadline, chunk.clone());
            self.copies.push_back(Repeat { why: Again::Copy, deadline, lost_on: Some(link), chunk });
        }
    }

    /// The next that is worth a copy and has not arrived.
    pub(crate) fn next_copy(&mut self) -> Option<&Repeat> {
        while let Some(copy) = self.copies.front() {
            let unit = self.unit(&copy.chunk);
            if unit.is_some_and(|unit| !unit.acknowledged.contains(&copy.chunk.range)) {
                break;
            }
            self.copies.pop_front();
        }
        self.copies.front()
    }

    /// The next copy leaves, or never will.
    pub(crate) fn take_copy(&mut self) -> Option<Repeat> {
        self.copies.pop_front()
    }

    /// Bytes that wait for their second time, most urgent kind and deadline first.
    pub(crate) fn waiting_again(&self) -> &[Repeat] {
        &self.again
    }

    /// Bytes that wait for their first copy, in order.
    pub(crate) fn waiting_first(&self) -> &VecDeque<Chunk> {
        &self.first
    }

    /// Takes `range` out of the second-time chunk at `index`.
    pub(crate) fn take_again(&mut self, index: usize, range: &Range<u32>) {
        let taken = self.again.remove(index);
        let left = without(taken.chunk.range.clone(), range).into_iter().filter(|left| !left.is_empty());
        for (i, left) in left.enumerate() {
            let chunk = Chunk { range: left, ..taken.chunk.clone() };
            self.again.insert(index + i, Repeat { chunk, ..taken });
        }
    }

    /// Takes `range` out of the first-copy chunk at `index`.
    pub(crate) fn take_first(&mut self, index: usize, range: &Range<u32>) {
        let Some(chunk) = self.first.get_mut(index) else { return };
        self.first_bytes -= u64::from(range.end - range.start);
        let whole = chunk.range.clone();
        if range.start == whole.start && range.end < whole.end {
            chunk.range.start = range.end;
            return;
        }
        let rest = Chunk { range: range.end..whole.end, ..chunk.clone() };
        chunk.range.end = range.start;
        if !rest.range.is_empty() {
            self.first.insert(index + 1, rest);
        }
        if whole.start == range.start {
            self.first.remove(index);
        }
    }

    /// So many units were forgotten before they were acknowledged, and so many of these were not late: what waits of them need
    /// not.
    fn give_up(&mut self, units: usize, live: u64) {
        if units == 0 {
            return;
        }
        self.expired += units as u64;
        self.missed_live += live;
        self.drop_waiting(|_| true);
        let mut late = std::mem::take(&mut self.late);
        late.retain(|(_, chunk)| self.unit(chunk).is_some());
        self.late = late;
    }

    /// Of what waits to be sent, keeps what is of a unit that is there and for which `keep` holds.
    fn drop_waiting(&mut self, keep: impl Fn(&StoredUnit) -> bool) {
        let mut again = std::mem::take(&mut self.again);
        again.retain(|waiting| self.unit(&waiting.chunk).is_some_and(&keep));
        self.again = again;
        let mut first = std::mem::take(&mut self.first);
        first.retain(|chunk| self.unit(chunk).is_some_and(&keep));
        self.first = first;
        self.count_first();
    }

    fn forget(&mut self, unit: StoredUnit) {
        forget(unit, &mut self.bytes, &mut self.spare);
    }

    fn keep_first(&mut self, keep: impl Fn(&Chunk) -> bool) {
        self.first.retain(keep);
        self.count_first();
    }

    fn count_first(&mut self) {
        self.first_bytes = self.first.iter().map(|chunk| u64::from(chunk.range.end - chunk.range.start)).sum();
    }

    /// The gateway has no use for units of `track` before `unit`.
    pub(crate) fn on_horizon(&mut self, track: TrackId, unit: u32) {
        let Some(units) = self.tracks.get_mut(&track) else { return };
        let (horizon, before) = (expand(unit.into(), u32::BITS, units.next()), units.len());
        let mut live = 0;
        while units.first() < horizon
            && let Some(unit) = units.pop_front()
        {
            live += u64::from(!unit.late);
            forget(unit, &mut self.bytes, &mut self.spare);
        }
        let past = before - units.len();
        self.give_up(past, live);
    }

    /// Everything that the gateway may not have is to be sent from the start: it is a new one.
    pub(crate) fn restart(&mut self) {
        self.again.clear();
        self.copies.clear();
        self.late.clear();
        self.first.clear();
        self.first_bytes = 0;
        for (track, units) in &mut self.tracks {
            for (unit, stored) in units.iter_mut() {
                stored.acknowledged = RangeSet::default();
                let chunk = Chunk { track: *track, unit, range: 0..stored.len() };
                if stored.late {
                    self.late.push_back((stored.deadline, chunk));
                } else {
                    self.first_bytes += u64::from(stored.len());
                    self.first.push_back(chunk);
                }
            }
        }
        self.late.make_contiguous().sort_by_key(|(deadline, _)| *deadline);
        // Tracks share one queue in the order of their ingest.
        let tracks = &self.tracks;
        let deadline = |chunk: &Chunk| tracks.get(&chunk.track)?.get(chunk.unit).map(|unit| unit.deadline);
        self.first.make_contiguous().sort_by_key(deadline);
    }
}

/// More than a bond of 20 Mbit/s holds at its longest latency.
const MAX_BYTES: usize = 96 << 20;
/// A second of 12 Mbit/s; what is older than that is not worth a copy any more.
const MAX_COPIES: usize = 1_024;
/// The same in small datagrams.
const MAX_UNITS: usize = 1 << 17;

fn forget(unit: StoredUnit, bytes: &mut usize, spare: &mut Spare) {
    *bytes -= unit.payload.len();
    unit.acknowledged.retire(spare);
}

/// What is left of `range`, before and behind; either may be empty.
fn without(range: Range<u32>, hole: &Range<u32>) -> [Range<u32>; 2] {
    let before = range.start..range.end.min(hole.start);
    let after = range.start.max(hole.end)..range.end;
    if hole.end <= range.start || range.end <= hole.start { [range, 0..0] } else { [before, after] }
}

/// Adds what of `chunk` has neither arrived nor is among what waits already.
fn want<'a>(
    wanted: &mut Vec<Range<u32>>,
    unit: &StoredUnit,
    chunk: &Chunk,
    waiting: impl Iterator<Item = &'a Chunk> + Clone,
) {
    let same = waiting.filter(|waiting| (waiting.track, waiting.unit) == (chunk.track, chunk.unit));
    // An empty datagram of an opaque track is a unit without bytes, and is sent like any other.
    let empty = unit.len() == 0 && same.clone().next().is_none();
    wanted.extend(unit.acknowledged.missing(chunk.range.clone()));
    wanted.extend(empty.then_some(0..0));
    same.for_each(|waiting| cut(wanted, &waiting.range));
}

/// Takes `hole` out of `ranges`.
fn cut(ranges: &mut Vec<Range<u32>>, hole: &Range<u32>) {
    for i in (0..ranges.len()).rev() {
        let [before, after] = without(ranges[i].clone(), hole);
        ranges[i] = before;
        if !after.is_empty() {
            ranges.insert(i + 1, after);
        }
    }
    ranges.retain(|range| !range.is_empty());
}
