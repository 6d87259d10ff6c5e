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
    bursts: Bursts,
    noticed: Option<Duration>,
}

/// Packets lost, and how often the one before was not; the past counts less and less.
#[derive(Debug, Default)]
struct Bursts {
    lost: f64,
    begun: f64,
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

    /// Takes in that a packet was lost; `begins` when the one before was not.
    pub(crate) fn on_burst(&mut self, begins: bool) {
        if begins {
            self.bursts.lost *= BURST_MEMORY;
            self.bursts.begun = self.bursts.begun * BURST_MEMORY + 1.0;
        }
        self.bursts.lost += 1.0;
    }

    /// Takes in how long after it was sent a packet is known as lost; what a queue delays for a while does not count.
    pub(crate) fn on_noticed(&mut self, after: Duration, standing: Duration) {
        if standing <= TARGET {
            let mean = self.noticed.unwrap_or(after);
            self.noticed = Some(mean.mul_f64(1.0 - NOTICED_SHARE) + after.mul_f64(NOTICED_SHARE));
        }
    }

    /// From sending a packet to knowing that it is lost, in the mean; `None` while none was.
    pub(crate) const fn noticed(&self) -> Option<Duration> {
        self.noticed
    }

    /// Share of packets that the path loses by itself.
    pub(crate) const fn channel(&self) -> f64 {
        self.channel
    }

    /// Packets lost in a row, in the mean; at least one.
    pub(crate) fn burst(&self) -> f64 {
        (self.bursts.lost / self.bursts.begun.max(1.0)).max(1.0)
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
/// Of the newest loss in the mean time until one is noticed: a burst of ten does not make it.
const NOTICED_SHARE: f64 = 0.02;
/// Fifty bursts make a mean.
const BURST_MEMORY: f64 = 0.98;
/// Packets over which a path's own loss is averaged: ten losses at 2 %.
const CHANNEL_PACKETS: u32 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_burst_follows_what_is_lost_in_a_row() {
        let mut loss = Loss::default();
        assert_eq!(loss.burst(), 1.0);
        (0..100).for_each(|i| loss.on_burst(i % 4 == 0));
        assert!((loss.burst() - 4.0).abs() < 0.1, "{loss:?}");
        (0..300).for_each(|_| loss.on_burst(true));
        assert!(loss.burst() < 1.1, "{loss:?}");
    }

    #[test]
    fn how_long_it_takes_to_notice_a_loss_is_a_mean_of_losses_without_a_long_queue() {
        let ms = Duration::from_millis;
        let mut loss = Loss::default();
        assert_eq!(loss.noticed(), None);
        loss.on_noticed(ms(900), TARGET * 2);
        assert_eq!(loss.noticed(), None, "the queue's doing");
        (0..400).for_each(|i| loss.on_noticed(ms(if i % 2 == 0 { 80 } else { 120 }), ms(10)));
        assert!(loss.noticed().unwrap().abs_diff(ms(100)) < ms(2), "{loss:?}");
    }

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
