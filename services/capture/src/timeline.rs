//! Sound on the clock.
//!
//! Samples are written where their time stamp says and read at the pace of the clock, a little later. What nobody wrote
//! is silence, so a lost source is silent and one that comes back is in step at once. A sound card's clock drifts
//! against the host's: blocks that follow on within 20 ms are joined without a seam, and only then moved.

use std::collections::VecDeque;

use bondbox_units::Instant;

/// One sample of both channels.
pub type Stereo = [i16; 2];

/// Samples a second, everywhere in this service.
pub const SAMPLE_RATE: u32 = 48_000;

/// The last second of sound, by sample number since the clock's start.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Number of the first sample kept.
    start: u64,
    samples: VecDeque<Stereo>,
}

impl Timeline {
    /// Puts `block` where it belongs when its first sample was taken at `at`.
    pub fn write(&mut self, at: Instant, block: &[Stereo]) {
        let end = self.end();
        let mut first = sample_at(at);
        if first.abs_diff(end) <= SLACK {
            first = end;
        }
        if first < self.start || first > end + KEPT {
            self.samples.clear();
            self.start = first;
        } else if first < end {
            // What comes later is nearer to the truth.
            self.samples.truncate(usize::try_from(first - self.start).unwrap_or(usize::MAX));
        } else {
            let gap = usize::try_from(first - end).unwrap_or(0);
            self.samples.extend(std::iter::repeat_n([0; 2], gap));
        }
        self.samples.extend(block);
        self.drop_before(self.end().saturating_sub(KEPT));
    }

    /// The `count` samples from number `first` on, with silence where there are none. Earlier ones are forgotten.
    pub fn read(&mut self, first: u64, count: u32) -> Vec<Stereo> {
        self.drop_before(first);
        let end = first + u64::from(count);
        let silent = self.start.clamp(first, end) - first;
        let mut block = vec![[0; 2]; usize::try_from(silent).unwrap_or(0)];
        block.extend(self.samples.iter().take(usize::try_from(end - first - silent).unwrap_or(0)));
        block.resize(usize::try_from(count).unwrap_or(0), [0; 2]);
        self.drop_before(end);
        block
    }

    fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }

    fn drop_before(&mut self, number: u64) {
        let count = number.saturating_sub(self.start).min(self.samples.len() as u64);
        self.samples.drain(..usize::try_from(count).unwrap_or(usize::MAX));
        self.start += count;
    }
}

/// The number of the sample taken at `at`.
pub fn sample_at(at: Instant) -> u64 {
    u64::try_from(u128::from(at.as_micros()) * u128::from(SAMPLE_RATE) / 1_000_000).unwrap_or(u64::MAX)
}

/// When sample `number` is taken.
pub fn time_of(number: u64) -> Instant {
    Instant::from_micros(u64::try_from(u128::from(number) * 1_000_000 / u128::from(SAMPLE_RATE)).unwrap_or(u64::MAX))
}

/// How far behind the clock samples are read, 50 ms, so that a source has delivered them: two blocks of 10 ms and their
/// jitter.
pub const READ_DELAY_SAMPLES: u64 = SAMPLE_RATE as u64 / 20;

/// 20 ms. More than blocks jitter, less than an ear hears between lips and voice.
const SLACK: u64 = SAMPLE_RATE as u64 / 50;
/// One second.
const KEPT: u64 = SAMPLE_RATE as u64;

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u32 = 480;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn block(value: i16) -> Vec<Stereo> {
        vec![[value, -value]; BLOCK as usize]
    }

    /// The left channel at every 480th sample.
    fn heard(timeline: &mut Timeline, from_ms: u64, blocks: u32) -> Vec<i16> {
        let samples = timeline.read(sample_at(at(from_ms)), blocks * BLOCK);
        assert_eq!(samples.len(), (blocks * BLOCK) as usize);
        samples.iter().step_by(BLOCK as usize).map(|sample| sample[0]).collect()
    }

    #[test]
    fn what_is_written_is_read_at_its_time_and_the_rest_is_silence() {
        let mut timeline = Timeline::default();
        timeline.write(at(1_000), &block(1));
        timeline.write(at(1_010), &block(2));
        timeline.write(at(1_060), &block(3));
        assert_eq!(heard(&mut timeline, 980, 10), [0, 0, 1, 2, 0, 0, 0, 0, 3, 0]);
    }

    #[test]
    fn blocks_that_jitter_are_joined_without_a_seam() {
        let mut timeline = Timeline::default();
        for number in 0..20u16 {
            let jitter = if number % 2 == 0 { 0 } else { 9 };
            timeline.write(at(1_000 + u64::from(number) * 10 + jitter), &block(number.cast_signed() + 1));
        }
        assert_eq!(heard(&mut timeline, 1_000, 20), (1..=20).collect::<Vec<_>>());
    }

    #[test]
    fn a_source_that_comes_back_is_in_step_again() {
        let mut timeline = Timeline::default();
        timeline.write(at(1_000), &block(1));
        assert_eq!(heard(&mut timeline, 1_000, 2), [1, 0]);
        timeline.write(at(60_000), &block(2));
        assert_eq!(heard(&mut timeline, 59_990, 3), [0, 2, 0]);
    }

    #[test]
    fn a_clock_that_went_backwards_replaces_what_it_said_before() {
        let mut timeline = Timeline::default();
        timeline.write(at(1_000), &[block(1), block(1), block(1), block(1), block(1)].concat());
        timeline.write(at(1_020), &block(2));
        assert_eq!(heard(&mut timeline, 1_000, 5), [1, 1, 2, 0, 0]);
    }

    #[test]
    fn a_source_that_nobody_reads_holds_no_more_than_a_second() {
        let mut timeline = Timeline::default();
        for number in 0..1_000 {
            timeline.write(at(number * 10), &block(7));
        }
        assert_eq!(timeline.samples.len() as u64, KEPT);
        assert_eq!(timeline.end(), sample_at(at(10_000)));
    }

    #[test]
    fn sample_numbers_and_times_agree_for_a_year() {
        let year = 365 * 24 * 3_600 * u64::from(SAMPLE_RATE);
        for number in [0, 1, 1_024, year, year + 959] {
            assert!(sample_at(time_of(number)).abs_diff(number) <= 1);
        }
    }
}
