//! Whether a path's delay swings by itself, and by how much.
//!
//! A queue of ours rises by a fifth of the time at most while a path is paced a fifth above its rate, and falls as slowly. Delay
//! that goes up and down faster than that, again and again, is the path's own: a busy cell, Wi-Fi. What a modem holds and
//! lets go is a single swing, and a rate that falls is a rise without a fall. A path that was taken for faster than it is gets
//! bursts, and rests in between, and its queue swings as widely: but it falls only while little is sent.

use std::time::Duration;

use bondbox_units::Instant;

/// By how much a delay swings, in the mean; zero where it does not, or not often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swing {
    pub(crate) size: Duration,
    /// The same where it is so much, and for so long, that most of the time it would be taken for a queue; else zero.
    pub(crate) wide: Duration,
}

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Instant,
    /// In microseconds.
    delay: i64,
    /// How many came before it.
    packets: u32,
}

/// From one turn of the delay to the next.
#[derive(Clone, Copy, Debug, Default)]
struct Leg {
    /// In microseconds; zero where it was not steep.
    by: i64,
    /// Packets that left in a second meanwhile.
    rate: f64,
}

/// Turns of the delay.
#[derive(Debug, Default)]
pub(crate) struct Swings {
    /// The outermost delay since the last turn.
    least: Option<Point>,
    most: Option<Point>,
    packets: u32,
    rising: bool,
    rise: Leg,
    /// Steep falls and rises in this and in the last second: how many, and their sum in microseconds.
    counted: [(u32, i64); 2],
    since: Instant,
    size: Duration,
    /// Seconds of wide swings less those without, from none to [`LASTING`].
    lasting: u32,
    wide: bool,
}

impl Swings {
    /// Takes in the delay of a packet by when it arrived.
    pub(crate) fn on_sample(&mut self, at: Instant, delay: i64) {
        self.packets = self.packets.wrapping_add(1);
        let point = Point { at, delay, packets: self.packets };
        let (Some(least), Some(most)) = (self.least, self.most) else {
            (self.least, self.most, self.since) = (Some(point), Some(point), at);
            return;
        };
        if self.rising {
            if delay >= most.delay {
                self.most = Some(point);
            } else if most.delay - delay >= TURN {
                self.rise = leg(least, most);
                (self.rising, self.least) = (false, Some(point));
            }
        } else if delay <= least.delay {
            self.least = Some(point);
        } else if delay - least.delay >= TURN {
            self.on_fall(leg(most, least));
            (self.rising, self.most) = (true, Some(point));
        }
        if at.since(self.since) >= PERIOD {
            self.since = at;
            let [(now, sum), (before, sum_before)] = self.counted;
            let (count, sum) = (now + before, sum + sum_before);
            let mean = Duration::from_micros((sum / i64::from(count.max(1))).unsigned_abs());
            self.size = if count >= OFTEN { mean.min(MOST) } else { Duration::ZERO };
            self.on_second(self.size >= WIDE);
            self.counted = [(0, 0), self.counted[0]];
        }
    }

    /// The delay rose, and fell again.
    fn on_fall(&mut self, fall: Leg) {
        let rise = std::mem::take(&mut self.rise);
        if fall.rate < rise.rate * FED {
            return;
        }
        let (count, sum) = &mut self.counted[0];
        for by in [rise.by, fall.by].into_iter().filter(|by| *by > 0) {
            (*count, *sum) = (*count + 1, *sum + by);
        }
    }

    /// Another second, with wide swings or without.
    const fn on_second(&mut self, wide: bool) {
        self.lasting = if wide { self.lasting + 1 } else { self.lasting.saturating_sub(1) };
        if self.lasting >= LASTING {
            (self.wide, self.lasting) = (true, LASTING);
        } else if self.lasting == 0 {
            self.wide = false;
        }
    }

    /// By how much it swings.
    pub(crate) fn size(&self) -> Swing {
        Swing { size: self.size, wide: if self.wide { self.size } else { Duration::ZERO } }
    }
}

fn leg(from: Point, to: Point) -> Leg {
    let (change, taken) = (to.delay - from.delay, to.at.since(from.at).as_micros() as i64);
    // However far: a gateway may say what it likes.
    let by = change.abs().min(FAR);
    let steep = by as f64 >= STEEP * taken as f64;
    let leaving = (taken - change).max(1) as f64 / 1e6;
    Leg { by: if steep { by } else { 0 }, rate: f64::from(to.packets.wrapping_sub(from.packets)) / leaving }
}

