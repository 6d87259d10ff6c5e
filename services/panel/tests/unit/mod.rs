//! A box for the service: devices as the kernel makes them, neighbours, a bus, and the service as a process.
#![allow(dead_code, reason = "each user takes its part")]

#[path = "../../../../hal/system/tests/played/mod.rs"]
mod played;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bondbox_daemon::ipc::{Client, Commands, Event, Peers, Responder, Server, Want};
use bondbox_ipc::capture::{self, Capture, Counters, Picture};
use bondbox_ipc::panel::{Light, Lights, Meaning, Panel, State};
use bondbox_ipc::uplink::{self, Link, LinkState, Session, Uplink};
use bondbox_units::{Bitrate, LinkId};
use played::Played;
use tempfile::TempDir;

/// A box: devices, neighbours, and the service.
pub(crate) struct Unit {
    pub(crate) folder: TempDir,
    pub(crate) service: Child,
    pub(crate) capture: Server<Capture>,
    pub(crate) told: Commands<Capture>,
    pub(crate) uplink: Arc<Bond>,
    pub(crate) bond: Commands<Uplink>,
    pub(crate) panel: Client<Panel>,
    pub(crate) keys: fs::File,
    pub(crate) system: Played,
}

pub(crate) const LIGHTS: [&str; 3] = ["red:air", "blue:link", "green:power"];

impl Unit {
    pub(crate) async fn new(picture: Picture) -> Self {
        let folder = TempDir::new().unwrap();
        made_up_devices(folder.path());
        let pipe = folder.path().join("dev/input/event0");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Both ends, so that it neither waits for a reader nor ends with one.
        let keys = fs::OpenOptions::new().read(true).write(true).open(pipe).unwrap();

        let run = folder.path().join("run");
        let (capture, told) = Server::bind(&run, Peers::own()).unwrap();
        let (uplink, bond) = Bond::bind(&run);
        let system = Played::start().await;
        let service = start(folder.path(), &system.address);
        let panel = Client::connect(&run, Peers::own(), Want::State);
        let this = Self { folder, service, capture, told, uplink, bond, panel, keys, system };
        this.set_picture(picture);
        this.set_session(Session::Open);
        this
    }

    pub(crate) fn set_picture(&self, picture: Picture) {
        self.set_capture(picture, picture != Picture::Stopped);
    }

    pub(crate) fn set_capture(&self, picture: Picture, meant_on_air: bool) {
        self.say_capture("test", picture, meant_on_air);
    }

    pub(crate) fn set_source(&self, source: &str) {
        self.say_capture(source, Picture::Stopped, false);
    }

