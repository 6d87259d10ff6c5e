//! What varies in the delay of a path.

use std::time::Duration;

use bondbox_units::Instant;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::seed::{Process, generator};

/// Added to the delay of one packet after the other.
///
/// In order, it is a random line through time whose knots are uniform between zero and the maximum. Independent draws
/// held back by their predecessors would instead settle near the maximum as soon as packets are dense. The line falls
/// by at most its own advance, so packets may bunch but never overtake. Where reordering is asked for, each packet
/// draws for itself.
#[derive(Clone, Debug)]
pub(super) struct Jitter {
    max_us: u64,
    reorder: bool,
    rng: ChaCha8Rng,
}

impl Jitter {
    pub(super) fn new(max: Duration, reorder: bool, seed: u64) -> Self {
        let max_us = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Self { max_us, reorder, rng: generator(seed, Process::Jitter) }
    }

    /// For a packet that leaves the bottleneck now.
    pub(super) fn at(&mut self, now: Instant) -> Duration {
        if self.max_us == 0 {
            return Duration::ZERO;
        }
        if self.reorder {
            return Duration::from_micros(self.rng.random_range(0..=self.max_us));
        }
        let spacing = KNOT_SPACING_US.max(self.max_us);
        let (knot, into) = (now.as_micros() / spacing, now.as_micros() % spacing);
        let (from, to) = (self.knot(knot), self.knot(knot + 1));
        let weighted = u128::from(from) * u128::from(spacing - into) + u128::from(to) * u128::from(into);
        Duration::from_micros((weighted / u128::from(spacing)) as u64)
    }

    /// The value at one knot: a position in the generator's stream, so that it depends on time alone.
    fn knot(&mut self, index: u64) -> u64 {
        self.rng.set_word_pos(u128::from(index) * 2);
        ((u128::from(self.rng.next_u64()) * (u128::from(self.max_us) + 1)) >> 64) as u64
    }
}

/// Scheduling in a cell changes on this scale: grants come every 5 to 40 ms.
const KNOT_SPACING_US: u64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_covers_its_range_and_never_overtakes() {
        let max = Duration::from_millis(30);
        let mut jitter = Jitter::new(max, false, 3);
        let (mut last, mut least, mut most) = (Instant::ZERO, max, Duration::ZERO);
        for micros in (0..60_000_000).step_by(250) {
            let sent = Instant::from_micros(micros);
            let extra = jitter.at(sent);
            assert!(sent + extra >= last, "overtakes at {sent}");
            last = sent + extra;
            (least, most) = (least.min(extra), most.max(extra));
        }
        assert!(least < max / 50 && most > max * 49 / 50 && most <= max, "{least:?} to {most:?}");
    }

    #[test]
    fn a_value_depends_on_time_alone() {
        let (mut often, mut once) =
            (Jitter::new(Duration::from_millis(30), false, 3), Jitter::new(Duration::from_millis(30), false, 3));
        for millis in 0..1_000 {
            often.at(Instant::from_millis(millis));
        }
        assert_eq!(often.at(Instant::from_millis(1_000)), once.at(Instant::from_millis(1_000)));
    }
}
