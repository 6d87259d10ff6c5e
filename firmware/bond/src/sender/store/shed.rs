//! What is given up before its time, so that what matters more is there in time.

use bondbox_units::{Bitrate, Instant, Priority, TrackId};

use super::{Chunk, Store, StoredUnit};

impl Store {
    /// Makes room for what much hangs on. A keyframe comes all at once and behind a queue it would be the first to be late: of
    /// what waits before it, units of which nothing was sent are given up, disposable ones first, then the newest, for
    /// least builds on those. What leaves now arrives at `soonest` at best, and all links together deliver `rate`.
    pub(crate) fn shed(&mut self, soonest: Instant, rate: Bitrate) {
        let before = self.missed_live;
        // One that finds no room anyway must not keep the others from theirs.
        let mut from = 0;
        for _ in 0..AT_ONCE {
            let Some((at, excess)) = self.short_of_time(from, soonest, rate) else { break };
            from = at + 1;
            self.make_room(at, excess);
        }
        self.after_missing_live(before);
    }

    /// The first place from `from` on where something waits that much hangs on and that would be late, and by how many bytes.
    fn short_of_time(&self, from: usize, soonest: Instant, rate: Bitrate) -> Option<(usize, u64)> {
        let oldest = self.oldest_waiting()?;
        if self.first_bytes <= rate.bytes_in(oldest.deadline - soonest) {
            return None;
        }
        let mut bytes = 0;
        self.first.iter().enumerate().find_map(|(at, chunk)| {
            let unit = self.unit(chunk).filter(|unit| !unit.late)?;
            bytes += u64::from(chunk.range.end - chunk.range.start);
            if at < from || is_light(unit) {
                return None;
            }
            let excess = bytes.saturating_sub(rate.bytes_in(unit.deadline - soonest));
            (excess > 0).then_some((at, excess))
        })
    }

    /// Gives up `bytes` of what waits before the place `at`, or nothing where that is not enough.
    fn make_room(&mut self, at: usize, bytes: u64) {
        let droppable = self.first.iter().take(at).filter_map(|chunk| self.droppable(chunk));
        if droppable.map(|unit| u64::from(unit.len())).sum::<u64>() < bytes {
            return;
        }
        let mut left = bytes;
        for priority in [Priority::Disposable, Priority::Standard] {
            for place in (0..at).rev() {
                let chunk = &self.first[place];
                let unit = self.droppable(chunk).filter(|unit| unit.header.priority == priority);
                if left > 0
                    && let Some(unit) = unit
                {
                    left = left.saturating_sub(unit.len().into());
                    self.miss(chunk.track, chunk.unit);
                }
            }
        }
    }

    /// The unit of `chunk`, if nothing was sent of it and little hangs on it.
    fn droppable(&self, chunk: &Chunk) -> Option<&StoredUnit> {
        self.unit(chunk).filter(|unit| !unit.late && is_light(unit) && chunk.range == (0..unit.len()))
    }

    /// Gives up units that would come too late.
    pub(crate) fn give_up_all(&mut self, keys: &[(TrackId, u64)]) {
        let before = self.missed_live;
        keys.iter().for_each(|(track, unit)| self.miss(*track, *unit));
        self.after_missing_live(before);
    }

    /// A unit is nothing to the live output any more.
    fn miss(&mut self, track: TrackId, unit: u64) {
        let unit = self.tracks.get_mut(&track).and_then(|units| units.get_mut(unit));
        if let Some(unit) = unit.filter(|unit| !unit.late) {
            unit.late = true;
            self.missed_live += 1;
        }
    }
}

/// Whether little hangs on it.
const fn is_light(unit: &StoredUnit) -> bool {
    matches!(unit.header.priority, Priority::Standard | Priority::Disposable)
}

/// The next come with the next look.
const AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::pair::plain_header;

    /// Units of 1,000 bytes that are all due after 100 ms, in which 8 kbit/ms bring 100 of them.
    fn store(priorities: impl IntoIterator<Item = Priority>) -> Store {
        let mut store = Store::default();
        for priority in priorities {
            let header = bondbox_wire::frame::UnitHeader { priority, ..plain_header() };
            store.push(Instant::ZERO, TrackId(0), header, Bytes::from(vec![0; 1_000]), Instant::ZERO + DUE);
        }
        store
    }

    fn waiting(store: &Store) -> Vec<u64> {
        store.waiting_first().iter().map(|chunk| chunk.unit).collect()
    }

    const DUE: Duration = Duration::from_millis(100);
    const RATE: Bitrate = Bitrate::from_kbps(8_000);
    use Priority::{Critical, Disposable, Reference, Standard};

    #[test]
    fn what_much_hangs_on_finds_room_and_nothing_more_is_given_up_for_it() {
        let mut store = store([Standard; 101].into_iter().chain([Reference, Standard]));
        store.shed(Instant::ZERO, RATE);
        // Of 102 in front, 100 are in time. The newest two go; what waits behind is as late as it was.
        assert_eq!(waiting(&store), (0..99).chain([101, 102]).collect::<Vec<_>>());
        assert_eq!((store.missed_live, store.expired), (2, 2));
        store.shed(Instant::ZERO, RATE);
        assert_eq!(store.missed_live, 2, "it fits now");
    }

    #[test]
    fn the_disposable_go_first_and_nothing_goes_of_which_a_part_was_sent() {
        let mut store = store([Disposable, Disposable, Standard, Standard, Critical]);
        store.take_first(1, &(0..10));
        store.shed(Instant::from_millis(97), RATE);
        // Three of almost five: one disposable is half sent, and the newest other one goes in its place.
        assert_eq!(waiting(&store), [1, 2, 4]);
    }

    #[test]
    fn where_there_is_no_room_anyway_nothing_is_given_up() {
        let mut store = store([Standard, Reference, Reference, Standard, Reference]);
        store.shed(Instant::from_millis(99), RATE);
        assert_eq!(waiting(&store), [1, 2, 3, 4], "the first reference has room, the others would not");
    }

    #[test]
    fn a_queue_without_anything_that_much_hangs_on_is_left_alone() {
        let mut store = store([Standard; 300]);
        store.shed(Instant::ZERO, RATE);
        assert_eq!(store.missed_live, 0);
    }
}
