//! When a path is paced so low that its queue runs dry, to see whether it is one.
//!
//! A base that rose for good, as at a handover to a farther cell, looks like a queue that stands. The pace then stays below what
//! was proven, nothing proves more, and what noise takes off the rate never comes back: two links of 9 Mbit/s that grew by 60 ms
//! brought 40 to 90 % of a stream of 7 (the suite's `moved_away`). A queue shrinks while less goes in than comes out. So one
//! that is high for a second although the pace is below the rate contradicts itself, and is looked at: the path is paced at 0.6
//! of its rate for a round trip and 300 ms, and what delay is left when it falls no more is the path's own.
//!
//! [`super::delay`] tells the queue and raises the base; [`super::path`] paces.

use std::time::Duration;

use bondbox_units::Instant;

use super::delay::TARGET;

/// Since when a queue stands, and since when it is let run dry.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    busy_since: Option<Instant>,
    high_since: Option<Instant>,
    since: Option<Instant>,
}

impl Drain {
    /// Looks at the clock: `standing` is the queue now. Gives whether the path is to be drained.
    pub(crate) fn on_time(&mut self, now: Instant, standing: Duration, round_trip: Duration) -> bool {
        if let Some(since) = self.since {
            if now - since < round_trip + EMPTIED + SEEN {
                return true;
            }
            *self = Self::default();
        }
        let lasts = |above: bool, since: &mut Option<Instant>, limit: Duration| {
            *since = above.then(|| since.unwrap_or(now));
            since.is_some_and(|since| now - since >= limit)
        };
        let busy = lasts(standing > TARGET / 2, &mut self.busy_since, BUSY_FOR);
        let high = lasts(standing > TARGET.mul_f64(HIGH), &mut self.high_since, HIGH_FOR);
        self.since = (busy || high).then_some(now);
        self.since.is_some()
    }

    /// Whether what leaves now finds no queue any more that is worth the name.
    pub(crate) fn is_dry(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now - since >= EMPTIED)
    }
}

/// At 0.6 of what the path delivers, twice the target is gone in this time.
const EMPTIED: Duration = Duration::from_millis(200);
/// What leaves then has been acknowledged a round trip and this much later.
const SEEN: Duration = Duration::from_millis(100);
/// Of the target: the pace is below the rate by then.
const HIGH: f64 = 1.25;
/// A rate that falls by steps is followed sooner.
const HIGH_FOR: Duration = Duration::from_secs(1);
/// A queue that keeps to the target stands for seconds; one for so long may be a base that rose by less than the target.
const BUSY_FOR: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    /// When a queue of so many ms, which goes by itself after a while, begins to be drained.
    fn begins(queue_ms: u64, until_ms: u64) -> Option<u64> {
        let mut drain = Drain::default();
        (0..20_000).step_by(5).find(|ms| {
            let queue = if *ms < until_ms { queue_ms } else { 0 };
            drain.on_time(Instant::from_millis(*ms), Duration::from_millis(queue), ROUND_TRIP)
        })
    }

    #[test]
    fn a_high_queue_is_drained_after_a_second_one_at_the_target_after_8_and_a_small_one_never() {
        assert_eq!(begins(60, 20_000), Some(1_000));
        assert_eq!(begins(40, 20_000), Some(8_000));
        assert_eq!(begins(15, 20_000), None);
        assert_eq!(begins(60, 900), None, "it went");
    }

    #[test]
    fn a_drain_ends_and_is_dry_before_that() {
        let mut drain = Drain::default();
        let mut at = |ms| {
            let on = drain.on_time(Instant::from_millis(ms), TARGET * 2, ROUND_TRIP);
            (on, drain.is_dry(Instant::from_millis(ms)))
        };
        assert_eq!(at(0), (false, false));
        assert_eq!(at(1_000), (true, false));
        assert_eq!(at(1_199), (true, false));
        assert_eq!(at(1_200), (true, true));
        assert_eq!(at(1_349), (true, true));
        assert_eq!(at(1_350), (false, false));
        assert_eq!(at(2_349), (false, false));
        assert_eq!(at(2_350), (true, false), "it may still be one");
    }
}
