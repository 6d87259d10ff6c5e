//! Getting a device back that does not carry any more: one step at a time, the cheapest first.
//!
//! ```text
//! ill for 20 s ─▶ reconnect ─30 s─▶ reset ─90 s─▶ let go and take again ─60 s─▶ power off and on ─▶ wait, twice as long each
//!    ▲                                                                                              time, and from the start
//!    └── well for 5 min: forgotten
//! ```
//!
//! Each step may cost what still works (a reset takes a modem away for a minute), so there is a budget of steps a day, and when it
//! is spent the device is left alone and said to be ill. A step that is refused has cost nothing and is worth no waiting: the next
//! dearer one is due at once. A device that a step took away and that is not back is ill as well.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_ipc::modems::{Recovery, Refused, Step};
use bondbox_units::Instant;
use serde::{Deserialize, Serialize};

/// The ladder of one port. What is kept of it outlives the service; whether the device is ill shows anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ladder {
    /// Taken since it was last well.
    last: Option<Step>,
    at: Option<Instant>,
    reason: String,
    /// The last step that was not done, until it is.
    refused: Option<Refused>,
    /// It takes the device away, which has not been seen since.
    awaited: bool,
    /// When steps of the last day were taken.
    taken: VecDeque<Instant>,
    /// Times that the whole ladder did not help.
    rounds: u32,
    next: Option<Instant>,
    #[serde(skip)]
    ill: Option<Instant>,
    #[serde(skip)]
    well: Option<Instant>,
}

impl Ladder {
    /// What is to be done now. `ill` says why it does not carry, or that it does; `can` are the steps that there are for it, the
    /// cheapest first.
    pub fn look(&mut self, now: Instant, ill: Option<&str>, can: &[Step]) -> Option<Step> {
        self.forget_days_before(now);
        let Some(reason) = ill else {
            self.ill = None;
            // Until its time is over it may still go.
            self.awaited &= self.next.is_some_and(|next| now < next);
            if now.since(*self.well.get_or_insert(now)) >= WELL {
                (self.last, self.rounds, self.next, self.refused) = (None, 0, None, None);
            }
            return None;
        };
        self.well = None;
        let since = *self.ill.get_or_insert(now);
        let higher = can.iter().find(|step| self.last.is_none_or(|last| **step > last));
        // A device that is away for its last step is ill until it is back: the step has its time first. One that was refused
        // needs none, unless there is nothing dearer.
        let next = self.next.filter(|_| !self.is_refused() || higher.is_none());
        let due = next.map_or(since + ILL, |next| next.max(since + ILL));
        if now < due || self.left() == 0 {
            return None;
        }
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
        self.refused.take_if(|refused| refused.step == step);
        self.awaited = step != Step::Reconnect;
        self.taken.push_back(now);
        let wait = match step {
            Step::Reconnect => Duration::from_secs(30),
            Step::Reset => Duration::from_secs(90),
            Step::Authorize | Step::Power => Duration::from_secs(60),
        };
        self.next = Some(now + wait.saturating_mul(1 << self.rounds.min(MOST_ROUNDS)));
    }

    /// This step was not done, for that reason. One that another has followed meanwhile changes nothing.
    pub fn refuse(&mut self, step: Step, why: &str) {
        if self.last == Some(step) && !self.is_refused() {
            self.taken.pop_back();
            (self.refused, self.awaited) = (Some(Refused { step, why: why.to_owned() }), false);
        }
    }

    /// Whether that is the last step.
    fn is_refused(&self) -> bool {
        self.refused.as_ref().is_some_and(|refused| self.last == Some(refused.step))
    }

    /// The step that took the device away, while that is not back.
    pub fn awaits(&self) -> Option<Step> {
        self.last.filter(|_| self.awaited)
    }

    /// The device is there, and has been since then.
    pub fn seen(&mut self, came: Instant) {
        self.awaited &= self.at.is_none_or(|at| came <= at);
    }

    /// So much time has passed until that moment, of which nobody knew until now.
    pub fn on_gap(&mut self, before: Instant, gap: Duration) {
        // Nor whether it was ill or well for so long.
        (self.ill, self.well) = (None, None);
        self.taken.iter_mut().filter(|taken| **taken > before).for_each(|taken| *taken += gap);
        if self.at.is_some_and(|at| at > before) {
            (self.at, self.next) = (self.at.map(|at| at + gap), self.next.map(|next| next + gap));
        }
    }

