//! The units of one track, in order, each at its time.

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_units::{Instant, TrackId};
use bondbox_wire::frame::{Media, UnitHeader};

use super::assembly::Assembly;
use super::clock::ClockMap;
use super::{Delivered, OutOfBounds};

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
#[derive(Debug, Default)]
pub(crate) struct Playout {
    pub(crate) counters: TrackCounters,
    /// The unit to put out next; `None` before the first.
    next: Option<u32>,
    waiting: BTreeMap<u32, Assembly>,
    /// Units whose time has passed, and when: some may still complete and were late, not lost.
    missed: BTreeMap<u32, (Instant, Assembly)>,
    held: usize,
    damaged: bool,
    gap: bool,
    asked_at: Option<Instant>,
    last_due: Option<Instant>,
}

impl Playout {
    /// Bytes held.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// The first unit that still matters.
    pub(crate) const fn horizon(&self) -> Option<u32> {
        self.next
    }

    /// Takes in bytes of a unit.
    pub(crate) fn on_media(
        &mut self,
        now: Instant,
        media: &Media<'_>,
        clock: &ClockMap,
        latency: Duration,
    ) -> Result<(), OutOfBounds> {
        // Until the first unit is out, an earlier one may still come over a slower link.
        if self.next.is_some_and(|next| media.unit < next) {
            return self.on_late_media(now, media);
        }
        let first = self.next.or_else(|| self.waiting.keys().next().copied()).unwrap_or(media.unit);
        let last = self.waiting.keys().next_back().copied().unwrap_or(media.unit);
        if media.unit.max(last) - media.unit.min(first) > MAX_AHEAD {
            return Err(OutOfBounds);
        }
        if let Some(header) = &media.header {
            let due = clock.map(now, header.ingest_low) + latency;
            if due > now + latency + MAX_SKEW || due + MAX_SKEW < now {
                return Err(OutOfBounds);
            }
        }
        let assembly = self.waiting.entry(media.unit).or_default();
        let before = assembly.held();
        let result = assembly.insert(media);
        self.held = self.held + assembly.held() - before;
        result
    }

    fn on_late_media(&mut self, now: Instant, media: &Media<'_>) -> Result<(), OutOfBounds> {
        let Some((since, assembly)) = self.missed.get_mut(&media.unit) else { return Ok(()) };
        let before = assembly.held();
        assembly.insert(media)?;
        self.held = self.held + assembly.held() - before;
        if assembly.is_complete() {
            self.held -= assembly.held();
            self.counters.late += 1;
            self.counters.latest = self.counters.latest.max(now - *since);
            self.missed.remove(&media.unit);
        }
        Ok(())
    }

