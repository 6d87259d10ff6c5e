//! How much of the links messages may take.

use bondbox_units::{Bitrate, Instant};

/// Lets bytes pass at a rate: each datagram is paid for by waiting behind it.
#[derive(Debug)]
pub(super) struct Allowance {
    free_at: Instant,
}

impl Allowance {
    pub(super) const fn new(now: Instant) -> Self {
        Self { free_at: now }
    }

    /// When the next datagram may leave.
    pub(super) const fn free_at(&self) -> Instant {
        self.free_at
    }

    /// `bytes` leave now.
    pub(super) fn take(&mut self, now: Instant, proven: Bitrate, bytes: usize) {
        self.free_at = self.free_at.max(now) + rate(proven).time_for(bytes as u64);
    }
}

/// A fiftieth of what the links carry, and on weak links enough for a word a second.
fn rate(proven: Bitrate) -> Bitrate {
    proven.scaled(0.02).max(LEAST)
}

const LEAST: Bitrate = Bitrate::from_kbps(16);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fiftieth_passes_and_never_less_than_sixteen_kilobits() {
        for (proven_kbps, bytes_in_10_s) in [(100, 20_000), (10_000, 250_000)] {
            let mut allowance = Allowance::new(Instant::ZERO);
            let (mut now, mut sent) = (Instant::ZERO, 0);
            while now < Instant::from_millis(10_000) {
                if allowance.free_at() <= now {
                    allowance.take(now, Bitrate::from_kbps(proven_kbps), 500);
                    sent += 500;
                }
                now += Duration::from_millis(1);
            }
            assert!((bytes_in_10_s * 95 / 100..=bytes_in_10_s + 500).contains(&sent), "{sent} of {bytes_in_10_s}");
        }
    }
}
