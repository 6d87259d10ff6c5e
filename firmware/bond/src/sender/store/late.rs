//! What is past its time at the live output: it is given up, or goes on for outputs that wait longer.
//!
//! Of a unit that is late, what waits to be sent leaves the queues of the live output for one of its own, the most urgent first;
//! `sender::session::late` sends from that what the links have to spare. Without such outputs late units are
//! forgotten at once.

use std::time::Duration;

use bondbox_units::Instant;

use super::{Chunk, Store, StoredUnit, forget, want};
use crate::handshake::MAX_LATENCY;

impl Store {
    /// Gives up every unit whose deadline is before `now`, at first for the live output, and then for all.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.give_up_live(|unit| unit.deadline < now);
        if !self.longer.is_zero() {
            let longer = self.longer;
            // Whatever is said about latencies meanwhile, nothing is kept for longer than the longest that there can be.
            self.give_up_late(|unit| unit.deadline + longer < now || unit.since + MAX_LATENCY < now);
        }
    }

    /// How much longer than the live output the last of the others waits.
    pub(crate) fn set_longer(&mut self, longer: Duration) {
        let before = std::mem::replace(&mut self.longer, longer);
        if longer.is_zero() && !before.is_zero() {
            self.give_up_late(|_| true);
        }
    }

    /// Whether something waits that only outputs have a use for that wait longer.
    pub(crate) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// The most urgent of these bytes that have not arrived.
    pub(crate) fn next_late(&mut self) -> Option<Chunk> {
        while let Some((_, chunk)) = self.late.front_mut() {
            let unit = self.tracks.get(&chunk.track).and_then(|units| units.get(chunk.unit));
            let missing = unit.and_then(|unit| match chunk.range.is_empty() {
                true => (unit.len() == 0).then_some(0..0),
                false => unit.acknowledged.missing(chunk.range.clone()).next(),
            });
            if let Some(range) = missing {
                chunk.range.start = range.start;
                return Some(Chunk { range, ..chunk.clone() });
            }
            self.late.pop_front();
        }
        None
    }

    /// What [`Store::next_late`] gave leaves, up to the byte `end` of its unit.
    pub(crate) fn take_late(&mut self, end: u32) {
        if let Some((_, chunk)) = self.late.front_mut() {
            chunk.range.start = end.min(chunk.range.end);
            if chunk.range.is_empty() {
                self.late.pop_front();
            }
        }
    }

    /// Queues bytes for the outputs that wait longer, if there are any, unless they arrived or wait already.
    pub(super) fn send_late(&mut self, chunk: &Chunk) {
        let Some(unit) = self.tracks.get(&chunk.track).and_then(|units| units.get(chunk.unit)) else { return };
        if self.longer.is_zero() {
            return;
        }
        let mut wanted = std::mem::take(&mut self.wanted);
        want(&mut wanted, unit, chunk, self.late.iter().map(|(_, waiting)| waiting));
        let deadline = unit.deadline;
        for range in wanted.drain(..) {
            let at = self.late.partition_point(|(other, _)| *other <= deadline);
            self.late.insert(at, (deadline, Chunk { range, ..chunk.clone() }));
        }
        self.wanted = wanted;
    }

    /// Units for which `gone` holds are nothing to the live output any more.
    fn give_up_live(&mut self, gone: impl Fn(&StoredUnit) -> bool) {
        let before = self.missed_live;
        for units in self.tracks.values_mut() {
            for (_, unit) in units.iter_mut() {
                if !unit.late && gone(unit) {
                    unit.late = true;
                    self.missed_live += 1;
                }
            }
        }
        self.after_missing_live(before);
    }

    /// Units have become late since there were `before` of them. Where another output waits longer than the live one, what of them
    /// waits to be sent goes on for that one.
    pub(super) fn after_missing_live(&mut self, before: u64) {
        if self.missed_live == before {
            return;
        }
        if self.longer.is_zero() {
            return self.give_up_late(|_| true);
        }
        let late = |chunk: &Chunk| self.unit(chunk).is_some_and(|unit| unit.late);
        let again = self.again.iter().map(|waiting| &waiting.chunk).filter(|chunk| late(chunk));
        let moved: Vec<_> = again.chain(self.first.iter().filter(|chunk| late(chunk))).cloned().collect();
        self.drop_waiting(|unit| !unit.late);
        moved.iter().for_each(|chunk| self.send_late(chunk));
    }

    /// Forgets those of the late units for which `gone` holds.
    fn give_up_late(&mut self, gone: impl Fn(&StoredUnit) -> bool) {
        let before = self.len();
        for units in self.tracks.values_mut() {
            units.take_all(|unit| unit.late && gone(unit), |unit| forget(unit, &mut self.bytes, &mut self.spare));
        }
        self.give_up(before - self.len(), 0);
    }
}
