//! When a track's keyframes come, and so whether it is worth asking for one.

use std::time::Duration;

use bondbox_units::Instant;

/// The keyframes of one track.
#[derive(Debug, Default)]
pub(super) struct Keyframes {
    /// The last, and when it went in, on our clock.
    last: Option<(u64, Instant)>,
    /// Between the last few.
    intervals: [Duration; 4],
    next_interval: usize,
    /// It is known to have pictures that build on each other.
    pictures: bool,
    asked_at: Option<Instant>,
}

impl Keyframes {
    /// The unit said that these are pictures.
    pub(super) const fn set_pictures(&mut self) {
        self.pictures = true;
    }

    /// The head of a keyframe arrived.
    pub(super) fn on_keyframe(&mut self, unit: u64, ingest: Instant) {
        self.pictures = true;
        match self.last {
            Some((last, _)) if last >= unit => return,
            Some((_, before)) => {
                self.intervals[self.next_interval] = ingest - before;
                self.next_interval = (self.next_interval + 1) % self.intervals.len();
            }
            None => {}
        }
        self.last = Some((unit, ingest));
    }

    /// Whether units build on each other.
    pub(super) const fn pictures(&self) -> bool {
        self.pictures
    }

    /// Whether to ask for a keyframe now, `broken` being the last unit that is missing: not when one is on its way, nor when
    /// one will be made within a second anyhow, nor twice a second.
    pub(super) fn wanted(&mut self, now: Instant, broken: u64) -> bool {
        let on_its_way = self.last.is_some_and(|(unit, _)| unit > broken);
        let asked = self.asked_at.is_some_and(|at| now - at < ASK_INTERVAL);
        if on_its_way || asked || self.is_due(now) {
            return false;
        }
        self.asked_at = Some(now);
        true
    }

    fn is_due(&self, now: Instant) -> bool {
        // One that was asked for comes early and the next counts from it: the longest interval is the encoder's own.
        let interval = self.intervals.iter().max().filter(|interval| !interval.is_zero());
        let Some((interval, (_, last))) = interval.zip(self.last) else { return false };
        let next = last + *interval;
        next <= now + SOON && now <= next + OVERDUE
    }
}

/// A keyframe every second is as much repair as an encoder can bear.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(1);
/// The way here takes its time; one that is not here after this is not coming.
const OVERDUE: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn none_is_asked_for_when_one_is_due_within_a_second() {
        let mut keyframes = Keyframes::default();
        for number in 0..5 {
            keyframes.on_keyframe(number * 100, ms(number * 4_000));
        }
        assert!(keyframes.wanted(ms(17_000), 420), "the next comes at 20 s");
        assert!(!keyframes.wanted(ms(17_900), 420), "asked a moment ago");
        assert!(!keyframes.wanted(ms(19_000), 420), "and now it is due");
        assert!(!keyframes.wanted(ms(20_200), 420), "and on its way, as far as one can tell");
        assert!(keyframes.wanted(ms(20_301), 420), "it did not come");
        keyframes.on_keyframe(500, ms(20_350));
        assert!(!keyframes.wanted(ms(21_400), 420));
        assert!(keyframes.wanted(ms(21_400), 501));
    }

    #[test]
    fn one_that_was_asked_for_does_not_make_the_encoder_look_faster_than_it_is() {
        let mut keyframes = Keyframes::default();
        for (unit, at) in [(0, 0), (100, 4_000), (110, 4_400), (210, 8_400)] {
            keyframes.on_keyframe(unit, ms(at));
        }
        assert!(keyframes.wanted(ms(9_000), 220), "due at 12.4 s, not at 8.8 s");
    }
}
