//! How full the pack is, how long it lasts, and what that forbids.

use core::time::Duration;

use bondbox_ipc::panel::{self as ipc, BatteryStep};
use bondbox_units::Instant;
use heapless::Deque;

/// What a gauge says. What it does not know is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Charge left, in tenths of a percent.
    pub charge_permille: Option<u16>,
    /// Of the pack.
    pub millivolts: Option<u32>,
    /// What the pack gives; less than nothing when it takes.
    pub milliwatts: Option<i32>,
    /// Whether it charges, where the gauge knows.
    pub charging: Option<bool>,
    /// Whether mains is there, where something knows.
    pub mains: Option<bool>,
    /// Cells in a row, where charge has to be told from the voltage.
    pub cells: u8,
}

/// The pack as it is believed to be.
#[derive(Clone, Debug, Default)]
pub struct Battery {
    /// The last three charges: one that is far off is a slip of the bus, not a battery.
    last: Deque<u16, 3>,
    reading: Reading,
    step: BatteryStep,
    /// Charge over time while it falls.
    fall: Deque<(Instant, u16), 32>,
}

impl Battery {
    /// A gauge was read; `None` when there is none, or it does not answer.
    pub fn on_reading(&mut self, now: Instant, reading: Option<Reading>) {
        let Some(reading) = reading else {
            *self = Self { step: self.step, ..Self::default() };
            return;
        };
        self.reading = reading;
        let Some(charge) = reading.charge_permille.or_else(|| from_voltage(&reading)) else { return };
        if self.last.is_full() {
            self.last.pop_front();
        }
        let _ = self.last.push_back(charge.min(1_000));
        let Some(charge) = self.charge() else { return };
        self.watch_fall(now, charge);
        self.step = if self.fed() { BatteryStep::Fine } else { step(self.step, charge) };
    }

    /// What it forbids.
    pub fn step(&self) -> BatteryStep {
        self.step
    }

    /// Whether something else than the pack feeds the box.
    pub fn fed(&self) -> bool {
        self.reading.mains.or(self.reading.charging) == Some(true)
    }

    /// Whether mains is there, where that is known.
    pub fn mains(&self) -> Option<bool> {
        self.reading.mains
    }

    /// For whoever wants to see it; `None` without a charge that is believed.
    pub fn view(&self) -> Option<ipc::Battery> {
        Some(ipc::Battery {
            charge_permille: self.charge()?,
            charging: self.reading.charging.unwrap_or(self.fed()),
            millivolts: self.reading.millivolts,
            milliwatts: self.reading.milliwatts,
            left_s: self.left().and_then(|left| u32::try_from(left.as_secs()).ok()),
        })
    }

    /// The median of the last three. Nothing is decided on less than three.
    fn charge(&self) -> Option<u16> {
        let mut last = [0; 3];
        if !self.last.is_full() {
            return None;
        }
        for (slot, charge) in last.iter_mut().zip(&self.last) {
            *slot = *charge;
        }
        last.sort_unstable();
        Some(last[1])
    }

    fn watch_fall(&mut self, now: Instant, charge: u16) {
        if self.fed() || self.fall.back().is_some_and(|(_, last)| charge > *last + RISE) {
            self.fall.clear();
        }
        if self.fall.back().is_none_or(|(at, _)| now.since(*at) >= BETWEEN) {
            if self.fall.is_full() {
                self.fall.pop_front();
            }
            let _ = self.fall.push_back((now, charge));
        }
    }

    /// Time left at the pace of the last minutes; `None` until it fell far enough to say.
    fn left(&self) -> Option<Duration> {
        let (&(from, full), &(to, less)) = (self.fall.front()?, self.fall.back()?);
        let (fell, took) = (full.checked_sub(less)?, to.since(from));
        if fell < TELLING || took < AT_LEAST {
            return None;
        }
        Some(took * u32::from(less) / u32::from(fell))
    }
}

/// Down at the thresholds, up only when it is clear of them: a pack recovers by a percent or two when the load goes.
fn step(is: BatteryStep, charge: u16) -> BatteryStep {
    let at = |charge: u16| match charge {
        0..=50 => BatteryStep::Empty,
        51..=80 => BatteryStep::Spare,
        81..=150 => BatteryStep::Low,
        _ => BatteryStep::Fine,
    };
    let (down, up) = (at(charge), at(charge.saturating_sub(CLEAR)));
    if down > is { down } else { up.min(is) }
}

