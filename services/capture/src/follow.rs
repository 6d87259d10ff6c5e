//! Whether a new bitrate is in the output.
//!
//! An encoder that took a property has promised nothing: some drivers accept a bitrate while running and ignore it. So
//! the answer to a bitrate command waits for what comes out. That is not simply the target: an easy picture needs less
//! than it may use, and a keyframe fills half a second with more.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use crate::meter::Meter;

/// A bitrate change whose effect is awaited.
#[derive(Clone, Debug)]
pub struct Follow {
    before: Bitrate,
    told: Bitrate,
    since: Instant,
}

/// What the output shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It agrees with the new bitrate; this was measured over the half second before.
    Follows(Bitrate),
    /// It still has the old rate after [`PATIENCE`].
    Ignores(Bitrate),
}

impl Follow {
    /// The encoder was told `told` at `since`, and `before` until then.
    pub fn new(before: Bitrate, told: Bitrate, since: Instant) -> Self {
        Self { before, told, since }
    }

    /// What the encoder was told.
    pub fn told(&self) -> Bitrate {
        self.told
    }

    /// `None` while it is too early to say.
    pub fn judge(&self, now: Instant, meter: &Meter) -> Option<Verdict> {
        let waited = now.since(self.since);
        if waited < IN_FLIGHT + WINDOW {
            return None;
        }
        let measured = meter.rate(now, WINDOW);
        if self.agrees(measured) {
            Some(Verdict::Follows(measured))
        } else if waited >= PATIENCE {
            Some(Verdict::Ignores(measured))
        } else {
            None
        }
    }

    fn agrees(&self, measured: Bitrate) -> bool {
        // Nothing at all is a dead encoder, not an obedient one.
        if measured == Bitrate::ZERO || measured > self.told.scaled(1.25) {
            return false;
        }
        // It stays where it was, at its old target, though it was told a good deal more.
        let held_back = self.told > self.before.scaled(1.25)
            && measured >= self.before.scaled(0.85)
            && measured <= self.before.scaled(1.1);
        !held_back
    }
}

/// Frames that were in the encoder already.
const IN_FLIGHT: Duration = Duration::from_millis(100);
/// What [`bondbox_ipc::capture::Done::Bitrate`] says of the output is measured over this.
pub const WINDOW: Duration = Duration::from_millis(500);
/// Long enough for half a second without a keyframe, of which there is one every two seconds.
pub const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_millis(1_000_000);

    fn kbps(rate: u64) -> Bitrate {
        Bitrate::from_kbps(rate)
    }

    /// Runs 25 frames a second at `rate(ms since the change)` and says when and how it was judged.
    fn judged(before: u64, told: u64, rate: impl Fn(u64) -> u64) -> (u64, Verdict) {
        let mut meter = Meter::default();
        let follow = Follow::new(kbps(before), kbps(told), START);
        for frame in 1..200 {
            let after = frame * 40;
            let now = START + Duration::from_millis(after);
            meter.on_unit(now, rate(after) * 1_000 * 40 / 8_000, Duration::ZERO);
            if let Some(verdict) = follow.judge(now, &meter) {
                return (after, verdict);
            }
        }
        panic!("no verdict");
    }

    fn is_near(verdict: Verdict, rate: u64) -> bool {
        matches!(verdict, Verdict::Follows(measured) if (kbps(rate).scaled(0.9)..kbps(rate).scaled(1.1)).contains(&measured))
    }

    #[test]
    fn a_change_that_works_is_confirmed_after_half_a_second_with_what_came_out() {
        for (before, told) in [(2_000, 500), (500, 2_000)] {
            let (after, verdict) = judged(before, told, |_| told);
            assert_eq!(after, 600);
            assert!(is_near(verdict, told), "{verdict:?}");
        }
    }

    #[test]
    fn an_encoder_that_ignores_it_is_found_out_both_ways() {
        let (after, verdict) = judged(2_000, 500, |_| 2_000);
        assert!(after == 3_000 && matches!(verdict, Verdict::Ignores(_)), "{verdict:?}");
        let (after, verdict) = judged(500, 2_000, |_| 500);
        assert!(after == 3_000 && matches!(verdict, Verdict::Ignores(_)), "{verdict:?}");
    }

    #[test]
    fn a_still_scene_far_below_any_target_is_no_failure() {
        let (_, verdict) = judged(1_000, 2_000, |_| 100);
        assert!(is_near(verdict, 100), "{verdict:?}");
    }

    #[test]
    fn an_encoder_that_needs_a_second_is_waited_for() {
        let (after, verdict) = judged(2_000, 500, |after| if after < 1_000 { 2_000 } else { 500 });
        assert!((1_000..1_600).contains(&after), "after {after} ms");
        assert!(matches!(verdict, Verdict::Follows(_)));
    }

    #[test]
    fn an_encoder_that_stopped_does_not_follow() {
        let follow = Follow::new(kbps(2_000), kbps(500), START);
        let late = START + PATIENCE;
        assert_eq!(follow.judge(late, &Meter::default()), Some(Verdict::Ignores(Bitrate::ZERO)));
    }
}
