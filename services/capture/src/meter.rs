//! What the encoder really produces.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

/// The last second of one track.
#[derive(Debug, Default)]
pub struct Meter {
    units: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    bytes: u64,
    delay: Duration,
}

impl Meter {
    /// A unit of `bytes` came out at `at`, `delay` after its frame went in.
    pub fn on_unit(&mut self, at: Instant, bytes: u64, delay: Duration) {
        self.units.push_back(Entry { at, bytes, delay });
        while self.units.front().is_some_and(|entry| at.since(entry.at) > KEPT) {
            self.units.pop_front();
        }
    }

    /// What came out during `window`, at most a second, before `now`.
    pub fn rate(&self, now: Instant, window: Duration) -> Bitrate {
        let bytes = self.recent(now, window).map(|entry| entry.bytes).sum();
        Bitrate::from_bytes_in(bytes, window).unwrap_or(Bitrate::ZERO)
    }

    /// The median delay of the last second; `None` when nothing came out.
    pub fn delay(&self, now: Instant) -> Option<Duration> {
        let mut delays: Vec<Duration> = self.recent(now, KEPT).map(|entry| entry.delay).collect();
        delays.sort_unstable();
        delays.get(delays.len() / 2).copied()
    }

    /// Forgets everything: another encoder.
    pub fn clear(&mut self) {
        self.units.clear();
    }

    fn recent(&self, now: Instant, window: Duration) -> impl Iterator<Item = &Entry> {
        self.units.iter().rev().take_while(move |entry| now.since(entry.at) < window)
    }
}

/// The span of the rate that the state shows.
pub const KEPT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(10_000 + millis)
    }

    #[test]
    fn it_tells_the_rate_of_the_window_and_forgets_what_is_older() {
        let mut meter = Meter::default();
        for frame in 0..50 {
            let bytes = if frame < 25 { 1_000 } else { 5_000 };
            meter.on_unit(at(frame * 40), bytes, Duration::from_millis(frame));
        }
        let now = at(50 * 40 - 1);
        assert_eq!(meter.rate(now, KEPT), Bitrate::from_kbps(1_000));
        assert_eq!(meter.rate(now, KEPT / 2), Bitrate::from_bps(12 * 5_000 * 8 * 2));
        assert_eq!(meter.delay(now), Some(Duration::from_millis(37)));
        assert_eq!(meter.rate(at(10_000), KEPT), Bitrate::ZERO);
        assert_eq!(meter.delay(at(10_000)), None);
    }
}
