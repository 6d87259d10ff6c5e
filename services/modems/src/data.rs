//! What each SIM has carried in its month.
//!
//! Interfaces count bytes since they came; a SIM moves from one to another, and a month begins on a day of its contract. What
//! has no SIM that it tells of is counted by its port.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The counts, and what interfaces said last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meter {
    /// By ICCID, or `port:` and a port.
    pub sims: BTreeMap<String, Count>,
    /// What each interface had counted, by name and index.
    interfaces: BTreeMap<String, u64>,
}

/// Of one SIM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// In this month.
    pub bytes: u64,
    /// The month, as [`Day::month`] numbers them.
    month: i64,
}

/// A day of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Since January of the year 0.
    months: i64,
    day: u8,
}

impl Day {
    /// Of this time; `None` while the clock was never set.
    pub fn of(time: SystemTime) -> Option<Self> {
        let seconds = since_epoch(time)?;
        // Days from civil, backwards: years begin in March, so that leap days come last (Hinnant, "chrono-compatible
        // low-level date algorithms").
        let days = (seconds.as_secs() / 86_400) as i64 + 719_468;
        let era_day = days.rem_euclid(146_097);
        let year = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / 146_096) / 365;
        let day_of_year = era_day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month + 2) / 5 + 1) as u8;
        let year = year + days.div_euclid(146_097) * 400;
        Some(Self { months: year * 12 + month + 2, day })
    }

    /// The month that it belongs to, where months begin on this day.
    const fn month(self, begins: u8) -> i64 {
        if self.day >= begins { self.months } else { self.months - 1 }
    }
}

/// Since 1970; `None` while the clock was never set.
pub fn since_epoch(time: SystemTime) -> Option<Duration> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().filter(|since| *since >= CLOCK_IS_SET)
}

impl Meter {
    /// An interface has counted so many bytes since it came.
    pub fn on_bytes(&mut self, sim: &str, interface: &str, index: u32, bytes: u64) {
        let place = format!("{interface} {index}");
        let before = self.interfaces.insert(place, bytes).unwrap_or(0);
        // One that counts from the start again was reset.
        let more = bytes.checked_sub(before).unwrap_or(bytes);
        if more > 0 {
            let count = self.sims.entry(sim.to_owned()).or_default();
            count.bytes = count.bytes.saturating_add(more);
        }
    }

    /// The bytes of interfaces that are there no more are counted; they need not be known.
    pub fn keep_interfaces(&mut self, there: impl Fn(&str, u32) -> bool) {
        self.interfaces.retain(|place, _| {
            place
                .rsplit_once(' ')
                .and_then(|(name, index)| Some((name, index.parse().ok()?)))
                .is_some_and(|(name, index)| there(name, index))
        });
    }

    /// Begins the month anew where it is over. `begins` gives a SIM's day.
    pub fn on_day(&mut self, today: Option<Day>, begins: impl Fn(&str) -> u8) {
        let Some(today) = today else { return };
        for (sim, count) in &mut self.sims {
            let month = today.month(begins(sim));
            // A count from before the clock was set, or of a month that a changed day moved, goes on.
            if count.month != 0 && month > count.month {
                count.bytes = 0;
            }
            count.month = month;
        }
    }

    /// What the operator's bill says.
    pub fn set(&mut self, sim: &str, bytes: u64) {
        self.sims.entry(sim.to_owned()).or_default().bytes = bytes;
    }

    /// Of what was kept for long and what was kept in memory, whichever knows more of each SIM.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        for (sim, count) in other.sims {
            let own = self.sims.entry(sim).or_default();
            if (count.month, count.bytes) > (own.month, own.bytes) {
                *own = count;
            }
        }
        self.interfaces.extend(other.interfaces);
        self
    }

    /// Of all SIMs together, by which a writer sees that there is something worth writing.
    pub fn total(&self) -> u64 {
        self.sims.values().map(|count| count.bytes).fold(0, u64::saturating_add)
    }
}

/// No clock that was set says less: the year 2024.
const CLOCK_IS_SET: Duration = Duration::from_secs(1_704_067_200);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(days_since_1970: u64) -> Day {
        Day::of(SystemTime::UNIX_EPOCH + Duration::from_secs(days_since_1970 * 86_400 + 7)).unwrap()
    }

    #[test]
    fn a_day_knows_its_month() {
        // 2024-02-29, 2024-03-01, 2026-11-26, 2027-01-01.
        for (days, year, month, of_month) in
            [(19_782, 2024, 2, 29), (19_783, 2024, 3, 1), (20_783, 2026, 11, 26), (20_819, 2027, 1, 1)]
        {
            assert_eq!(day(days), Day { months: year * 12 + month - 1, day: of_month });
        }
        assert_eq!(Day::of(SystemTime::UNIX_EPOCH), None);
    }

    #[test]
    fn a_sim_is_counted_wherever_it_is_and_anew_each_month() {
        let mut meter = Meter::default();
        meter.on_bytes("8949", "wwan0", 4, 1_000);
        meter.on_bytes("8949", "wwan0", 4, 1_500);
        meter.on_bytes("8949", "wwan1", 9, 200);
        meter.on_bytes("port:usb1-1", "usb1-1", 5, 70);
        assert_eq!((meter.sims["8949"].bytes, meter.sims["port:usb1-1"].bytes), (1_700, 70));
        // The counter of a driver may start again.
        meter.on_bytes("8949", "wwan0", 4, 30);
        assert_eq!(meter.sims["8949"].bytes, 1_730);
        let begins = |_: &str| 15;
        meter.on_day(Some(day(20_783)), begins);
        assert_eq!(meter.sims["8949"].bytes, 1_730);
        meter.on_day(Some(day(20_783 + 18)), begins);
        assert_eq!(meter.sims["8949"].bytes, 1_730, "the 14th of December is still November's");
        meter.on_day(Some(day(20_783 + 19)), begins);
        assert_eq!(meter.sims["8949"].bytes, 0);
        meter.on_day(None, begins);
        meter.set("8949", 12);
        assert_eq!(meter.total(), 12);
    }

    #[test]
    fn a_restart_loses_nothing_of_what_memory_still_knows() {
        let mut lasting = Meter::default();
        lasting.on_bytes("8949", "wwan0", 4, 1_000);
        let mut running = lasting.clone();
        running.on_bytes("8949", "wwan0", 4, 5_000);
        let mut again = lasting.clone().join(running);
        again.on_bytes("8949", "wwan0", 4, 5_100);
        assert_eq!(again.sims["8949"].bytes, 5_100);
        again.keep_interfaces(|name, index| (name, index) != ("wwan0", 4));
        assert_eq!(again.interfaces.len(), 0);
    }

    proptest! {
        #[test]
        fn nothing_is_counted_twice(steps in proptest::collection::vec((0..3_u32, 0..5_000_u64), 0..100)) {
            let (mut meter, mut counters, mut sum) = (Meter::default(), [0_u64; 3], 0);
            for (index, more) in steps {
                counters[index as usize] += more;
                sum += more;
                meter.on_bytes("sim", "wwan", index, counters[index as usize]);
                meter = Meter::default().join(meter);
            }
            prop_assert_eq!(meter.total(), sum);
        }
    }
}
