//! How late packets were handed on.

use std::time::Duration;

use crate::control::Lateness;

/// Counts by the ten microseconds, up to ten milliseconds.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    max: Duration,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; 1_001], max: Duration::ZERO }
    }

    pub(super) fn add(&mut self, late: Duration) {
        let bucket = (late.as_micros() / BUCKET_US) as usize;
        let last = self.counts.len() - 1;
        self.counts[bucket.min(last)] += 1;
        self.max = self.max.max(late);
    }

    pub(super) fn summary(&self) -> Lateness {
        Lateness { p50_us: self.quantile(50), p99_us: self.quantile(99), max_us: self.max.as_micros() as u64 }
    }

    /// The upper edge of the bucket that holds this hundredth, at most the maximum.
    fn quantile(&self, percent: u64) -> u64 {
        let total: u64 = self.counts.iter().sum();
        let mut below = 0;
        let bucket = self.counts.iter().position(|&count| {
            below += count;
            below * 100 >= total * percent
        });
        let edge = (bucket.unwrap_or_default() as u64 + 1) * BUCKET_US as u64;
        edge.min(self.max.as_micros() as u64)
    }
}

const BUCKET_US: u128 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_upper_bounds() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.summary(), Lateness::default());
        for us in 0..1_000 {
            histogram.add(Duration::from_micros(us));
        }
        histogram.add(Duration::from_secs(1));
        assert_eq!(histogram.summary(), Lateness { p50_us: 510, p99_us: 1_000, max_us: 1_000_000 });
    }
}
