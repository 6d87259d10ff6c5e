//! The units of one track, in order, each at its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use bondbox_units::{Instant, TrackId};
use bondbox_wire::expand;
use bondbox_wire::frame::{Media, UnitHeader};
use bytes::Bytes;

use super::assembly::{Assembly, OVERHEAD};
use super::clock::ClockMap;
use super::keyframes::Keyframes;
use super::missed::Missed;
use super::pool::Pool;
use super::{Delivered, OutOfBounds};
use crate::ordered::Ordered;

/// What became of a track's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackCounters {
    /// Put out in full and in time.
    pub delivered: u64,
    /// Of these, units that needed bytes to be sent again.
    pub repaired: u64,
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

/// Waits for units and lets them out.
///
/// Unit numbers travel as 32 bits, which an opaque stream uses up in weeks: here they have 64.
#[derive(Debug, Default)]
pub(crate) struct Playout {
    pub(crate) counters: TrackCounters,
    /// The unit to put out next; `None` before the first.
    next: Option<u64>,
    waiting: Ordered<Box<Assembly>>,
    /// Of those waiting, units whose header is there: only these say when they are due.
    headed: BinaryHeap<Reverse<u64>>,
    missed: Missed,
    held: usize,
    /// The last unit that is missing, until a keyframe comes out behind it.
    broken: Option<u64>,
    keyframes: Keyframes,
    gap: bool,
    last_due: Option<Instant>,
}

impl Playout {
    /// Bytes held.
    pub(crate) const fn held(&self) -> usize {
        self.held + self.missed.held()
    }

    /// The first unit that still matters.
    pub(crate) fn horizon(&self) -> Option<u32> {
        self.next.map(|next| next as u32)
    }

    /// The unit after the last of which anything came, and of the 64 before it those that are whole or past: bit *n* is the
    /// unit *n* + 1 before it.
    pub(crate) fn whole(&self) -> Option<(u32, u64)> {
        let newest = self.waiting.last().map(|unit| unit + 1);
        let end = newest.max(self.next)?;
        let whole = |unit: u64| {
            self.next.is_some_and(|next| unit < next) || self.waiting.get(unit).is_some_and(|part| part.is_complete())
        };
        let there = (0..u64::from(u64::BITS)).filter(|n| end.checked_sub(n + 1).is_some_and(whole));
        Some((end as u32, there.fold(0, |bits, n| bits | 1 << n)))
    }

    /// Takes in bytes of a unit, which may make the track hold `room` more.
    pub(crate) fn on_media(
        &mut self,
        now: Instant,
        media: &Media<'_>,
        clock: &ClockMap,
        latency: Duration,
        room: usize,
        pool: &mut Pool,
    ) -> Result<(), OutOfBounds> {
        let unit = self.number(media.unit);
        if self.next.is_some_and(|next| unit < next) {
            if let Some(late) = self.missed.on_media(now, unit, media, room, pool)? {
                self.counters.late += 1;
                self.counters.latest = self.counters.latest.max(late);
            }
            return Ok(());
        }
        if let Some(header) = &media.header {
            let due = clock.map(now, header.ingest_low) + latency;
            if due > now + latency + MAX_SKEW || due + MAX_SKEW < now {
                return Err(OutOfBounds);
            }
        }
        let fresh = !self.waiting.contains(unit);
        let room = if fresh { room.checked_sub(OVERHEAD).ok_or(OutOfBounds)? } else { room };
        let assembly = self.waiting.get_or_insert_with(unit, || pool.assembly()).ok_or(OutOfBounds)?;
        let before = if fresh { 0 } else { assembly.held() };
        let headed = assembly.header.is_some();
        let result = assembly.insert(media, room, pool);
        self.held = self.held + assembly.held() - before;
        if let Some(header) = assembly.header.filter(|_| !headed) {
            self.headed.push(Reverse(unit));
            if header.keyframe {
                self.keyframes.on_keyframe(unit, clock.map(now, header.ingest_low));
            }
        }
        result
    }

    /// A unit's number in full: the one nearest to those that are there.
    fn number(&self, low: u32) -> u64 {
        let near = self.next.or_else(|| self.waiting.first());
        // Before the first unit, leave room below: an earlier one may still come over a slower link.
        expand(low.into(), u32::BITS, near.unwrap_or((1 << u32::BITS) + u64::from(low)))
    }

