//! What operators do, and what happens.

mod bench;

use std::time::Duration;

use bench::Bench;
use bondbox_ipc::panel::{Action, Answer, BatteryStep, Key, Lamp, Light, Meaning, Part};
use bondbox_panel_core::battery::Reading;
use bondbox_panel_core::world::{Capture, Uplink};
use bondbox_panel_core::{Failure, Input, Output, lights};

const OPEN: Uplink = Uplink::Open { up: 2, present: 2, arrived: 0 };

fn ready() -> Bench {
    let mut bench = Bench::new();
    bench.give(Input::Capture(Capture::Stopped));
    bench.give(Input::Uplink(OPEN));
    assert_eq!(bench.view().meaning, Meaning::Ready);
    bench
}

fn on_air() -> Bench {
    let mut bench = ready();
    bench.stream = Some(0);
    bench.click(Key::Start);
    bench.give(Input::Capture(Capture::Live));
    bench.pass(5_000);
    assert_eq!((bench.take(Action::Start), bench.view().meaning), (1, Meaning::OnAir));
    bench
}

#[test]
fn a_press_is_answered_within_50_ms_and_done_is_shown_when_the_effect_is_seen() {
    let mut bench = ready();
    let before = bench.view().lights;
    bench.edge(Key::Start, true);
    bench.pass(49);
    assert_eq!(bench.view().answer, Some(Answer::Heard));
    assert_ne!(bench.view().lights, before);
    bench.pass(51);
    bench.edge(Key::Start, false);
    bench.pass(20);
    assert_eq!(bench.take(Action::Start), 1);
    assert_eq!((bench.view().answer, bench.view().waiting), (Some(Answer::Working), Some(Action::Start)));
    bench.give(Input::Capture(Capture::Starting));
    bench.pass(3_000);
    assert_eq!(bench.view().answer, Some(Answer::Working), "nothing was seen yet");
    bench.give(Input::Capture(Capture::Live));
    assert_eq!(bench.view().answer, Some(Answer::Done));
    assert!(bench.outputs.contains(&Output::Ended(Action::Start, None)));
    bench.stream = Some(0);
    bench.pass(1_000);
    assert_eq!((bench.view().answer, bench.view().lights.air), (None, Light::Lit));
}

#[test]
fn a_press_changes_what_is_shown_also_where_a_failure_a_tried_light_or_waiting_is() {
    let states: [fn(&mut Bench); 3] = [
        |bench| bench.give(Input::Ask(RED)),
        |bench| bench.click(Key::Start),
        // Pressed while the other is down from something that is over, over and over: refused, which is shown already.
        |bench| {
            bench.edge(Key::Start, true);
            bench.pass(6_000);
            bench.click(Key::Select);
            bench.pass(100);
        },
    ];
    for (i, state) in states.into_iter().enumerate() {
        let mut bench = ready();
        state(&mut bench);
        bench.pass(200);
        let before = bench.view().lights;
        bench.edge(Key::Select, true);
        bench.pass(10);
        assert_ne!(bench.view().lights, before, "{i}");
    }
}

#[test]
fn what_brings_no_effect_is_shown_as_failed() {
    let mut bench = ready();
    bench.click(Key::Start);
    bench.pass(15_000);
    assert!(bench.outputs.contains(&Output::Ended(Action::Start, Some(Failure::NoEffect))));
    let mut bench = ready();
    bench.click(Key::Start);
    bench.give(Input::Refused(Action::Start));
    assert_eq!(bench.view().answer, Some(Answer::Failed));
}

