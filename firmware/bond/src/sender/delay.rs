//! One-way delay of one path, and the queue that stands in it.
//!
//! Acknowledgements bring the receiver's time of each packet; that less the send time is the delay plus the unknown but
//! steady difference of the clocks. Above the least of it, the *base*, stands the queue: the number that decides. The least
//! round trip is kept beside it, because the same events move both.
//!
//! # Paths that swing by themselves
//!
//! A path whose delay goes up and down by 150 ms would be taken for one with a queue, and one that is paced lower proves lower. How
//! far it swings by itself is found out (`swings`), and where it does so widely and for long that is left out of the queue, here,
//! and of how slowly packets arrive ([`super::rate`]). Two such links of 6 Mbit/s, 9 Mbit/s at 1 s (`swinging`, seeds 500..504),
//! percent on time, median and worst, and what it does to six driving links (600 ms):
//!
//! | | swinging | six driving |
//! |---|---|---|
//! | taken for any other path | 9.4, 8.9 | 98.8, 97.5 |
//! | left out as soon as it swings widely | 94.4, 94.2 | 94.2, 92.9 |
//! | once it has for 3 s, and till it has not for 3 s | 92.9, 71.4 | 98.8, 97.6 |
//! | the same with 5 s | 78.8, 77.3 | 98.8, 97.5 |
//! | the same, where it falls while at least half as much is sent as while it rises | 67.1, 47.4 | 99.9, 97.3 |
//!
//! The last is what is done; since an acknowledgement over another path is taken for no more than it says, it brings 53.8, 46.8 and
//! 99.9, 97.5. Without its condition a path that was taken for three times faster than it was kept itself so for good: it was given
//! bursts, their queues swung by 150 ms, that was left out, and so nothing was proven (network 2039 of `bondbox-sim random`: 1.9
//! points below the oracle, with the condition 0.005). With 3 s the worst seeds of four driving links and of the satellite fell
//! below their bars. Left out of the queue alone it brings 69 to 100 %, of the rate alone 24 to 94.
//!
//! What brings nearly all of it is the queue that is paced for, which grows with the latency from 800 ms on ([`paced_for`]): median
//! and worst of seeds 1..7 are 99.7 and 99.1, where they were 68.7 and 55.4. At 600 ms that much is needed for repairs: a queue of
//! 80 ms there costs frames of three LTE links 0.15 points in the worst seed when one swallows everything.

mod jitter;
mod swings;

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::Instant;

use jitter::Jitter;
pub(crate) use swings::Swing;
use swings::Swings;

/// Delay of a path, relative to the clocks' difference. All values in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Delay {
    base: Option<i64>,
    round_trip: Option<Duration>,
    smoothed: f64,
    recent: VecDeque<(Instant, i64)>,
    last: Instant,
    /// When the newest sample arrived, on the receiver's clock.
    newest: Instant,
    quiet: Option<Quiet>,
    swings: Swings,
    jitter: Jitter,
}

/// A stretch in which the path was paced so low that its queue must have drained.
#[derive(Debug)]
struct Quiet {
    since: Instant,
    /// The least delay in its first half, and in its second.
    least: [i64; 2],
    round_trip: Option<Duration>,
    round_trips: usize,
}

impl Quiet {
    const fn new(since: Instant) -> Self {
        Self { since, least: [i64::MAX; 2], round_trip: None, round_trips: 0 }
    }
}

impl Delay {
    /// Takes in when a packet was sent, on our clock, and arrived, on the receiver's.
    pub(crate) fn on_sample(&mut self, now: Instant, sent: Instant, received: Instant) {
        let relative = relative_delay(sent, received);
        match self.base {
            None => (self.base, self.smoothed) = (Some(relative), relative as f64),
            Some(base) => {
                self.base = Some(base.min(relative));
                // A mean over packets, but where they are few one over time: what was measured long ago is past.
                let share = received.since(self.newest).as_secs_f64() / SMOOTHING.as_secs_f64();
                self.smoothed += (relative as f64 - self.smoothed) * share.clamp(0.125, 1.0);
            }
        }
        self.newest = self.newest.max(received);
        self.swings.on_sample(received, relative);
        self.jitter.on_sample(relative);
        let window = STANDING_WINDOW.max(self.swings.size().size * 5 / 2);
        self.recent.push_back((now, relative));
        while let Some((oldest, _)) = self.recent.front() {
            let age = now - *oldest;
            if age <= window || self.recent.len() <= STANDING_SAMPLES && age <= STANDING_AGE {
                break;
            }
            self.recent.pop_front();
        }
        self.last = now;
        let length = self.calm_for();
        if let Some(quiet) = &mut self.quiet {
            let half = &mut quiet.least[usize::from(now - quiet.since >= length / 2)];
            *half = relative.min(*half);
        }
    }

