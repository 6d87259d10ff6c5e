//! The units of one track, in order, each at its time, at every output.

use std::cmp::Reverse;
use std::time::Duration;

use bondbox_units::{Instant, TrackId};
use bondbox_wire::expand;
use bondbox_wire::frame::{Media, UnitHeader};

use super::assembly::{Assembly, OVERHEAD};
use super::clock::ClockMap;
use super::keyframes::Keyframes;
use super::output::{Output, Passing, TrackCounters};
use super::pool::Pool;
use super::{Delivered, MAX_OUTPUTS, OnDamage, OutOfBounds};
use crate::ordered::Ordered;

/// Waits for units and lets them out, at each output after that output's latency.
///
/// The outputs share what has arrived: a unit is held until the last of them is past it. Unit numbers travel as 32 bits,
/// which an opaque stream uses up in weeks: here they have 64.
#[derive(Debug)]
pub(crate) struct Playout {
    track: TrackId,
    outputs: heapless::Vec<Output, MAX_OUTPUTS>,
    /// Units that an output has yet to put out, and what arrived of those that may still turn out late.
    units: Ordered<Box<Assembly>>,
    keyframes: Keyframes,
    on_damage: OnDamage,
    held: usize,
}

impl Playout {
    /// A track with as many outputs.
    pub(crate) fn new(track: TrackId, outputs: usize, on_damage: OnDamage) -> Self {
        Self {
            track,
            outputs: std::iter::repeat_with(Output::default).take(outputs.min(MAX_OUTPUTS)).collect(),
            units: Ordered::default(),
            keyframes: Keyframes::default(),
            on_damage,
            held: 0,
        }
    }

    /// Bytes held.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// What is to be done with units that have holes when they are due.
    pub(crate) const fn set_on_damage(&mut self, on_damage: OnDamage) {
        self.on_damage = on_damage;
    }

    /// Units of this track build on each other.
    pub(crate) const fn set_pictures(&mut self) {
        self.keyframes.set_pictures();
    }

    /// The first unit that still matters to an output.
    pub(crate) fn horizon(&self) -> Option<u32> {
        Some(self.outputs.iter().map(|output| output.next).min()?? as u32)
    }

    /// The unit after the last of which anything came, and of the 64 before it those that are whole, or past at the live
    /// output: bit *n* is the unit *n* + 1 before it.
    pub(crate) fn whole(&self) -> Option<(u32, u64)> {
        let next = self.outputs.first().and_then(|live| live.next);
        let end = self.units.last().map(|unit| unit + 1).max(next)?;
        let whole = |unit: u64| {
            next.is_some_and(|next| unit < next) || self.units.get(unit).is_some_and(|part| part.is_complete())
        };
        let there = (0..u64::from(u64::BITS)).filter(|n| end.checked_sub(n + 1).is_some_and(whole));
        Some((end as u32, there.fold(0, |bits, n| bits | 1 << n)))
    }

    /// What became of the units at output `output`.
    pub(crate) fn counters(&self, output: usize) -> TrackCounters {
        self.outputs.get(output).map(|output| output.counters).unwrap_or_default()
    }

    /// Takes in bytes of a unit, which may make the track hold `room` more. `longest`: the latency of the last output.
    pub(crate) fn on_media(
        &mut self,
        now: Instant,
        media: &Media<'_>,
        clock: &ClockMap,
        longest: Duration,
        room: usize,
        pool: &mut Pool,
    ) -> Result<(), OutOfBounds> {
        let unit = self.number(media.unit);
        let (missed, waits) = self.whereabouts(unit);
        if !(missed || waits) {
            return Ok(());
        }
        if let Some(header) = media.header.as_ref().filter(|_| waits) {
            let due = clock.map(now, header.ingest_low) + longest;
            if due > now + longest + MAX_SKEW || due + MAX_SKEW < now {
                return Err(OutOfBounds);
            }
        }
        let fresh = !self.units.contains(unit);
        let room = if fresh { room.checked_sub(OVERHEAD).ok_or(OutOfBounds)? } else { room };
        let assembly = self.units.get_or_insert_with(unit, || pool.assembly()).ok_or(OutOfBounds)?;
        let before = if fresh { 0 } else { assembly.held() };
        let (headed, whole) = (assembly.header.is_some(), assembly.is_complete());
        let result = assembly.insert(media, room, pool);
        self.held = self.held + assembly.held() - before;
        let (header, complete) = (assembly.header.filter(|_| !headed), assembly.is_complete() && !whole);
        if let Some(header) = header {
            self.on_header(now, unit, &header, clock);
        }
        if complete {
            self.outputs.iter_mut().for_each(|output| output.on_complete(now, unit));
            self.let_go(unit, pool);
        }
        result
    }