#[test]
fn a_click_never_stops_and_a_hold_does() {
    let mut bench = on_air();
    bench.click(Key::Start);
    assert_eq!((bench.take(Action::Stop), bench.view().answer), (0, Some(Answer::Failed)));
    bench.edge(Key::Start, true);
    bench.pass(1_000);
    assert!(matches!(bench.view().answer, Some(Answer::Counting { action: Action::Stop, .. })));
    bench.pass(509);
    assert_eq!(bench.take(Action::Stop), 0);
    bench.pass(1);
    assert_eq!(bench.take(Action::Stop), 1);
    // Held on and on, it does nothing more.
    bench.give(Input::Capture(Capture::Stopped));
    bench.pass(20_000);
    bench.edge(Key::Start, false);
    bench.pass(1_000);
    assert_eq!((bench.take(Action::PowerOff), bench.take(Action::Start)), (0, 0));
}

#[test]
fn select_identifies_changes_the_profile_and_pairs() {
    let mut bench = ready();
    bench.click(Key::Select);
    bench.pass(400);
    assert_eq!(bench.view().meaning, Meaning::Identify);
    bench.pass(30_000);
    assert_eq!(bench.view().meaning, Meaning::Ready);

    bench.give(Input::Profile(Some(0)));
    bench.click(Key::Select);
    bench.click(Key::Select);
    assert_eq!((bench.take(Action::Profile), bench.view().waiting), (1, Some(Action::Profile)));
    bench.give(Input::Profile(Some(1)));
    assert_eq!(bench.view().answer, Some(Answer::Done));

    bench.edge(Key::Select, true);
    bench.pass(3_010);
    assert_eq!(bench.take(Action::Pair), 1);
    bench.edge(Key::Select, false);
}

#[test]
fn pairing_is_waited_for_as_long_as_somebody_may_need_who_types_the_code() {
    let mut bench = ready();
    bench.give(Input::Uplink(Uplink::NotPaired));
    bench.pass(5_000);
    assert_eq!(bench.view().meaning, Meaning::NotPaired);
    bench.give(Input::Ask(Action::Pair));
    bench.pass(4 * 60_000);
    assert_eq!((bench.view().waiting, bench.view().answer), (Some(Action::Pair), Some(Answer::Working)));
    bench.give(Input::Uplink(Uplink::Connecting));
    assert_eq!((bench.view().waiting, bench.view().answer), (None, Some(Answer::Done)));

    bench.give(Input::Uplink(Uplink::NotPaired));
    bench.give(Input::Ask(Action::Pair));
    bench.pass(6 * 60_000);
    assert!(bench.outputs.contains(&Output::Ended(Action::Pair, Some(Failure::NoEffect))));
}

#[test]
fn two_who_look_for_it_do_not_cancel_each_other_and_who_finds_it_says_so() {
    let mut bench = ready();
    bench.give(Input::Ask(Action::Identify));
    bench.pass(20_000);
    bench.give(Input::Ask(Action::Identify));
    assert_eq!(bench.view().identify_until, Some(bench.now + Duration::from_secs(30)));
    bench.pass(29_999);
    assert_eq!(bench.view().meaning, Meaning::Identify);
    bench.pass(1);
    assert_eq!((bench.view().meaning, bench.view().identify_until), (Meaning::Ready, None));

    for found in [Action::Found, Action::Identify] {
        bench.give(Input::Ask(Action::Identify));
        match found {
            Action::Found => bench.give(Input::Ask(Action::Found)),
            _ => bench.click(Key::Select),
        }
        bench.pass(400);
        assert_eq!((bench.view().meaning, bench.view().identify_until), (Meaning::Ready, None));
        assert!(bench.outputs.contains(&Output::Ended(Action::Found, None)));
    }
    // Found twice is found, and does not begin anew.
    bench.give(Input::Ask(Action::Found));
    assert_eq!(bench.view().meaning, Meaning::Ready);
}

#[test]
fn a_click_where_something_more_urgent_is_said_does_not_end_what_nobody_sees() {
    let mut bench = on_air();
    bench.give(Input::Ask(Action::Identify));
    bench.give(Input::Capture(Capture::Absent));
    bench.pass(15_000);
    assert_eq!(bench.view().meaning, Meaning::Fault);
    bench.click(Key::Select);
    bench.pass(400);
    assert!(bench.view().identify_until.is_some_and(|until| until > bench.now + Duration::from_secs(29)));
}

