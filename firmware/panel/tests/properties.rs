//! Whatever happens in whatever order.

mod bench;

use bench::Bench;
use bondbox_ipc::panel::{Action, Key, Lamp, Meaning, Part};
use bondbox_panel_core::battery::Reading;
use bondbox_panel_core::keys::{Chord, Gesture, Gestures, Keys};
use bondbox_panel_core::world::{Capture, Uplink};
use bondbox_panel_core::{Input, Output, lights};
use bondbox_units::Instant;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

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
        Just(Uplink::Absent),
        Just(Uplink::NotPaired),
        Just(Uplink::Connecting),
        Just(Uplink::Dark),
        (0..5_u8, 0..5_u8).prop_map(|(up, present)| Uplink::Open { up, present })
    ];
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
        1 => any::<bool>().prop_map(|updating| Step::Give(Input::Updating(updating))),
        1 => (0..4_u8).prop_map(|profile| Step::Give(Input::Profile(Some(profile)))),
    ]
}

/// Since when power-off is said without a break.
#[derive(Default)]
struct Warning {
    since: Option<Instant>,
}

impl Warning {
    fn check(&mut self, bench: &mut Bench) -> Result<(), TestCaseError> {
        if bench.take(Action::PowerOff) > 0 {
            let said = self.since.map(|since| bench.now.since(since).as_millis());
            // Less what this looks too seldom.
            prop_assert!(said.is_some_and(|said| said >= 2_950), "at {}, said for {said:?} ms", bench.now);
        }
        let says = bench.view().meaning == Meaning::PoweringOff;
        self.since = says.then(|| self.since.unwrap_or(bench.now));
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
    fn the_lights_have_one_meaning_and_power_never_goes_without_a_warning(steps in vec(step(), 0..150)) {
        let mut bench = Bench::new();
        bench.give(Input::TimerFired);
        let (mut warning, mut asked) = (Warning::default(), bench.now);
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
                // In short pieces, so that a warning that goes out in between is seen to.
                Step::Pass(ms) => {
                    for _ in 0..=ms / 50 {
                        bench.pass(50);
                        warning.check(&mut bench)?;
                        check_test(&bench, asked)?;
                    }
                }
            }
            warning.check(&mut bench)?;
            check_test(&bench, asked)?;
            let view = bench.view();
            prop_assert!(lights::ALL.contains(&view.meaning));
            // What is shown is the last that was told.
            let told = bench.outputs.iter().rev().find_map(|output| match output {
                Output::Lights(lights) => Some(*lights),
                _ => None,
            });
            prop_assert_eq!(told, Some(view.lights));
            // Everything that is shown for a moment ends.
            if view.answer.is_some() {
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
