//! The service as its neighbours and a finger see it: a real process, its socket, a tree of devices as the kernel makes it.

mod unit;

use std::fs;
use std::time::Duration;

use bondbox_daemon::ipc::{Client, CommandError, Event, Peers, Server, Want};
use bondbox_ipc::Refusal;
use bondbox_ipc::capture::{self, Picture};
use bondbox_ipc::modems::{self, Modems};
use bondbox_ipc::panel::{Action, BatteryStep, Command, Done, Fault, Key, Light, Meaning, Panel, Service, State};
use bondbox_ipc::uplink::{self, Complaint, Reason, Session};
use bondbox_panel_core::lights;
use bondbox_system::Mood;
use tempfile::TempDir;
use unit::{PROFILES, START, Unit, ended, in_time, made_up_devices, start, start_looking};

#[tokio::test]
async fn a_press_starts_and_the_light_says_so_and_a_hold_stops() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.until_meaning(Meaning::Ready).await;
    assert_eq!(unit.air(), Light::Dark);
    unit.key(START, 1);
    unit.until(|state| state.keys == [Key::Start]).await;
    unit.key(START, 0);
    let (order, responder) = unit.next_order().await;
    assert_eq!(order, capture::Command::Start);
    unit.until(|state| state.waiting == Some(Action::Start)).await;
    unit.set_picture(Picture::Live);
    responder.done(capture::Done::Now);
    unit.until_meaning(Meaning::OnAir).await;
    assert_eq!(unit.air(), Light::Lit);

    unit.key(START, 1);
    let (order, responder) = unit.next_order().await;
    assert_eq!(order, capture::Command::Stop);
    unit.set_picture(Picture::Stopped);
    responder.done(capture::Done::Now);
    unit.key(START, 0);
    unit.until_meaning(Meaning::Ready).await;
    assert_eq!(unit.air(), Light::Dark);
}

#[tokio::test]
async fn a_press_while_capture_tries_its_encoder_starts() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.set_capture(Picture::Starting, false);
    unit.until_meaning(Meaning::Ready).await;
    unit.key(START, 1);
    unit.until(|state| state.keys == [Key::Start]).await;
    unit.key(START, 0);
    assert_eq!(unit.next_order().await.0, capture::Command::Start);
}

#[tokio::test]
async fn killed_on_the_air_it_comes_back_and_nobody_notices() {
    let mut unit = Unit::new(Picture::Live).await;
    unit.until_meaning(Meaning::OnAir).await;
    unit.service.kill().unwrap();
    unit.service.wait().unwrap();
    in_time(async { while !matches!(unit.panel.event().await, Event::Disconnected(_)) {} }).await;
    unit.service = start(unit.folder.path(), &unit.system.address);
    unit.until_meaning(Meaning::OnAir).await;
    let asked = tokio::time::timeout(Duration::from_millis(300), unit.told.next()).await;
    assert!(asked.is_err(), "capture was told {:?}", asked.map(|(command, _)| command));
}

#[tokio::test]
async fn one_that_failed_leaves_lights_that_say_so_and_one_that_was_stopped_does_not() {
    let mut unit = Unit::new(Picture::Live).await;
    unit.until_meaning(Meaning::OnAir).await;
    unit.service.kill().unwrap();
    unit.service.wait().unwrap();
    ended(&unit, PROFILES, "success");
    assert_eq!(unit.lights(), lights::of(Meaning::OnAir, true));
    ended(&unit, PROFILES, "signal");
    assert_eq!(unit.lights(), lights::of(Meaning::Fault, false));
    // Back again, it says what is.
    unit.service = start(unit.folder.path(), &unit.system.address);
    in_time(async { while !matches!(unit.panel.event().await, Event::Disconnected(_)) {} }).await;
    unit.until_meaning(Meaning::OnAir).await;
    assert_eq!(unit.lights(), lights::of(Meaning::OnAir, true));
    // Settings that it refuses are one of the ways to fail.
    ended(&unit, "fan = \"both\"", "exit-code");
    assert_eq!(unit.lights(), lights::of(Meaning::Fault, false));
}

