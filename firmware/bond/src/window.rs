//! Sums over the recent past.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

/// What was added over the last `BUCKETS` × 100 ms.
#[derive(Clone, Debug)]
pub(crate) struct WindowSum<const BUCKETS: usize> {
    sums: [u64; BUCKETS],
    /// Bucket number, counted from the start of time, of the newest sum.
    newest: u64,
}

impl<const BUCKETS: usize> Default for WindowSum<BUCKETS> {
    fn default() -> Self {
        Self { sums: [0; BUCKETS], newest: 0 }
    }
}

impl<const BUCKETS: usize> WindowSum<BUCKETS> {
    /// Adds `amount` now.
    pub(crate) fn add(&mut self, now: Instant, amount: u64) {
        self.advance(now);
        self.sums[self.newest as usize % BUCKETS] += amount;
    }

    /// The sum of what was added within the window that ends now.
    pub(crate) fn sum(&self, now: Instant) -> u64 {
        let mut copy = self.clone();
        copy.advance(now);
        copy.sums.iter().sum()
    }

    /// The sum, taken as bytes, as a rate over the window.
    pub(crate) fn rate(&self, now: Instant) -> Bitrate {
        // The newest bucket has only begun.
        let begun = Duration::from_micros(now.as_micros() % BUCKET.as_micros() as u64);
        Bitrate::from_bytes_in(self.sum(now), BUCKET * (BUCKETS as u32 - 1) + begun).unwrap_or_default()
    }

    fn advance(&mut self, now: Instant) {
        let bucket = now.as_micros() / BUCKET.as_micros() as u64;
        let stale = bucket.saturating_sub(self.newest).min(BUCKETS as u64);
        for i in 0..stale {
            self.sums[(bucket - i) as usize % BUCKETS] = 0;
        }
        self.newest = self.newest.max(bucket);
    }
}

const BUCKET: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut window = WindowSum::<10>::default();
        window.add(Instant::from_millis(50), 1_000);
        window.add(Instant::from_millis(950), 500);
        assert_eq!(window.sum(Instant::from_millis(990)), 1_500);
        assert_eq!(window.sum(Instant::from_millis(1_010)), 500);
        assert_eq!(window.rate(Instant::from_millis(1_010)), Bitrate::from_bps(500 * 8_000 / 910));
        assert_eq!(window.sum(Instant::from_millis(60_000)), 0);
    }
}
