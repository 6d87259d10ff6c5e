//! What a slot has to show after a start, and what follows from it.

use std::time::Duration;

use bondbox_units::Instant;

/// What has to work, and needs no network, no SIM, no cloud and no picture at the HDMI input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// RAUC and the initramfs name the same slot.
    Slot,
    /// `state` is mounted, and keeps what is written.
    State,
    /// It has room for that. Both slots share it: the other one would find it as full.
    Room,
    /// Every service of ours runs.
    Services,
    /// Pictures come out of the encoder.
    Encoder,
    /// The bond carries units from one end to the other on this machine.
    Bond,
}

impl Check {
    pub(crate) const ALL: [Self; 6] = [Self::Slot, Self::State, Self::Room, Self::Services, Self::Encoder, Self::Bond];

    /// Whether another slot may have what this one lacks.
    const fn is_of_the_slot(self) -> bool {
        !matches!(self, Self::Room)
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything works: mark the slot good. Where that fails the slot works all the same, and it is tried again.
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

    pub(crate) fn on_passed(&mut self, check: Check) {
        self.missing.retain(|missing| *missing != check);
    }

    /// What follows at this moment; `None` while it is too early to say.
    pub(crate) fn verdict(&self, now: Instant) -> Option<Verdict> {
        if self.missing.is_empty() {
            return Some(Verdict::Keep);
        }
        if now < self.until {
            return None;
        }
        let missing = self.missing.clone();
        let better = self.other_is_good && missing.iter().any(|check| check.is_of_the_slot());
        Some(if better { Verdict::GiveWay(missing) } else { Verdict::GoOn(missing) })
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
            trial.on_passed(other);
            assert_eq!(trial.verdict(START), None);
        }
        trial
    }

    #[test]
    fn a_slot_is_kept_once_everything_works_and_not_before() {
        for last in Check::ALL {
            let mut trial = all_but(last);
            assert_eq!(trial.verdict(START + (PATIENCE - Duration::from_millis(1))), None);
            trial.on_passed(last);
            assert_eq!(trial.verdict(START), Some(Verdict::Keep));
        }
    }

    #[test]
    fn a_slot_that_works_and_cannot_be_marked_never_gives_way() {
        let mut trial = all_but(Check::Bond);
        trial.on_other_slot(true);
        trial.on_passed(Check::Bond);
        assert_eq!(trial.verdict(START + PATIENCE * 100), Some(Verdict::Keep));
    }

    #[test]
    fn a_slot_that_lacks_something_gives_way_to_one_that_was_good() {
        for lacks in Check::ALL.into_iter().filter(|check| *check != Check::Room) {
            let mut trial = all_but(lacks);
            trial.on_other_slot(true);
            assert_eq!(trial.verdict(START + PATIENCE), Some(Verdict::GiveWay(vec![lacks])));
        }
    }

    #[test]
    fn a_state_that_is_full_is_no_reason_to_start_the_other_slot() {
        let mut trial = all_but(Check::Room);
        trial.on_other_slot(true);
        assert_eq!(trial.verdict(START + PATIENCE), Some(Verdict::GoOn(vec![Check::Room])));
    }

    #[test]
    fn a_slot_that_lacks_something_goes_on_where_no_other_is_good() {
        let mut trial = all_but(Check::State);
        assert_eq!(trial.verdict(START + PATIENCE), Some(Verdict::GoOn(vec![Check::State])));
        trial.on_passed(Check::State);
        assert_eq!(trial.verdict(START + PATIENCE * 2), Some(Verdict::Keep), "it is marked as soon as it works");
    }

    #[test]
    fn passing_one_check_twice_is_passing_one() {
        let mut trial = all_but(Check::Bond);
        trial.on_passed(Check::Slot);
        assert_eq!(trial.verdict(START), None);
    }
}