#[tokio::test]
async fn until_the_other_services_are_heard_the_box_starts() {
    let folder = TempDir::new().unwrap();
    made_up_devices(folder.path());
    let mut service = start(folder.path(), "unix:path=/nonexistent");
    let mut panel = Client::<Panel>::connect(&folder.path().join("run"), Peers::own(), Want::State);
    let first = in_time(async {
        loop {
            if let Event::State(state) = panel.event().await {
                return state;
            }
        }
    });
    let first = first.await;
    service.kill().unwrap();
    service.wait().unwrap();
    assert_eq!((first.meaning, first.lights), (Meaning::Starting, lights::of(Meaning::Starting, false)));
}

#[tokio::test]
async fn on_the_air_is_said_while_something_arrives_and_not_for_a_session_alone() {
    let mut unit = Unit::new(Picture::Live).await;
    unit.until_meaning(Meaning::OnAir).await;
    // An encoder that is stuck: capture and the session say what they said before.
    unit.uplink.flow(false);
    unit.until_meaning(Meaning::SourceLost).await;
    assert_eq!(unit.lights(), lights::of(Meaning::SourceLost, false));
    unit.uplink.flow(true);
    unit.until_meaning(Meaning::OnAir).await;
}

#[tokio::test]
async fn a_service_that_the_system_has_given_up_is_a_fault_with_its_name_until_it_answers() {
    let mut unit = Unit::new(Picture::Live).await;
    let run = unit.path("run");
    let (unit_file, on) = ("bondbox-modems.service", ["active", "running", "success"]);
    let (server, _commands) = Server::<Modems>::bind(&run, Peers::own()).unwrap();
    server.set_state(modems::State::default());
    unit.system.set_service(unit_file, on).await;
    unit.until_meaning(Meaning::OnAir).await;
    drop(server);
    unit.system.set_service(unit_file, ["failed", "failed", "exit-code"]).await;
    let state = unit.until(|state| state.meaning == Meaning::Fault).await;
    let why = "it failed (exit-code) and is not started again".to_string();
    assert_eq!(state.faults, [Fault { service: Service::Modems, why }]);
    assert_eq!((state.lights, state.counters.faults), (lights::of(Meaning::Fault, false), 1));
    unit.system.set_service(unit_file, on).await;
    let (server, _commands) = Server::<Modems>::bind(&run, Peers::own()).unwrap();
    server.set_state(modems::State::default());
    let state = unit.until(|state| state.meaning == Meaning::OnAir).await;
    assert_eq!((state.faults, state.counters.faults), (vec![], 1));
}

#[tokio::test]
async fn battery_temperature_and_fan_are_told_and_watched() {
    let mut unit = Unit::new(Picture::Live).await;
    let state = unit.until(|state| state.battery.is_some() && state.temperature_mc.is_some()).await;
    assert_eq!(state.battery.unwrap().charge_permille, 770);
    let state = unit.until(|state| state.fan_percent == Some(35) && state.meaning == Meaning::OnAir).await;
    assert_eq!((state.temperature_mc, state.step), (Some(51_200), BatteryStep::Fine));
    fs::write(unit.path("sys/class/power_supply/pack/capacity"), "12").unwrap();
    unit.until_meaning(Meaning::LowBattery).await;
    assert_eq!(unit.air(), Light::Lit);
    fs::write(unit.path("sys/class/power_supply/pack/capacity"), "4").unwrap();
    let (order, responder) = unit.next_order().await;
    assert_eq!(order, capture::Command::Suspend, "no stop on purpose: with power the unit goes on the air again");
    unit.set_capture(Picture::Stopped, true);
    responder.done(capture::Done::Now);
    unit.until_meaning(Meaning::PoweringOff).await;
    // Plugged in at the last moment.
    fs::write(unit.path("sys/class/power_supply/pack/status"), "Charging").unwrap();
    assert_eq!(unit.next_order().await.0, capture::Command::Start);
    assert!(unit.system.take_done().is_empty());
}