    /// Whether an output has missed `unit` and may still count it as late, and whether one waits for it.
    fn whereabouts(&self, unit: u64) -> (bool, bool) {
        let missed = self.outputs.iter().any(|output| output.missed.contains(unit));
        (missed, self.outputs.iter().any(|output| output.waits_for(unit)))
    }

    fn on_header(&mut self, now: Instant, unit: u64, header: &UnitHeader, clock: &ClockMap) {
        self.outputs
            .iter_mut()
            .filter(|output| output.waits_for(unit))
            .for_each(|output| output.headed.push(Reverse(unit)));
        // Only the live output asks for keyframes.
        if header.keyframe && self.outputs.first().is_some_and(|live| live.waits_for(unit)) {
            self.keyframes.on_keyframe(unit, clock.map(now, header.ingest_low));
        }
    }

    /// A unit's number in full: the one nearest to those that are there.
    fn number(&self, low: u32) -> u64 {
        let next = self.outputs.first().and_then(|output| output.next);
        let near = next.or_else(|| self.units.first());
        // Before the first unit, leave room below: an earlier one may still come over a slower link.
        expand(low.into(), u32::BITS, near.unwrap_or((1 << u32::BITS) + u64::from(low)))
    }

    /// The next unit that is due at output `index`, as long as `turn` lasts. Those before it whose time has passed are missed.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        index: usize,
        clock: &ClockMap,
        latency: Duration,
        turn: &mut usize,
        pool: &mut Pool,
    ) -> Option<Delivered> {
        self.settle(now, index, pool);
        loop {
            // The first unit that is due by its own time stamp; whatever lacks one before it has missed its turn.
            let (unit, header) = self.first_headed(index)?;
            let due = clock.map(now, header.ingest_low) + latency;
            if due > now {
                return None;
            }
            *turn = turn.checked_sub(1)?;
            let passing = Passing { unit, due, header, pictures: self.keyframes.pictures() };
            let out = self.pass(now, index, &passing);
            self.let_go(unit, pool);
            if out.is_some() {
                return out;
            }
        }
    }

    /// Whether output `index` has yet to put out something that came.
    pub(crate) fn is_waiting(&self, index: usize) -> bool {
        self.first_headed(index).is_some()
    }

    /// When to poll output `index` again.
    pub(crate) fn deadline(&self, now: Instant, index: usize, clock: &ClockMap, latency: Duration) -> Option<Instant> {
        let (_, header) = self.first_headed(index)?;
        Some(clock.map(now, header.ingest_low) + latency)
    }

    fn first_headed(&self, index: usize) -> Option<(u64, UnitHeader)> {
        let Reverse(unit) = *self.outputs.get(index)?.headed.peek()?;
        Some((unit, self.units.get(unit)?.header?))
    }

    /// Whether to ask for a keyframe now: the first output is broken, and waits for nothing that will mend it.
    pub(crate) fn keyframe_wanted(&mut self, now: Instant) -> bool {
        let broken = self.outputs.first().and_then(|output| output.broken);
        broken.is_some_and(|broken| self.keyframes.wanted(now, broken))
    }

    /// Output `index` goes past a unit, and puts it out if it can.
    fn pass(&mut self, now: Instant, index: usize, passing: &Passing) -> Option<Delivered> {
        self.miss_up_to(passing.unit, now, index);
        let assembly = self.units.get_mut(passing.unit)?;
        let output = self.outputs.get_mut(index)?;
        output.headed.pop();
        output.next = Some(passing.unit + 1);
        let (context, payload, missing) = if assembly.is_complete() {
            let payload = assembly.payload();
            (output.deliver(passing, payload.len(), assembly.repaired), payload, vec![])
        } else if self.on_damage == OnDamage::Deliver {
            let (payload, missing) = assembly.damaged();
            (output.deliver_damaged(passing, payload.len()), payload, missing)
        } else {
            output.miss(now, passing.unit..passing.unit + 1);
            return None;
        };
        let header = &passing.header;
        let pts = passing.due.offset_micros(header.pts_offset.into());
        Some(Delivered {
            track: self.track,
            unit: passing.unit as u32,
            pts,
            dts: pts.offset_micros(header.dts_offset.into()),
            due: passing.due,
            priority: header.priority,
            keyframe: header.keyframe,
            discontinuity: header.discontinuity || context.gap,
            undecodable: context.undecodable,
            missing,
            payload,
        })
    }

    /// Everything before `unit` that has not been put out has missed its turn.
    fn miss_up_to(&mut self, unit: u64, now: Instant, index: usize) {
        // The others begin where the first one did, unless they have something from before.
        let begun = self.outputs.iter().find_map(|output| output.begun);
        let begun = begun.or(self.units.first()).unwrap_or(unit).min(unit);
        let Some(output) = self.outputs.get_mut(index) else { return };
        let first = output.next.unwrap_or(*output.begun.get_or_insert(begun));
        if first < unit {
            output.next = Some(unit);
            output.miss(now, first..unit);
        }
    }

    /// Forgets what cannot turn out late any more at output `index`, and what no output has a use for.
    fn settle(&mut self, now: Instant, index: usize, pool: &mut Pool) {
        let Some(output) = self.outputs.get_mut(index) else { return };
        output.counters.lost += output.missed.settle(now);
        let floor = self.outputs.iter().map(Output::floor).min().unwrap_or(0);
        while let Some((_, unit)) = self.units.pop_below(floor) {
            self.held -= unit.held();
            pool.recycle(unit);
        }
    }

    /// An output is past `unit`: when it was the last one, nobody waits for it any more. What one of them may still count
    /// as late stays in mind, so that no copy is counted again.
    fn let_go(&mut self, unit: u64, pool: &mut Pool) {
        let (missed, waits) = self.whereabouts(unit);
        if waits {
            return;
        }
        if !missed {
            let Some(unit) = self.units.remove(unit) else { return };
            self.held -= unit.held();
            pool.recycle(unit);
        } else if let Some(assembly) = self.units.get_mut(unit).filter(|unit| unit.is_complete()) {
            self.held -= assembly.held();
            assembly.forget_bytes(pool);
            self.held += assembly.held();
        }
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
    const LONGER: Duration = Duration::from_millis(500);
    const TRACK: TrackId = TrackId(0);

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// Unit `n` goes in at `10 * (n + 1)` ms; every tenth is a keyframe.
    struct Bench {
        playout: Playout,
        clock: ClockMap,
        latencies: Vec<Duration>,
        pool: Pool,
    }

    impl Bench {
        fn new() -> Self {
            Self::with(&[LATENCY], OnDamage::Drop)
        }

        fn with(latencies: &[Duration], on_damage: OnDamage) -> Self {
            let clock = ClockMap::new(ms(0), Clock { sender: ms(0), receiver: ms(0), drift_ppb: 0 });
            let playout = Playout::new(TRACK, latencies.len(), on_damage);
            Self { playout, clock, latencies: latencies.to_vec(), pool: Pool::default() }
        }

        fn skipping(
            &mut self,
            now: Instant,
            unit: u32,
            offset: u32,
            last: bool,
            skips: u16,
        ) -> Result<(), OutOfBounds> {
            let header = UnitHeader {
                priority: Priority::Standard,
                keyframe: unit.is_multiple_of(10),
                discontinuity: false,
                ingest_low: unit.wrapping_add(1).wrapping_mul(10_000),
                pts_offset: 0,
                dts_offset: 0,
                skips,
            };
            let header = (offset == 0).then_some(header);
            let media = Media { track: TRACK, unit, offset, last, again: false, header, bytes: &[unit as u8; 100] };
            let longest = self.latencies.iter().copied().max().unwrap();
            self.playout.on_media(now, &media, &self.clock, longest, 1 << 20, &mut self.pool)
        }

        fn part(&mut self, now: Instant, unit: u32, offset: u32, last: bool) -> Result<(), OutOfBounds> {
            self.skipping(now, unit, offset, last, 0)
        }

        fn poll(&mut self, now: Instant, output: usize) -> Vec<Delivered> {
            let Self { playout, clock, latencies, pool } = self;
            let mut turn = usize::MAX;
            std::iter::from_fn(|| playout.poll(now, output, clock, latencies[output], &mut turn, pool)).collect()
        }

        fn out_at(&mut self, now: Instant, output: usize) -> Vec<u32> {
            self.poll(now, output).iter().map(|unit| unit.unit).collect()
        }

        fn out(&mut self, now: Instant) -> Vec<u32> {
            self.out_at(now, 0)
        }

        fn counters(&self) -> TrackCounters {
            self.playout.counters(0)
        }
    }

    #[test]
    fn units_leave_in_order_each_at_its_time() {
        let mut bench = Bench::new();
        for unit in [2, 0, 1] {
            bench.part(ms(40), unit, 0, true).unwrap();
        }
        assert_eq!(bench.out(ms(109)), [0; 0]);
        assert_eq!(bench.playout.deadline(ms(109), 0, &bench.clock, LATENCY), Some(ms(110)));
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
        let counters = bench.counters();
        assert_eq!((counters.delivered, counters.late, counters.lost), (2, 1, 1));
        assert_eq!(counters.longest_gap, Duration::from_millis(30));
        assert_eq!(bench.playout.held(), 0);
    }

    #[test]
    fn a_keyframe_is_asked_for_once_a_second_until_one_comes() {
        let mut bench = Bench::new();
        for unit in [0, 1, 3] {
            bench.part(ms(20), unit, 0, true).unwrap();
        }
        bench.out(ms(200));
        assert!(bench.playout.keyframe_wanted(ms(200)));
        assert!(!bench.playout.keyframe_wanted(ms(1_100)));
        assert!(bench.playout.keyframe_wanted(ms(1_200)));
        bench.part(ms(200), 10, 0, true).unwrap();
        assert!(!bench.playout.keyframe_wanted(ms(5_000)), "one is on its way");
        bench.out(ms(250));
        assert!(!bench.playout.keyframe_wanted(ms(5_000)));
    }

    #[test]
    fn what_builds_on_a_lost_unit_is_flagged_up_to_the_next_keyframe() {
        let mut bench = Bench::new();
        for unit in (0..13).filter(|unit| *unit != 4) {
            bench.part(ms(20), unit, 0, true).unwrap();
        }
        let out = bench.poll(ms(300), 0);
        let flagged: Vec<_> = out.iter().filter(|unit| unit.undecodable).map(|unit| unit.unit).collect();
        assert_eq!(flagged, [5, 6, 7, 8, 9]);
        assert_eq!(bench.counters().undecodable, 5);
    }

    #[test]
    fn a_lost_unit_that_nothing_builds_on_breaks_nothing() {
        let mut bench = Bench::new();
        bench.part(ms(20), 0, 0, true).unwrap();
        // Units 1 and 2 are left out by the source, say; 3 says that it does not need them. 5 needs 4.
        bench.skipping(ms(20), 3, 0, true, 2).unwrap();
        bench.part(ms(20), 5, 0, true).unwrap();
        let flags: Vec<_> = bench.poll(ms(200), 0).iter().map(|unit| (unit.unit, unit.undecodable)).collect();
        assert_eq!(flags, [(0, false), (3, false), (5, true)]);
    }

    #[test]
    fn a_damaged_unit_comes_out_in_time_and_says_what_it_lacks_where_that_is_wanted() {
        let mut bench = Bench::with(&[LATENCY], OnDamage::Deliver);
        bench.part(ms(20), 0, 0, true).unwrap();
        bench.part(ms(20), 1, 0, false).unwrap();
        bench.part(ms(20), 1, 200, true).unwrap();
        bench.part(ms(20), 2, 0, true).unwrap();
        let out = bench.poll(ms(200), 0);
        let shape: Vec<_> = out.iter().map(|unit| (unit.payload.len(), unit.missing.len())).collect();
        assert_eq!(shape, [(100, 0), (300, 1), (100, 0)]);
        assert_eq!(out[1].missing[0], 100..200);
        assert!(out[2].undecodable, "it builds on a unit with a hole");
        bench.part(ms(210), 1, 100, false).unwrap();
        bench.out(ms(2_000));
        let counters = bench.counters();
        assert_eq!((counters.delivered, counters.damaged, counters.late, counters.lost), (2, 1, 0, 0));
        assert_eq!(bench.playout.held(), 0);
    }

    #[test]
    fn an_output_that_waits_longer_has_what_came_too_late_for_the_live_one() {
        let mut bench = Bench::with(&[LATENCY, LONGER], OnDamage::Drop);
        for unit in [0, 1, 3] {
            bench.part(ms(50), unit, 0, true).unwrap();
        }
        assert_eq!(bench.out(ms(200)), [0, 1, 3]);
        assert_eq!(bench.playout.horizon(), None, "all of it still matters");
        bench.part(ms(300), 2, 0, true).unwrap();
        bench.part(ms(310), 2, 0, true).unwrap();
        assert_eq!(bench.out_at(ms(539), 1), [0, 1, 2]);
        assert_eq!(bench.out_at(ms(600), 1), [3]);
        // A copy that comes when all are past it is nothing new.
        bench.part(ms(610), 2, 0, true).unwrap();
        bench.part(ms(610), 0, 0, true).unwrap();
        assert_eq!((bench.out(ms(3_000)), bench.out_at(ms(3_000), 1)), (vec![], vec![]));
        let [live, longer] = [0, 1].map(|output| bench.playout.counters(output));
        assert_eq!((live.delivered, live.late, live.lost), (3, 1, 0));
        assert_eq!((longer.delivered, longer.late, longer.lost), (4, 0, 0));
        assert_eq!((bench.playout.held(), bench.playout.horizon()), (0, Some(4)));
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
        assert_eq!((bench.counters().lost, bench.playout.held()), (999_999, 0));
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
        assert_eq!(bench.counters().lost, 0);
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
        assert_eq!((bench.counters().late, bench.counters().lost), (1, 0));
    }

    proptest! {
        /// Delivered, damaged, late and lost make up all that each output went past, whatever arrives when.
        #[test]
        fn every_unit_is_counted_once_at_each_output(
            parts in prop::collection::vec((0..80_u32, 0..2_u32, any::<bool>(), 0..60_u64), 1..200),
            deliver in any::<bool>(),
        ) {
            let on_damage = if deliver { OnDamage::Deliver } else { OnDamage::Drop };
            let mut bench = Bench::with(&[LATENCY, LONGER], on_damage);
            let (mut now, mut out) = (ms(0), [vec![], vec![]]);
            for (unit, half, lone, wait) in parts {
                now += Duration::from_millis(wait / 4);
                let _ = bench.part(now, unit, 100 * half, half == 1 || lone);
                (0..2).for_each(|output| out[output].extend(bench.out_at(now, output)));
            }
            let end = now + Duration::from_secs(2);
            (0..2).for_each(|output| out[output].extend(bench.out_at(end, output)));
            for (output, out) in out.iter().enumerate() {
                prop_assert!(out.is_sorted_by(|a, b| a < b), "{out:?}");
                let counters = bench.playout.counters(output);
                prop_assert_eq!(counters.delivered + counters.damaged, out.len() as u64);
                let past = &bench.playout.outputs[output];
                if let (Some(first), Some(next)) = (past.begun, past.next) {
                    let counted = counters.delivered + counters.damaged + counters.late + counters.lost;
                    prop_assert_eq!(counted + past.missed.pending(), next - first, "{:?}", counters);
                }
            }
            prop_assert!(out[0].len() <= out[1].len(), "what waits longer has more");
            (0..2).for_each(|output| drop(bench.out_at(end + Duration::from_secs(2), output)));
            let held: usize = bench.playout.units.values().map(|unit| unit.held()).sum();
            prop_assert_eq!(bench.playout.held(), held);
            let waits = |unit: u64| bench.playout.whereabouts(unit).1;
            prop_assert!(bench.playout.units.first().is_none_or(waits), "nothing is kept that nobody waits for");
        }
    }
}