#[test]
fn power_off_is_held_for_said_and_called_off_by_a_press() {
    let mut bench = ready();
    bench.edge(Key::Start, true);
    bench.pass(5_010);
    assert_eq!(bench.view().meaning, Meaning::PoweringOff);
    bench.edge(Key::Start, false);
    bench.pass(1_000);
    bench.click(Key::Select);
    bench.pass(10_000);
    assert_eq!((bench.take(Action::PowerOff), bench.view().meaning), (0, Meaning::Ready));

    bench.edge(Key::Start, true);
    bench.pass(5_010);
    bench.edge(Key::Start, false);
    bench.pass(2_999);
    assert_eq!(bench.take(Action::PowerOff), 0);
    bench.pass(1);
    assert_eq!(bench.take(Action::PowerOff), 1);
}

#[test]
fn factory_reset_needs_both_keys_for_ten_seconds_off_the_air() {
    let mut bench = ready();
    bench.edge(Key::Start, true);
    bench.edge(Key::Select, true);
    bench.pass(9_000);
    assert!(matches!(bench.view().answer, Some(Answer::Counting { action: Action::FactoryReset, .. })));
    bench.edge(Key::Select, false);
    bench.pass(20_000);
    assert_eq!(bench.take(Action::FactoryReset), 0, "let go of one");
    bench.edge(Key::Start, false);
    bench.pass(100);
    bench.edge(Key::Start, true);
    bench.edge(Key::Select, true);
    bench.pass(10_010);
    assert_eq!(bench.take(Action::FactoryReset), 1);

    let mut bench = on_air();
    bench.edge(Key::Start, true);
    bench.edge(Key::Select, true);
    bench.pass(30_000);
    assert_eq!((bench.take(Action::FactoryReset), bench.take(Action::Stop)), (0, 0));
}

fn battery(charge: u16, mains: bool) -> Input {
    Input::Battery(Some(Reading { charge_permille: Some(charge), mains: Some(mains), ..Reading::default() }))
}

fn read(bench: &mut Bench, charge: u16, mains: bool) {
    for _ in 0..3 {
        bench.give(battery(charge, mains));
        bench.pass(5_000);
    }
}

#[test]
fn a_battery_from_17_to_4_percent_warns_spares_and_ends_cleanly() {
    let mut bench = on_air();
    read(&mut bench, 170, false);
    assert_eq!((bench.view().step, bench.view().meaning), (BatteryStep::Fine, Meaning::OnAir));
    read(&mut bench, 150, false);
    assert_eq!((bench.view().step, bench.view().meaning), (BatteryStep::Low, Meaning::LowBattery));
    assert_eq!(bench.view().lights.air, Light::Lit, "still seen to be on the air");
    read(&mut bench, 80, false);
    assert_eq!((bench.view().step, bench.view().meaning), (BatteryStep::Spare, Meaning::BatteryEmpty));
    assert!(!bench.outputs.contains(&Output::Suspend));
    read(&mut bench, 40, false);
    assert!(bench.outputs.contains(&Output::Suspend) && bench.view().meaning == Meaning::PoweringOff);
    bench.give(Input::Capture(Capture::Suspended));
    bench.pass(30_000);
    assert_eq!((bench.take(Action::PowerOff), bench.take(Action::Start)), (1, 0));
    assert_eq!(bench.take(Action::Stop), 0, "the battery is no deliberate stop");
}

#[test]
fn mains_in_time_calls_power_off_off_and_the_stream_goes_on() {
    let mut bench = on_air();
    read(&mut bench, 40, false);
    bench.give(Input::Capture(Capture::Suspended));
    bench.give(battery(40, true));
    assert_eq!(bench.take(Action::Start), 1);
    bench.give(Input::Capture(Capture::Live));
    bench.pass(120_000);
    assert_eq!((bench.take(Action::PowerOff), bench.view().meaning), (0, Meaning::OnAir));

    // Before capture had ended.
    let mut bench = on_air();
    read(&mut bench, 40, false);
    bench.give(battery(40, true));
    assert_eq!(bench.take(Action::Start), 0);
    bench.give(Input::Capture(Capture::Suspended));
    assert_eq!(bench.take(Action::Start), 1);
}

