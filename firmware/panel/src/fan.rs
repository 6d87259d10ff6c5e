//! How fast the fan turns.

use core::time::Duration;

use bondbox_units::Instant;

/// A fan that is told percents.
#[derive(Clone, Debug, Default)]
pub struct Fan {
    step: usize,
    kick_until: Option<Instant>,
}

impl Fan {
    /// The temperature now, in thousandths of a degree, or that it cannot be read any more.
    pub fn on_temperature(&mut self, now: Instant, temperature_mc: Option<i32>) {
        let Some(temperature) = temperature_mc else {
            // What cannot be measured is taken to be hot.
            return self.turn(now, CURVE.len());
        };
        let step = CURVE.iter().take_while(|(at, _)| temperature >= *at).count();
        // Down only when it is clear of the step, so that a fan never hunts around a threshold.
        let kept = CURVE.iter().take_while(|(at, _)| temperature >= at - HYSTERESIS).count();
        self.turn(now, step.max(kept.min(self.step)));
    }

    /// What to tell the fan now.
    pub fn percent(&self, now: Instant) -> u8 {
        if self.kick_until.is_some_and(|until| now < until) { 100 } else { percent_of(self.step) }
    }

    /// When that changes by itself.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        self.kick_until.filter(|until| *until > now)
    }

    fn turn(&mut self, now: Instant, step: usize) {
        if self.step == 0 && step > 0 {
            self.kick_until = Some(now + KICK);
        }
        self.step = step;
    }
}

fn percent_of(step: usize) -> u8 {
    step.checked_sub(1).map_or(0, |index| CURVE[index].1)
}

/// From this temperature so many percent. A Raspberry Pi 5 slows down at 80 °C, an RK3588 at 85; with a case and the sun on it
/// the last 5 °C come fast.
const CURVE: [(i32, u8); 4] = [(50_000, 35), (60_000, 50), (67_500, 70), (75_000, 100)];

/// A board that goes from idle to encoding moves by 5 °C within a second.
const HYSTERESIS: i32 = 5_000;

/// A small fan stands still below about half of its voltage, and turns on below it once it turns.
const KICK: Duration = Duration::from_millis(700);

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Instant = Instant::from_millis(60_000);

    #[test]
    fn it_is_kicked_when_it_starts_and_only_then() {
        let mut fan = Fan::default();
        fan.on_temperature(Instant::ZERO, Some(49_999));
        assert_eq!(fan.percent(Instant::ZERO), 0);
        fan.on_temperature(Instant::ZERO, Some(50_000));
        assert_eq!(fan.percent(Instant::from_millis(699)), 100);
        assert_eq!(fan.deadline(Instant::ZERO), Some(Instant::from_millis(700)));
        assert_eq!(fan.percent(Instant::from_millis(700)), 35);
        fan.on_temperature(LATER, Some(61_000));
        assert_eq!(fan.percent(LATER), 50);
    }

    #[test]
    fn it_slows_down_only_well_below_the_step() {
        let mut fan = Fan::default();
        let mut at = |temperature| {
            fan.on_temperature(Instant::ZERO, Some(temperature));
            fan.percent(LATER)
        };
        assert_eq!([at(76_000), at(70_001), at(69_999), at(45_000), at(44_999)], [100, 100, 70, 35, 0]);
    }

    #[test]
    fn a_sensor_that_is_gone_counts_as_hot() {
        let mut fan = Fan::default();
        fan.on_temperature(Instant::ZERO, None);
        assert_eq!(fan.percent(LATER), 100);
    }
}
