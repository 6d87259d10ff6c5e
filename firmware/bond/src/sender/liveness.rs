//! Whether a path still delivers.
//!
//! Only proof counts: the time since an acknowledgement last named a packet for the first time. It runs while something is
//! unacknowledged, and is never stretched by a round trip that a queue inflated.

use std::time::Duration;

use bondbox_units::Instant;

/// What the sender thinks of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Delivers.
    Up,
    /// Overdue: no new media, one useful packet now and then.
    Suspect,
    /// So long overdue that what it holds goes out on other links too.
    Silent,
}

/// Time since proof, and how long is normal.
#[derive(Debug)]
pub(crate) struct Liveness {
    health: Health,
    progress: Instant,
    /// Longest gaps between proofs, in this and in the last 5 s.
    gaps: [Duration; 2],
    gaps_since: Instant,
}

impl Liveness {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { health: Health::Up, progress: now, gaps: [Duration::ZERO; 2], gaps_since: now }
    }

    pub(crate) const fn health(&self) -> Health {
        self.health
    }

    /// Time since the last proof.
    pub(crate) fn since_progress(&self, now: Instant) -> Duration {
        now - self.progress
    }

    /// An acknowledgement named packets for the first time; `due` since when one could be expected, if at all.
    /// Gives the health before, which the proof has ended.
    pub(crate) fn on_progress(&mut self, now: Instant, due: Option<Instant>) -> Health {
        if now - self.gaps_since >= GAP_WINDOW / 2 {
            self.gaps = [Duration::ZERO, self.gaps[0]];
            self.gaps_since = now;
        }
        if let (Some(due), Health::Up) = (due, self.health) {
            self.gaps[0] = self.gaps[0].max(now - due.max(self.progress));
        }
        self.progress = now;
        std::mem::replace(&mut self.health, Health::Up)
    }

    /// Looks at the clock; `due` since when proof could be expected, `None` when nothing is unacknowledged.
    /// Gives the health when it changed.
    pub(crate) fn on_time(&mut self, now: Instant, due: Option<Instant>) -> Option<Health> {
        let overdue = now - due?.max(self.progress);
        let health = if overdue >= self.silent_after() {
            Health::Silent
        } else if overdue >= self.suspect_after() {
            Health::Suspect
        } else {
            Health::Up
        };
        // Only proof makes a path better.
        let worse = matches!(
            (self.health, health),
            (Health::Up, Health::Suspect | Health::Silent) | (Health::Suspect, Health::Silent)
        );
        worse.then(|| {
            self.health = health;
            health
        })
    }

    fn longest_gap(&self) -> Duration {
        self.gaps[0].max(self.gaps[1])
    }

    fn suspect_after(&self) -> Duration {
        self.longest_gap().mul_f64(1.5).clamp(Duration::from_millis(60), Duration::from_millis(200))
    }

    fn silent_after(&self) -> Duration {
        (self.longest_gap() * 2).clamp(Duration::from_millis(120), Duration::from_millis(300))
    }
}

/// How long a path's gaps between proofs are remembered.
const GAP_WINDOW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn a_path_goes_suspect_then_silent_and_returns_at_the_first_proof() {
        let mut path = Liveness::new(ms(0));
        assert_eq!(path.on_time(ms(59), Some(ms(0))), None);
        assert_eq!(path.on_time(ms(60), Some(ms(0))), Some(Health::Suspect));
        assert_eq!(path.on_time(ms(61), Some(ms(0))), None);
        assert_eq!(path.on_time(ms(120), Some(ms(0))), Some(Health::Silent));
        assert_eq!(path.on_progress(ms(500), None), Health::Silent);
        assert_eq!(path.health(), Health::Up);
    }

    #[test]
    fn an_idle_path_is_never_overdue() {
        let mut path = Liveness::new(ms(0));
        assert_eq!(path.on_time(ms(60_000), None), None);
        assert_eq!(path.on_time(ms(60_010), Some(ms(60_000))), None, "counts from when proof was due");
    }

    #[test]
    fn a_path_with_long_gaps_gets_more_time_for_ten_seconds() {
        let mut path = Liveness::new(ms(0));
        path.on_progress(ms(100), Some(ms(0)));
        assert_eq!(path.on_time(ms(249), Some(ms(100))), None);
        assert_eq!(path.on_time(ms(251), Some(ms(100))), Some(Health::Suspect));
        path.on_progress(ms(300), None);
        for i in 1..150 {
            path.on_progress(ms(300 + i * 100), Some(ms(299 + i * 100)));
        }
        assert_eq!(path.suspect_after(), Duration::from_millis(60));
    }
}
