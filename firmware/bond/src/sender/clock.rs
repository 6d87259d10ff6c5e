//! How the receiver's clock runs against ours.
//!
//! The line is drawn here and not at the receiver, because only the sender knows of a packet when it left *and* when it
//! arrived, and how long the round trip took that brings the news: the receiver sees arrivals alone, and cannot tell a
//! queue from a clock. It is told the line in CLOCK frames and follows it (`receiver::clock`).
//!
//! Of each path the least delay there and the least delay back over a few seconds are kept, both with the unknown
//! difference of the clocks in them. Half their difference is that of the clocks, but for half of what the two ways differ
//! in length: the path's *bias*, which stays the same for as long as its route does. So
//!
//! - the line begins at the path with the least round trip, and every other path's bias is taken against it, and made better
//!   for as long as the path is there: what one stretch is wrong by would be handed on from path to path for ever;
//! - for a minute it is drawn anew where a shorter round trip knows better (`beginning`);
//! - from then on each path says how far the clocks have drifted since, and the median of what they say bends the line;
//! - a path that leaves takes nothing with it, and one that joins has its bias taken and moves nothing;
//! - a path whose way became longer on one side says something that no clock does in a few seconds: its bias is taken anew;
//! - one whose round trip is longer than it was in the last minute has a queue or a new route, and is not asked;
//! - a delay that would be less than none is a fact, whatever the line says: the line gives way, by 1 ms a second.

mod beginning;

use std::time::Duration;

use bondbox_units::Instant;

use beginning::Beginning;

/// The receiver's clock less ours, in microseconds, as a line over our time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Line {
    at: Instant,
    offset: f64,
    /// Gained per microsecond.
    drift: f64,
    /// Gained since the line began.
    drifted: f64,
}

impl Line {
    /// The receiver's clock less ours.
    pub(crate) fn offset(&self, now: Instant) -> i64 {
        (self.offset + self.gained(now)) as i64
    }

    /// How much of it was not there when the line began: what a delay on two clocks grows by on its own.
    pub(crate) fn drifted(&self, now: Instant) -> i64 {
        (self.drifted + self.gained(now)) as i64
    }

    /// Nanoseconds that the receiver's clock gains in a second.
    pub(crate) fn drift_ppb(&self) -> i64 {
        (self.drift * 1e9) as i64
    }

    fn gained(&self, now: Instant) -> f64 {
        self.drift * now.micros_since(self.at) as f64
    }

    fn go_on(&mut self, now: Instant) {
        let gained = self.gained(now);
        self.offset += gained;
        self.drifted += gained;
        self.at = now;
    }
}

/// What one path has to say.
#[derive(Debug, Default)]
pub(crate) struct PathClock {
    /// The line as it was at the beginning of this stretch; delays are taken against it.
    line: Line,
    /// Least delay there of this stretch.
    there: Option<f64>,
    /// Least delay there and back of those packets that were answered: the least of many is less than the least of few, so the
    /// two ways are only compared over the same packets.
    answered: Option<f64>,
    back: Option<f64>,
    /// Least round trip of each stretch of the last minute.
    round_trips: heapless::Deque<f64, MEMORY>,
    bias: Option<f64>,
    /// How many stretches its bias is the mean of.
    heard: u32,
    /// How far the line is from what it said of this stretch.
    error: Option<f64>,
    /// It has joined in this stretch: the least of so little says little.
    young: bool,
}

impl PathClock {
    /// A packet that left at `sent` arrived, on the receiver's clock less ours `relative` later.
    pub(crate) fn on_arrival(&mut self, sent: Instant, relative: i64) {
        let delay = relative as f64 - self.line.offset - self.line.gained(sent);
        lower(&mut self.there, delay);
    }

    /// A packet that left at `sent` had its answer after `round_trip`, on this path both ways.
    pub(crate) fn on_answer(&mut self, sent: Instant, relative: i64, round_trip: Duration) {
        let there = relative as f64 - self.line.offset - self.line.gained(sent);
        let back = round_trip.as_micros() as f64 - there;
        lower(&mut self.answered, there);
        lower(&mut self.back, back);
    }