#[tokio::test]
async fn a_gauge_that_comes_after_the_service_is_found() {
    let mut unit = Unit::new(Picture::Stopped).await;
    let (place, aside) = (unit.path("sys/class/power_supply"), unit.path("aside"));
    fs::rename(&place, &aside).unwrap();
    unit.service.kill().unwrap();
    unit.service.wait().unwrap();
    unit.service = start(unit.folder.path(), &unit.system.address);
    unit.until(|state| state.devices.iter().any(|device| device.kind == "battery" && device.failure.is_some())).await;
    let refused = unit.panel.command(Command::Measure, Duration::from_secs(60)).await.unwrap_err();
    assert!(refused.to_string().contains("neither battery nor mains"), "{refused}");
    fs::rename(&aside, &place).unwrap();
    // Who asks need not wait until it is looked for again.
    let Ok(Done::Measured(measured)) = unit.panel.command(Command::Measure, Duration::from_secs(5)).await else {
        panic!("it is not measured");
    };
    assert_eq!(measured.charge_permille, Some(770));
    let state = unit.until(|state| state.battery.is_some()).await;
    assert!(state.devices.iter().all(|device| device.kind != "battery" || device.failure.is_none()));
}

#[tokio::test]
async fn lights_and_keys_that_come_after_the_service_are_found_and_say_what_is() {
    let mut unit = Unit::new(Picture::Live).await;
    let places =
        ["sys/class/leds/red:air", "sys/class/leds/blue:link", "sys/class/input"].map(|place| unit.path(place));
    unit.service.kill().unwrap();
    unit.service.wait().unwrap();
    for (i, place) in places.iter().enumerate() {
        fs::rename(place, unit.path(&format!("aside{i}"))).unwrap();
    }
    unit.service = start(unit.folder.path(), &unit.system.address);
    let name =
        |state: &State, kind: &str| state.devices.iter().find(|device| device.kind == kind).map(|it| it.name.clone());
    // One light of three is a panel.
    unit.until(|state| name(state, "lights").as_deref() == Some("green:power") && state.meaning == Meaning::OnAir)
        .await;
    for (i, place) in places.iter().enumerate() {
        fs::rename(unit.path(&format!("aside{i}")), place).unwrap();
    }
    // In whichever order they are found.
    unit.until(|state| {
        let lights = name(state, "lights").unwrap_or_default();
        let keys = name(state, "keys").unwrap_or_default();
        lights.contains("red:air") && lights.contains("blue:link") && keys.ends_with("event0")
    })
    .await;
    assert_eq!(unit.lights(), lights::of(Meaning::OnAir, true));
    unit.key(START, 1);
    unit.until(|state| state.keys == [Key::Start]).await;
}

#[tokio::test]
async fn idle_it_takes_next_to_nothing() {
    let mut unit = Unit::new(Picture::Live).await;
    unit.service.kill().unwrap();
    unit.service.wait().unwrap();
    // As it is shipped.
    unit.service = start_looking(unit.folder.path(), &unit.system.address, 5_000);
    unit.until(|state| state.battery.is_some()).await;
    let before = unit.ticks();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let took = unit.ticks() - before;
    // A hundred a second are a whole core: one of it is one in a hundred.
    assert!(took <= 5, "{took} ticks in 5 s");
}

/// Asks for it as `bondboxctl` does.
fn ask(unit: &Unit, action: Action) -> tokio::task::JoinHandle<Result<Done, CommandError>> {
    let commander = unit.panel.commander();
    tokio::spawn(async move { commander.command(Command::Do(action), Duration::from_secs(60)).await })
}

#[tokio::test]
async fn power_off_is_said_and_then_done() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.until_meaning(Meaning::Ready).await;
    let asked = ask(&unit, Action::PowerOff);
    unit.until_meaning(Meaning::PoweringOff).await;
    assert!(unit.system.take_done().is_empty(), "it is said first");
    assert_eq!(asked.await.unwrap(), Ok(Done::Seen));
    assert_eq!(unit.system.take_done(), ["power-off"]);
}

#[tokio::test]
async fn a_factory_reset_is_done_when_the_system_restarts() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.until_meaning(Meaning::Ready).await;
    assert_eq!(ask(&unit, Action::FactoryReset).await.unwrap(), Ok(Done::Seen));
    assert_eq!(unit.system.take_done(), ["factory-reset"]);
}