#[test]
fn switched_off_on_the_air_it_was_stopped_on_purpose() {
    let mut bench = on_air();
    bench.give(Input::Ask(Action::PowerOff));
    assert_eq!(bench.take(Action::Stop), 1);
    assert!(!bench.outputs.contains(&Output::Suspend));
}

#[test]
fn capture_that_is_off_the_air_for_no_reason_is_started_and_one_stopped_on_purpose_is_left() {
    let mut bench = Bench::new();
    bench.give(Input::Capture(Capture::Suspended));
    assert_eq!(bench.take(Action::Start), 1);
    let mut bench = on_air();
    // By another hand, and by a crash that capture comes back from by itself.
    for capture in [Capture::Stopped, Capture::Absent, Capture::Starting, Capture::Live, Capture::Absent] {
        bench.give(Input::Capture(capture));
        bench.pass(1_000);
    }
    assert_eq!((bench.take(Action::Start), bench.take(Action::Stop)), (0, 0));
}

#[test]
fn a_system_that_refuses_to_switch_off_is_told_of_and_an_empty_pack_asks_again() {
    let refused = Output::Ended(Action::PowerOff, Some(Failure::Refused));
    let mut bench = ready();
    bench.give(Input::Ask(Action::PowerOff));
    bench.pass(3_000);
    assert_eq!(bench.take(Action::PowerOff), 1);
    bench.give(Input::Refused(Action::PowerOff));
    assert!(bench.outputs.contains(&refused) && bench.view().meaning == Meaning::Ready);
    bench.pass(120_000);
    assert_eq!(bench.take(Action::PowerOff), 0);

    let mut bench = ready();
    read(&mut bench, 40, false);
    bench.pass(30_000);
    assert_eq!(bench.take(Action::PowerOff), 1);
    bench.give(Input::Refused(Action::PowerOff));
    assert!(bench.outputs.contains(&refused) && bench.view().meaning == Meaning::PoweringOff);
    bench.pass(60_000);
    assert_eq!(bench.take(Action::PowerOff), 1);
    bench.give(Input::Seen(Action::PowerOff));
    assert!(bench.outputs.contains(&Output::Ended(Action::PowerOff, None)));
}

const RED: Action = Action::Test(Part::Light(Lamp::Air));

#[test]
fn a_light_is_tried_alone_and_the_language_comes_back_by_itself() {
    let mut bench = ready();
    let before = bench.view().lights;
    for lamp in [Lamp::Air, Lamp::Link, Lamp::Power] {
        bench.give(Input::Ask(Action::Test(Part::Light(lamp))));
        let lit = bench.outputs.iter().position(|output| *output == Output::Lights(lights::alone(lamp)));
        let told = Output::Ended(Action::Test(Part::Light(lamp)), None);
        let told = bench.outputs.iter().position(|output| *output == told);
        assert!(lit.is_some() && lit < told, "whoever is told finds it lit");
        let view = bench.view();
        assert_eq!((view.lights, view.meaning), (lights::alone(lamp), Meaning::Ready));
    }
    bench.pass(9_999);
    assert_eq!(bench.view().lights, lights::alone(Lamp::Power));
    bench.pass(1);
    assert_eq!((bench.view().lights, bench.view().testing), (before, None));
    bench.give(Input::Ask(RED));
    bench.give(Input::Ask(Action::EndTest));
    assert_eq!((bench.view().lights, bench.view().testing), (before, None));
}

#[test]
fn a_press_while_a_light_is_tried_does_what_it_always_does() {
    let mut bench = ready();
    bench.give(Input::Ask(RED));
    bench.click(Key::Start);
    assert_eq!((bench.take(Action::Start), bench.view().testing), (1, None));
}

