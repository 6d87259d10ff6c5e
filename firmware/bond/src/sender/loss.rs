//! What one path loses: by itself, and because too much was sent.
//!
//! [`super::path::Path`] feeds it. Only loss above the path's own says anything about how much it carries.

use std::time::Duration;

use bondbox_units::Instant;

use super::delay::TARGET;
use crate::window::WindowSum;

/// Losses of a path.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    lost: WindowSum<20>,
    outgoing: WindowSum<20>,
    /// Share of packets lost while no queue stood.
    channel: f64,
    fates: u32,
}

impl Loss {
    /// `size` bytes left.
    pub(crate) fn on_sent(&mut self, now: Instant, size: u32) {
        self.outgoing.add(now, u64::from(size));
    }

    /// `size` bytes that left a while ago are lost.
    pub(crate) fn on_lost(&mut self, now: Instant, size: u32) {
        self.lost.add(now, u64::from(size));
    }

    /// Takes in whether a packet was lost, for the loss of the path by itself: what a queue drops does not count.
    pub(crate) fn on_fate(&mut self, lost: bool, standing: Duration) {
        if standing <= TARGET / 5 {
            self.fates = (self.fates + 1).min(CHANNEL_PACKETS);
            self.channel += (f64::from(u8::from(lost)) - self.channel) / f64::from(self.fates);
        }
    }

    /// Share of bytes of the last 2 s that were lost.
    pub(crate) fn recent(&self, now: Instant) -> f64 {
        self.lost.sum(now) as f64 / self.outgoing.sum(now).max(1) as f64
    }

    /// The same above what the path loses by itself. A burst among few packets is no share of anything yet.
    pub(crate) fn excess(&self, now: Instant) -> f64 {
        self.lost.sum(now) as f64 / self.outgoing.sum(now).max(MIN_SAMPLE) as f64 - self.channel
    }
}

/// Bytes in 2 s: 400 kbit/s, of which a burst of six packets is less than a tenth.
const MIN_SAMPLE: u64 = 100_000;
/// Packets over which a path's own loss is averaged: ten losses at 2 %.
const CHANNEL_PACKETS: u32 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_always_loses_has_no_excess_and_a_full_queue_does_not_count() {
        let mut loss = Loss::default();
        for i in 0..1_000_u64 {
            let now = Instant::from_millis(10 * i);
            loss.on_sent(now, 1_000);
            let lost = i.is_multiple_of(20);
            loss.on_fate(lost, Duration::ZERO);
            loss.on_fate(true, TARGET);
            if lost {
                loss.on_lost(now, 1_000);
            }
        }
        let now = Instant::from_millis(10_000);
        assert!((loss.recent(now) - 0.05).abs() < 0.01, "{loss:?}");
        assert!(loss.excess(now).abs() < 0.02, "{loss:?}");
    }
}