    /// The next unit that is due, as long as `turn` lasts. Those before it whose time has passed are missed.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        track: TrackId,
        clock: &ClockMap,
        latency: Duration,
        turn: &mut usize,
        pool: &mut Pool,
    ) -> Option<Delivered> {
        self.counters.lost += self.missed.settle(now, pool);
        loop {
            // The first unit that is due by its own time stamp; whatever lacks one before it has missed its turn.
            let (unit, header) = self.first_headed()?;
            let due = clock.map(now, header.ingest_low) + latency;
            if due > now {
                return None;
            }
            *turn = turn.checked_sub(1)?;
            self.miss_up_to(unit, now, pool);
            self.headed.pop();
            let mut assembly = self.waiting.remove(unit)?;
            self.held -= assembly.held();
            self.next = Some(unit + 1);
            if assembly.is_complete() {
                self.counters.repaired += u64::from(assembly.repaired);
                let payload = assembly.take_payload(pool);
                pool.recycle(assembly);
                return Some(self.deliver(track, unit as u32, due, &header, payload));
            }
            self.miss(now, unit..unit + 1, pool);
            self.missed.keep(unit, assembly);
        }
    }

    /// When to poll again.
    pub(crate) fn deadline(&self, now: Instant, clock: &ClockMap, latency: Duration) -> Option<Instant> {
        let (_, header) = self.first_headed()?;
        Some(clock.map(now, header.ingest_low) + latency)
    }

    fn first_headed(&self) -> Option<(u64, UnitHeader)> {
        let Reverse(unit) = *self.headed.peek()?;
        Some((unit, self.waiting.get(unit)?.header?))
    }

    /// Whether to ask for a keyframe now.
    pub(crate) fn keyframe_wanted(&mut self, now: Instant) -> bool {
        self.broken.is_some_and(|broken| self.keyframes.wanted(now, broken))
    }

    fn deliver(&mut self, track: TrackId, unit: u32, due: Instant, header: &UnitHeader, payload: Bytes) -> Delivered {
        self.counters.delivered += 1;
        let gap = std::mem::take(&mut self.gap);
        if let Some(last) = self.last_due.replace(due).filter(|_| gap) {
            self.counters.longest_gap = self.counters.longest_gap.max(due - last);
        }
        self.broken = self.broken.filter(|_| !header.keyframe);
        let pts = due.offset_micros(header.pts_offset.into());
        self.counters.bytes += payload.len() as u64;
        Delivered {
            track,
            unit,
            pts,
            dts: pts.offset_micros(header.dts_offset.into()),
            due,
            priority: header.priority,
            keyframe: header.keyframe,
            discontinuity: header.discontinuity || gap,
            payload,
        }
    }

    /// Everything before `unit` that has not been put out has missed its turn.
    fn miss_up_to(&mut self, unit: u64, now: Instant, pool: &mut Pool) {
        let first = self.next.or_else(|| self.waiting.first()).unwrap_or(unit);
        if first >= unit {
            return;
        }
        self.miss(now, first..unit, pool);
        while let Some((unit, part)) = self.waiting.pop_below(unit) {
            self.held -= part.held();
            self.missed.keep(unit, part);
        }
    }

    fn miss(&mut self, now: Instant, units: Range<u64>, pool: &mut Pool) {
        self.broken = units.end.checked_sub(1);
        self.counters.lost += self.missed.miss(now, units, pool);
        self.gap = true;
    }
}

