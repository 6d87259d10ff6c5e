//! When packets leave a path: every byte is paced, and a path finds out what it can do by pacing faster than it proved.
//!
//! [`super::path::Path`] tells it what leaves and what stands; the schedule reads when the next packet may go.
//!
//! This is BBR's model, a rate by what was delivered, with a queue to aim at. Copa's in its place (Arun and Balakrishnan 2018: a
//! window that grows while the rate is below 1/(δ × standing queue), with its velocity and slow start), on the same
//! networks, seeds 1..5; mean percent on time and the worst seed:
//!
//! | case | this | Copa, δ 0.5 | δ 0.1 | δ 0.04 |
//! |---|---|---|---|---|
//! | `four_driving` @600 | 100.00 / 100.00 | 100.00 / 99.99 | 100.00 / 100.00 | 100.00 / 99.99 |
//! | `six_driving_frames` @600 | 99.43 / 98.92 | 98.83 / 97.88 | 99.10 / 98.26 | 98.06 / 96.45 |
//! | `six_driving_frames` @800 | 99.64 / 99.34 | 99.14 / 98.26 | 99.53 / 99.37 | 99.09 / 98.33 |
//! | `high_satellite_14` @600 | 100.00 / 100.00 | 99.57 / 99.17 | 99.50 / 98.82 | 99.61 / 99.10 |
//! | `cut_to_a_third` @400 | 100.00 / 100.00 | 96.85 / 87.39 | 99.96 / 99.90 | 99.83 / 99.74 |
//!
//! Copa follows a sudden cut too late, and its own δ of 0.5 takes the jitter of a cell for a queue. It cost the same.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::delay::TARGET;

/// When packets leave.
#[derive(Debug)]
pub(crate) struct Pacing {
    pub(crate) next: Instant,
    mode: Mode,
    /// The queue to aim at.
    pub(crate) target: Duration,
    /// A queue that may be none is let run dry.
    pub(crate) draining: bool,
    /// Bytes of filler that may still be sent in this mode.
    filler: u32,
    /// Since when it has been busy without a queue.
    free_since: Option<Instant>,
    /// What was proven when it last grew while finding out, and when that was.
    grown: Option<(Instant, Bitrate)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The rate doubles until a queue stands.
    Startup,
    /// At what was proven.
    Cruise,
}

impl Pacing {
    /// A path that is finding out what it can do.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            next: now,
            mode: Mode::Startup,
            target: TARGET,
            draining: false,
            filler: STARTUP_FILLER,
            free_since: None,
            grown: None,
        }
    }

    /// Whether the path is finding out what it can do.
    pub(crate) const fn is_probing(&self) -> bool {
        matches!(self.mode, Mode::Startup)
    }

    /// Whether packets leave later than this grain after they could.
    pub(crate) fn is_behind(&self, now: Instant) -> bool {
        self.next + QUANTUM < now
    }

    /// Starts to find out anew, with little filler.
    pub(crate) const fn start_probe(&mut self) {
        (self.mode, self.filler, self.grown) = (Mode::Startup, PROBE_FILLER, None);
    }

    /// Whether filler may be sent; finding out ends when `enough` is proven.
    pub(crate) fn wants_filler(&mut self, enough: bool) -> bool {
        if enough {
            self.mode = Mode::Cruise;
        }
        self.is_probing() && self.filler > 0
    }

    /// `size` bytes of filler are about to be sent.
    pub(crate) const fn take_filler(&mut self, size: usize) {
        self.filler = self.filler.saturating_sub(size as u32);
        if self.filler == 0 {
            self.mode = Mode::Cruise;
        }
    }

    pub(crate) fn gain(&self, standing: Duration) -> f64 {
        match self.mode {
            _ if self.draining => 0.6,
            Mode::Startup => 2.0,
            Mode::Cruise => {
                // A little more than proven on an empty queue, as much at the target, less above it.
                let fill = standing.as_secs_f64() / self.target.as_secs_f64();
                (1.0 + 0.2 * (1.0 - fill)).clamp(0.7, 1.2)
            }
        }
    }

    pub(crate) fn adapt(&mut self, standing: Duration, loss: f64) {
        if standing > TARGET / 2 || loss > 0.1 {
            self.mode = Mode::Cruise;
        }
    }

    /// Twice the rate that brings no more for a round trip and a sample, `patience`, only makes a queue.
    pub(crate) fn settle(&mut self, now: Instant, proven: Bitrate, busy: bool, patience: Duration) {
        if self.mode != Mode::Startup {
            return;
        }
        match self.grown {
            Some((since, rate)) if busy && proven < rate.scaled(1.2) => {
                if now - since > patience {
                    self.mode = Mode::Cruise;
                }
            }
            _ => self.grown = Some((now, proven)),
        }
    }

    /// A path that is kept busy for more than a round trip, `patience`, and still has no queue can do much more than it
    /// has proven: its rate doubles again as in the beginning.
    pub(crate) fn grow_if_free(&mut self, now: Instant, free: bool, patience: Duration) {
        if !free || self.mode != Mode::Cruise {
            self.free_since = None;
        } else if now - *self.free_since.get_or_insert(now) > patience {
            (self.mode, self.grown) = (Mode::Startup, None);
        }
    }

    pub(crate) fn on_sent(&mut self, now: Instant, size: u32, pace: Bitrate) {
        // A busy unit sends at a beat of 2 ms, and timers are late: what was missed by that may be caught up.
        self.next = self.next.max(now.earlier_by(QUANTUM)) + pace.time_for(u64::from(size));
    }
}