/// Charge of lithium-ion cells from their voltage under a light load, between points of the usual discharge curve at 0.2 C
/// (Panasonic NCR18650B and Samsung INR18650-35E data sheets agree within 5 %).
fn from_voltage(reading: &Reading) -> Option<u16> {
    let cells = u32::from(reading.cells);
    let millivolts = reading.millivolts?.checked_div(cells)?;
    let mut below = (VOLTS[0].0, 0);
    for &(at, charge) in &VOLTS {
        if millivolts < at {
            let (from, base) = below;
            if millivolts <= from {
                return Some(base);
            }
            let share = (millivolts - from) * u32::from(charge - base) / (at - from);
            return Some(base + u16::try_from(share).unwrap_or(0));
        }
        below = (at, charge);
    }
    Some(1_000)
}

const VOLTS: [(u32, u16); 9] = [
    (3_000, 0),
    (3_300, 50),
    (3_450, 120),
    (3_550, 250),
    (3_650, 450),
    (3_750, 600),
    (3_900, 780),
    (4_050, 930),
    (4_150, 1_000),
];

/// Three percent above a threshold it is passed upwards.
const CLEAR: u16 = 30;
/// Noise of a gauge is below half a percent; more is a charger.
const RISE: u16 = 5;
/// The pace is that of the last 32 half minutes.
const BETWEEN: Duration = Duration::from_secs(30);
/// One percent in two minutes is the least to judge by.
const TELLING: u16 = 10;
const AT_LEAST: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(charge_permille: u16) -> Option<Reading> {
        Some(Reading { charge_permille: Some(charge_permille), mains: Some(false), ..Reading::default() })
    }

    fn settled(battery: &mut Battery, charge: u16) -> BatteryStep {
        for _ in 0..3 {
            battery.on_reading(Instant::ZERO, reading(charge));
        }
        battery.step()
    }

    #[test]
    fn each_step_comes_at_its_threshold_and_goes_three_percent_above() {
        let mut battery = Battery::default();
        let steps = [151, 150, 180, 179, 181, 80, 110, 111, 50, 80, 81].map(|charge| settled(&mut battery, charge));
        use BatteryStep::{Empty, Fine, Low, Spare};
        assert_eq!(steps, [Fine, Low, Low, Low, Fine, Spare, Spare, Low, Empty, Empty, Spare]);
    }

    #[test]
    fn one_slip_of_the_bus_decides_nothing() {
        let mut battery = Battery::default();
        settled(&mut battery, 600);
        battery.on_reading(Instant::ZERO, reading(0));
        assert_eq!((battery.step(), battery.view().unwrap().charge_permille), (BatteryStep::Fine, 600));
    }

    #[test]
    fn on_mains_nothing_is_forbidden() {
        let mut battery = Battery::default();
        assert_eq!(settled(&mut battery, 40), BatteryStep::Empty);
        let mains = Reading { mains: Some(true), ..reading(40).unwrap() };
        battery.on_reading(Instant::ZERO, Some(mains));
        assert_eq!(battery.step(), BatteryStep::Fine);
    }

    #[test]
    fn time_left_is_the_pace_of_the_last_minutes() {
        let mut battery = Battery::default();
        // One percent a minute, from 60 %.
        for second in (0..600).step_by(5) {
            let charge = 600 - second / 6;
            battery.on_reading(Instant::from_millis(u64::from(second) * 1_000), reading(charge));
            if second < 120 {
                assert_eq!(battery.view().and_then(|view| view.left_s), None);
            }
        }
        let left = battery.view().unwrap().left_s.unwrap();
        assert!((2_950..3_150).contains(&left), "{left} s");
    }

    #[test]
    fn a_voltage_stands_in_for_a_gauge() {
        let at = |millivolts| from_voltage(&Reading { millivolts: Some(millivolts), cells: 2, ..Reading::default() });
        assert_eq!([at(5_000), at(6_600), at(7_000), at(8_600)], [Some(0), Some(50), Some(185), Some(1_000)]);
        assert_eq!(from_voltage(&Reading { millivolts: Some(7_000), ..Reading::default() }), None);
    }
}
