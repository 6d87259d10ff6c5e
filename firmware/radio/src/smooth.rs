//! A value and its rate of change, out of readings that come when they come.
//!
//! Two exponential averages of different length (Brown 1963, double smoothing, for uneven intervals): the short one follows, and
//! their distance over the difference of their lags is the slope. A step of 1 dB, the resolution of most modems, moves the
//! slope by less than 0.3 dB/s; a steady fall is known within three seconds.

use core::time::Duration;

use bondbox_units::Instant;

/// One value of a radio.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Smooth {
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Last {
    at: Instant,
    since: Instant,
    short: f32,
    long: f32,
}

impl Smooth {
    /// Takes in the next value.
    pub fn on_value(&mut self, now: Instant, value: f32) {
        let Some(last) = self.last.filter(|last| now.since(last.at) < STALE) else {
            self.last = Some(Last { at: now, since: now, short: value, long: value });
            return;
        };
        let seconds = now.since(last.at).as_secs_f32();
        let follow = |mean: f32, time: f32| mean + (value - mean) * seconds / (time + seconds);
        let (short, long) = (follow(last.short, SHORT), follow(last.long, LONG));
        self.last = Some(Last { at: now, short, long, ..last });
    }

    /// The value now; `None` when the last one is too old to say anything.
    pub fn value(&self, now: Instant) -> Option<f32> {
        self.fresh(now).map(|last| last.short)
    }

    /// How fast it changes, per second; `None` until it was watched for some seconds.
    pub fn slope(&self, now: Instant) -> Option<f32> {
        let last = self.fresh(now)?;
        let watched = last.at.since(last.since).as_secs_f32();
        // In the beginning both averages start from the same value, and lag less than they will.
        (watched >= WATCHED).then(|| (last.short - last.long) / (LONG - SHORT))
    }

    fn fresh(&self, now: Instant) -> Option<Last> {
        self.last.filter(|last| now.since(last.at) < STALE)
    }
}

/// Seconds that the average lags behind which follows …
const SHORT: f32 = 0.5;
/// … and the one it is compared with.
const LONG: f32 = 3.0;
/// Before that there is no trend.
const WATCHED: f32 = 3.0;
/// Modems are asked every second; one that has not answered for so long moves unseen.
const STALE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(50_000 + millis)
    }

    #[test]
    fn a_step_of_the_modems_resolution_is_no_trend() {
        let mut smooth = Smooth::default();
        for second in 0..20 {
            smooth.on_value(at(second * 1_000), -95.0);
        }
        smooth.on_value(at(20_000), -96.0);
        assert!(smooth.slope(at(20_000)).is_some_and(|slope| (-0.3..0.0).contains(&slope)), "{smooth:?}");
    }

    #[test]
    fn a_steady_fall_is_known_and_its_value_lags_little() {
        let mut smooth = Smooth::default();
        for step in 0..=40_u64 {
            smooth.on_value(at(step * 500), -70.0 - 2.0 * step as f32);
        }
        let slope = smooth.slope(at(20_000)).unwrap_or_default();
        assert!((-4.2..-3.2).contains(&slope), "{slope}");
        let value = smooth.value(at(20_000)).unwrap_or_default();
        assert!((-150.0..-146.0).contains(&value), "{value}");
    }

    #[test]
    fn after_a_pause_it_begins_anew() {
        let mut smooth = Smooth::default();
        for second in 0..10 {
            smooth.on_value(at(second * 1_000), -80.0);
        }
        smooth.on_value(at(60_000), -110.0);
        assert_eq!(smooth.value(at(60_000)), Some(-110.0));
        assert_eq!(smooth.slope(at(60_000)), None);
    }
}