    pub(crate) fn say_capture(&self, source: &str, picture: Picture, meant_on_air: bool) {
        self.uplink.flow(matches!(picture, Picture::Live | Picture::Slate));
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

    pub(crate) fn set_session(&self, session: Session) {
        self.uplink.say(|state| state.session = session);
    }

    pub(crate) async fn until(&mut self, is: impl Fn(&State) -> bool) -> State {
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

    pub(crate) async fn until_meaning(&mut self, meaning: Meaning) {
        self.until(|state| state.meaning == meaning && state.answer.is_none()).await;
    }

    pub(crate) async fn next_order(&mut self) -> (capture::Command, Responder<capture::Done>) {
        in_time(self.told.next()).await
    }

    /// As the kernel reports a key.
    pub(crate) fn key(&mut self, code: u16, value: i32) {
        let mut event = vec![0; 16];
        event.extend(1_u16.to_ne_bytes());
        event.extend(code.to_ne_bytes());
        event.extend(value.to_ne_bytes());
        self.keys.write_all(&event).unwrap();
    }

    pub(crate) fn file(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default().trim().to_string()
    }

    /// Of the processor, which the service took so far: hundredths of a second.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.service.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The red light, as the kernel was told.
    pub(crate) fn air(&self) -> Light {
        self.lights().air
    }

    /// All of them.
    pub(crate) fn lights(&self) -> Lights {
        self.lights_now().expect("nobody writes them now")
    }

    /// All of them, unless one is being written.
    pub(crate) fn lights_now(&self) -> Option<Lights> {
        let shows = |light: &str| {
            let say = |file: &str| self.file(&format!("sys/class/leds/{light}/{file}")).parse().ok();
            Some(match [say("delay_on")?, say("delay_off")?] {
                [0, _] => Light::Dark,
                [_, 0] => Light::Lit,
                [on_ms, off_ms] => Light::Blink { on_ms, off_ms },
            })
        };
        let [air, link, power] = LIGHTS.map(shows);
        Some(Lights { air: air?, link: link?, power: power? })
    }
}

/// The uplink: while something flows, its gateway has more of it each tenth of a second.
pub(crate) struct Bond {
    server: Server<Uplink>,
    state: Mutex<uplink::State>,
    flows: AtomicBool,
}

impl Bond {
    fn bind(run: &Path) -> (Arc<Self>, Commands<Uplink>) {
        let (server, commands) = Server::bind(run, Peers::own()).unwrap();
        let state = uplink::State {
            gateway: "gateway:7000".into(),
            session: Session::Connecting,
            complaint: None,
            target: Bitrate::ZERO,
            actual: Bitrate::ZERO,
            backlog_bytes: 0,
            links: vec![Link::unmeasured(LinkId(0), "wwan0", LinkState::Up)],
            counters: uplink::Counters::default(),
        };
        let bond = Arc::new(Self { server, state: Mutex::new(state), flows: AtomicBool::new(false) });
        let weak = Arc::downgrade(&bond);
        tokio::spawn(async move {
            while let Some(bond) = weak.upgrade() {
                if bond.flows.load(Ordering::Relaxed) {
                    bond.say(|state| state.counters.units_acknowledged += 3);
                }
                drop(bond);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        (bond, commands)
    }

    pub(crate) fn say(&self, change: impl FnOnce(&mut uplink::State)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state);
        self.server.set_state(state.clone());
    }

    /// Whether anything goes on arriving.
    pub(crate) fn flow(&self, flows: bool) {
        self.flows.store(flows, Ordering::Relaxed);
    }
}

/// Lights, keys, a pack, a thermometer and a fan, as the kernel shows them.
pub(crate) fn made_up_devices(folder: &Path) {
    let put = |path: &str, value: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value).unwrap();
    };
    for light in LIGHTS {
        for (file, value) in
            [("brightness", "0"), ("max_brightness", "1"), ("trigger", "none"), ("delay_on", "0"), ("delay_off", "0")]
        {
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
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

pub(crate) fn start(folder: &Path, bus: &str) -> Child {
    // Nobody waits for what is decided by three looks.
    start_looking(folder, bus, 100)
}

pub(crate) fn start_looking(folder: &Path, bus: &str, gauge_every_ms: u32) -> Child {
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
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("hangs")
}

/// The capture service's source is the first's.
pub(crate) const PROFILES: &str =
    "[[profile]]\nname = \"bars\"\nsource = \"test\"\n[[profile]]\nname = \"camera\"\nsource = \"/dev/video0\"\n";

/// KEY_RECORD and KEY_SELECT of linux/input-event-codes.h.
pub(crate) const START: u16 = 167;
pub(crate) const SELECT: u16 = 353;

/// What the unit file has done when the service has ended, with systemd's word for how.
pub(crate) fn ended(unit: &Unit, settings: &str, result: &str) {
    fs::write(unit.path("panel.toml"), settings).unwrap();
    let done = Process::new(env!("CARGO_BIN_EXE_bondbox-panel"))
        .arg("--config")
        .arg(unit.path("panel.toml"))
        .arg("--sys")
        .arg(unit.path("sys"))
        .arg("--ended")
        .env("SERVICE_RESULT", result)
        .status();
    assert!(done.unwrap().success());
}
