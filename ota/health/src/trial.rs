//! What a slot has to show after a start, and what follows from it.

use std::time::Duration;

use bondbox_units::Instant;

/// What has to work, and needs no network, no SIM, no cloud and no picture at the HDMI input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// RAUC and the initramfs name the same slot.
    Slot,
    /// `state` keeps what is written.
    State,
    /// Every service of ours runs.
    Services,
    /// Pictures come out of the encoder.
    Encoder,
    /// The bond carries units from one end to the other on this machine.
    Bond,
}

impl Check {
    pub(crate) const ALL: [Self; 5] = [Self::Slot, Self::State, Self::Services, Self::Encoder, Self::Bond];
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything works: mark the slot good.
    Keep,
    /// These do not work, and the other slot was good: start that.
    GiveWay(Vec<Check>),
    /// These do not work, and no better slot is known: go on, and go on asking.
    GoOn(Vec<Check>),
}

/// A start, from its first check to the verdict.
#[derive(Debug)]
pub(crate) struct Trial {
    until: Instant,
    missing: Vec<Check>,
    other_is_good: bool,
}

impl Trial {
    pub(crate) fn new(now: Instant, patience: Duration) -> Self {
        Self { until: now + patience, missing: Check::ALL.to_vec(), other_is_good: false }
    }

    /// What has not worked yet.
    pub(crate) fn missing(&self) -> &[Check] {
        &self.missing
    }

    /// Whether there is a slot to give way to.
    pub(crate) fn on_other_slot(&mut self, good: bool) {
        self.other_is_good = good;
    }

    pub(crate) fn on_passed(&mut self, check: Check) -> Option<Verdict> {
        self.missing.retain(|missing| *missing != check);
        self.missing.is_empty().then_some(Verdict::Keep)
    }

    /// Called at any time: a verdict only when time is over.
    pub(crate) fn on_timer(&mut self, now: Instant) -> Option<Verdict> {
        if now < self.until || self.missing.is_empty() {
            return None;
        }
        let missing = self.missing.clone();
        Some(if self.other_is_good { Verdict::GiveWay(missing) } else { Verdict::GoOn(missing) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_millis(1_000);
    const PATIENCE: Duration = Duration::from_secs(60);

    fn all_but(check: Check) -> Trial {
        let mut trial = Trial::new(START, PATIENCE);
        for other in Check::ALL.into_iter().filter(|other| *other != check) {
            assert_eq!(trial.on_passed(other), None);
        }
        trial
    }

    #[test]
    fn a_slot_is_kept_once_everything_works_and_not_before() {
        for last in Check::ALL {
            let mut trial = all_but(last);
            assert_eq!(trial.on_timer(START + (PATIENCE - Duration::from_millis(1))), None);
            assert_eq!(trial.on_passed(last), Some(Verdict::Keep));
            assert_eq!(trial.on_timer(START + PATIENCE * 2), None);
        }
    }

    #[test]
    fn a_slot_that_lacks_something_gives_way_to_one_that_was_good() {
        let mut trial = all_but(Check::Encoder);
        trial.on_other_slot(true);
        assert_eq!(trial.on_timer(START + PATIENCE), Some(Verdict::GiveWay(vec![Check::Encoder])));
    }

    #[test]
    fn a_slot_that_lacks_something_goes_on_where_no_other_is_good() {
        let mut trial = all_but(Check::State);
        assert_eq!(trial.on_timer(START + PATIENCE), Some(Verdict::GoOn(vec![Check::State])));
        assert_eq!(trial.on_passed(Check::State), Some(Verdict::Keep), "it is marked as soon as it works");
    }

    #[test]
    fn passing_one_check_twice_is_passing_one() {
        let mut trial = all_but(Check::Bond);
        assert_eq!(trial.on_passed(Check::Slot), None);
    }
}
