//! Whether a path's delay swings by itself, and by how much.
//!
//! A queue of ours rises by a fifth of the time at most while a path is paced a fifth above its rate, and falls as slowly. Delay
//! that goes up and down faster than that, again and again, is the path's own: a busy cell, Wi-Fi. What a modem holds and
//! lets go is a single swing, and a rate that falls is a rise without a fall.

use std::time::Duration;

use bondbox_units::Instant;

/// By how much a delay swings, in the mean; zero where it does not, or not often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swing {
    pub(crate) size: Duration,
    /// The same where it is so much, and for so long, that most of the time it would be taken for a queue; else zero.
    pub(crate) wide: Duration,
}

/// Turns of the delay.
#[derive(Debug, Default)]
pub(crate) struct Swings {
    /// The outermost delay since the last turn, in microseconds, and when it was.
    least: Option<(Instant, i64)>,
    most: Option<(Instant, i64)>,
    rising: bool,
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
        let (Some(least), Some(most)) = (self.least, self.most) else {
            (self.least, self.most, self.since) = (Some((at, delay)), Some((at, delay)), at);
            return;
        };
        if self.rising {
            if delay >= most.1 {
                self.most = Some((at, delay));
            } else if most.1 - delay >= TURN {
                self.on_turn(least, most);
                (self.rising, self.least) = (false, Some((at, delay)));
            }
        } else if delay <= least.1 {
            self.least = Some((at, delay));
        } else if delay - least.1 >= TURN {
            self.on_turn(most, least);
            (self.rising, self.most) = (true, Some((at, delay)));
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

    /// The delay went from one to the other and turned.
    fn on_turn(&mut self, from: (Instant, i64), to: (Instant, i64)) {
        // However far: a gateway may say what it likes.
        let by = (to.1 - from.1).abs().min(FAR);
        if by as f64 >= STEEP * to.0.since(from.0).as_micros() as f64 {
            let (count, sum) = &mut self.counted[0];
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

/// Less is what any cell does, in microseconds.
const TURN: i64 = 30_000;
/// Of the time that it takes.
const STEEP: f64 = 0.25;
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

    /// The size after ten seconds of a delay that depends on the time in ms.
    fn size(delay_ms: impl Fn(u64) -> i64) -> u128 {
        let mut swings = Swings::default();
        for ms in (0..10_000).step_by(5) {
            swings.on_sample(Instant::from_millis(ms), delay_ms(ms) * 1_000);
        }
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
                swings.on_sample(Instant::from_millis(ms), triangle(ms, by, 150) * 1_000);
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
    fn queues_holds_steps_and_small_jitter_are_no_swings() {
        assert_eq!(size(|ms| triangle(ms, 60, 300)), 0, "a queue that is filled and drained");
        assert_eq!(size(|ms| triangle(ms, 25, 25)), 0, "what any cell does");
        assert_eq!(size(|ms| if ms > 9_000 { (ms as i64 - 9_000) * 2 } else { 0 }), 0, "a rate that fell");
        assert_eq!(size(|ms| if ms > 8_500 { (9_500 - ms as i64).max(0) } else { 0 }), 0, "one hold");
    }
}
