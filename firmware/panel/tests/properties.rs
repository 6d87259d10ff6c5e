//! Whatever happens in whatever order.

mod bench;
mod table;

use bench::Bench;
use bondbox_ipc::panel::{Action, Answer, Key, Lamp, Lights, Meaning, Part, Service};
use bondbox_panel_core::battery::Reading;
use bondbox_panel_core::keys::{Chord, Gesture, Gestures, Keys};
use bondbox_panel_core::services::Standing;
use bondbox_panel_core::world::{Capture, Uplink};
use bondbox_panel_core::{Input, Output, View, lights};
use bondbox_units::Instant;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use table::Table;

fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let fixed = ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
    if asked { ProptestConfig::default() } else { fixed }
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![Just(Key::Start), Just(Key::Select)]
}

/// A finger on one key: a pause before it, how long it stays, and where the contact bounces at both ends.
fn press() -> impl Strategy<Value = (u64, u64, Vec<u64>, Vec<u64>)> {
    // Up to 6 ms of bounce, in moves of up to 2 ms.
    (25..900_u64, 25..2_000_u64, vec(0..2_000_u64, 0..3), vec(0..2_000_u64, 0..3))
}

/// Edges in microseconds of one key that is pressed so, and how often it is.
fn edges(presses: &[(u64, u64, Vec<u64>, Vec<u64>)]) -> Vec<(u64, bool)> {
    let (mut now, mut edges) = (0, Vec::new());
    for (pause, stay, first, last) in presses {
        now += pause * 1_000;
        for (ms, bounces, down) in [(*stay, first, true), (0, last, false)] {
            edges.push((now, down));
            for bounce in bounces {
                edges.push((now + bounce, !down));
                now += 2 * bounce;
                edges.push((now, down));
            }
            now += ms * 1_000;
        }
    }
    edges
}

