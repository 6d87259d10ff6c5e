//! What readings of a modem's radio mean.
//!
//! [`Radio`] takes readings as a modem gives them, smooths them and knows how fast they change. From it come the [`health`] that
//! people see, the [`capacity`] that such a signal carries at most, and whether the modem is about to change its cell
//! ([`Radio::handover`]). [`bands`] gives modems of one operator bands of their own. Nothing here reads a clock.
//!
//! # What steers the bond
//!
//! None of it. Over rides whose radio leads capacity by -1 to +2 s, drawn by two generators that were fixed before
//! (`hil-tests/sim`, module `rides`, where the rule is, too), no part surely gains at a lead of 0 over both generators together.
//! Keeping a link for redundancy while a handover is foretold surely harms: by 0.76 ± 0.51 points at a lead of 0, by
//! 1.11 ± 0.88 at -1 s. These are the six seeds 9000..9006, few, and wide for all but that
//! (`bondbox-sim radio --seeds 9000..9006`; without `--seeds` it takes the forty that the rule names):
//!
#![doc = include_str!("worth.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod bands;
pub mod capacity;
pub mod health;
mod smooth;

pub use smooth::Smooth;

use core::time::Duration;

use bondbox_units::Instant;

/// What a modem says at one moment; `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Power of the reference signal, in dBm (3GPP TS 36.214 5.1.1).
    pub rsrp: Option<f32>,
    /// Its quality, in dB (5.1.3).
    pub rsrq: Option<f32>,
    /// Signal to interference and noise, in dB.
    pub sinr: Option<f32>,
}

/// One modem's radio.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Radio {
    rsrp: Smooth,
    rsrq: Smooth,
    sinr: Smooth,
    read: Option<Instant>,
}

impl Radio {
    /// Takes in a reading. Values that no radio has are no reading: modems say -32768, or 0, for none.
    pub fn on_reading(&mut self, now: Instant, reading: &Reading) {
        let within = |value: Option<f32>, least, most| value.filter(|value| (least..=most).contains(value));
        let values = [
            (&mut self.rsrp, within(reading.rsrp, -160.0, -20.0)),
            (&mut self.rsrq, within(reading.rsrq, -45.0, -1.0)),
            (&mut self.sinr, within(reading.sinr, -30.0, 50.0)),
        ];
        for (smooth, value) in values {
            if let Some(value) = value {
                smooth.on_value(now, value);
                self.read = Some(now);
            }
        }
    }

    /// Smoothed, as far as it is not stale.
    pub fn reading(&self, now: Instant) -> Reading {
        let fresh = |smooth: &Smooth| smooth.value(now);
        Reading { rsrp: fresh(&self.rsrp), rsrq: fresh(&self.rsrq), sinr: fresh(&self.sinr) }
    }

    /// How old the newest value is.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.read.map(|read| now.since(read))
    }

    /// How fast the power changes, in dB per second.
    pub fn rsrp_slope(&self, now: Instant) -> Option<f32> {
        self.rsrp.slope(now)
    }

    /// Whether the modem is about to change its cell: power falls fast where the quality is poor already, so that a neighbour
    /// is stronger by the margin at which networks hand over (3GPP TS 36.331 5.5.4.4, event A3).
    pub fn handover(&self, now: Instant) -> bool {
        foretells_handover(self.rsrp.slope(now), self.rsrq.value(now))
    }
}

/// Whether a modem whose RSRP changes by `slope` dB per second, at an RSRQ of `rsrq` dB, is about to change its cell.
pub fn foretells_handover(slope: Option<f32>, rsrq: Option<f32>) -> bool {
    slope.is_some_and(|slope| slope < FALLING) && rsrq.is_some_and(|rsrq| rsrq < POOR)
}

/// dB per second. A starting point: no recording of a drive was held against it yet.
const FALLING: f32 = -2.5;
/// dB. A starting point, too: below it the cell's neighbours are about as loud as itself.
const POOR: f32 = -12.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(100_000 + millis)
    }

    fn fed(step: impl Fn(u64) -> Reading) -> Radio {
        let mut radio = Radio::default();
        for second in 0..10 {
            radio.on_reading(at(second * 1_000), &step(second));
        }
        radio
    }

    #[test]
    fn a_handover_needs_a_fast_fall_and_poor_quality() {
        let falling = |slope: f32, rsrq: f32| {
            fed(move |second| Reading { rsrp: Some(-80.0 + slope * second as f32), rsrq: Some(rsrq), sinr: None })
                .handover(at(9_000))
        };
        assert!(falling(-3.5, -14.0));
        assert!(!falling(-1.0, -14.0), "a walk");
        assert!(!falling(-3.5, -9.0), "into a tunnel: no neighbour is louder");
        assert!(!falling(3.5, -14.0));
    }

    #[test]
    fn what_is_no_reading_changes_nothing_and_what_is_old_says_nothing() {
        let good = Reading { rsrp: Some(-90.0), rsrq: Some(-8.0), sinr: Some(12.0) };
        let mut radio = fed(|_| good);
        radio.on_reading(at(9_500), &Reading { rsrp: Some(-32_768.0), rsrq: Some(0.0), sinr: Some(f32::NAN) });
        assert_eq!(radio.reading(at(9_500)), good);
        assert_eq!(radio.age(at(9_500)), Some(Duration::from_millis(500)));
        assert_eq!(radio.reading(at(120_000)), Reading::default());
        assert!(!radio.handover(at(120_000)));
    }
}
