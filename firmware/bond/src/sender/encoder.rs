//! What the encoder may produce.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

/// How much of what the links proved is kept free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Headroom {
    /// The best link may die: 0.9 × what the others proved, but at least half of all.
    #[default]
    SurviveOne,
    /// Nothing is kept: 0.9 × what all links proved.
    None,
}

/// Follows what the links prove: down at once, up slowly.
#[derive(Debug)]
pub(crate) struct EncoderTarget {
    headroom: Headroom,
    range: (Bitrate, Bitrate),
    target: Bitrate,
    told: Option<Bitrate>,
    told_at: Instant,
    hold_until: Instant,
    /// Since when first copies have been piling up; in the future after that was answered.
    backlogged_since: Option<Instant>,
    updated: Instant,
}

impl EncoderTarget {
    pub(crate) fn new(now: Instant, headroom: Headroom, range: (Bitrate, Bitrate), start: Bitrate) -> Self {
        let range = (range.0.min(range.1), range.1);
        let target = start.clamp(range.0, range.1);
        Self {
            headroom,
            range,
            target,
            told: None,
            told_at: now,
            hold_until: now,
            backlogged_since: None,
            updated: now,
        }
    }

    /// The rate in force.
    pub(crate) const fn target(&self) -> Bitrate {
        self.target
    }

    /// Whether more capacity would let the encoder produce more.
    pub(crate) fn is_hungry(&self, links: &[Bitrate]) -> bool {
        self.allowed(links) < self.range.1
    }

    /// Takes in what each usable link proved, what the encoder really produced, and how long the backlog of first copies
    /// takes; gives a rate to tell the encoder.
    pub(crate) fn update(
        &mut self,
        now: Instant,
        links: &[Bitrate],
        actual: Bitrate,
        backlog: Duration,
        budget: Duration,
    ) -> Option<Bitrate> {
        let elapsed = (now - self.updated).min(Duration::from_secs(1));
        self.updated = now;
        if !links.is_empty() {
            self.follow(now, links, actual, backlog > budget / 4, elapsed);
        }
        let told = self.told.unwrap_or(Bitrate::ZERO);
        let step = self.target.as_bps().abs_diff(told.as_bps()) * 20 >= told.as_bps();
        let at_edge = self.target != told && (self.target == self.range.0 || self.target == self.range.1);
        if !(step || at_edge) || (self.told.is_some() && now - self.told_at < MIN_INTERVAL && self.target > told) {
            return None;
        }
        (self.told, self.told_at) = (Some(self.target), now);
        self.told
    }

    fn follow(&mut self, now: Instant, links: &[Bitrate], actual: Bitrate, backlogged: bool, elapsed: Duration) {
        let (floor, ceiling) = self.range;
        let sum: Bitrate = links.iter().copied().sum();
        let mut allowed = self.allowed(links);
        if backlogged {
            allowed = allowed.min(sum.scaled(0.85));
            // A keyframe makes a backlog that goes by itself. One that stays is cut below what makes it, once a hold time.
            if now - *self.backlogged_since.get_or_insert(now) >= STUBBORN {
                allowed = allowed.min(self.target.min(actual).scaled(0.85));
                self.backlogged_since = Some(now + HOLD);
            }
        } else {
            self.backlogged_since = None;
        }
        let allowed = allowed.clamp(floor.min(ceiling), ceiling);
        if allowed < self.target {
            if allowed < self.target.scaled(0.95) {
                self.hold_until = now + HOLD;
            }
            self.target = allowed;
        } else if now >= self.hold_until && actual >= self.target.scaled(0.8) {
            let grown = self.target.scaled(1.0 + GROWTH_PER_SECOND * elapsed.as_secs_f64());
            self.target = grown.max(self.target.saturating_add(Bitrate::from_bps(1))).min(allowed);
        }
    }

    fn allowed(&self, links: &[Bitrate]) -> Bitrate {
        let sum: Bitrate = links.iter().copied().sum();
        let largest = links.iter().copied().max().unwrap_or_default();
        match self.headroom {
            Headroom::SurviveOne => sum.saturating_sub(largest).max(sum.scaled(0.5)).scaled(0.9),
            Headroom::None => sum.scaled(0.9),
        }
    }
}

