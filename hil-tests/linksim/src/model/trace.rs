//! Recorded capacity in the format of mahimahi (Netravali et al. 2015): a line per delivery opportunity of 1,500
//! bytes, with its time in milliseconds, not falling; after the last one the trace starts again.

use bondbox_units::{Bitrate, Instant};

/// A recording of what a link could carry.
///
/// An opportunity is spread over the millisecond that starts with it, and what nobody used of it is gone, as there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Milliseconds that carry something, ascending, and how many opportunities each has.
    slots: Vec<(u64, u64)>,
    period_ms: u64,
}

/// Why a text is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A line is not a whole number of milliseconds.
    #[error("line {line} is \"{text}\", must be whole milliseconds")]
    Number {
        /// Counted from one.
        line: usize,
        /// What it says.
        text: String,
    },
    /// Time runs backwards.
    #[error("line {line} is {at_ms} ms, must not be before the line above, {before_ms} ms")]
    Order {
        /// Counted from one.
        line: usize,
        /// Its time.
        at_ms: u64,
        /// The time above it.
        before_ms: u64,
    },
    /// The last line gives the period, and it is zero or absent.
    #[error("the last line gives the period, must be 1 ms or more")]
    Empty,
}

impl Trace {
    /// Reads the text of a trace. Empty lines are skipped.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut times = Vec::new();
        for (index, row) in text.lines().enumerate().filter(|(_, row)| !row.trim().is_empty()) {
            let line = index + 1;
            let at_ms: u64 = row
                .trim()
                .parse()
                .map_err(|_| TraceError::Number { line, text: row.trim().chars().take(40).collect() })?;
            if let Some(&before_ms) = times.last().filter(|&&before_ms| at_ms < before_ms) {
                return Err(TraceError::Order { line, at_ms, before_ms });
            }
            times.push(at_ms);
        }
        let period_ms = times.last().copied().filter(|&last| last > 0).ok_or(TraceError::Empty)?;
        // The last line coincides with the start of the next round.
        let mut folded: Vec<u64> = times.into_iter().map(|at_ms| at_ms % period_ms).collect();
        folded.sort_unstable();
        let slots = folded.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect();
        Ok(Self { slots, period_ms })
    }

    /// The mean over one period.
    pub fn mean(&self) -> Bitrate {
        let opportunities: u64 = self.slots.iter().map(|&(_, count)| count).sum();
        Bitrate::from_bps(opportunities.saturating_mul(OPPORTUNITY_BITS * 1_000) / self.period_ms)
    }

    /// The rate, and until when it stays.
    pub(super) fn at(&self, now: Instant) -> (Bitrate, Instant) {
        let now_ms = now.as_micros() / 1_000;
        let (round_start_ms, into_ms) = (now_ms - now_ms % self.period_ms, now_ms % self.period_ms);
        let next = self.slots.partition_point(|&(slot_ms, _)| slot_ms <= into_ms);
        if let Some(&(slot_ms, count)) = self.slots[..next].last()
            && slot_ms == into_ms
        {
            return (Bitrate::from_bps(count * OPPORTUNITY_BITS * 1_000), Instant::from_millis(now_ms + 1));
        }
        let until_ms = self.slots.get(next).map_or(self.period_ms, |&(slot_ms, _)| slot_ms);
        (Bitrate::ZERO, Instant::from_millis(round_start_ms + until_ms))
    }
}

const OPPORTUNITY_BITS: u64 = 1_500 * 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opportunities_become_rates_and_repeat() {
        let trace = Trace::parse("1\n1\n4\n10\n").unwrap();
        let at = |ms| trace.at(Instant::from_millis(ms));
        for round in [0, 10, 1_000_000] {
            assert_eq!(at(round), (Bitrate::from_kbps(12_000), Instant::from_millis(round + 1)), "the tenth, folded");
            assert_eq!(at(round + 1), (Bitrate::from_kbps(24_000), Instant::from_millis(round + 2)));
            assert_eq!(at(round + 2), (Bitrate::ZERO, Instant::from_millis(round + 4)));
            assert_eq!(at(round + 3), (Bitrate::ZERO, Instant::from_millis(round + 4)));
            assert_eq!(at(round + 5), (Bitrate::ZERO, Instant::from_millis(round + 10)));
        }
        assert_eq!(trace.mean(), Bitrate::from_kbps(4_800));
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(Trace::parse("1\nx\n"), Err(TraceError::Number { line: 2, text: "x".into() }));
        assert_eq!(Trace::parse("5\n\n3\n"), Err(TraceError::Order { line: 3, at_ms: 3, before_ms: 5 }));
        assert_eq!(Trace::parse(""), Err(TraceError::Empty));
        assert_eq!(Trace::parse("0\n0\n"), Err(TraceError::Empty));
    }
}
