//! Which packets are lost.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::seed::{Process, generator};

/// How packets are lost: not at all, each by itself, or in bursts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Chance that a packet after a good one is lost.
    enter: f64,
    /// Chance that a packet after a lost one is lost too.
    stay: f64,
}

impl Loss {
    /// Nothing is lost.
    pub const NONE: Self = Self { enter: 0.0, stay: 0.0 };

    /// Each packet by itself, `percent` of them. `None` outside 0 to 100.
    pub fn independent(percent: f64) -> Option<Self> {
        let share = percent / 100.0;
        (0.0..=1.0).contains(&share).then_some(Self { enter: share, stay: share })
    }

    /// `percent` of all packets, in runs of `burst_packets` on average: the Gilbert model (Gilbert 1960), where
    /// the bad state loses everything. `None` where no such process exists: a mean above
    /// `burst_packets / (burst_packets + 1)`, or runs shorter than one packet.
    pub fn bursts(percent: f64, burst_packets: f64) -> Option<Self> {
        let share = percent / 100.0;
        if !(0.0..1.0).contains(&share) || !burst_packets.is_finite() || burst_packets < 1.0 {
            return None;
        }
        // In balance as many runs start as end: (1 − share) · enter = share / burst.
        let enter = share / (1.0 - share) / burst_packets;
        (enter <= 1.0).then_some(Self { enter, stay: 1.0 - 1.0 / burst_packets })
    }

    /// The share of packets lost in the long run, 0 to 1.
    pub fn mean(&self) -> f64 {
        if self.enter == 0.0 { 0.0 } else { self.enter / (self.enter + 1.0 - self.stay) }
    }

    /// How many packets are lost in a row in the long run; infinite where nothing ever passes.
    pub fn mean_run(&self) -> f64 {
        1.0 / (1.0 - self.stay)
    }

    /// The standard deviation of the share lost among `packets` of them, 0 to 1. Bursts make it wider.
    pub fn deviation(&self, packets: u64) -> f64 {
        // A two-state chain's correlation falls by this factor a packet.
        let memory = self.stay - self.enter;
        let mean = self.mean();
        (mean * (1.0 - mean) * (1.0 + memory) / (1.0 - memory) / packets.max(1) as f64).sqrt()
    }
}

/// Draws the fate of one packet after the other.
#[derive(Clone, Debug)]
pub(super) struct LossProcess {
    loss: Loss,
    last_was_lost: bool,
    rng: ChaCha8Rng,
}

impl LossProcess {
    pub(super) fn new(loss: Loss, seed: u64) -> Self {
        Self { loss, last_was_lost: false, rng: generator(seed, Process::Loss) }
    }

    /// From now on packets are lost like this.
    pub(super) fn set(&mut self, loss: Loss) {
        self.loss = loss;
    }

    pub(super) fn next_is_lost(&mut self) -> bool {
        let chance = if self.last_was_lost { self.loss.stay } else { self.loss.enter };
        self.last_was_lost = self.rng.random_bool(chance);
        self.last_was_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share lost and mean length of runs over many packets.
    fn measure(loss: Loss, packets: u32) -> (f64, f64) {
        let mut process = LossProcess::new(loss, 7);
        let (mut lost, mut runs, mut before) = (0_u32, 0_u32, false);
        for _ in 0..packets {
            let now = process.next_is_lost();
            lost += u32::from(now);
            runs += u32::from(now && !before);
            before = now;
        }
        (f64::from(lost) / f64::from(packets), f64::from(lost) / f64::from(runs.max(1)))
    }

    #[test]
    fn bursts_have_the_mean_and_the_length_asked_for() {
        for (percent, burst) in [(1.0, 3.0), (3.0, 6.0), (20.0, 1.0), (50.0, 10.0)] {
            let loss = Loss::bursts(percent, burst).unwrap();
            let (share, length) = measure(loss, 1_000_000);
            assert!((share - percent / 100.0).abs() < 5.0 * loss.deviation(1_000_000), "{percent} %: {share}");
            assert!((loss.mean_run() / burst - 1.0).abs() < 1e-9);
            assert!((length / burst - 1.0).abs() < 0.05, "{burst} packets: {length}");
        }
    }

    #[test]
    fn independent_losses_have_no_memory() {
        let (share, length) = measure(Loss::independent(20.0).unwrap(), 1_000_000);
        assert!((share - 0.2).abs() < 0.002, "{share}");
        // A run ends with each packet at 0.8: 1.25 packets on average.
        assert!((length - 1.25).abs() < 0.02, "{length}");
    }

    #[test]
    fn the_edges_lose_nothing_and_everything() {
        assert_eq!(measure(Loss::NONE, 1_000).0, 0.0);
        assert_eq!(measure(Loss::independent(100.0).unwrap(), 1_000).0, 1.0);
        assert_eq!(Loss::NONE.mean(), 0.0);
    }

    #[test]
    fn an_impossible_process_is_refused() {
        assert_eq!(Loss::independent(100.1), None);
        assert_eq!(Loss::independent(f64::NAN), None);
        assert_eq!(Loss::bursts(60.0, 1.0), None);
        assert_eq!(Loss::bursts(2.0, 0.5), None);
        assert_eq!(Loss::bursts(2.0, f64::INFINITY), None);
    }
}