    /// How far the line is from what this path says of the clocks, bias included, and its round trip.
    fn centre(&self) -> Option<(f64, f64)> {
        let (there, back) = self.answered.zip(self.back)?;
        Some(((there - back) / 2.0, there + back))
    }

    /// Ends a stretch: gives the centre, if the round trip was as short as it gets.
    fn measured(&mut self) -> Option<f64> {
        let (centre, round_trip) = self.centre().filter(|_| !self.young)?;
        if self.round_trips.is_full() {
            self.round_trips.pop_front();
        }
        let _ = self.round_trips.push_back(round_trip);
        let least = self.round_trips.iter().copied().fold(f64::INFINITY, f64::min);
        (round_trip - least <= QUIET.max(least / 20.0)).then_some(centre)
    }

    /// How much of a delay that a packet of `sent` had on two clocks is drift.
    pub(crate) fn drifted(&self, sent: Instant) -> i64 {
        self.line.drifted(sent)
    }

    /// A path joins: its delays are taken against `line`.
    pub(crate) const fn join(&mut self, line: Line) {
        (self.line, self.young) = (line, true);
    }

    /// The line was moved by this, under what was measured against it.
    fn shift(&mut self, by: f64) {
        self.there = self.there.map(|there| there - by);
        self.answered = self.answered.map(|there| there - by);
        self.back = self.back.map(|back| back + by);
        self.bias = self.bias.map(|bias| bias - by);
    }

    /// Begins a stretch.
    const fn begin(&mut self, line: Line) {
        (self.line, self.young) = (line, false);
        (self.there, self.answered, self.back) = (None, None, None);
    }
}

fn lower(least: &mut Option<f64>, to: f64) {
    *least = Some(least.map_or(to, |known| known.min(to)));
}

/// The line, and what bends it.
#[derive(Debug)]
pub(crate) struct Clocks {
    line: Option<Line>,
    /// The line is drawn freely until then; `None` before the first answer.
    settled_at: Option<Instant>,
    next: Instant,
    /// There once the line is.
    beginning: Option<Beginning>,
    /// Stretches that were measured, and those since the last one that was.
    measured: u32,
    unmeasured: u32,
}