/// Less is what any cell does, in microseconds.
const TURN: i64 = 30_000;
/// Of the time that it takes.
const STEEP: f64 = 0.25;
/// Of what left while the delay rose, what leaves while it falls where no queue of ours is what falls.
const FED: f64 = 0.5;
/// In microseconds.
const FAR: i64 = 1_000_000;
const PERIOD: Duration = Duration::from_secs(1);
/// Turns in two periods.
const OFTEN: u32 = 4;
/// Where less was left out of queues and rates, three LTE links and one that swallows everything lost up to half a percent at 400 ms:
/// what cells do when they fill up looks like small swings.
const WIDE: Duration = Duration::from_millis(65);
/// In seconds. Cells that hold and let go swing for a second or two: where that counted at once, six driving links lost four
/// percent, and after 3 s four of them and a satellite still a tenth.
const LASTING: u32 = 5;
/// Who swings by more is not waited for.
const MOST: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    impl Swings {
        fn on_sent(&mut self, sent_ms: u64, delay_ms: i64) {
            self.on_sample(Instant::from_millis(sent_ms).offset_micros(delay_ms * 1_000), delay_ms * 1_000);
        }
    }

    /// The size after ten seconds of a delay that depends on when a packet was sent, both in ms.
    fn size(delay_ms: impl Fn(u64) -> i64) -> u128 {
        let mut swings = Swings::default();
        (0..10_000).step_by(5).for_each(|ms| swings.on_sent(ms, delay_ms(ms)));
        swings.size().size.as_millis()
    }

    /// Up and down by `by` ms, each in `within` ms.
    fn triangle(ms: u64, by: u64, within: u64) -> i64 {
        let place = ms % (2 * within);
        (place.min(2 * within - place) * by / within) as i64
    }

    #[test]
    fn a_delay_that_goes_up_and_down_fast_swings_by_what_it_does() {
        assert!((70..=80).contains(&size(|ms| triangle(ms, 80, 80))));
        assert!((130..=150).contains(&size(|ms| triangle(ms, 150, 200))));
    }

    #[test]
    fn only_swings_that_are_wide_for_seconds_are_called_so_until_they_are_gone_for_seconds() {
        let mut swings = Swings::default();
        let mut wide_at = |from: u64, seconds: u64, by: u64| {
            for ms in (from..from + seconds * 1_000).step_by(5) {
                swings.on_sent(ms, triangle(ms, by, 150));
            }
            swings.size().wide > Duration::ZERO
        };
        assert!(!wide_at(0, 20, 50), "not wide");
        assert!(!wide_at(20_000, 4, 150), "not for long");
        assert!(wide_at(24_000, 7, 150));
        assert!(!wide_at(31_000, 3, 0), "nothing swings");
        assert!(wide_at(34_000, 3, 150), "after a moment without it counts at once");
        assert!(!wide_at(37_000, 10, 0));
        assert!(!wide_at(47_000, 4, 150));
    }

    #[test]
    fn a_queue_of_bursts_is_no_swing() {
        let mut swings = Swings::default();
        for second in 0..10 {
            for burst in [0, 500] {
                // 100 ms at three times the rate of the path, and nothing until its queue is gone.
                for sent in (0..100).chain((100..500).step_by(50)) {
                    let delay = if sent < 100 { 2 * sent as i64 } else { (300 - sent as i64).max(0) };
                    swings.on_sent(second * 1_000 + burst + sent, delay);
                }
            }
        }
        assert_eq!(swings.size(), Swing::default());
    }

    #[test]
    fn queues_holds_steps_and_small_jitter_are_no_swings() {
        assert_eq!(size(|ms| triangle(ms, 60, 300)), 0, "a queue that is filled and drained");
        assert_eq!(size(|ms| triangle(ms, 25, 25)), 0, "what any cell does");
        assert_eq!(size(|ms| if ms > 9_000 { (ms as i64 - 9_000) * 2 } else { 0 }), 0, "a rate that fell");
        assert_eq!(size(|ms| if ms > 8_500 { (9_500 - ms as i64).max(0) } else { 0 }), 0, "one hold");
    }
}