    /// Takes in a round trip that was measured on this very path.
    pub(crate) fn on_round_trip(&mut self, rtt: Duration) {
        let least = |known: Option<Duration>| Some(known.map_or(rtt, |known| known.min(rtt)));
        self.round_trip = least(self.round_trip);
        if let Some(quiet) = &mut self.quiet {
            quiet.round_trip = least(quiet.round_trip);
            quiet.round_trips += 1;
        }
    }

    /// Least round trip; 100 ms while none is known.
    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or(Duration::from_millis(100))
    }

    /// Tells whether the path is paced at no more than 0.6 of what it delivers.
    ///
    /// Base and round trip fall at once but rise only here: after a round trip and 100 ms of such calm in which the delay fell
    /// no more, the queue is gone, and what is left is the path's own, as after a handover to a farther cell.
    pub(crate) fn on_calm(&mut self, now: Instant, calm: bool) {
        if !calm {
            self.quiet = None;
            return;
        }
        match &self.quiet {
            None => self.quiet = Some(Quiet::new(now)),
            Some(quiet) if now - quiet.since >= self.calm_for() => {
                let [before, after] = quiet.least;
                let gone = before != i64::MAX && after >= before.saturating_sub(FLAT);
                if gone {
                    self.base = self.base.map(|base| base.max(before.min(after)));
                }
                if gone && quiet.round_trips >= PROVEN {
                    self.round_trip = self.round_trip.max(quiet.round_trip);
                }
                self.quiet = Some(Quiet::new(now));
            }
            Some(_) => {}
        }
    }

    fn calm_for(&self) -> Duration {
        self.round_trip() + CALM
    }

    /// By how much the delay swings all the time, by no queue of ours.
    pub(crate) fn swing(&self) -> Swing {
        self.swings.size()
    }

    /// Takes the delay for one that does not swing.
    pub(crate) fn forget_swings(&mut self) {
        self.swings = Swings::default();
    }

    /// By how much it differs from packet to packet.
    pub(crate) fn jitter(&self) -> Duration {
        self.jitter.size()
    }

    /// The least delay seen, clocks' difference included.
    pub(crate) const fn base(&self) -> Option<i64> {
        self.base
    }

    /// Delay of a packet that would be sent now, clocks' difference included. With `idle` the queue drains by itself.
    pub(crate) fn expected(&self, now: Instant, idle: bool) -> i64 {
        let base = self.base.unwrap_or(0);
        let smoothed = self.smoothed as i64;
        if !idle {
            return base.max(smoothed);
        }
        // What a modem held for seconds says nothing about the next packet: of ours nothing waits there any more.
        let drained = (now - self.last).as_micros() as i64;
        base.max((smoothed - drained).min(base + TARGET.as_micros() as i64))
    }

    /// The queue that stands even in the emptiest moment of the last 50 ms. Of a path that swings widely, only what is more than a
    /// swing: a few of them seldom reach the base.
    pub(crate) fn standing(&self) -> Duration {
        let least = self.recent.iter().map(|(_, relative)| *relative).min();
        let queue = least.zip(self.base).map_or(0, |(least, base)| least - base);
        delay_of(queue).saturating_sub(self.swings.size().wide)
    }
}

/// `received - sent` on two clocks, in microseconds, kept where sums of a few do not overflow.
pub(crate) fn relative_delay(sent: Instant, received: Instant) -> i64 {
    received.micros_since(sent).clamp(-(1 << 60), 1 << 60)
}

/// Microseconds that two clocks told, as a delay; none is shorter than nothing.
pub(crate) fn delay_of(micros: i64) -> Duration {
    Duration::from_micros(micros.max(0).unsigned_abs())
}

/// The standing queue to aim at: what stands when a link stalls has to be sent again elsewhere. The suite's links shake by up
/// to 30 ms and stay busy with it; 110 and 80 ms cost up to a point more and lost more, 50 and 30 the same, and so did a
/// target of twice each path's own jitter.
pub(crate) const TARGET: Duration = Duration::from_millis(40);

/// The queue that is paced for where this much lies between in and out: above 800 ms there is time to send again elsewhere what
/// stood in a longer one when its link stalled, and a delay that swings by itself is not taken for a reason to go slower.
pub(crate) fn paced_for(latency: Duration) -> Duration {
    (TARGET + latency.saturating_sub(TIGHT).mul_f64(SHARE)).min(MOST)
}

/// Up to here each millisecond of queue is one that a repair would need.
const TIGHT: Duration = Duration::from_millis(800);
const SHARE: f64 = 0.8;
/// What a modem's buffer holds in any case.
const MOST: Duration = Duration::from_millis(200);

