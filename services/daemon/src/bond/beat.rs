//! When to look at sockets: woken by what comes while little does, at a steady beat while much does.
//!
//! Waking up costs several times what a datagram costs. At a beat, all that came since the last is handled together; when
//! each came the kernel has noted, so nothing is measured wrong for it.

use std::time::Duration;

use bondbox_units::Instant;

/// Tells much from little.
#[derive(Debug, Default)]
pub struct Beat {
    /// Since when datagrams are counted.
    since: Instant,
    count: u32,
    busy: bool,
}

impl Beat {
    /// So many datagrams came or went.
    pub const fn count(&mut self, datagrams: u32) {
        self.count += datagrams;
    }

    /// Looks at the clock.
    pub fn on_time(&mut self, now: Instant) {
        let window = now - self.since;
        if window >= WINDOW {
            // More than one in a beat.
            self.busy = Duration::from_micros(u64::from(self.count) * PERIOD.as_micros() as u64) > window;
            (self.since, self.count) = (now, 0);
        }
    }

    /// Whether to look at every beat, and not to be woken.
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    /// When to turn next, where the engine has to at `deadline`.
    pub fn next(&self, now: Instant, deadline: Instant) -> Instant {
        if self.busy { now + PERIOD } else { deadline }
    }
}

/// Between two beats: what the pacing of a link can make up for, and what the spacing of a stream may be off. Half of it
/// cost a third more processor time at 20 Mbit/s.
pub const PERIOD: Duration = Duration::from_millis(2);
/// As long as it takes to see whether much comes.
const WINDOW: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(1_000 + ms)
    }

    fn after(datagrams: u32) -> Beat {
        let mut beat = Beat::default();
        beat.on_time(at(0));
        beat.count(datagrams);
        beat.on_time(at(50));
        beat
    }

    #[test]
    fn a_stream_is_looked_at_by_the_beat_and_a_trickle_when_it_comes() {
        let (stream, trickle) = (after(26), after(25));
        assert!(stream.is_busy() && !trickle.is_busy());
        assert_eq!(stream.next(at(50), at(57)), at(50) + PERIOD);
        assert_eq!(trickle.next(at(50), at(57)), at(57));
    }

    #[test]
    fn the_end_of_a_stream_is_noticed() {
        let mut beat = after(1_000);
        beat.on_time(at(99));
        assert!(beat.is_busy());
        beat.on_time(at(100));
        assert!(!beat.is_busy());
    }
}
