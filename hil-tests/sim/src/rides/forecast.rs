//! What it is worth to tell the bond of radio: each ride with and without it.
//!
//! From the readings of a ride, `bondbox-radio` makes what a service could feed: a ceiling by SINR, a watermark where the signal is
//! weak, and a link kept for redundancy while a handover is foretold; each from smoothed readings and from raw ones.

use bondbox_bond::sender::RadioReport;
use bondbox_radio::capacity::ceiling;
use bondbox_radio::{Radio, Reading, foretells_handover};
use bondbox_units::{Bitrate, Instant, LinkId};

use super::{ASKED_EVERY, Generator, READINGS, Ride};
use crate::pool::in_order;
use crate::suite::Difference;
use crate::{Config, Told, run};

/// What is made of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// No link carries more than its SINR allows.
    pub ceiling: bool,
    /// A link of a weak signal, proven to carry little, carries redundancy only.
    pub watermark: bool,
    /// So does a link whose modem is about to change its cell.
    pub handover: bool,
    /// Of smoothed readings; else of the last one, and its difference to the one before.
    pub smooth: bool,
}

impl Fed {
    /// All that are compared: each part alone and all together, raw and smoothed.
    pub const ALL: [(&'static str, Self); 8] = [
        ("ceiling, raw", Self { ceiling: true, ..Self::NOTHING }),
        ("ceiling, smoothed", Self { ceiling: true, smooth: true, ..Self::NOTHING }),
        ("watermark, raw", Self { watermark: true, ..Self::NOTHING }),
        ("watermark, smoothed", Self { watermark: true, smooth: true, ..Self::NOTHING }),
        ("handover, raw", Self { handover: true, ..Self::NOTHING }),
        ("handover, smoothed", Self { handover: true, smooth: true, ..Self::NOTHING }),
        ("all, raw", Self { ceiling: true, watermark: true, handover: true, smooth: false }),
        ("all, smoothed", Self { ceiling: true, watermark: true, handover: true, smooth: true }),
    ];

    const NOTHING: Self = Self { ceiling: false, watermark: false, handover: false, smooth: false };

    /// What the unit is told in a ride whose radio leads capacity by so much.
    pub fn told(self, ride: &Ride, lead_seconds: i64) -> Vec<Told> {
        let mut told = Vec::new();
        let mut modems = vec![Modem::default(); ride.links()];
        for asked in 0..READINGS {
            // Instants of a run begin at zero, where a rate of change would have no past.
            let at = Instant::ZERO + ASKED_EVERY * asked as u32;
            for (index, modem) in modems.iter_mut().enumerate() {
                modem.on_reading(at, ride.reading(index, asked, lead_seconds));
                told.push(Told { at, link: LinkId(index as u8), report: self.report(at, modem) });
            }
        }
        told
    }

    fn report(self, now: Instant, modem: &Modem) -> RadioReport {
        let (reading, handover) = if self.smooth {
            (modem.radio.reading(now), modem.radio.handover(now))
        } else {
            (modem.last, modem.falls())
        };
        let limit = |sinr| ceiling(sinr, CARRIER_HZ).unwrap_or(LEAST);
        let weak = reading.sinr.is_some_and(|sinr| sinr < WEAK);
        let watermark = match () {
            () if self.handover && handover => Some(Bitrate::from_bps(u64::MAX)),
            () if self.watermark && weak => Some(LITTLE),
            () => None,
        };
        RadioReport {
            ceiling: reading.sinr.filter(|_| self.ceiling).map(limit),
            watermark,
            stale_after: ASKED_EVERY * 3,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Modem {
    radio: Radio,
    last: Reading,
    before: Reading,
}

impl Modem {
    fn on_reading(&mut self, now: Instant, reading: Reading) {
        self.radio.on_reading(now, &reading);
        self.before = std::mem::replace(&mut self.last, reading);
    }

    /// As [`Radio::handover`], of two readings a second apart.
    fn falls(&self) -> bool {
        let slope = self.last.rsrp.zip(self.before.rsrp).map(|(last, before)| last - before);
        foretells_handover(slope, self.last.rsrq)
    }
}

/// How many points more are on time with it, of each ride.
#[derive(Clone, Debug)]
pub struct Line {
    /// Who drew the rides.
    pub generator: Generator,
    /// What was fed.
    pub fed: &'static str,
    /// Radio leads capacity by so much.
    pub lead_seconds: i64,
    /// With less without, a ride each.
    pub differences: Vec<f64>,
}

impl Line {
    /// The mean.
    pub fn gain(&self) -> Difference {
        self.mean(|difference| difference)
    }

    /// The mean of what was lost, where something was; nothing else counts against it.
    pub fn harm(&self) -> Difference {
        self.mean(|difference| difference.min(0.0))
    }

    /// Of the ride that lost most.
    pub fn worst(&self) -> f64 {
        self.differences.iter().copied().fold(0.0, f64::min)
    }

    fn mean(&self, of: impl Fn(f64) -> f64) -> Difference {
        Difference::of(&self.differences.iter().map(|difference| (of(*difference), 0.0)).collect::<Vec<_>>())
    }
}

/// Plays rides of each seed and both generators, with and without everything.
pub fn judge(seeds: std::ops::Range<u64>, jobs: usize, mut done: impl FnMut(usize)) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for generator in Generator::ALL {
        for (fed, _) in Fed::ALL {
            lines.extend(LEADS.map(|lead_seconds| Line { generator, fed, lead_seconds, differences: vec![] }));
        }
    }
    let rides: Vec<(Generator, u64)> =
        seeds.flat_map(|seed| Generator::ALL.map(|generator| (generator, seed))).collect();
    let mut ridden = 0;
    in_order(
        &rides,
        jobs,
        |(generator, seed)| compare(*generator, *seed),
        |(generator, _), differences| {
            let of_it = lines.iter_mut().filter(|line| line.generator == *generator);
            of_it.zip(differences).for_each(|(line, difference)| line.differences.push(difference));
            ridden += 1;
            done(ridden);
        },
    );
    lines
}

/// In the order of [`Fed::ALL`], and for each of [`LEADS`].
fn compare(generator: Generator, seed: u64) -> Vec<f64> {
    let ride = Ride::draw(generator, seed);
    let on_time = |told: Vec<Told>| run(&ride.scenario, &Config { told, ..ride.config.clone() }).on_time_percent();
    let without = on_time(vec![]);
    let told = Fed::ALL.iter().flat_map(|(_, fed)| LEADS.map(|lead| fed.told(&ride, lead)));
    let limits = |told: &Told| told.report.ceiling.is_some() || told.report.watermark.is_some();
    // Who is told of no limit does as one who is told nothing.
    told.map(|told| if told.iter().any(limits) { on_time(told) - without } else { 0.0 }).collect()
}

/// A table in Markdown: the mean gain, and what was lost where something was, both with 95 % confidence, and the worst ride.
pub fn table(lines: &[Line]) -> String {
    let mut table =
        String::from("| fed | rides | lead | gain, points | of it harm | worst ride |\n|---|---|---|---|---|---|\n");
    for line in lines {
        let show = |difference: Difference| {
            let sure = if difference.is_sure() { "**" } else { "" };
            format!("{sure}{:+.3}{sure} ± {:.3}", difference.mean, difference.margin)
        };
        table += &format!(
            "| {} | {} | {:+} s | {} | {} | {:+.2} |\n",
            line.fed,
            line.generator.name(),
            line.lead_seconds,
            show(line.gain()),
            show(line.harm()),
            line.worst()
        );
    }
    table
}

/// By how many seconds radio leads capacity.
pub const LEADS: [i64; 4] = [-1, 0, 1, 2];
/// As wide as the carriers of [`super::drive`]: the best that a service could know.
const CARRIER_HZ: u32 = 10_000_000;
/// Where the table of ceilings says nothing at all: a link of no rate could not show that it is back.
const LEAST: Bitrate = Bitrate::from_kbps(100);
/// dB: below, networks send with the lowest steps.
const WEAK: f32 = 0.0;
const LITTLE: Bitrate = Bitrate::from_kbps(1_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_of_poor_quality_keeps_a_link_for_redundancy() {
        let reading = |rsrp, rsrq| Reading { rsrp: Some(rsrp), rsrq: Some(rsrq), sinr: Some(5.0) };
        for (smooth, rsrq, foretold) in [(true, -14.0, true), (true, -9.0, false), (false, -14.0, true)] {
            let mut modem = Modem::default();
            let mut now = Instant::ZERO;
            for second in 0..10_u8 {
                now = Instant::ZERO + ASKED_EVERY * u32::from(second);
                modem.on_reading(now, reading(-80.0 - 3.5 * f32::from(second), rsrq));
            }
            let report = Fed { handover: true, smooth, ..Fed::NOTHING }.report(now, &modem);
            assert_eq!(report.watermark.is_some(), foretold, "{smooth} {rsrq}");
            assert_eq!(report.ceiling, None);
        }
    }

    #[test]
    fn what_is_told_limits_the_bond() {
        // What a ceiling must not do: with none of a link's rate left, hardly anything is on time.
        let ride = Ride::draw(Generator::Jumps, 1);
        let mut told = Fed { ceiling: true, ..Fed::NOTHING }.told(&ride, 0);
        told.iter_mut().for_each(|told| told.report.ceiling = Some(LEAST));
        let short = Config { duration: std::time::Duration::from_secs(12), ..ride.config.clone() };
        let free = run(&ride.scenario, &short).on_time_percent();
        let bound = run(&ride.scenario, &Config { told, ..short }).on_time_percent();
        assert!(bound < free / 2.0, "{bound} of {free}");
    }

    #[test]
    fn harm_is_not_made_good_by_gain() {
        let differences = vec![1.0, -0.5, 1.0, -0.5];
        let line = Line { generator: Generator::Drive, fed: "all, raw", lead_seconds: 0, differences };
        assert_eq!((line.gain().mean, line.harm().mean, line.worst()), (0.25, -0.25, -0.5));
        assert!(table(&[line]).contains("| all, raw | drive | +0 s | +0.250"));
    }
}
