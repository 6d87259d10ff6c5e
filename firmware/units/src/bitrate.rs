//! How fast data flows.

use core::fmt;
use core::time::Duration;

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

/// Bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Schema)]
pub struct Bitrate(u64);

impl Bitrate {
    /// Nothing flows.
    pub const ZERO: Self = Self(0);

    /// From bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// From thousands of bits per second.
    pub const fn from_kbps(kbps: u64) -> Self {
        Self(kbps.saturating_mul(1_000))
    }

    /// In bits per second.
    pub const fn as_bps(self) -> u64 {
        self.0
    }

    /// The rate at which `bytes` pass in `time`; `None` when no time passed.
    pub fn from_bytes_in(bytes: u64, time: Duration) -> Option<Self> {
        let micros = time.as_micros();
        let bits = u128::from(bytes) * 8_000_000;
        (micros > 0).then(|| Self(u64::try_from(bits / micros).unwrap_or(u64::MAX)))
    }

    /// How long `bytes` take; [`Duration::MAX`] at a rate of zero.
    pub fn time_for(self, bytes: u64) -> Duration {
        if self.0 == 0 {
            return Duration::MAX;
        }
        let micros = u128::from(bytes) * 8_000_000 / u128::from(self.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Whole bytes that pass in `time`.
    pub fn bytes_in(self, time: Duration) -> u64 {
        u64::try_from(u128::from(self.0) * time.as_micros() / 8_000_000).unwrap_or(u64::MAX)
    }

    /// This rate times `factor`; negative and undefined factors give zero.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        // A float cast saturates, and turns NaN into zero.
        Self((self.0 as f64 * factor) as u64)
    }

    /// The sum, at most [`u64::MAX`].
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, zero where `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// The sum, at most [`u64::MAX`].
impl core::iter::Sum for Bitrate {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        rates.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bps @ 0..1_000 => write!(f, "{bps} bit/s"),
            bps @ 1_000..1_000_000 => write!(f, "{} kbit/s", bps / 1_000),
            bps => write!(f, "{}.{:02} Mbit/s", bps / 1_000_000, bps % 1_000_000 / 10_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_time_convert_both_ways() {
        let rate = Bitrate::from_kbps(8_000);
        assert_eq!(rate.bytes_in(Duration::from_millis(10)), 10_000);
        assert_eq!(rate.time_for(10_000), Duration::from_millis(10));
        assert_eq!(Bitrate::from_bytes_in(10_000, Duration::from_millis(10)), Some(rate));
        assert_eq!(Bitrate::from_bytes_in(1, Duration::ZERO), None);
        assert_eq!(Bitrate::ZERO.time_for(1), Duration::MAX);
    }
}
