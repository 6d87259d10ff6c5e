//! Units that wait for one slow reader.
//!
//! The queue holds at most [`SPAN`] of decode time. A unit that would make it longer is not taken, whole, and neither
//! is what depends on it: after anything but a disposable unit the track is closed until its next keyframe. So what
//! the reader gets always decodes, and the gaps are marked.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bondbox_units::{Instant, Priority, TrackId};

use super::media::Unit;

/// The queue of one reader.
#[derive(Default)]
pub(super) struct UnitQueue {
    units: VecDeque<Unit>,
    bytes: usize,
    /// Decode time of the unit that was taken last and may still be on its way.
    sending: Option<Instant>,
    tracks: BTreeMap<TrackId, Track>,
    dropped: u64,
}

/// What one reader has of one track.
#[derive(Default)]
struct Track {
    /// The reader can decode: it got a keyframe and all references since.
    open: bool,
    /// The reader was owed a unit that it did not get; the next one says so.
    gap: bool,
    /// Somebody was told that the track needs a keyframe.
    asked: bool,
}

impl UnitQueue {
    /// Takes `unit`, or drops it; says whether it was taken.
    pub(super) fn push(&mut self, mut unit: Unit) -> bool {
        let full = self.is_full_for(&unit);
        let track = self.tracks.entry(unit.head.track).or_insert(Track { asked: true, ..Track::default() });
        let decodes = track.open || unit.head.keyframe;
        if !decodes || full {
            // Before its first keyframe a track owes the reader nothing.
            if decodes || track.gap {
                self.dropped += 1;
                track.gap = true;
            }
            if decodes && unit.head.priority != Priority::Disposable {
                (track.open, track.asked) = (false, false);
            }
            return false;
        }
        track.open = true;
        unit.head.discontinuity |= std::mem::take(&mut track.gap);
        self.bytes += unit.data.len();
        self.units.push_back(unit);
        true
    }

    /// The next unit; the one before has then been sent in full.
    pub(super) fn pop(&mut self) -> Option<Unit> {
        let unit = self.units.pop_front();
        self.sending = unit.as_ref().map(|unit| unit.head.dts);
        self.bytes -= unit.as_ref().map_or(0, |unit| unit.data.len());
        unit
    }

    /// Whether a track waits for a keyframe now that there is room for it; true once for each time it was closed.
    pub(super) fn take_keyframe_wish(&mut self) -> bool {
        let room = self.units.is_empty();
        let closed = self.tracks.values_mut().filter(|track| room && !track.open && !track.asked);
        closed.fold(false, |_, track| {
            track.asked = true;
            true
        })
    }

    /// The source went away: the next unit of each track does not continue the last one.
    pub(super) fn mark_gap(&mut self) {
        self.tracks.values_mut().for_each(|track| track.gap = true);
    }

    /// Units dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn is_full_for(&self, unit: &Unit) -> bool {
        let oldest = self.sending.or(self.units.front().map(|unit| unit.head.dts));
        let span = oldest.map_or(Duration::ZERO, |oldest| unit.head.dts.since(oldest));
        span > SPAN || (self.bytes > 0 && self.bytes + unit.data.len() > MAX_BYTES)
    }
}

/// A reader that is this far behind will not catch up in time to be of use.
const SPAN: Duration = Duration::from_millis(300);

/// Bounds memory where decode times say nothing: more than any encoder makes in [`SPAN`].
const MAX_BYTES: usize = 2 * bondbox_ipc::media::MAX_UNIT as usize;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::media::tests::unit;
    use super::*;

    /// Sequence numbers that come out.
    fn drain(queue: &mut UnitQueue) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).map(|unit| unit.head.sequence).collect()
    }

    #[test]
    fn a_reader_starts_at_the_next_keyframe() {
        let mut queue = UnitQueue::default();
        for sequence in 0..5 {
            queue.push(unit(0, sequence, 40 * sequence, sequence == 3));
        }
        assert_eq!(drain(&mut queue), [3, 4]);
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn a_stalled_reader_loses_the_rest_of_the_group_and_is_told() {
        let mut queue = UnitQueue::default();
        for sequence in 0..20 {
            queue.push(unit(0, sequence, 40 * sequence, sequence % 12 == 0));
        }
        // 0 to 280 ms fit; 320 ms would make more than 300.
        assert_eq!(drain(&mut queue), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(queue.dropped(), 12);
        assert!(!queue.push(unit(0, 20, 800, false)), "depends on what was dropped");
        assert!(queue.push(unit(0, 24, 960, true)));
        assert!(queue.push(unit(0, 25, 1_000, false)));
        let after = queue.pop().unwrap();
        assert_eq!((after.head.sequence, after.head.discontinuity), (24, true));
        assert!(!queue.pop().unwrap().head.discontinuity);
    }

    #[test]
    fn a_disposable_unit_takes_none_with_it() {
        let mut queue = UnitQueue::default();
        queue.push(unit(0, 0, 0, true));
        let mut disposable = unit(0, 1, 320, false);
        disposable.head.priority = Priority::Disposable;
        assert!(!queue.push(disposable));
        assert_eq!(drain(&mut queue), [0]);
        assert!(queue.push(unit(0, 2, 360, false)));
        assert!(queue.pop().unwrap().head.discontinuity);
    }

    #[test]
    fn tracks_are_closed_one_by_one() {
        let mut queue = UnitQueue::default();
        queue.push(unit(0, 0, 0, true));
        queue.push(unit(1, 0, 10, true));
        assert!(!queue.push(unit(0, 1, 320, false)));
        drain(&mut queue);
        assert!(queue.push(unit(1, 1, 330, true)));
        assert!(!queue.push(unit(0, 2, 340, false)));
    }

    #[test]
    fn a_unit_on_its_way_still_counts() {
        let mut queue = UnitQueue::default();
        queue.push(unit(0, 0, 0, true));
        assert!(queue.pop().is_some());
        assert!(!queue.push(unit(0, 1, 301, false)));
        assert!(queue.pop().is_none());
        assert!(queue.push(unit(0, 2, 340, true)));
    }

    #[test]
    fn a_keyframe_is_wished_for_once_and_when_there_is_room() {
        let mut queue = UnitQueue::default();
        queue.push(unit(0, 0, 0, true));
        queue.push(unit(0, 1, 400, false));
        assert!(!queue.take_keyframe_wish(), "no room yet");
        drain(&mut queue);
        assert!(queue.take_keyframe_wish());
        assert!(!queue.take_keyframe_wish());
    }

    #[test]
    fn memory_is_bounded_where_decode_times_stand_still() {
        let mut queue = UnitQueue::default();
        let large = Bytes::from(vec![0; MAX_BYTES / 2]);
        let taken = (0..4).filter(|n| {
            let mut unit = unit(0, *n, 0, true);
            unit.data = large.clone();
            queue.push(unit)
        });
        assert_eq!(taken.count(), 2);
    }
}