/// Four changes a second are what encoders follow.
const MIN_INTERVAL: Duration = Duration::from_millis(250);
/// After a cut: a backlog needs about this to go.
const HOLD: Duration = Duration::from_secs(2);
/// As long as the keyframe of an encoder within its buffer of half a second takes.
const STUBBORN: Duration = Duration::from_millis(500);
/// Slow enough that the links' queues tell before the encoder has gone too far.
const GROWTH_PER_SECOND: f64 = 0.08;

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(600);

    fn kbps(values: &[u64]) -> Vec<Bitrate> {
        values.iter().copied().map(Bitrate::from_kbps).collect()
    }

    fn encoder(headroom: Headroom) -> EncoderTarget {
        let range = (Bitrate::from_kbps(300), Bitrate::from_kbps(8_000));
        EncoderTarget::new(Instant::ZERO, headroom, range, Bitrate::from_kbps(4_000))
    }

    fn run(encoder: &mut EncoderTarget, from_s: u64, to_s: u64, links: &[u64]) -> Vec<u64> {
        let step = |ms| {
            let (now, actual) = (Instant::from_millis(ms), encoder.target());
            encoder.update(now, &kbps(links), actual, Duration::ZERO, BUDGET).map(|rate| rate.as_bps() / 1_000)
        };
        (from_s * 1_000..to_s * 1_000).step_by(50).filter_map(step).collect()
    }

    #[test]
    fn the_best_link_may_die() {
        let mut encoder = encoder(Headroom::SurviveOne);
        run(&mut encoder, 0, 30, &[6_000, 4_000, 3_000]);
        assert_eq!(encoder.target(), Bitrate::from_kbps(6_300));
        run(&mut encoder, 30, 31, &[6_000, 1_000]);
        assert_eq!(encoder.target(), Bitrate::from_kbps(3_150), "at least half of the sum");
    }

    #[test]
    fn down_at_once_and_up_slowly_in_steps() {
        let mut encoder = encoder(Headroom::None);
        assert_eq!(run(&mut encoder, 1, 2, &[2_000]), [1_800]);
        let told = run(&mut encoder, 2, 12, &[10_000]);
        assert!(told.windows(2).all(|w| w[0] * 105 <= w[1] * 100 + 100), "{told:?}");
        let grown = encoder.target().as_bps();
        assert!((3_400_000..3_800_000).contains(&grown), "8 %/s over 9 s after a hold: {grown}");
    }

    #[test]
    fn an_encoder_that_has_nothing_to_say_is_not_told_more() {
        let mut encoder = encoder(Headroom::None);
        for ms in (0..20_000).step_by(50) {
            encoder.update(Instant::from_millis(ms), &kbps(&[9_000]), Bitrate::from_kbps(500), Duration::ZERO, BUDGET);
        }
        assert_eq!(encoder.target(), Bitrate::from_kbps(4_000));
    }

    #[test]
    fn a_backlog_cuts_below_what_is_produced_once_in_a_while() {
        let mut encoder = encoder(Headroom::None);
        let backlog = Duration::from_millis(200);
        for ms in (0..1_000).step_by(50) {
            encoder.update(Instant::from_millis(ms), &kbps(&[9_000]), Bitrate::from_kbps(4_000), backlog, BUDGET);
        }
        assert_eq!(encoder.target(), Bitrate::from_kbps(3_400));
    }

    #[test]
    fn a_backlog_cuts_what_was_produced_and_not_what_was_asked_for() {
        let mut encoder = encoder(Headroom::None);
        let backlog = Duration::from_millis(200);
        for ms in (0..1_000).step_by(50) {
            encoder.update(Instant::from_millis(ms), &kbps(&[9_000]), Bitrate::from_kbps(1_500), backlog, BUDGET);
        }
        assert_eq!(encoder.target(), Bitrate::from_kbps(1_275), "0.85 of 1,500, whatever 4,000 were meant for");
    }

    #[test]
    fn below_its_floor_an_encoder_is_told_the_floor_once() {
        let mut encoder = encoder(Headroom::None);
        assert_eq!(run(&mut encoder, 1, 20, &[200]), [300]);
    }
}
