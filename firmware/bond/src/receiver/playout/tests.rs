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

    fn skipping(&mut self, now: Instant, unit: u32, offset: u32, last: bool, skips: u16) -> Result<(), OutOfBounds> {
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
fn what_begins_to_come_after_its_time_is_late_though_nothing_overtook_it() {
    let mut bench = Bench::new();
    // Due at 110, 120 and 130 ms; the last is what a link held and lets go.
    bench.part(ms(125), 0, 0, true).unwrap();
    assert_eq!(bench.out(ms(125)), [0], "a timer is as wrong as that");
    bench.part(ms(700), 1, 0, true).unwrap();
    bench.part(ms(700), 2, 0, false).unwrap();
    assert_eq!(bench.out(ms(700)), [0; 0]);
    let counters = bench.counters();
    assert_eq!((counters.delivered, counters.late, counters.latest), (1, 1, Duration::from_millis(580)));
    bench.out(ms(2_000));
    assert_eq!((bench.counters().lost, bench.playout.held()), (1, 0));
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