/// Twice the beat of a busy unit.
const QUANTUM: Duration = Duration::from_millis(4);
/// Enough to double from 1 Mbit/s to 30 Mbit/s.
const STARTUP_FILLER: u32 = 600_000;
/// A standby link is proven anew by this much.
const PROBE_FILLER: u32 = 40_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn bytes_leave_at_the_pace_and_a_late_timer_is_made_up_for_once() {
        let mut pacing = Pacing::new(ms(0));
        let pace = Bitrate::from_kbps(8_000);
        pacing.on_sent(ms(0), 1_000, pace);
        pacing.on_sent(ms(0), 1_000, pace);
        assert_eq!(pacing.next, ms(2));
        pacing.on_sent(ms(50), 1_000, pace);
        assert_eq!(pacing.next, ms(47), "4 ms are caught up, 46 are not");
        assert!(!pacing.is_behind(ms(51)));
        assert!(pacing.is_behind(ms(52)));
    }

    #[test]
    fn finding_out_ends_with_a_queue_with_loss_with_enough_or_without_filler() {
        let probing = || Pacing::new(ms(0));
        let mut pacing = probing();
        assert_eq!(pacing.gain(Duration::ZERO), 2.0);
        pacing.adapt(TARGET, 0.0);
        assert!(!pacing.is_probing());
        let mut pacing = probing();
        pacing.adapt(Duration::ZERO, 0.2);
        assert!(!pacing.is_probing());
        let mut pacing = probing();
        assert!(pacing.wants_filler(false) && !pacing.wants_filler(true) && !pacing.is_probing());
        pacing.start_probe();
        pacing.take_filler(PROBE_FILLER as usize - 1);
        assert!(pacing.is_probing());
        pacing.take_filler(1_000);
        assert!(!pacing.is_probing());
    }

    #[test]
    fn a_path_that_is_busy_and_free_for_long_doubles_again() {
        let mut pacing = Pacing::new(ms(0));
        pacing.wants_filler(true);
        let patience = Duration::from_millis(75);
        pacing.grow_if_free(ms(0), true, patience);
        pacing.grow_if_free(ms(50), false, patience);
        pacing.grow_if_free(ms(60), true, patience);
        pacing.grow_if_free(ms(130), true, patience);
        assert!(!pacing.is_probing(), "a queue in between starts the wait anew");
        pacing.grow_if_free(ms(136), true, patience);
        assert!(pacing.is_probing());
    }

    #[test]
    fn a_queue_above_the_target_slows_the_pace_and_a_drain_slows_it_more() {
        let mut pacing = Pacing::new(ms(0));
        pacing.wants_filler(true);
        assert_eq!((pacing.gain(Duration::ZERO), pacing.gain(TARGET), pacing.gain(TARGET * 9)), (1.2, 1.0, 0.7));
        pacing.target = TARGET * 3;
        assert_eq!((pacing.gain(TARGET * 3), pacing.gain(TARGET * 9)), (1.0, 0.7));
        pacing.draining = true;
        assert_eq!(pacing.gain(Duration::ZERO), 0.6);
    }
}
