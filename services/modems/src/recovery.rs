//! Getting a device back that does not carry any more: one step at a time, the cheapest first.
//!
//! ```text
//! ill for 20 s ─▶ reconnect ─30 s─▶ reset ─90 s─▶ let go and take again ─60 s─▶ power off and on ─▶ wait, twice as long each
//!    ▲                                                                                              time, and from the start
//!    └── well for 5 min: forgotten
//! ```
//!
//! Each step may cost what still works (a reset takes a modem away for a minute), so there is a budget of steps a day, and when it
//! is spent the device is left alone and said to be ill.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_ipc::modems::{Recovery, Step};
use bondbox_units::Instant;

/// The ladder of one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Taken since it was last well.
    last: Option<Step>,
    at: Option<Instant>,
    reason: String,
    /// When steps of the last day were taken.
    taken: VecDeque<Instant>,
    /// Times that the whole ladder did not help.
    rounds: u32,
    ill: Option<Instant>,
    well: Option<Instant>,
    next: Option<Instant>,
}

impl Ladder {
    /// What is to be done now. `ill` says why it does not carry, or that it does; `can` are the steps that there are for it, the
    /// cheapest first.
    pub fn look(&mut self, now: Instant, ill: Option<&str>, can: &[Step]) -> Option<Step> {
        while self.taken.front().is_some_and(|taken| now.since(*taken) >= DAY) {
            self.taken.pop_front();
        }
        let Some(reason) = ill else {
            self.ill = None;
            if now.since(*self.well.get_or_insert(now)) >= WELL {
                (self.last, self.rounds, self.next) = (None, 0, None);
            }
            return None;
        };
        self.well = None;
        let since = *self.ill.get_or_insert(now);
        // A device that is away for its last step is ill until it is back: the step has its time first.
        let due = self.next.map_or(since + ILL, |next| next.max(since + ILL));
        if now < due || self.left() == 0 {
            return None;
        }
        let higher = can.iter().find(|step| self.last.is_none_or(|last| **step > last));
        let step = match higher {
            Some(step) => *step,
            None => {
                self.rounds += 1;
                *can.first()?
            }
        };
        self.note(now, step, reason);
        Some(step)
    }

    /// A step was taken, by the ladder or by an operator.
    pub fn note(&mut self, now: Instant, step: Step, reason: &str) {
        self.last = Some(step);
        self.at = Some(now);
        self.reason = reason.to_owned();
        self.taken.push_back(now);
        let wait = match step {
            Step::Reconnect => Duration::from_secs(30),
            Step::Reset => Duration::from_secs(90),
            Step::Authorize | Step::Power => Duration::from_secs(60),
        };
        self.next = Some(now + wait.saturating_mul(1 << self.rounds.min(6)));
    }

    /// For those who watch.
    pub fn shown(&self) -> Recovery {
        Recovery {
            last: self.last,
            at: self.at,
            reason: self.reason.clone(),
            today: self.taken.len() as u16,
            left: self.left(),
            next: self.ill.and(self.next),
        }
    }

    fn left(&self) -> u16 {
        BUDGET.saturating_sub(self.taken.len() as u16)
    }
}

/// A tunnel takes as long, and ends by itself.
const ILL: Duration = Duration::from_secs(20);
/// What has carried for so long is well.
const WELL: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(86_400);
/// Steps a day: three times up the ladder.
const BUDGET: u16 = 12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODEM: [Step; 4] = [Step::Reconnect, Step::Reset, Step::Authorize, Step::Power];

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(10_000_000 + seconds * 1_000)
    }

    fn steps(ladder: &mut Ladder, range: std::ops::Range<u64>, can: &[Step]) -> Vec<(u64, Step)> {
        range.filter_map(|second| Some((second, ladder.look(at(second), Some("silent"), can)?))).collect()
    }

    #[test]
    fn each_step_has_its_time_before_the_next_dearer_one() {
        let mut ladder = Ladder::default();
        let taken = steps(&mut ladder, 0..300, &MODEM);
        assert_eq!(
            taken,
            [
                (20, Step::Reconnect),
                (50, Step::Reset),
                (140, Step::Authorize),
                (200, Step::Power),
                (260, Step::Reconnect)
            ]
        );
        assert_eq!(ladder.shown().reason, "silent");
        assert_eq!((ladder.shown().today, ladder.shown().left), (5, 7));
    }

    #[test]
    fn a_stick_has_fewer_steps_and_what_has_none_is_left_alone() {
        let taken = steps(&mut Ladder::default(), 0..90, &MODEM[2..]);
        assert_eq!(taken, [(20, Step::Authorize), (80, Step::Power)]);
        assert_eq!(steps(&mut Ladder::default(), 0..1_000, &[]), []);
    }

    #[test]
    fn what_was_well_for_long_begins_at_the_bottom_again_and_a_tunnel_is_no_illness() {
        let mut ladder = Ladder::default();
        assert_eq!(steps(&mut ladder, 0..19, &MODEM), []);
        ladder.look(at(19), None, &MODEM);
        assert_eq!(steps(&mut ladder, 20..60, &MODEM), [(40, Step::Reconnect)]);
        for second in 60..100 {
            ladder.look(at(second), None, &MODEM);
        }
        assert_eq!(steps(&mut ladder, 100..121, &MODEM), [(120, Step::Reset)], "well for a moment only");
        for second in 121..500 {
            ladder.look(at(second), None, &MODEM);
        }
        assert_eq!(steps(&mut ladder, 500..521, &MODEM), [(520, Step::Reconnect)]);
    }

    #[test]
    fn the_budget_of_a_day_is_kept() {
        let mut ladder = Ladder::default();
        assert_eq!(steps(&mut ladder, 0..80_000, &MODEM).len(), 12);
        assert_eq!(ladder.shown().left, 0);
        assert!(!steps(&mut ladder, 80_000..90_000, &MODEM).is_empty());
    }

    proptest! {
        #[test]
        fn in_no_day_are_there_more_steps_than_its_budget(pattern in proptest::collection::vec((any::<bool>(), 1..4_000_u64), 1..200)) {
            let (mut ladder, mut now, mut taken) = (Ladder::default(), 0, vec![]);
            for (ill, pause) in pattern {
                now += pause;
                if ladder.look(at(now), ill.then_some("silent"), &MODEM).is_some() {
                    taken.push(now);
                }
                prop_assert!(taken.iter().filter(|step| now - **step < 86_400).count() <= 12);
            }
        }
    }
}
