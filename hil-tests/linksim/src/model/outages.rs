//! Times at which a modem holds everything: a handover, a dead spot, a reconnect.

use std::time::Duration;

use bondbox_units::Instant;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::seed::{Process, generator};

/// How often, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outages {
    mean_interval: Duration,
    shortest: Duration,
    longest: Duration,
}

impl Outages {
    /// One after `mean_interval` on average (exponential), each between `shortest` and `longest` (uniform). `None` for
    /// an interval of zero or a range upside down.
    pub fn new(mean_interval: Duration, shortest: Duration, longest: Duration) -> Option<Self> {
        (!mean_interval.is_zero() && !longest.is_zero() && shortest <= longest).then_some(Self {
            mean_interval,
            shortest,
            longest,
        })
    }
}

/// Draws the outages of one direction.
#[derive(Clone, Debug)]
pub(super) struct OutageProcess {
    outages: Outages,
    out: bool,
    until: Instant,
    rng: ChaCha8Rng,
}

impl OutageProcess {
    pub(super) fn new(outages: Outages, seed: u64) -> Self {
        let mut process = Self { outages, out: true, until: Instant::ZERO, rng: generator(seed, Process::Outages) };
        // Time starts where an outage ends.
        process.turn();
        process
    }

    /// Whether the link is out, and until when that stays so. Time must not run backwards.
    pub(super) fn at(&mut self, now: Instant) -> (bool, Instant) {
        while self.until <= now {
            self.turn();
        }
        (self.out, self.until)
    }

    fn turn(&mut self) {
        self.out = !self.out;
        let length = if self.out {
            let range = self.outages.longest - self.outages.shortest;
            self.outages.shortest + range.mul_f64(self.rng.random::<f64>())
        } else {
            // `1 − random` is never zero, so the logarithm is finite.
            self.outages.mean_interval.mul_f64(-(1.0 - self.rng.random::<f64>()).ln())
        };
        // Each state lasts at least the resolution of time, or the loop above could spin.
        self.until += length.max(Duration::from_micros(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_as_often_and_last_as_long_as_asked() {
        let outages =
            Outages::new(Duration::from_secs(10), Duration::from_millis(200), Duration::from_millis(800)).unwrap();
        let mut process = OutageProcess::new(outages, 11);
        let (mut now, mut count, mut total) = (Instant::ZERO, 0_u32, Duration::ZERO);
        while now < Instant::from_millis(100_000_000) {
            let (out, until) = process.at(now);
            if out {
                let length = until - now;
                assert!((Duration::from_millis(200)..=Duration::from_millis(800)).contains(&length), "{length:?}");
                count += 1;
                total += length;
            }
            now = until;
        }
        // 100,000 s at one per 10.5 s.
        assert!((9_200..9_850).contains(&count), "{count}");
        let mean = total / count;
        assert!(mean.abs_diff(Duration::from_millis(500)) < Duration::from_millis(10), "{mean:?}");
    }

    #[test]
    fn nonsense_is_refused() {
        let (short, long) = (Duration::from_millis(1), Duration::from_millis(2));
        assert_eq!(Outages::new(Duration::ZERO, short, long), None);
        assert_eq!(Outages::new(long, long, short), None);
        assert_eq!(Outages::new(long, Duration::ZERO, Duration::ZERO), None);
    }
}