/// A queue of a few packets comes and goes in this time.
const SMOOTHING: Duration = Duration::from_millis(60);
/// Jitter of LTE scheduling is gone over this long; of a path that swings by more, its swings are.
const STANDING_WINDOW: Duration = Duration::from_millis(50);
/// Fewer samples than these show a slow link's jitter, not its queue, unless they are older than this.
const STANDING_SAMPLES: usize = 5;
const STANDING_AGE: Duration = Duration::from_secs(1);
/// Acknowledgements and jitter on top of the round trip in which a queue drains.
const CALM: Duration = Duration::from_millis(100);
/// The first round trips after a modem held packets tell how long it held them; the base falls again at once, but what the
/// round trip rose by is believed until one is shorter.
const PROVEN: usize = 5;
/// Two measurements of the same queue, in microseconds.
const FLAT: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(delay: &mut Delay, ms: u64, relative: i64) {
        let sent = Instant::from_millis(ms);
        delay.on_sample(sent, sent, sent.offset_micros(relative));
    }

    fn feed(delay: &mut Delay, from_ms: u64, to_ms: u64, relative: i64) {
        (from_ms..to_ms).step_by(5).for_each(|ms| sample(delay, ms, relative));
    }

    #[test]
    fn the_queue_that_is_paced_for_grows_above_800_ms_of_latency_and_no_further_than_200() {
        let ms = |latency| paced_for(Duration::from_millis(latency)).as_millis();
        assert_eq!([200, 800, 900, 1_000, 5_000].map(ms), [40, 40, 120, 200, 200]);
    }

    #[test]
    fn a_queue_stands_above_the_base() {
        let mut delay = Delay::default();
        feed(&mut delay, 0, 100, 1_000_000);
        feed(&mut delay, 100, 200, 1_040_000);
        assert_eq!(delay.standing(), Duration::from_millis(40));
        sample(&mut delay, 200, 1_001_000);
        assert_eq!(delay.standing(), Duration::from_millis(1), "one packet without queue proves that none stands");
    }

    #[test]
    fn what_swings_by_itself_is_no_queue_and_what_stands_above_it_is() {
        let after = |queue| {
            let mut delay = Delay::default();
            sample(&mut delay, 0, 0);
            for ms in (5..5_000).step_by(5) {
                let place = ms % 300;
                sample(&mut delay, ms, queue + place.min(300 - place) as i64 * 1_000);
            }
            delay.standing().as_millis()
        };
        assert_eq!(after(60_000), 0);
        assert!((40..=80).contains(&after(200_000)), "{}", after(200_000));
    }

    #[test]
    fn the_base_rises_only_after_calm() {
        let mut delay = Delay::default();
        delay.on_round_trip(Duration::from_millis(50));
        feed(&mut delay, 0, 100, 0);
        feed(&mut delay, 100, 5_000, 60_000);
        assert_eq!(delay.base(), Some(0));
        delay.on_calm(Instant::from_millis(5_000), true);
        feed(&mut delay, 5_000, 5_150, 60_000);
        delay.on_calm(Instant::from_millis(5_150), true);
        assert_eq!(delay.base(), Some(60_000));
    }

    #[test]
    fn the_round_trip_rises_with_the_base() {
        let mut delay = Delay::default();
        feed(&mut delay, 0, 100, 0);
        delay.on_round_trip(Duration::from_millis(50));
        delay.on_round_trip(Duration::from_millis(200));
        assert_eq!(delay.round_trip(), Duration::from_millis(50), "a queue on the way makes no path longer");
        delay.on_calm(Instant::from_millis(1_000), true);
        delay.on_round_trip(Duration::from_millis(900));
        delay.on_calm(Instant::from_millis(1_150), true);
        assert_eq!(delay.round_trip(), Duration::from_millis(50), "one packet tells how long a modem held it");
        feed(&mut delay, 1_150, 1_300, 0);
        [180, 190, 170, 185, 200].into_iter().for_each(|ms| delay.on_round_trip(Duration::from_millis(ms)));
        delay.on_calm(Instant::from_millis(1_300), true);
        assert_eq!(delay.round_trip(), Duration::from_millis(170));
        delay.on_round_trip(Duration::from_millis(60));
        assert_eq!(delay.round_trip(), Duration::from_millis(60));
    }

    #[test]
    fn what_still_falls_is_a_queue() {
        let mut delay = Delay::default();
        delay.on_round_trip(Duration::from_millis(50));
        feed(&mut delay, 0, 100, 0);
        let calm = |delay: &mut Delay, ms| delay.on_calm(Instant::from_millis(ms), true);
        calm(&mut delay, 100);
        (0..30).for_each(|i| sample(&mut delay, 100 + 5 * i, 300_000 - 2_000 * 5 * i as i64));
        calm(&mut delay, 250);
        assert_eq!(delay.base(), Some(0));
        feed(&mut delay, 250, 400, 30_000);
        calm(&mut delay, 400);
        assert_eq!(delay.base(), Some(30_000));
    }
}
