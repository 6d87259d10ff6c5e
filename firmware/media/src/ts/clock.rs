//! The clocks of a transport stream: 90 kHz in 33 bits for time stamps, 27 MHz for the clock reference.

use bondbox_units::Instant;

/// A time stamp on the 90 kHz clock, unwrapped from its 33 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(i64);

impl Ticks {
    /// From a count of 1/90,000 s.
    pub const fn new(ticks: i64) -> Self {
        Self(ticks)
    }

    /// The time stamp that [`Writer`](super::Writer) gives to `at`: one second ahead, so that the clock reference of the
    /// first unit is not negative.
    pub fn written_for(at: Instant) -> Self {
        Self(i64::try_from(u128::from(at.as_micros()) * 9 / 100).unwrap_or(i64::MAX - HEAD_START) + HEAD_START)
    }

    /// The count of 1/90,000 s.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// In microseconds, rounded down.
    pub const fn as_micros(self) -> i64 {
        // Split, so that no 64-bit value overflows.
        self.0.div_euclid(9) * 100 + self.0.rem_euclid(9) * 100 / 9
    }

    /// This time stamp moved.
    #[must_use]
    pub const fn offset(self, ticks: i64) -> Self {
        Self(self.0.saturating_add(ticks))
    }

    /// The 33 bits that travel.
    pub(super) const fn wrapped(self) -> u64 {
        self.0.cast_unsigned() & MASK
    }
}

/// Follows the 33-bit clock of one programme over its wrap every 26.5 hours.
#[derive(Debug, Default)]
pub(super) struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The time nearest to the last decoding time that reads `wrapped`.
    pub(super) fn unwrap(&self, wrapped: u64) -> Ticks {
        let wrapped = (wrapped & MASK).cast_signed();
        let Some(last) = self.last else { return Ticks(wrapped) };
        // The difference in 33 bits, its sign bit carried up.
        let ahead = wrapped.wrapping_sub(last) << 31 >> 31;
        Ticks(last.saturating_add(ahead))
    }

    pub(super) fn advance(&mut self, to: Ticks) {
        self.last = Some(to.0);
    }
}

/// Ticks of the clock reference to one of 90 kHz.
pub(super) const REFERENCE_PER_TICK: u64 = 300;

const MASK: u64 = (1 << 33) - 1;
const HEAD_START: i64 = 90_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_over_the_wrap_and_back() {
        let mut clock = Unwrapper::default();
        assert_eq!(clock.unwrap(MASK - 10), Ticks(MASK as i64 - 10));
        clock.advance(Ticks(MASK as i64 - 10));
        assert_eq!(clock.unwrap(5), Ticks(MASK as i64 + 6));
        clock.advance(Ticks(MASK as i64 + 6));
        assert_eq!(clock.unwrap(MASK), Ticks(MASK as i64));
        clock.advance(Ticks(3));
        assert_eq!(clock.unwrap(MASK), Ticks(-1));
    }

    #[test]
    fn instants_become_ticks() {
        assert_eq!(Ticks::written_for(Instant::from_millis(40)).get(), 93_600);
        assert_eq!(Ticks::new(93_601).as_micros(), 1_040_011);
        assert_eq!(Ticks::written_for(Instant::FAR_FUTURE).wrapped() >> 33, 0);
    }
}
