//! The service as its neighbours and a finger see it: a real process, its socket, a tree of devices as the kernel makes it.

#[path = "../../../hal/system/tests/played/mod.rs"]
mod played;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use bondbox_daemon::ipc::{Client, CommandError, Commands, Event, Peers, Responder, Server, Want};
use bondbox_ipc::Refusal;
use bondbox_ipc::capture::{self, Capture, Counters, Picture};
use bondbox_ipc::panel::{Action, BatteryStep, Command, Done, Key, Light, Meaning, Panel, State};
use bondbox_ipc::uplink::{self, Link, LinkState, Session, Uplink};
use bondbox_system::Mood;
use bondbox_units::{Bitrate, LinkId};
use played::Played;
use tempfile::TempDir;

/// A box: devices, neighbours, and the service.
struct Unit {
    folder: TempDir,
    service: Child,
    capture: Server<Capture>,
    told: Commands<Capture>,
    uplink: Server<Uplink>,
    bond: Commands<Uplink>,
    panel: Client<Panel>,
    keys: fs::File,
    system: Played,
}

const LIGHTS: [&str; 3] = ["red:air", "blue:link", "green:power"];

impl Unit {
    async fn new(picture: Picture) -> Self {
        let folder = TempDir::new().unwrap();
        let put = |path: &str, value: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        };
        for light in LIGHTS {
            for (file, value) in [
                ("brightness", "0"),
                ("max_brightness", "1"),
                ("trigger", "none"),
                ("delay_on", "0"),
                ("delay_off", "0"),
            ] {
                put(&format!("sys/class/leds/{light}/{file}"), value);
            }
        }
        put("sys/class/input/event0/device/capabilities/key", "200000000 0 0 8000000000 0 0");
        put("sys/class/power_supply/pack/type", "Battery");
        put("sys/class/power_supply/pack/status", "Discharging");
        put("sys/class/power_supply/pack/capacity", "77");
        put("sys/class/thermal/thermal_zone0/temp", "51200");
        put("sys/class/hwmon/hwmon0/pwm1", "0");
        put("sys/class/hwmon/hwmon0/pwm1_enable", "2");
        put("dev/input/about", "");
        put("run/about", "");
        let pipe = folder.path().join("dev/input/event0");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Both ends, so that it neither waits for a reader nor ends with one.
        let keys = fs::OpenOptions::new().read(true).write(true).open(pipe).unwrap();

        let run = folder.path().join("run");
        let (capture, told) = Server::bind(&run, Peers::own()).unwrap();
        let (uplink, bond) = Server::bind(&run, Peers::own()).unwrap();
        let system = Played::start().await;
        let service = start(folder.path(), &system.address);
        let panel = Client::connect(&run, Peers::own(), Want::State);
        let this = Self { folder, service, capture, told, uplink, bond, panel, keys, system };
        this.set_picture(picture);
        this.set_session(Session::Open);
        this
    }

    fn set_picture(&self, picture: Picture) {
        self.set_capture(picture, picture != Picture::Stopped);
    }

    fn set_capture(&self, picture: Picture, meant_on_air: bool) {
        self.say_capture("test", picture, meant_on_air);
    }

    fn set_source(&self, source: &str) {
        self.say_capture(source, Picture::Stopped, false);
    }

    fn say_capture(&self, source: &str, picture: Picture, meant_on_air: bool) {
        self.capture.set_state(capture::State {
            source: source.into(),
            picture,
            meant_on_air,
            encoder: "x264enc".into(),
            target: Bitrate::from_kbps(1_000),
            actual: Bitrate::from_kbps(900),
            encode_delay_us: 7_000,
            tracks: Vec::new(),
            counters: Counters::default(),
        });
    }

    fn set_session(&self, session: Session) {
        let link = Link::unmeasured(LinkId(0), "wwan0", LinkState::Up);
        self.uplink.set_state(uplink::State {
            gateway: "gateway:7000".into(),
            session,
            target: Bitrate::ZERO,
            actual: Bitrate::ZERO,
            backlog_bytes: 0,
            links: vec![link],
            counters: uplink::Counters::default(),
        });
    }

    async fn until(&mut self, is: impl Fn(&State) -> bool) -> State {
        in_time(async {
            loop {
                if let Event::State(state) = self.panel.event().await
                    && is(&state)
                {
                    return state;
                }
            }
        })
        .await
    }

    async fn until_meaning(&mut self, meaning: Meaning) {
        self.until(|state| state.meaning == meaning && state.answer.is_none()).await;
    }

    async fn next_order(&mut self) -> (capture::Command, Responder<capture::Done>) {
        in_time(self.told.next()).await
    }

    /// As the kernel reports a key.
    fn key(&mut self, code: u16, value: i32) {
        let mut event = vec![0; 16];
        event.extend(1_u16.to_ne_bytes());
        event.extend(code.to_ne_bytes());
        event.extend(value.to_ne_bytes());
        self.keys.write_all(&event).unwrap();
    }

    fn file(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default().trim().to_string()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The red light, as the kernel was told.
    fn air(&self) -> Light {
        let say = |file: &str| self.file(&format!("sys/class/leds/red:air/{file}")).parse().unwrap();
        match [say("delay_on"), say("delay_off")] {
            [0, _] => Light::Dark,
            [_, 0] => Light::Lit,
            [on_ms, off_ms] => Light::Blink { on_ms, off_ms },
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

fn start(folder: &Path, bus: &str) -> Child {
    // Nobody waits for what is decided by three looks.
    start_looking(folder, bus, 100)
}

fn start_looking(folder: &Path, bus: &str, gauge_every_ms: u32) -> Child {
    fs::write(folder.join("panel.toml"), PROFILES).unwrap();
    Process::new(env!("CARGO_BIN_EXE_bondbox-panel"))
        .arg("--config")
        .arg(folder.join("panel.toml"))
        .arg("--run-dir")
        .arg(folder.join("run"))
        .arg("--sys")
        .arg(folder.join("sys"))
        .arg("--dev")
        .arg(folder.join("dev"))
        .args(["--gauge-every-ms", &gauge_every_ms.to_string(), "--fan", "panel"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// A minute means that it hangs.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("hangs")
}

/// The capture service's source is the first's.
const PROFILES: &str =
    "[[profile]]\nname = \"bars\"\nsource = \"test\"\n[[profile]]\nname = \"camera\"\nsource = \"/dev/video0\"\n";

const START: u16 = 167;

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
async fn battery_temperature_and_fan_are_told_and_watched() {
    let mut unit = Unit::new(Picture::Live).await;
    let state = unit.until(|state| state.battery.is_some() && state.temperature_mc.is_some()).await;
    assert_eq!(state.battery.unwrap().charge_permille, 770);
    let state = unit.until(|state| state.fan_percent == Some(35)).await;
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
async fn idle_it_takes_next_to_nothing() {
    let mut unit = Unit::new(Picture::Live).await;
    unit.service.kill().unwrap();
    unit.service.wait().unwrap();
    // As it is shipped.
    unit.service = start_looking(unit.folder.path(), &unit.system.address, 5_000);
    unit.until(|state| state.battery.is_some()).await;
    let stat = format!("/proc/{}/stat", unit.service.id());
    let ticks = || {
        let stat = fs::read_to_string(&stat).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(5)).await;
    // A hundred a second are a whole core: one of it is one in a hundred.
    assert!(ticks() - before <= 5, "{} ticks in 5 s", ticks() - before);
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