    /// The next unit that is due. Those before it whose time has passed are missed.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        track: TrackId,
        clock: &ClockMap,
        latency: Duration,
    ) -> Option<Delivered> {
        self.settle_missed(now);
        loop {
            // The first unit that is due by its own time stamp; whatever lacks one before it has missed its turn.
            let due_of = |header: &UnitHeader| clock.map(now, header.ingest_low) + latency;
            let (unit, due) =
                self.waiting.iter().find_map(|(unit, assembly)| Some((*unit, due_of(assembly.header.as_ref()?))))?;
            if due > now {
                return None;
            }
            self.miss_up_to(unit, now);
            let assembly = self.waiting.remove(&unit)?;
            self.next = Some(unit.wrapping_add(1));
            match assembly.header {
                Some(header) if assembly.is_complete() => {
                    self.held -= assembly.held();
                    return Some(self.deliver(track, unit, due, &header, assembly));
                }
                _ => self.miss(unit, due, assembly),
            }
        }
    }

    /// When to poll again.
    pub(crate) fn deadline(&self, now: Instant, clock: &ClockMap, latency: Duration) -> Option<Instant> {
        let header = self.waiting.values().find_map(|assembly| assembly.header.as_ref())?;
        Some(clock.map(now, header.ingest_low) + latency)
    }

    /// Whether to ask for a keyframe now.
    pub(crate) fn keyframe_wanted(&mut self, now: Instant) -> bool {
        let due = self.asked_at.is_none_or(|at| now - at >= ASK_INTERVAL);
        let ask = self.damaged && due;
        if ask {
            self.asked_at = Some(now);
        }
        ask
    }

    fn deliver(
        &mut self,
        track: TrackId,
        unit: u32,
        due: Instant,
        header: &UnitHeader,
        assembly: Assembly,
    ) -> Delivered {
        self.counters.delivered += 1;
        self.counters.repaired += u64::from(assembly.repaired);
        let gap = std::mem::take(&mut self.gap);
        if let Some(last) = self.last_due.replace(due).filter(|_| gap) {
            self.counters.longest_gap = self.counters.longest_gap.max(due - last);
        }
        self.damaged &= !header.keyframe;
        let pts = due.offset_micros(header.pts_offset.into());
        let payload = assembly.into_payload();
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
    fn miss_up_to(&mut self, unit: u32, now: Instant) {
        let first = self.next.or_else(|| self.waiting.keys().next().copied()).unwrap_or(unit);
        for missed in first..unit {
            let assembly = self.waiting.remove(&missed).unwrap_or_default();
            self.miss(missed, now, assembly);
        }
    }

    fn miss(&mut self, unit: u32, due: Instant, assembly: Assembly) {
        self.missed.insert(unit, (due, assembly));
        (self.damaged, self.gap) = (true, true);
    }

    /// What was missed a while ago will not come any more: it is lost.
    fn settle_missed(&mut self, now: Instant) {
        while let Some(entry) = self.missed.first_entry() {
            if now - entry.get().0 < LATE_GRACE {
                break;
            }
            let (_, assembly) = entry.remove();
            self.held -= assembly.held();
            self.counters.lost += 1;
        }
    }
}

/// A unit that comes later than this after its time counts as lost, not late.
const LATE_GRACE: Duration = Duration::from_secs(1);
/// Units from the first to the last that are held at a time: 5 s of an opaque track at 30 Mbit/s.
const MAX_AHEAD: u32 = 16_384;
/// A unit is never due later than this after one latency from now, nor this long ago when it comes.
const MAX_SKEW: Duration = Duration::from_secs(10);
/// A keyframe every second is as much repair as an encoder can bear.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use bondbox_units::Priority;
    use bondbox_wire::frame::Clock;

    use super::*;

    const LATENCY: Duration = Duration::from_millis(100);
    const TRACK: TrackId = TrackId(0);

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    struct Bench {
        playout: Playout,
        clock: ClockMap,
    }

    impl Bench {
        fn new() -> Self {
            let clock = ClockMap::new(ms(0), Clock { sender: ms(0), receiver: ms(0) });
            Self { playout: Playout::default(), clock }
        }

        fn part(&mut self, now: Instant, unit: u32, offset: u32, last: bool) -> Result<(), OutOfBounds> {
            let header = UnitHeader {
                priority: Priority::Standard,
                keyframe: unit.is_multiple_of(10),
                discontinuity: false,
                ingest_low: 1_000 * 10 * (unit + 1),
                pts_offset: 0,
                dts_offset: 0,
            };
            let header = (offset == 0).then_some(header);
            let media = Media { track: TRACK, unit, offset, last, again: false, header, bytes: &[unit as u8; 100] };
            self.playout.on_media(now, &media, &self.clock, LATENCY)
        }

        fn out(&mut self, now: Instant) -> Vec<u32> {
            std::iter::from_fn(|| self.playout.poll(now, TRACK, &self.clock, LATENCY)).map(|unit| unit.unit).collect()
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
    fn media_far_from_what_is_due_is_refused() {
        let mut bench = Bench::new();
        bench.part(ms(20), 5, 0, true).unwrap();
        assert_eq!(bench.part(ms(20), 60_000, 100, true), Err(OutOfBounds));
        bench.part(ms(20), 16_000, 100, true).unwrap();
        bench.part(ms(20), 1, 100, true).unwrap();
        assert_eq!(bench.part(ms(20), 16_386, 100, true), Err(OutOfBounds), "far from the first");
        let mut late = Bench::new();
        assert_eq!(late.part(ms(60_000), 5, 0, true), Err(OutOfBounds));
    }
}