impl Clocks {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { line: None, settled_at: None, next: now, beginning: None, measured: MEASURED_AT_FIRST, unmeasured: 0 }
    }

    /// The line; `None` before the first answer.
    pub(crate) const fn line(&self) -> Option<&Line> {
        self.line.as_ref()
    }

    /// Whether the line is no longer drawn freely.
    pub(crate) fn is_settled(&self, now: Instant) -> bool {
        self.settled_at.is_some_and(|settled_at| now >= settled_at)
    }

    /// Looks at the clock, and at what the paths measured.
    pub(crate) fn on_time<'a>(&mut self, now: Instant, paths: impl Iterator<Item = &'a mut PathClock>) {
        let settled_at = match self.settled_at {
            Some(settled_at) => settled_at,
            None => now + SETTLE,
        };
        if now < settled_at {
            // As if there was no drift yet: over so little time it makes half a millisecond.
            let said = |path: &mut PathClock| path.centre().map(|(centre, trip)| (path.line.offset + centre, trip));
            let best = paths.filter_map(said).min_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((offset, trip)) = best {
                self.beginning = Some(Beginning::new(now, trip));
                self.settled_at = Some(settled_at);
                self.line = Some(Line { at: now, offset, ..Line::default() });
            }
            self.next = settled_at;
            return;
        }
        if now < self.next {
            return;
        }
        let first = self.next == settled_at;
        self.next = now + STRETCH;
        let Some(line) = &mut self.line else { return };
        line.go_on(now);
        let mut paths: heapless::Vec<_, MAX_PATHS> = paths.take(MAX_PATHS).collect();
        // What was measured while the line was drawn was measured against nothing, or against a line that moved.
        if !first {
            let moved = self.beginning.as_mut().is_some_and(|beginning| beginning.redraw(now, line, &mut paths));
            Self::bend(line, &mut paths, &mut self.measured, &mut self.unmeasured);
            if !moved {
                Self::give_way(line, &mut paths);
            }
        }
        paths.into_iter().for_each(|path| path.begin(*line));
    }

    fn bend(line: &mut Line, paths: &mut [&mut PathClock], measured: &mut u32, unmeasured: &mut u32) {
        // The slope of a line through few points is in doubt; once it is known, it wanders by parts per million.
        let doubt = NOISE * (12.0 / f64::from(*measured).powi(3)).sqrt() / STRETCH.as_micros() as f64;
        let unknown = (4.0 * doubt).clamp(MAX_WANDER, MAX_DRIFT);
        let possible = STEP + unknown * STRETCH.as_micros() as f64 * f64::from(*unmeasured + 1);
        let (mut errors, mut anew) = (heapless::Vec::<f64, MAX_PATHS>::new(), false);
        for path in paths.iter_mut() {
            path.error = None;
            let Some(centre) = path.measured() else { continue };
            match path.bias {
                Some(bias) if (centre - bias).abs() <= possible => {
                    path.error = Some(centre - bias);
                    let _ = errors.push(centre - bias);
                }
                // It has just joined, or its route has changed.
                _ => (path.bias, path.heard, anew) = (Some(centre), 1, true),
            }
        }
        errors.sort_unstable_by(f64::total_cmp);
        let Some(error) = errors.get(errors.len() / 2).filter(|_| !errors.is_empty()) else {
            if *unmeasured == 0 {
                // Nothing will correct the line for a while: it goes on by as much drift as there is at least.
                line.drift -= line.drift.clamp(-doubt, doubt);
            }
            // What is measured against a bias that was just taken has grown since then.
            *unmeasured = if anew { 0 } else { *unmeasured + 1 };
            return;
        };
        for path in paths.iter_mut() {
            let Some(own) = path.error.take() else { continue };
            path.heard = (path.heard + 1).min(MEMORY_OF_LINE);
            path.bias = path.bias.map(|bias| (bias + (own - error) / f64::from(path.heard)) * FORGET);
        }
        // The steady state of a Kalman filter for a line that grows its memory up to `MEMORY_OF_LINE` (alpha-beta filter).
        let k = f64::from(*measured);
        let alpha = 2.0 * (2.0 * k - 1.0) / (k * (k + 1.0));
        let beta = 6.0 / (k * (k + 1.0));
        let span = STRETCH.as_micros() as f64 * f64::from(*unmeasured + 1);
        line.offset += alpha * error;
        line.drifted += alpha * error;
        line.drift = (line.drift + beta * error / span).clamp(-MAX_DRIFT, MAX_DRIFT);
        *measured = (*measured + 1).min(MEMORY_OF_LINE);
        *unmeasured = 0;
    }

    /// No packet arrives before it left, there or back.
    fn give_way(line: &mut Line, paths: &mut [&mut PathClock]) {
        let least = |delays: &mut dyn Iterator<Item = f64>| delays.fold(0.0, f64::min).min(0.0);
        let there = least(&mut paths.iter().filter_map(|path| path.there));
        let back = least(&mut paths.iter().filter_map(|path| path.back));
        let by = if there < -FACT {
            there.max(-MOST_IN_A_STRETCH)
        } else if back < -FACT {
            (-back).min(MOST_IN_A_STRETCH)
        } else {
            return;
        };
        line.offset += by;
        // The paths were right: it is the line that they are measured against that was not.
        for path in paths.iter_mut() {
            path.bias = path.bias.map(|bias| bias - by);
        }
    }
}