/// A unit is never due later than this after one latency from now, nor this long ago when it comes.
const MAX_SKEW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use bondbox_units::Priority;
    use bondbox_wire::frame::Clock;
    use proptest::prelude::*;

    use super::*;

    const LATENCY: Duration = Duration::from_millis(100);
    const TRACK: TrackId = TrackId(0);

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    struct Bench {
        playout: Playout,
        clock: ClockMap,
        pool: Pool,
    }

    impl Bench {
        fn new() -> Self {
            let clock = ClockMap::new(ms(0), Clock { sender: ms(0), receiver: ms(0), drift_ppb: 0 });
            Self { playout: Playout::default(), clock, pool: Pool::default() }
        }

        fn part(&mut self, now: Instant, unit: u32, offset: u32, last: bool) -> Result<(), OutOfBounds> {
            let header = UnitHeader {
                priority: Priority::Standard,
                keyframe: unit.is_multiple_of(10),
                discontinuity: false,
                ingest_low: unit.wrapping_add(1).wrapping_mul(10_000),
                pts_offset: 0,
                dts_offset: 0,
            };
            let header = (offset == 0).then_some(header);
            let media = Media { track: TRACK, unit, offset, last, again: false, header, bytes: &[unit as u8; 100] };
            self.playout.on_media(now, &media, &self.clock, LATENCY, 1 << 20, &mut self.pool)
        }

        fn out(&mut self, now: Instant) -> Vec<u32> {
            let Self { playout, clock, pool } = self;
            let mut turn = usize::MAX;
            std::iter::from_fn(|| playout.poll(now, TRACK, clock, LATENCY, &mut turn, pool))
                .map(|unit| unit.unit)
                .collect()
        }
    }

    #[test]
    fn units_leave_in_order_each_at_its_time() {
        let mut bench = Bench::new();
        for unit in [2, 0, 1] {
            bench.part(ms(40), unit, 0, true).unwrap();
        }
        assert_eq!(bench.out(ms(109)), [0; 0]);
        assert_eq!(bench.playout.deadline(ms(109), &bench.clock, LATENCY), Some(ms(110)));
        assert_eq!(bench.out(ms(121)), [0, 1]);
        assert_eq!(bench.out(ms(130)), [2]);
    }

    #[test]
    fn a_missing_unit_is_skipped_and_late_when_it_comes_and_lost_when_it_does_not() {
        let mut bench = Bench::new();
        for unit in [0, 3] {
            bench.part(ms(20), unit, 0, true).unwrap();
        }
        bench.part(ms(20), 1, 0, false).unwrap();
        assert_eq!(bench.out(ms(140)), [0, 3]);
        bench.part(ms(150), 1, 100, true).unwrap();
        assert_eq!(bench.out(ms(2_000)), [0; 0]);
        let counters = bench.playout.counters;
        assert_eq!((counters.delivered, counters.late, counters.lost), (2, 1, 1));
        assert_eq!(counters.longest_gap, Duration::from_millis(30));
        assert_eq!(bench.playout.held(), 0);
    }

    #[test]
    fn a_keyframe_is_asked_for_once_a_second_until_one_comes() {
        let mut bench = Bench::new();
        for unit in [1, 3] {
            bench.part(ms(20), unit, 0, true).unwrap();
        }
        bench.out(ms(200));
        assert!(bench.playout.keyframe_wanted(ms(200)));
        assert!(!bench.playout.keyframe_wanted(ms(1_100)));
        assert!(bench.playout.keyframe_wanted(ms(1_200)));
        bench.part(ms(200), 10, 0, true).unwrap();
        bench.out(ms(250));
        assert!(!bench.playout.keyframe_wanted(ms(5_000)));
    }

    #[test]
    fn media_whose_time_is_far_from_now_is_refused() {
        let mut bench = Bench::new();
        bench.part(ms(20), 5, 0, true).unwrap();
        assert_eq!(bench.part(ms(60_000), 6, 0, true), Err(OutOfBounds));
    }

    #[test]
    fn a_stream_that_leaves_a_million_units_out_goes_on_behind_them() {
        let mut bench = Bench::new();
        bench.part(ms(20), 0, 0, true).unwrap();
        bench.part(ms(20), 1, 100, true).unwrap();
        assert_eq!(bench.out(ms(110)), [0]);
        let at = ms(10 * 1_000_001);
        bench.part(at, 1_000_000, 0, true).unwrap();
        assert_eq!(bench.out(at + LATENCY), [1_000_000]);
        bench.out(at + Duration::from_secs(2));
        assert_eq!((bench.playout.counters.lost, bench.playout.held()), (999_999, 0));
    }

    #[test]
    fn numbers_wrap_without_a_gap() {
        let mut bench = Bench::new();
        let first = u32::MAX - 2;
        let start = Instant::from_micros(u64::from(first.wrapping_add(1).wrapping_mul(10_000)));
        for i in [1, 0, 2, 5, 3, 4] {
            bench.part(start, first.wrapping_add(i), 0, true).unwrap();
        }
        let out = bench.out(start + Duration::from_secs(1));
        assert_eq!(out, [first, first + 1, first + 2, 0, 1, 2]);
        assert_eq!(bench.playout.horizon(), Some(3));
        assert_eq!(bench.playout.counters.lost, 0);
    }

    #[test]
    fn a_part_that_comes_again_after_its_unit_was_late_is_not_counted_again() {
        let mut bench = Bench::new();
        for unit in [0, 2] {
            bench.part(ms(20), unit, 0, true).unwrap();
        }
        assert_eq!(bench.out(ms(130)), [0, 2]);
        (0..3).for_each(|_| bench.part(ms(140), 1, 0, true).unwrap());
        bench.out(ms(2_000));
        assert_eq!((bench.playout.counters.late, bench.playout.counters.lost), (1, 0));
    }

    proptest! {
        /// Delivered, late and lost make up all that the output went past, whatever arrives when.
        #[test]
        fn every_unit_is_counted_once(
            parts in prop::collection::vec((0..80_u32, 0..2_u32, any::<bool>(), 0..60_u64), 1..200),
        ) {
            let mut bench = Bench::new();
            let (mut now, mut out) = (ms(0), vec![]);
            let mut first = None;
            for (unit, half, lone, wait) in parts {
                now += Duration::from_millis(wait / 4);
                let _ = bench.part(now, unit, 100 * half, half == 1 || lone);
                if bench.playout.next.is_none() {
                    first = bench.playout.waiting.first();
                }
                out.extend(bench.out(now));
            }
            let end = now + Duration::from_secs(2);
            out.extend(bench.out(end));
            prop_assert!(out.is_sorted_by(|a, b| a < b), "{out:?}");
            let playout = &bench.playout;
            let counters = playout.counters;
            prop_assert_eq!(counters.delivered, out.len() as u64);
            if let (Some(first), Some(next)) = (first, playout.next) {
                let counted = counters.delivered + counters.late + counters.lost + playout.missed.pending();
                prop_assert_eq!(counted, next - first, "{:?}", counters);
            }
            let held: usize = playout.waiting.values().map(|part| part.held()).sum();
            bench.out(end + Duration::from_secs(2));
            prop_assert_eq!(bench.playout.held(), held);
        }
    }
}
