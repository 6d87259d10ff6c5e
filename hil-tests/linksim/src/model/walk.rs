//! A rate that wanders.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::seed::{Process, generator};

/// A random walk of the rate's logarithm between two walls, as a moving modem sees it: halving is as likely as
/// doubling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Walk {
    start: Bitrate,
    min: Bitrate,
    max: Bitrate,
    step: Duration,
    deviation: f64,
}

impl Walk {
    /// From `start`, within `min` and `max`, a step every `step` with a standard deviation of `step_percent`.
    /// `None` unless 0 < min ≤ start ≤ max, the step takes time, and its size lies in 0 to 100.
    pub fn new(start: Bitrate, min: Bitrate, max: Bitrate, step: Duration, step_percent: f64) -> Option<Self> {
        let sane = min > Bitrate::ZERO && min <= start && start <= max;
        (sane && step >= Duration::from_millis(1) && (0.0..=100.0).contains(&step_percent)).then_some(Self {
            start,
            min,
            max,
            step,
            deviation: step_percent / 100.0,
        })
    }

    /// Where it begins.
    pub const fn start(&self) -> Bitrate {
        self.start
    }
}

/// Walks.
#[derive(Clone, Debug)]
pub(super) struct WalkProcess {
    walk: Walk,
    log_bps: f64,
    until: Instant,
    rng: ChaCha8Rng,
}

impl WalkProcess {
    pub(super) fn new(walk: Walk, seed: u64) -> Self {
        let log_bps = log(walk.start);
        Self { walk, log_bps, until: Instant::ZERO + walk.step, rng: generator(seed, Process::Rate) }
    }

    /// The rate, and until when it stays. Time must not run backwards.
    pub(super) fn at(&mut self, now: Instant) -> (Bitrate, Instant) {
        while self.until <= now {
            self.step();
        }
        (Bitrate::from_bps(self.log_bps.exp().round() as u64), self.until)
    }

    fn step(&mut self) {
        self.until += self.walk.step;
        self.log_bps += self.walk.deviation * self.normal();
        let (low, high) = (log(self.walk.min), log(self.walk.max));
        // Mirrored at the walls, or the rate would stick to them. A step wider than the room between ends at a wall.
        if self.log_bps < low {
            self.log_bps = (2.0 * low - self.log_bps).min(high);
        } else if self.log_bps > high {
            self.log_bps = (2.0 * high - self.log_bps).max(low);
        }
    }

    /// A standard normal value (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.rng.random::<f64>(), self.rng.random::<f64>());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

fn log(rate: Bitrate) -> f64 {
    (rate.as_bps() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_walls_and_uses_the_room() {
        let (min, max) = (Bitrate::from_kbps(1_000), Bitrate::from_kbps(8_000));
        let walk = Walk::new(Bitrate::from_kbps(4_000), min, max, Duration::from_millis(100), 10.0).unwrap();
        let mut process = WalkProcess::new(walk, 5);
        let (mut least, mut most) = (max, min);
        for step in 0..100_000 {
            let (rate, _) = process.at(Instant::from_millis(step * 100));
            (least, most) = (least.min(rate), most.max(rate));
        }
        assert!(least >= min && least < Bitrate::from_kbps(1_100), "{least}");
        assert!(most <= max && most > Bitrate::from_kbps(7_300), "{most}");
    }

    #[test]
    fn nonsense_is_refused() {
        let (one, two, step) = (Bitrate::from_kbps(1), Bitrate::from_kbps(2), Duration::from_millis(100));
        assert_eq!(Walk::new(one, two, two, step, 10.0), None);
        assert_eq!(Walk::new(one, Bitrate::ZERO, two, step, 10.0), None);
        assert_eq!(Walk::new(one, one, two, Duration::ZERO, 10.0), None);
        assert_eq!(Walk::new(one, one, two, step, f64::NAN), None);
    }
}
