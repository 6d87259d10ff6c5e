//! When the next frame, or the next block of sound, is due.
//!
//! Ticks are numbered since the start of the host's clock, so a service that starts again goes on in the same rhythm.

use bondbox_units::Instant;

/// A rhythm of `numerator` ticks in `denominator` seconds.
#[derive(Clone, Debug)]
pub struct Pace {
    numerator: u64,
    denominator: u64,
    next: u64,
}

impl Pace {
    /// The first tick is the first that is not before `now`.
    ///
    /// # Panics
    /// When either number is zero.
    pub fn starting(now: Instant, numerator: u32, denominator: u32) -> Self {
        assert!(numerator > 0 && denominator > 0, "a pace of {numerator} in {denominator} seconds never ticks");
        let mut pace = Self { numerator: numerator.into(), denominator: denominator.into(), next: 0 };
        pace.next = pace.at(now) + 1;
        if pace.time_of(pace.next - 1) >= now {
            pace.next -= 1;
        }
        pace
    }

    /// The next tick's number.
    pub fn number(&self) -> u64 {
        self.next
    }

    /// When the next tick is due.
    pub fn deadline(&self) -> Instant {
        self.time_of(self.next)
    }

    /// The tick that is due at `now`, and how many were missed before it; `None` when it is too early.
    ///
    /// A tick that is late by less than its own length is not missed. After a longer stall only the newest is due:
    /// catching up would give the encoder a burst just when it cannot keep up.
    pub fn due(&mut self, now: Instant) -> Option<Tick> {
        if now < self.deadline() {
            return None;
        }
        let newest = self.at(now).max(self.next);
        let missed = newest - self.next;
        self.next = newest + 1;
        Some(Tick { number: newest, time: self.time_of(newest), missed })
    }

    /// The number of the last tick that is not after `now`.
    fn at(&self, now: Instant) -> u64 {
        let scaled = u128::from(now.as_micros()) * u128::from(self.numerator);
        u64::try_from(scaled / (u128::from(self.denominator) * 1_000_000)).unwrap_or(u64::MAX - 1)
    }

    /// Rounded up, so that [`Self::at`] gives the same number back.
    fn time_of(&self, number: u64) -> Instant {
        let scaled = u128::from(number) * u128::from(self.denominator) * 1_000_000;
        Instant::from_micros(u64::try_from(scaled.div_ceil(u128::from(self.numerator))).unwrap_or(u64::MAX))
    }
}

/// One tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Since the clock's start.
    pub number: u64,
    /// When it was due.
    pub time: Instant,
    /// Ticks before it that nobody served.
    pub missed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_come_one_by_one_at_their_time() {
        let mut pace = Pace::starting(Instant::from_micros(1_000_001), 25, 1);
        assert_eq!(pace.deadline(), Instant::from_micros(1_040_000));
        assert_eq!(pace.due(Instant::from_micros(1_039_999)), None);
        let tick = Tick { number: 26, time: Instant::from_micros(1_040_000), missed: 0 };
        assert_eq!(pace.due(Instant::from_micros(1_079_999)), Some(tick));
        assert_eq!(pace.deadline(), Instant::from_micros(1_080_000));
    }

    #[test]
    fn a_stall_is_counted_and_not_caught_up() {
        let mut pace = Pace::starting(Instant::from_millis(1_000), 25, 1);
        let tick = pace.due(Instant::from_millis(1_200)).unwrap();
        assert_eq!((tick.number, tick.missed), (30, 5));
        assert_eq!(pace.due(Instant::from_millis(1_239)), None);
    }

    #[test]
    fn rates_that_do_not_divide_a_second_lose_no_tick() {
        for (numerator, denominator) in [(30_000, 1_001), (48_000, 1_024), (60, 1)] {
            let start = Instant::from_millis(123_456_789);
            let mut pace = Pace::starting(start, numerator, denominator);
            let first = pace.due(pace.deadline()).unwrap().number;
            for number in 1..10_000 {
                let tick = pace.due(pace.deadline()).unwrap();
                assert_eq!((tick.number, tick.missed), (first + number, 0), "{numerator}/{denominator}");
            }
        }
    }
}
