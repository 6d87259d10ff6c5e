//! Watches the output, not the parts.
//!
//! Whatever breaks inside, the viewer sees the same: no units. When none came for [`PATIENCE`] the pipelines are built
//! anew; when that was tried just before, the process ends and its supervisor starts it again.

use std::time::Duration;

use bondbox_units::Instant;

/// The watch over one track.
#[derive(Clone, Copy, Debug)]
pub enum Watch {
    /// Off the air: nothing is expected.
    Off,
    /// Units have to come.
    On {
        /// When the last one came, or the wait for the first began.
        since: Instant,
        /// When the pipelines were last built anew.
        rebuilt: Option<Instant>,
    },
}

/// What to do about a standstill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Build the pipelines anew.
    Rebuild,
    /// End the process.
    GiveUp,
}

impl Watch {
    /// Units have to come from now on.
    pub fn start(now: Instant) -> Self {
        Self::On { since: now, rebuilt: None }
    }

    /// One came.
    pub fn on_unit(&mut self, now: Instant) {
        if let Self::On { since, .. } = self {
            *since = now;
        }
    }

    /// Looks whether too long none came.
    pub fn check(&mut self, now: Instant) -> Option<Action> {
        match *self {
            Self::On { since, .. } if now.since(since) >= PATIENCE => self.on_failure(now),
            Self::On { .. } | Self::Off => None,
        }
    }

    /// The pipeline said itself that it is broken.
    pub fn on_failure(&mut self, now: Instant) -> Option<Action> {
        match *self {
            Self::Off => None,
            Self::On { rebuilt: Some(rebuilt), .. } if now.since(rebuilt) < PROBATION => Some(Action::GiveUp),
            Self::On { .. } => {
                *self = Self::On { since: now, rebuilt: Some(now) };
                Some(Action::Rebuild)
            }
        }
    }
}

/// Without units for this long, the pipelines are built anew.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Pipelines that fail again so soon were not what was broken.
pub const PROBATION: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn two_seconds_without_a_unit_and_the_pipeline_is_built_anew() {
        let mut watch = Watch::start(at(0));
        watch.on_unit(at(1_000));
        assert_eq!(watch.check(at(2_999)), None);
        assert_eq!(watch.check(at(3_000)), Some(Action::Rebuild));
        assert_eq!(watch.check(at(3_001)), None, "the new one has its time");
    }

    #[test]
    fn when_that_does_not_help_the_process_ends() {
        let mut watch = Watch::start(at(0));
        assert_eq!(watch.check(at(2_000)), Some(Action::Rebuild));
        assert_eq!(watch.check(at(3_999)), None);
        assert_eq!(watch.check(at(4_000)), Some(Action::GiveUp));
    }

    #[test]
    fn when_it_helped_the_next_standstill_is_a_new_one() {
        let mut watch = Watch::start(at(0));
        assert_eq!(watch.check(at(2_000)), Some(Action::Rebuild));
        watch.on_unit(at(11_000));
        assert_eq!(watch.check(at(13_000)), Some(Action::Rebuild));
    }

    #[test]
    fn a_pipeline_that_fails_by_itself_is_not_waited_for() {
        let mut watch = Watch::start(at(0));
        assert_eq!(watch.on_failure(at(100)), Some(Action::Rebuild));
        assert_eq!(watch.on_failure(at(200)), Some(Action::GiveUp));
    }

    #[test]
    fn off_the_air_nothing_is_missed() {
        let mut watch = Watch::Off;
        assert_eq!(watch.check(at(1_000_000)), None);
        assert_eq!(watch.on_failure(at(1_000_000)), None);
    }
}