#[test]
fn a_key_that_is_tried_does_nothing_else_and_the_other_one_is_told_from_it() {
    let tried = Action::Test(Part::Key(Key::Start));
    let press = |key, ms| {
        let mut bench = ready();
        bench.give(Input::Ask(tried));
        bench.edge(key, true);
        bench.pass(ms);
        bench.edge(key, false);
        bench.pass(2_000);
        let ended: Vec<Output> =
            bench.outputs.iter().filter(|output| matches!(output, Output::Ended(..))).copied().collect();
        assert_eq!((bench.done.len(), bench.view().testing, bench.view().meaning), (0, None, Meaning::Ready));
        assert_eq!(bench.view().counters.presses, 1);
        // The next one is a press again.
        bench.click(Key::Start);
        assert_eq!(bench.take(Action::Start), 1);
        ended
    };
    assert_eq!(press(Key::Start, 100), [Output::Ended(tried, None)]);
    // Held as for power-off.
    assert_eq!(press(Key::Start, 6_000), [Output::Ended(tried, None)]);
    assert_eq!(press(Key::Select, 100), [Output::Ended(tried, Some(Failure::OtherKey))]);
    // Not pressed, and pressed and never let go.
    for down in [false, true] {
        let mut bench = ready();
        bench.give(Input::Ask(tried));
        bench.edge(Key::Start, down);
        bench.pass(20_000);
        let ended = Output::Ended(tried, Some(Failure::NoEffect));
        assert_eq!((bench.outputs.contains(&ended), bench.view().testing, bench.done.len()), (true, None, 0));
    }
}

#[test]
fn nothing_is_tried_on_the_air_and_whoever_goes_there_ends_it() {
    let mut bench = on_air();
    let before = bench.view();
    bench.give(Input::Ask(RED));
    assert_eq!(bench.outputs.last(), Some(&Output::Ended(RED, Some(Failure::NotNow))));
    assert_eq!((bench.view().lights, bench.view().testing), (before.lights, None));
    let mut bench = ready();
    let key = Action::Test(Part::Key(Key::Select));
    bench.give(Input::Ask(key));
    // By another way than the panel.
    bench.give(Input::Capture(Capture::Starting));
    assert!(bench.outputs.contains(&Output::Ended(key, Some(Failure::NotNow))));
    assert_eq!((bench.view().meaning, bench.view().testing), (Meaning::Connecting, None));
    // Nor with a finger on a key, whose press would be two things.
    let mut bench = ready();
    bench.edge(Key::Select, true);
    bench.give(Input::Ask(RED));
    assert_eq!(bench.outputs.last(), Some(&Output::Ended(RED, Some(Failure::NotNow))));
}

#[test]
fn a_press_before_capture_is_there_is_remembered_and_answered_by_light() {
    let mut bench = Bench::new();
    bench.give(Input::Uplink(OPEN));
    bench.click(Key::Start);
    bench.pass(10_000);
    assert_eq!((bench.take(Action::Start), bench.view().answer), (0, Some(Answer::Working)));
    bench.give(Input::Capture(Capture::Stopped));
    assert_eq!(bench.take(Action::Start), 1);
    // From here on it has the time that it always has.
    bench.pass(10_000);
    assert_eq!(bench.view().answer, Some(Answer::Working));
    bench.give(Input::Capture(Capture::Live));
    assert!(bench.outputs.contains(&Output::Ended(Action::Start, None)));
    // One that does not come is said, and nothing starts by itself later.
    let mut bench = Bench::new();
    bench.click(Key::Start);
    bench.pass(15_000);
    assert!(bench.outputs.contains(&Output::Ended(Action::Start, Some(Failure::NoEffect))));
    bench.give(Input::Capture(Capture::Stopped));
    assert_eq!(bench.take(Action::Start), 0);
}
