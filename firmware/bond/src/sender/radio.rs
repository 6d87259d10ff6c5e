//! What a modem says of its radio, for those links that have one.
//!
//! Whoever knows it tells it with [`Sender::set_radio`]; no service does, because it has won nothing in simulation (the table is
//! in `bondbox-radio`). A reading grows stale: whoever decides by one asks [`Radio::reading`], which gives none that is older than
//! it may be. [`Radio::guidance`] makes of it what a path is to do.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId};

use super::Sender;

/// One reading of a link's radio; `None` where the modem does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RadioReport {
    /// Signal to interference and noise, in dB.
    pub sinr_db: Option<f32>,
    /// Power of the reference signal, in dBm.
    pub rsrp_dbm: Option<f32>,
    /// Its quality, in dB.
    pub rsrq_db: Option<f32>,
    /// The link carries no more than this, whatever was proven: a plan's limit, or what its band and signal allow.
    pub ceiling: Option<Bitrate>,
    /// When it was proven to carry less than this, it carries redundancy only.
    pub watermark: Option<Bitrate>,
    /// How old the reading is already.
    pub age: Duration,
    /// How old it may become and still count.
    pub stale_after: Duration,
}

/// The last reading of one link, and how the one before differed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Radio {
    report: RadioReport,
    read: Instant,
    /// SINR per second, of the last two readings that had one.
    sinr_slope: f32,
}

/// What a path is to make of its radio. The default is what one without a reading does.
///
/// A SINR that falls is no part of it: slowing the pace by what Shannon's bound says of the next moment cost 0.2 to 0.7 % and
/// won nothing on simulated driving links (six of them: -0.06 ± 0.06 points), and not probing meanwhile made no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Guidance {
    /// See [`RadioReport::ceiling`].
    pub(crate) ceiling: Option<Bitrate>,
    /// See [`RadioReport::watermark`].
    pub(crate) watermark: Option<Bitrate>,
}

impl Radio {
    /// What it says about the next moment.
    pub(crate) fn guidance(&self, now: Instant) -> Guidance {
        let reading = self.reading(now);
        reading.map(|report| Guidance { ceiling: report.ceiling, watermark: report.watermark }).unwrap_or_default()
    }

    /// Takes in the next reading.
    pub(crate) fn next(now: Instant, before: Option<&Self>, report: RadioReport) -> Self {
        let read = now.earlier_by(report.age);
        let slope = |before: &Self| {
            let seconds = (read - before.read).as_secs_f32();
            let change = report.sinr_db? - before.report.sinr_db?;
            (seconds > 0.0 && seconds <= LONGEST_STEP.as_secs_f32()).then(|| change / seconds)
        };
        Self { report, read, sinr_slope: before.and_then(slope).unwrap_or(0.0) }
    }

    /// The reading, while it counts.
    pub(crate) fn reading(&self, now: Instant) -> Option<&RadioReport> {
        (now - self.read <= self.report.stale_after).then_some(&self.report)
    }

    /// How fast the SINR changes, in dB per second; 0 when that is not known.
    pub(crate) fn sinr_slope(&self, now: Instant) -> f32 {
        self.reading(now).map_or(0.0, |_| self.sinr_slope)
    }
}

impl Sender {
    /// Takes in a reading of a link's radio. Of a link that is not there it says nothing.
    pub fn set_radio(&mut self, now: Instant, link: LinkId, report: RadioReport) {
        if let Some(link) = self.links.get_mut(&link) {
            link.radio = Some(Radio::next(now, link.radio.as_ref(), report));
        }
    }

    /// A link's reading while it counts, and how fast its SINR changes, in dB per second.
    pub fn radio(&self, now: Instant, link: LinkId) -> Option<(&RadioReport, f32)> {
        let radio = self.links.get(&link)?.radio.as_ref()?;
        Some((radio.reading(now)?, radio.sinr_slope(now)))
    }
}

/// Two readings that are further apart do not make a trend.
const LONGEST_STEP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sinr_db: f32, age_ms: u64) -> RadioReport {
        let (age, stale_after) = (Duration::from_millis(age_ms), Duration::from_secs(3));
        RadioReport { sinr_db: Some(sinr_db), age, stale_after, ..RadioReport::default() }
    }

    #[test]
    fn a_reading_counts_until_it_is_stale() {
        let radio = Radio::next(Instant::from_millis(10_000), None, report(12.0, 1_000));
        assert!(radio.reading(Instant::from_millis(12_000)).is_some());
        assert!(radio.reading(Instant::from_millis(12_001)).is_none());
    }

    #[test]
    fn limits_hold_while_the_reading_counts() {
        let limits = RadioReport {
            ceiling: Some(Bitrate::from_kbps(900)),
            watermark: Some(Bitrate::from_kbps(300)),
            ..report(12.0, 0)
        };
        let radio = Radio::next(Instant::from_millis(10_000), None, limits);
        let guidance = radio.guidance(Instant::from_millis(13_000));
        assert_eq!((guidance.ceiling, guidance.watermark), (limits.ceiling, limits.watermark));
        assert_eq!(radio.guidance(Instant::from_millis(13_001)), Guidance::default());
    }

    #[test]
    fn two_readings_make_a_trend_until_they_are_stale() {
        let first = Radio::next(Instant::from_millis(10_000), None, report(12.0, 0));
        assert_eq!(first.sinr_slope(Instant::from_millis(10_000)), 0.0);
        let second = Radio::next(Instant::from_millis(12_000), Some(&first), report(6.0, 0));
        assert_eq!(second.sinr_slope(Instant::from_millis(12_000)), -3.0);
        assert_eq!(second.sinr_slope(Instant::from_millis(16_000)), 0.0);
        let late = Radio::next(Instant::from_millis(90_000), Some(&second), report(0.0, 0));
        assert_eq!(late.sinr_slope(Instant::from_millis(90_000)), 0.0);
    }
}
