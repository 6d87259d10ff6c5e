//! The wall clock of a box, which may be set at any time: by years, where it began at the time of its build.

use std::time::Duration;

use bondbox_units::Instant;

use super::{Kept, Moment};

/// Tells when the wall clock was set: it and the monotonic clock then move apart.
#[derive(Debug)]
pub struct Wall {
    ahead_s: i64,
}

/// A unit that stays off the air because it was dark for long, as far as its clock goes, which may be put right.
#[derive(Debug)]
pub struct Doubt {
    kept: Kept,
    began: Moment,
    at: Instant,
    resume_within: Duration,
}

impl Wall {
    /// The clocks as they stand.
    pub fn new(now: Instant, at_s: u64) -> Self {
        Self { ahead_s: ahead(now, at_s) }
    }

    /// Whether it was set since the last time.
    pub fn was_set(&mut self, now: Instant, at_s: u64) -> bool {
        let ahead_s = ahead(now, at_s);
        let was_set = ahead_s.abs_diff(self.ahead_s) >= STEP_S;
        if was_set {
            self.ahead_s = ahead_s;
        }
        was_set
    }
}

impl Doubt {
    /// Of a start at `began`, which is now, after which the unit is to stay off the air.
    pub const fn new(now: Instant, kept: Kept, began: Moment, resume_within: Duration) -> Self {
        Self { kept, began, at: now, resume_within }
    }

    /// Whether there is one any more: a unit that has been seen off the air for as long as counts does not go on it by itself.
    pub fn stands(&self, now: Instant) -> bool {
        self.kept.on_air && now.since(self.at) < self.resume_within
    }

    /// Whether the start would have gone on the air with a clock that reads `at_s` now.
    pub fn resumes(&self, now: Instant, at_s: u64) -> bool {
        let began = Moment { at_s: at_s.saturating_sub(now.since(self.at).as_secs()), ..self.began.clone() };
        self.stands(now) && self.kept.resumes(&began, self.resume_within)
    }
}

fn ahead(now: Instant, at_s: u64) -> i64 {
    at_s.cast_signed() - (now.as_micros() / 1_000_000).cast_signed()
}

/// Clocks that are slewed never are so far off, and ten minutes are not measured closer.
const STEP_S: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_clock_that_is_set_is_told_once_and_one_that_goes_is_not() {
        let mut wall = Wall::new(at(100), 5_000);
        assert!(!wall.was_set(at(4_000), 8_900) && !wall.was_set(at(4_001), 8_910), "it goes, and is slewed");
        assert!(wall.was_set(at(4_002), 1_000_000) && !wall.was_set(at(4_003), 1_000_001));
        assert!(wall.was_set(at(4_004), 40), "back, too");
    }

    #[test]
    fn a_clock_put_right_shows_that_the_unit_was_dark_for_a_minute() {
        let kept = Kept { on_air: true, boot_id: "a".into(), at_s: 1_000_000 };
        let doubt = |on_air, resume_within| {
            let kept = Kept { on_air, ..kept.clone() };
            let began = Moment { boot_id: "b".into(), at_s: 9_000_000 };
            Doubt::new(at(50), kept, began, resume_within)
        };
        // It was really 1,000,060 when it began, which shows 40 s later.
        assert!(doubt(true, TEN).resumes(at(90), 1_000_100));
        assert!(!doubt(true, TEN).resumes(at(90), 9_000_040), "as before");
        assert!(!doubt(true, TEN).resumes(at(90), 1_000_700), "dark for 11 minutes");
        assert!(!doubt(false, TEN).resumes(at(90), 1_000_100), "stopped on purpose");
        assert!(!doubt(true, Duration::ZERO).resumes(at(90), 1_000_100), "set to never");
        assert!(doubt(true, TEN).stands(at(649)) && !doubt(true, TEN).resumes(at(650), 1_000_600), "too late");
    }
}