/// A few round trips of any link but a satellite's; nothing is due before.
const SETTLE: Duration = Duration::from_millis(1_000);
/// Long enough for a moment without queue, short enough that the drift in it is small.
const STRETCH: Duration = Duration::from_secs(4);
/// Stretches in a minute: no queue stands longer, for it is drained on purpose. When all paths become longer at once the line
/// goes on unseen for so long; through five minutes of that a young one strayed by 15 ms.
const MEMORY: usize = 15;
/// More than a unit has links.
const MAX_PATHS: usize = 32;
/// Microseconds that jitter leaves on the least round trip of a stretch.
const QUIET: f64 = 2_000.0;
/// Microseconds by which a path's centre jitters from stretch to stretch. More is another route.
const STEP: f64 = 5_000.0;
/// The worst clock gains 500 µs a second; with the bound at that, what is measured of it would always fall short.
const MAX_DRIFT: f64 = 600e-6;
/// What temperature does to a clock within minutes.
const MAX_WANDER: f64 = 10e-6;
/// As if so many stretches had been measured before the first: one jittery stretch must not make a drift.
const MEASURED_AT_FIRST: u32 = 4;
/// Microseconds by which what all paths say together jitters: the slope of a line through so many stretches is in doubt by
/// the root of 12 over their number cubed, of this in a stretch.
const NOISE: f64 = 2_000.0;
/// Of a bias in each stretch, so that an hour brings the line to where most paths are as long there as back: what each path's
/// bias is off by when it is taken would add up to milliseconds an hour.
const FORGET: f64 = 1.0 - 1.0 / 900.0;
/// Stretches that the line remembers: three minutes.
const MEMORY_OF_LINE: u32 = 45;
/// Microseconds by which the line moves in a stretch where it is wrong: 1 ms a second.
const MOST_IN_A_STRETCH: f64 = STRETCH.as_micros() as f64 / 1_000.0;
/// Microseconds: less is the grain of the time stamps.
const FACT: f64 = 500.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A path with as much delay there and back, in microseconds, and some jitter.
    struct Way {
        clock: PathClock,
        there: f64,
        back: f64,
    }

    struct Bench {
        clocks: Clocks,
        ways: Vec<Way>,
        now: Instant,
        drift: f64,
        seed: u64,
    }

    impl Bench {
        fn new(drift_ppm: f64, ways: &[(f64, f64)]) -> Self {
            let ways = ways.iter().map(|(there, back)| Way::new(*there, *back)).collect();
            Self { clocks: Clocks::new(Instant::ZERO), ways, now: Instant::ZERO, drift: drift_ppm * 1e-6, seed: 7 }
        }

        /// As a session does it with a link that is new.
        fn join(&mut self, there: f64, back: f64) {
            let mut way = Way::new(there, back);
            way.clock.join(*self.clocks.line().unwrap());
            self.ways.push(way);
        }

        fn jitter(&mut self) -> f64 {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.seed >> 40) as f64 / (1 << 24) as f64 * 8_000.0
        }

        fn truth(&self) -> f64 {
            1e9 + self.drift * self.now.as_micros() as f64
        }

        /// Ten packets a second over each way.
        fn run(&mut self, seconds: u64) {
            self.run_for(seconds * 10);
        }

        fn run_for(&mut self, tenths: u64) {
            for _ in 0..tenths {
                self.now += Duration::from_millis(100);
                for index in 0..self.ways.len() {
                    let (there, back) = (self.jitter(), self.jitter());
                    let way = &mut self.ways[index];
                    let (there, back) = (way.there + there, way.back + back);
                    let relative = (1e9 + self.drift * self.now.as_micros() as f64 + there) as i64;
                    way.clock.on_arrival(self.now, relative);
                    way.clock.on_answer(self.now, relative, Duration::from_micros((there + back) as u64));
                }
                self.clocks.on_time(self.now, self.ways.iter_mut().map(|way| &mut way.clock));
            }
        }

        /// Microseconds between the line and the truth.
        fn error(&self) -> f64 {
            self.clocks.line().unwrap().offset(self.now) as f64 - self.truth()
        }
    }

    impl Way {
        fn new(there: f64, back: f64) -> Self {
            Self { clock: PathClock::default(), there, back }
        }
    }

    #[test]
    fn eight_hours_of_drift_with_links_that_leave_and_join_move_it_by_less_than_5_ms() {
        // What one path leaves to the next is in doubt by a fraction of a millisecond each time: that adds up, and the worst
        // of clocks are played for two hours only.
        for (drift_ppm, rounds) in [(-500.0, 30_u32), (-100.0, 120), (20.0, 120), (100.0, 120), (500.0, 30)] {
            let mut bench = Bench::new(drift_ppm, &[(20_000.0, 20_000.0), (35_000.0, 15_000.0), (60_000.0, 80_000.0)]);
            bench.run(60);
            let start = bench.error();
            assert!(start.abs() < 5_000.0, "{start} µs at first");
            for round in 0..rounds {
                // Every four minutes a link leaves, the fastest among them, and another joins a minute later.
                let left = bench.ways.remove(round as usize % 3);
                bench.run(60);
                let farther = f64::from(round % 7) * 4_000.0;
                bench.join(left.there + farther - 12_000.0, left.back + 12_000.0 - farther);
                bench.run(180);
                let moved = bench.error() - start;
                assert!(moved.abs() < 5_000.0, "{moved} µs in round {round} at {drift_ppm} ppm");
            }
        }
    }

    #[test]
    fn a_first_second_in_which_all_packets_were_slow_is_made_good_by_1_ms_a_second() {
        let mut bench = Bench::new(0.0, &[(90_000.0, 30_000.0), (120_000.0, 50_000.0)]);
        bench.run(2);
        let start = bench.error();
        assert!((28_000.0..36_000.0).contains(&start), "half of 60 ms: {start} µs");
        bench.ways.iter_mut().for_each(|way| way.there -= 60_000.0);
        bench.run(10);
        assert!(start - bench.error() <= 12_000.0, "{} µs", bench.error());
        bench.run(40);
        assert!(bench.error().abs() < 3_000.0, "{} µs", bench.error());
    }

    #[test]
    fn a_link_that_joins_while_the_line_is_drawn_does_not_break_it() {
        let mut bench = Bench::new(0.0, &[(50_000.0, 50_000.0)]);
        bench.run_for(5);
        bench.join(20_000.0, 20_000.0);
        bench.run(60);
        assert!(bench.error().abs() < 5_000.0, "{} µs", bench.error());
    }

    #[test]
    fn base_steps_of_60_ms_do_not_move_it() {
        for both in [true, false] {
            let mut bench = Bench::new(50.0, &[(30_000.0, 30_000.0), (40_000.0, 40_000.0)]);
            bench.run(300);
            let start = bench.error();
            for handover in 0..60_usize {
                let way = &mut bench.ways[handover % 2];
                let step = if handover % 4 < 2 { 60_000.0 } else { -60_000.0 };
                way.there += step;
                way.back += if both { step } else { 0.0 };
                bench.run(20);
                let moved = bench.error() - start;
                assert!(moved.abs() < 5_000.0, "{moved} µs after handover {handover}");
            }
        }
    }

    #[test]
    fn paths_that_all_become_longer_move_it_by_less_than_5_ms_however_young_it_is() {
        for (age, both) in [(20, true), (20, false), (300, true), (300, false)] {
            let mut bench = Bench::new(-30.0, &[(20_000.0, 20_000.0), (45_000.0, 45_000.0), (60_000.0, 60_000.0)]);
            bench.run(age);
            let start = bench.error();
            for way in &mut bench.ways {
                way.there += 60_000.0;
                way.back += if both { 60_000.0 } else { 0.0 };
            }
            for minute in 0..8 {
                bench.run(60);
                let moved = bench.error() - start;
                assert!(moved.abs() < 5_000.0, "{moved} µs in minute {minute} of {age} s, {both}");
            }
        }
    }

    #[test]
    fn a_queue_that_stands_for_minutes_is_not_taken_for_a_clock() {
        let mut bench = Bench::new(0.0, &[(30_000.0, 30_000.0)]);
        bench.run(60);
        let start = bench.error();
        for _ in 0..80 {
            bench.ways[0].there += 1_000.0;
            bench.run(1);
        }
        bench.run(120);
        bench.ways[0].there -= 80_000.0;
        bench.run(60);
        assert!((bench.error() - start).abs() < 5_000.0, "{} µs", bench.error() - start);
    }

    #[test]
    fn a_link_that_proves_the_line_wrong_is_believed_slowly() {
        // A satellite alone, four fifths of whose delay is on the way there.
        let mut bench = Bench::new(0.0, &[(400_000.0, 100_000.0)]);
        bench.run(30);
        assert!(bench.error() > 140_000.0);
        bench.join(20_000.0, 20_000.0);
        let before = bench.error();
        bench.run(20);
        assert!(before - bench.error() <= 24_000.0, "a millisecond a second");
        bench.run(200);
        assert!(bench.error() < 25_000.0, "{} µs", bench.error());
    }
}