#[tokio::test]
async fn what_the_system_refuses_names_itself_and_the_unit_goes_on() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.until_meaning(Meaning::Ready).await;
    unit.system.set(Mood::Denies);
    for action in [Action::FactoryReset, Action::PowerOff] {
        let refused = ask(&unit, action).await.unwrap().unwrap_err();
        assert!(refused.to_string().contains("may not ask for it: Access denied"), "{refused}");
    }
    unit.until_meaning(Meaning::Ready).await;
}

#[tokio::test]
async fn a_unit_that_belongs_to_nobody_says_so_and_its_key_pairs_it_with_the_code_on_its_label() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.set_session(Session::NotPaired);
    unit.until_meaning(Meaning::NotPaired).await;
    let label = uplink::Command::Pair { gateway: String::new(), code: String::new() };

    let panel = unit.panel.commander();
    let asked = async { in_time(panel.command(Command::Do(Action::Pair), Duration::from_secs(60))).await };
    let refused = async {
        let (command, responder) = in_time(unit.bond.next()).await;
        assert_eq!(command, label);
        responder.refuse(Refusal::Unavailable("this unit has no code on its label".into()));
    };
    let (answer, ()) = tokio::join!(asked, refused);
    let why = answer.unwrap_err().to_string();
    assert!(why.ends_with("uplink: not now: this unit has no code on its label"), "{why}");

    unit.until_meaning(Meaning::NotPaired).await;
    let asked = async { in_time(panel.command(Command::Do(Action::Pair), Duration::from_secs(60))).await };
    let found = async {
        let (command, responder) = in_time(unit.bond.next()).await;
        assert_eq!(command, label);
        unit.set_session(Session::Pairing);
        unit.set_session(Session::Open);
        responder.done(uplink::Done::Paired("00".repeat(32)));
    };
    let (answer, ()) = tokio::join!(asked, found);
    assert_eq!(answer, Ok(Done::Seen));
    unit.until_meaning(Meaning::Ready).await;
}

#[tokio::test]
async fn a_unit_that_its_gateway_does_not_know_is_shown_as_not_paired_and_of_one_that_is_silent_nothing_is_said() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.set_session(Session::Connecting);
    for (reason, meaning) in [
        (Reason::NoAnswer, Meaning::Connecting),
        (Reason::UnknownUnit, Meaning::NotPaired),
        // Whoever stands on the way can have another key.
        (Reason::OtherKey, Meaning::Connecting),
    ] {
        let complaint = Complaint { reason, words: "why".into() };
        unit.uplink.say(|state| state.complaint = Some(complaint));
        unit.until_meaning(meaning).await;
    }
    unit.uplink.say(|state| (state.session, state.complaint) = (Session::Open, None));
    unit.until_meaning(Meaning::Ready).await;
}

#[tokio::test]
async fn the_next_profile_is_taken_when_capture_says_that_its_source_is() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.until(|state| state.profile == "bars").await;
    let asked = ask(&unit, Action::Profile);
    let (order, responder) = unit.next_order().await;
    assert_eq!(order, capture::Command::SetSource("/dev/video0".into()));
    responder.refuse(Refusal::NoEffect("no camera there".into()));
    let refused = asked.await.unwrap().unwrap_err().to_string();
    assert!(refused.ends_with("no camera there"), "{refused}");
    unit.until(|state| state.profile == "bars" && state.waiting.is_none()).await;

    let asked = ask(&unit, Action::Profile);
    let (order, responder) = unit.next_order().await;
    assert_eq!(order, capture::Command::SetSource("/dev/video0".into()));
    unit.set_source("/dev/video0");
    responder.done(capture::Done::Now);
    assert_eq!(asked.await.unwrap(), Ok(Done::Seen));
    unit.until(|state| state.profile == "camera").await;
}

#[tokio::test]
async fn a_command_is_answered_by_what_came_of_it() {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.until_meaning(Meaning::Ready).await;
    for _ in 0..2 {
        assert_eq!(ask(&unit, Action::Identify).await.unwrap(), Ok(Done::Seen));
        unit.until(|state| state.meaning == Meaning::Identify && state.identify_until.is_some()).await;
    }
    assert_eq!(ask(&unit, Action::Found).await.unwrap(), Ok(Done::Seen));
    unit.until(|state| state.meaning == Meaning::Ready && state.identify_until.is_none()).await;
}
