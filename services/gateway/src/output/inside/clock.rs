//! The clock of a transport stream, brought onto ours.
//!
//! What leaves together leaves as far apart as the source's clock says. Only when that strays from the time at which it
//! comes is it set anew: the source has begun again, or its clock runs wrong.

use std::time::Duration;

use bondbox_media::ts::Ticks;
use bondbox_units::Instant;

/// The difference of the two clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Our time less the source's, in microseconds.
    offset: Option<i64>,
    /// As it was before: when a source begins again, units of before are still to come.
    before: Option<i64>,
}

/// A time on our clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) at: Instant,
    /// The clock was set anew for it.
    pub(super) broken: bool,
}

impl Clock {
    /// When something is that is decoded at `dts` and came at `now`.
    pub(super) fn place(&mut self, dts: Ticks, now: Instant) -> Placed {
        let at = |offset: i64| Instant::ZERO.offset_micros(dts.as_micros().saturating_add(offset));
        let fits = |offset: &i64| at(*offset).micros_since(now).unsigned_abs() <= STRAY.as_micros() as u64;
        if let Some(offset) = self.offset.filter(fits).or(self.before.filter(fits)) {
            return Placed { at: at(offset), broken: false };
        }
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let offset = micros.saturating_sub(dts.as_micros());
        self.before = self.offset.replace(offset);
        Placed { at: now, broken: self.before.is_some() }
    }
}

/// Multiplexers hold pictures ahead of sound for up to a second or so; the bond brings everything out in time.
const STRAY: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: i64) -> Ticks {
        Ticks::new(millis * 90)
    }

    #[test]
    fn distances_are_the_sources_and_jitter_is_not_taken_over() {
        let mut clock = Clock::default();
        for (dts, now) in [(9_000, 500), (9_040, 700), (9_080, 580), (8_500, 600)] {
            let placed = clock.place(ms(dts), Instant::from_millis(now));
            let expected = Instant::from_millis(500).offset_micros((dts - 9_000) * 1_000);
            assert_eq!(placed, Placed { at: expected, broken: false });
        }
    }

    #[test]
    fn a_jump_sets_it_anew_once_though_old_units_still_come() {
        let mut clock = Clock::default();
        clock.place(ms(900_000), Instant::from_millis(60_000));
        let now = Instant::from_millis(61_000);
        assert_eq!(clock.place(ms(0), now), Placed { at: now, broken: true });
        assert_eq!(clock.place(ms(901_000), now), Placed { at: now, broken: false });
        let later = now + Duration::from_millis(40);
        assert_eq!(clock.place(ms(40), later), Placed { at: later, broken: false });
    }

    #[test]
    fn a_time_stamp_may_be_anything() {
        let mut clock = Clock::default();
        for ticks in [1 << 40, -(1 << 40), 0, 1 << 40] {
            let placed = clock.place(Ticks::new(ticks), Instant::from_millis(60_000));
            assert_eq!(placed.at, Instant::from_millis(60_000));
        }
    }
}