    /// Whether there is nothing to be known of it at this time.
    pub fn is_blank(&mut self, now: Instant) -> bool {
        self.forget_days_before(now);
        self.taken.is_empty() && self.last.is_none() && self.ill.is_none()
    }

    /// As far as it can be true at this time, whatever file it was read from.
    #[must_use]
    pub fn possible(mut self, now: Instant) -> Self {
        self.taken.retain(|taken| *taken <= now);
        self.taken.truncate(usize::from(BUDGET));
        self.at = self.at.filter(|at| *at <= now);
        self.rounds = self.rounds.min(MOST_ROUNDS);
        self.next = self.next.map(|next| next.min(now + LONGEST));
        self
    }

    /// For those who watch.
    pub fn shown(&self) -> Recovery {
        Recovery {
            last: self.last,
            at: self.at,
            reason: self.reason.clone(),
            refused: self.refused.clone(),
            today: self.taken.len() as u16,
            left: self.left(),
            next: self.ill.and(self.next),
        }
    }

    fn forget_days_before(&mut self, now: Instant) {
        while self.taken.front().is_some_and(|taken| now.since(*taken) >= DAY) {
            self.taken.pop_front();
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
/// After these the waits grow no longer …
const MOST_ROUNDS: u32 = 6;
/// … than this, which is that of a reset.
const LONGEST: Duration = Duration::from_secs(90 << MOST_ROUNDS);

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

    #[test]
    fn a_step_that_is_refused_costs_nothing_and_the_next_dearer_one_is_due_at_once() {
        let mut ladder = Ladder::default();
        let mut taken = vec![];
        for second in 0..300 {
            let Some(step) = ladder.look(at(second), Some("silent"), &MODEM) else { continue };
            taken.push((second, step));
            if step != Step::Power {
                ladder.refuse(step, "it will not");
                assert_eq!(ladder.shown().refused, Some(Refused { step, why: "it will not".into() }));
            }
        }
        // What was done has its time, in the second round twice as long.
        let rounds = [20, 83, 206].into_iter().flat_map(|begun| (begun..).zip(MODEM));
        assert_eq!(taken, rounds.collect::<Vec<_>>());
        assert_eq!((ladder.shown().today, ladder.shown().left), (3, 9));
    }

    #[test]
    fn where_every_step_is_refused_rounds_are_tried_less_and_less() {
        let mut ladder = Ladder::default();
        let mut rounds = vec![];
        for second in 0..2_000 {
            if let Some(step) = ladder.look(at(second), Some("silent"), &MODEM[2..]) {
                ladder.refuse(step, "it will not");
                rounds.extend((step == Step::Authorize).then_some(second));
            }
        }
        assert_eq!(rounds, [20, 81, 202, 443, 924, 1_885]);
        assert_eq!(ladder.shown().left, 12);
    }

    #[test]
    fn what_a_step_took_away_is_awaited_until_it_is_seen_again() {
        let mut ladder = Ladder::default();
        ladder.note(at(0), Step::Reconnect, "silent");
        assert_eq!(ladder.awaits(), None, "it takes nothing away");
        ladder.note(at(10), Step::Power, "silent");
        ladder.seen(at(9));
        assert_eq!(ladder.awaits(), Some(Step::Power), "that is the device of before");
        ladder.seen(at(14));
        assert_eq!(ladder.awaits(), None);
        ladder.note(at(20), Step::Power, "silent");
        ladder.refuse(Step::Power, "it will not");
        assert_eq!(ladder.awaits(), None);
    }

    #[test]
    fn what_a_file_says_of_the_future_is_not_believed() {
        let far = Instant::FAR_FUTURE;
        let garbled = Ladder {
            last: Some(Step::Power),
            at: Some(far),
            taken: std::iter::repeat_n(far, 100_000).chain([at(1); 40]).collect(),
            rounds: u32::MAX,
            next: Some(far),
            ..Ladder::default()
        };
        let mut ladder = garbled.possible(at(10));
        assert_eq!((ladder.shown().at, ladder.shown().left), (None, 0));
        assert!(ladder.next.unwrap() < at(7_200));
        assert!(!steps(&mut ladder, 86_401..90_000, &MODEM).is_empty());
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
