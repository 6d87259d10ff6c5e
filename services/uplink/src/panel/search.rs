//! Somebody at the gateway looks for this unit, and its lights are to say so.
//!
//! The panel is told once for all who ask at a time; where its lights say it already, they go on for as long again.

use std::time::Duration;

use bondbox_daemon::ipc::CommandError;
use bondbox_ipc::panel::{Meaning, State};
use bondbox_units::Instant;
use bondbox_wire::command::Outcome;

use crate::command::{self, Answer, MOST_WAITING};

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Their questions, and until when they wait.
    waiting: Vec<(u64, Instant)>,
    /// The panel was told, and has not said what it made of that.
    told: bool,
    /// Why nothing comes of it.
    failure: Option<(Outcome, String)>,
    /// More asked at a time than people do: a hostile gateway.
    too_many: Vec<u64>,
}

impl Search {
    /// Takes in a question. Whether the panel has to be told.
    pub(super) fn begin(&mut self, now: Instant, number: u64, state: Option<&State>) -> bool {
        if self.waiting.len() >= MOST_WAITING {
            self.too_many.truncate(MOST_WAITING - 1);
            self.too_many.push(number);
            return false;
        }
        self.waiting.push((number, now + PATIENCE));
        let tell = !self.told && outcome(state).is_none_or(|(outcome, _)| outcome == Outcome::Done);
        self.told |= tell;
        tell
    }

    /// What the panel made of what it was told. That its lights say it is seen in its state.
    pub(super) fn ended(&mut self, result: Result<(), CommandError>) {
        self.told = false;
        let Err(error) = result else { return };
        self.failure = Some((command::outcome(&error), format!("panel: {error}")));
    }

    /// Answers those who need not wait any longer.
    pub(super) fn look(&mut self, now: Instant, state: Option<&State>) -> Vec<Answer> {
        let failure = self.failure.take();
        let turned_away = self.too_many.drain(..);
        let mut answers: Vec<Answer> = turned_away.map(Answer::too_many).collect();
        if let Some((outcome, why)) = outcome(state).or(failure) {
            let all = self.waiting.drain(..);
            answers.extend(all.map(|(number, _)| Answer { number, outcome, why: why.clone() }));
        }
        let late = self.waiting.extract_if(.., |(_, until)| *until <= now);
        let says = state.map(|state| format!("the lights say {:?}", state.meaning)).unwrap_or_default();
        answers.extend(late.map(|(number, _)| Answer { number, outcome: Outcome::NoEffect, why: says.clone() }));
        answers
    }
}

/// What can be said without waiting.
fn outcome(state: Option<&State>) -> Option<(Outcome, String)> {
    let Some(state) = state else { return Some((Outcome::Absent, "the panel service is not there".into())) };
    let lights = state.devices.iter().find(|device| device.kind == "lights");
    if let Some(why) = lights.and_then(|lights| lights.failure.as_ref()) {
        return Some((Outcome::Absent, format!("the panel has no lights: {why}")));
    }
    (state.meaning == Meaning::Identify).then(|| (Outcome::Done, String::new()))
}

/// Longer than the panel takes to answer, shorter than anybody looks at a button.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use bondbox_ipc::Refusal;
    use bondbox_ipc::panel::Device;

    use super::*;

    fn state(meaning: Meaning, lights: Option<&str>) -> State {
        let device =
            Device { kind: "lights".into(), name: "leds".into(), failure: lights.map(|failure| failure.to_owned()) };
        State { devices: vec![device], ..State::saying(meaning) }
    }

    fn answer(number: u64, outcome: Outcome, why: &str) -> Answer {
        Answer { number, outcome, why: why.into() }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn it_is_done_when_the_lights_say_so_and_the_panel_is_told_once() {
        let (ready, found) = (state(Meaning::Ready, None), state(Meaning::Identify, None));
        let mut search = Search::default();
        assert!(search.begin(at(0), 1, Some(&ready)));
        assert!(!search.begin(at(1), 2, Some(&ready)), "it is being told");
        search.ended(Ok(()));
        assert_eq!(search.look(at(1), Some(&ready)), []);
        assert_eq!(search.look(at(2), Some(&found)), [1, 2].map(|number| answer(number, Outcome::Done, "")));
        assert!(search.begin(at(3), 3, Some(&found)), "it goes on for as long again");
        assert_eq!(search.look(at(3), Some(&found)), [answer(3, Outcome::Done, "")]);
        search.ended(Ok(()));
        assert!(search.begin(at(60), 4, Some(&ready)));
    }

    #[test]
    fn without_a_panel_or_lights_it_is_refused_by_name() {
        let mut search = Search::default();
        assert!(!search.begin(at(0), 1, None));
        assert_eq!(search.look(at(0), None), [answer(1, Outcome::Absent, "the panel service is not there")]);
        let dark = state(Meaning::Ready, Some("no red:air"));
        assert!(!search.begin(at(0), 2, Some(&dark)));
        assert_eq!(
            search.look(at(0), Some(&dark)),
            [answer(2, Outcome::Absent, "the panel has no lights: no red:air")]
        );
    }

    #[test]
    fn a_panel_that_goes_meanwhile_is_said() {
        let mut search = Search::default();
        assert!(search.begin(at(0), 1, Some(&state(Meaning::Ready, None))));
        assert_eq!(search.look(at(1), None), [answer(1, Outcome::Absent, "the panel service is not there")]);
        search.ended(Err(CommandError::Disconnected));
        assert_eq!(search.look(at(1), None), []);
        assert!(search.begin(at(9), 2, Some(&state(Meaning::Ready, None))), "what failed before is past");
        assert_eq!(search.look(at(9), Some(&state(Meaning::Ready, None))), []);
    }

    #[test]
    fn what_the_panel_refuses_is_said_in_its_words() {
        let ready = state(Meaning::Ready, None);
        for (error, outcome) in [
            (CommandError::Refused(Refusal::Unavailable("busy".into())), Outcome::Refused),
            (CommandError::Disconnected, Outcome::Absent),
            (CommandError::TimedOut(Duration::from_secs(2)), Outcome::NoEffect),
        ] {
            let mut search = Search::default();
            search.begin(at(0), 1, Some(&ready));
            let why = format!("panel: {error}");
            search.ended(Err(error));
            assert_eq!(search.look(at(1), Some(&ready)), [answer(1, outcome, &why)]);
        }
    }

    #[test]
    fn more_than_sixteen_at_a_time_are_turned_away() {
        let ready = state(Meaning::Ready, None);
        let mut search = Search::default();
        for number in 0..1_000 {
            search.begin(at(0), number, Some(&ready));
        }
        let turned_away = search.look(at(0), Some(&ready));
        assert!(turned_away.iter().all(|answer| answer.outcome == Outcome::Refused));
        assert_eq!((turned_away.len(), search.waiting.len()), (MOST_WAITING, MOST_WAITING));
    }

    #[test]
    fn lights_that_say_something_more_urgent_are_no_effect() {
        let fault = state(Meaning::Fault, None);
        let mut search = Search::default();
        search.begin(at(0), 1, Some(&fault));
        search.ended(Ok(()));
        search.begin(at(2), 2, Some(&fault));
        assert_eq!(search.look(at(3), Some(&fault)), [answer(1, Outcome::NoEffect, "the lights say Fault")]);
        assert_eq!(search.look(at(5), Some(&fault)), [answer(2, Outcome::NoEffect, "the lights say Fault")]);
    }
}