/// How many presses a gesture accounts for.
fn accounts_for(gesture: Gesture) -> usize {
    match gesture {
        Gesture::Down(_) => 0,
        Gesture::Click(_) | Gesture::LetGo(Chord::One(_)) | Gesture::Ignored(_) => 1,
        Gesture::Double(_) | Gesture::LetGo(Chord::Both) => 2,
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn every_press_is_heard_once_and_accounted_for_once_however_late_the_loop_is(
        start in vec(press(), 0..12),
        select in vec(press(), 0..12),
        naps in vec(1..400_000_u64, 1..40),
    ) {
        let mut all: Vec<_> = edges(&start).into_iter().map(|(at, down)| (at, Key::Start, down))
            .chain(edges(&select).into_iter().map(|(at, down)| (at, Key::Select, down))).collect();
        all.sort_by_key(|(at, ..)| *at);
        let mut keys = Keys::default();
        let mut told = Vec::new();
        let (mut next, mut now, mut naps) = (0, 0, naps.into_iter().cycle());
        // The loop wakes now and then, and finds what happened since, with its time.
        while next < all.len() || keys.deadline().is_some() {
            now += naps.next().unwrap();
            while let Some(&(at, key, down)) = all.get(next).filter(|(at, ..)| *at <= now) {
                told.extend(keys.edge(Instant::from_micros(at), key, down));
                next += 1;
            }
            told.extend(keys.pass(Instant::from_micros(now)));
        }
        for (key, presses) in [(Key::Start, start.len()), (Key::Select, select.len())] {
            prop_assert_eq!(told.iter().filter(|gesture| **gesture == Gesture::Down(key)).count(), presses);
        }
        prop_assert_eq!(told.iter().copied().map(accounts_for).sum::<usize>(), start.len() + select.len());
    }

    #[test]
    fn a_late_loop_hears_what_one_hears_that_is_never_late(
        start in vec(press(), 0..12),
        // Both keys move within one rest of each other, as two fingers do.
        apart in vec(0..30_000_u64, 0..12),
        naps in vec(1..2_000_000_u64, 1..20),
    ) {
        let first = edges(&start);
        let second = first.iter().zip(apart.iter().cycle()).map(|((at, down), apart)| (at + apart, *down));
        let mut all: Vec<_> = first.iter().map(|(at, down)| (*at, Key::Start, *down))
            .chain(second.map(|(at, down)| (at, Key::Select, down))).collect();
        all.sort_by_key(|(at, ..)| *at);
        let (mut prompt, mut in_time) = (Keys::default(), Vec::new());
        for &(at, key, down) in &all {
            while let Some(due) = prompt.deadline().filter(|due| *due <= Instant::from_micros(at)) {
                in_time.extend(prompt.pass(due));
            }
            in_time.extend(prompt.edge(Instant::from_micros(at), key, down));
        }
        while let Some(due) = prompt.deadline() {
            in_time.extend(prompt.pass(due));
        }
        let (mut late, mut told) = (Keys::default(), Vec::new());
        let (mut next, mut now, mut naps) = (0, 0, naps.into_iter().cycle());
        while next < all.len() || late.deadline().is_some() {
            now += naps.next().unwrap();
            while let Some(&(at, key, down)) = all.get(next).filter(|(at, ..)| *at <= now) {
                told.extend(late.edge(Instant::from_micros(at), key, down));
                next += 1;
            }
            told.extend(late.pass(Instant::from_micros(now)));
        }
        prop_assert_eq!(told, in_time);
    }

    #[test]
    fn no_noise_shorter_than_the_rest_is_a_press(noise in vec((0..10_000_u64, 1..10_000_u64, key()), 0..60)) {
        let mut keys = Keys::default();
        let mut now = 0;
        for (pause, spike, key) in noise {
            now += pause + 1;
            let mut told = keys.edge(Instant::from_micros(now), key, true);
            now += spike - 1;
            told.extend(keys.edge(Instant::from_micros(now), key, false));
            prop_assert!(told.is_empty(), "{told:?}");
        }
        prop_assert!(keys.pass(Instant::FAR_FUTURE).is_empty());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Edge(Key, bool),
    Give(Input),
    Pass(u64),
}

fn open() -> impl Strategy<Value = Uplink> {
    (0..5_u8, 0..5_u8, 0..4_u64).prop_map(|(up, present, arrived)| Uplink::Open { up, present, arrived })
}

fn step() -> impl Strategy<Value = Step> {
    let capture = prop_oneof![
        Just(Capture::Absent),
        Just(Capture::Stopped),
        Just(Capture::Suspended),
        Just(Capture::Starting),
        Just(Capture::Live),
        Just(Capture::Slate)
    ];
    let uplink = prop_oneof![
        1 => Just(Uplink::Absent),
        1 => Just(Uplink::NotPaired),
        1 => Just(Uplink::Refused),
        1 => Just(Uplink::Connecting),
        1 => Just(Uplink::Dark),
        3 => open(),
    ];
    let service = prop_oneof![Just(Service::Capture), Just(Service::Uplink), Just(Service::Modems)];
    let standing =
        prop_oneof![Just(Standing::Unknown), Just(Standing::Off), Just(Standing::On), Just(Standing::GivenUp)];
    let action = prop_oneof![
        Just(Action::Start),
        Just(Action::Stop),
        Just(Action::Profile),
        Just(Action::Pair),
        Just(Action::Identify),
        Just(Action::Found),
        Just(Action::PowerOff),
        Just(Action::FactoryReset),
        Just(Action::EndTest),
        prop_oneof![Just(Lamp::Air), Just(Lamp::Link), Just(Lamp::Power)]
            .prop_map(|lamp| Action::Test(Part::Light(lamp))),
        key().prop_map(|key| Action::Test(Part::Key(key)))
    ];
    let reading = (0..1_200_u16, any::<Option<bool>>(), any::<bool>()).prop_map(|(charge, mains, there)| {
        there.then_some(Reading { charge_permille: Some(charge), mains, ..Reading::default() })
    });
    let low = (0..60_u16)
        .prop_map(|charge| Some(Reading { charge_permille: Some(charge), mains: Some(false), ..Reading::default() }));
    prop_oneof![
        4 => (key(), any::<bool>()).prop_map(|(key, down)| Step::Edge(key, down)),
        4 => prop_oneof![0..200_u64, 0..12_000_u64].prop_map(Step::Pass),
        1 => capture.prop_map(|capture| Step::Give(Input::Capture(capture))),
        1 => uplink.prop_map(|uplink| Step::Give(Input::Uplink(uplink))),
        1 => reading.prop_map(|reading| Step::Give(Input::Battery(reading))),
        1 => low.prop_map(|reading| Step::Give(Input::Battery(reading))),
        1 => any::<Option<i32>>().prop_map(|temperature| Step::Give(Input::Temperature(temperature))),
        1 => action.clone().prop_map(|action| Step::Give(Input::Ask(action))),
        1 => action.clone().prop_map(|action| Step::Give(Input::Refused(action))),
        1 => action.prop_map(|action| Step::Give(Input::Seen(action))),
        // A stream, which brings more each time.
        1 => (1..200_u64).prop_map(|arrived| {
            Step::Give(Input::Uplink(Uplink::Open { up: 2, present: 2, arrived }))
        }),
        1 => any::<bool>().prop_map(|answers| Step::Give(Input::Modems(answers))),
        1 => (service, standing).prop_map(|(service, standing)| Step::Give(Input::Standing(service, standing))),
        1 => any::<bool>().prop_map(|updating| Step::Give(Input::Updating(updating))),
        1 => (0..4_u8).prop_map(|profile| Step::Give(Input::Profile(Some(profile)))),
    ]
}

/// All that has to hold in each moment.
struct Watch {
    table: Table,
    shown: Lights,
    heard: bool,
    presses: u64,
}

impl Watch {
    fn new(bench: &Bench) -> Self {
        Self { table: Table::new(bench.now), shown: Lights::default(), heard: false, presses: 0 }
    }

    fn check(&mut self, bench: &mut Bench) -> Result<(), TestCaseError> {
        for moment in bench.moments.drain(..) {
            self.table.watch(&moment).map_err(TestCaseError::fail)?;
            self.check_view(moment.now, &moment.view)?;
            let told = moment.outputs.iter().rev().find_map(|output| match output {
                Output::Lights(lights) => Some(*lights),
                _ => None,
            });
            // A press is answered by light in the moment in which it is one, whatever else is shown or waited for.
            if moment.view.counters.presses > self.presses && !self.heard {
                prop_assert!(told.is_some_and(|told| told != self.shown), "a press changes nothing: {:?}", moment.view);
            }
            self.presses = moment.view.counters.presses;
            self.heard = moment.view.answer == Some(Answer::Heard);
            // What is shown is the last that was told.
            self.shown = told.unwrap_or(self.shown);
            prop_assert_eq!(self.shown, moment.view.lights);
        }
        // Nor does it change without anybody being told.
        self.check_view(bench.now, &bench.view())?;
        prop_assert_eq!(self.shown, bench.view().lights);
        Ok(())
    }

    /// One meaning, the most urgent that holds, and with nothing shown over it the lights say that one and no other.
    fn check_view(&self, now: Instant, view: &View) -> Result<(), TestCaseError> {
        prop_assert_eq!(view.meaning, self.table.says(now), "at {}", now);
        // A fault has a name, also where something more urgent is said.
        let named = view.troubles.map(|trouble| trouble.is_some());
        prop_assert_eq!(named, [0, 1, 2].map(|number| self.table.is_gone(number, now)));
        if view.answer.is_none() && !matches!(view.testing, Some(Part::Light(_))) {
            prop_assert_eq!(view.lights, lights::of(view.meaning, self.table.pictures_arrive(now)));
            let looks =
                |meaning: &Meaning| [true, false].map(|on_air| lights::of(*meaning, on_air)).contains(&view.lights);
            let read: Vec<Meaning> = lights::ALL.into_iter().filter(looks).collect();
            prop_assert_eq!(read, [view.meaning]);
        }
        Ok(())
    }
}

/// A part that is tried: lit alone, off the air, and not for longer than ten seconds after it was last asked for.
fn check_test(bench: &Bench, asked: Instant) -> Result<(), TestCaseError> {
    let view = bench.view();
    let Some(part) = view.testing else { return Ok(()) };
    prop_assert!(view.meaning != Meaning::PoweringOff && view.waiting.is_none(), "{view:?}");
    prop_assert!(bench.now.since(asked).as_millis() < 10_000, "{part:?} since {asked} at {}", bench.now);
    if let (Part::Light(lamp), None) = (part, view.answer) {
        prop_assert_eq!(view.lights, lights::alone(lamp));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn one_meaning_is_shown_the_most_urgent_and_power_never_goes_without_a_warning(steps in vec(step(), 0..150)) {
        let mut bench = Bench::new();
        let mut watch = Watch::new(&bench);
        bench.give(Input::TimerFired);
        let mut asked = bench.now;
        let (mut fingers, mut presses) = (Keys::default(), 0);
        let downs = |told: Gestures| told.iter().filter(|gesture| matches!(gesture, Gesture::Down(_))).count();
        for step in steps {
            match step {
                Step::Edge(key, down) => {
                    bench.edge(key, down);
                    presses += downs(fingers.edge(bench.now, key, down));
                }
                Step::Give(input) => {
                    if matches!(input, Input::Ask(Action::Test(_))) {
                        asked = bench.now;
                    }
                    bench.give(input);
                }
                Step::Pass(ms) => bench.pass(ms),
            }
            watch.check(&mut bench)?;
            check_test(&bench, asked)?;
            // Everything that is shown for a moment ends.
            if bench.view().answer.is_some() {
                prop_assert!(bench.panel.deadline(bench.now).is_some());
            }
        }
        // Whatever was tried or shown meanwhile, each press was heard.
        bench.pass(20);
        presses += downs(fingers.pass(bench.now));
        prop_assert_eq!(bench.view().counters.presses, presses as u64);
    }

    #[test]
    fn whatever_was_asked_for_ends(steps in vec(step(), 0..100)) {
        let mut bench = Bench::new();
        for step in steps {
            match step {
                Step::Edge(key, down) => bench.edge(key, down),
                Step::Give(input) => bench.give(input),
                Step::Pass(ms) => bench.pass(ms),
            }
        }
        bench.edge(Key::Start, false);
        bench.edge(Key::Select, false);
        // As long as pairing may take.
        bench.pass(310_000);
        let view = bench.view();
        prop_assert_eq!((view.waiting, view.answer, view.testing), (None, None, None));
        let ended = bench.outputs.iter().filter(|output| matches!(output, Output::Ended(..))).count();
        prop_assert!(view.counters.done + view.counters.failed >= ended as u64);
    }
}
