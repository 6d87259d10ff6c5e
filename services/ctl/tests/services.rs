//! The program against real services: their code in processes of their own, their sockets, their answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bondbox_daemon::settings::Base;
use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

/// One of the services, with its flags as its own program has them.
#[derive(Parser)]
struct Arguments<F: clap::Args> {
    #[command(flatten)]
    base: Base,
    #[command(flatten)]
    flags: F,
}

/// Not a test: what [`Unit::start`] starts this program for.
#[test]
fn plays_a_service() {
    let Ok(line) = std::env::var("PLAYS") else { return };
    let line = std::iter::once("service").chain(line.split(' ').skip(1));
    match std::env::var("PLAYS").unwrap().split(' ').next() {
        Some("capture") => {
            let Arguments::<bondbox_capture::settings::Flags> { base, flags } = Arguments::parse_from(line);
            bondbox_daemon::run("bondbox-capture", &base, &flags, bondbox_capture::service::serve);
        }
        Some("uplink") => {
            let Arguments::<bondbox_uplink::settings::Flags> { base, flags } = Arguments::parse_from(line);
            bondbox_daemon::run("bondbox-uplink", &base, &flags, bondbox_uplink::serve);
        }
        Some("gateway") => {
            let Arguments::<bondbox_gateway::settings::Flags> { base, flags } = Arguments::parse_from(line);
            bondbox_daemon::run("bondbox-gateway", &base, &flags, bondbox_gateway::serve);
        }
        Some("panel") => {
            let Arguments::<bondbox_panel::settings::Flags> { base, flags } = Arguments::parse_from(line);
            bondbox_daemon::run("bondbox-panel", &base, &flags, bondbox_panel::service::serve);
        }
        other => panic!("{other:?} is no service"),
    }
}

struct Unit {
    folder: TempDir,
    services: Vec<Child>,
}

impl Unit {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), services: Vec::new() }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    fn start(&mut self, service: &str) {
        let line = format!("{service} --run-dir {}", self.dir().display());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "plays_a_service", "--nocapture"])
            .env("PLAYS", line)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.services.push(child);
    }

    fn capture(&mut self) {
        self.start(&format!("capture --size 320x180 --bitrate-kbps 500 --state-dir {}", self.dir().display()));
        self.until("capture status", |state| state["picture"] == "Live");
    }

    /// To a gateway that answers, or to a port where nobody does.
    fn uplink(&mut self, gateway: bool) {
        let (key, far) = (self.dir().join("unit.key"), self.dir().join("gateway.key"));
        let unit = bondbox_daemon::bond::keys::generate(&key, false).unwrap().public();
        let public = bondbox_daemon::bond::keys::generate(&far, false).unwrap().public();
        let port = if gateway { free_port() } else { 9 };
        if gateway {
            self.start(&format!(
                "gateway --identity {} --unit {unit} --listen 127.0.0.1:{port} --http 127.0.0.1:0",
                far.display()
            ));
        }
        self.start(&format!(
            "uplink --gateway 127.0.0.1:{port} --gateway-key {public} --identity {} --link lo",
            key.display()
        ));
        self.until("links", |state| state["links"][0]["name"] == "lo");
    }

    /// With lights, keys and a pack, as the kernel shows them.
    fn panel(&mut self) {
        let put = |path: &str, value: &str| {
            let path = self.dir().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value).unwrap();
        };
        for light in ["red:air", "blue:link", "green:power"] {
            for (file, value) in [("brightness", "0"), ("trigger", "none"), ("delay_on", "0"), ("delay_off", "0")] {
                put(&format!("sys/class/leds/{light}/{file}"), value);
            }
        }
        put("sys/class/input/event0/device/capabilities/key", "200000000 0 0 8000000000 0 0");
        put("dev/input/about", "");
        put("sys/class/power_supply/pack/type", "Battery");
        put("sys/class/power_supply/pack/status", "Discharging");
        put("sys/class/power_supply/pack/capacity", "77");
        nix::unistd::mkfifo(&self.dir().join("dev/input/event0"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (sys, dev) = (self.dir().join("sys"), self.dir().join("dev"));
        self.start(&format!("panel --sys {} --dev {} --gauge-every-ms 60000", sys.display(), dev.display()));
        self.until("panel status", |state| state["devices"].as_array().unwrap().len() >= 3);
    }

    /// Which lights the kernel was told to light, without blinking.
    fn lit(&self) -> Vec<&'static str> {
        let delay = |light: &str, file: &str| {
            std::fs::read_to_string(self.dir().join(format!("sys/class/leds/{light}/{file}"))).unwrap()
        };
        let lit = |light: &&str| delay(light, "delay_on") != "0" && delay(light, "delay_off") == "0";
        ["red:air", "blue:link", "green:power"].into_iter().filter(lit).collect()
    }

    /// What a self-test says of each thing.
    fn selftest(&self) -> BTreeMap<String, (String, String)> {
        let checks: Value = serde_json::from_slice(&self.ctl("--json selftest").stdout).unwrap();
        let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_string();
        let each = checks.as_array().unwrap().iter();
        each.map(|check| (text(check, "what"), (text(check, "result"), text(check, "said")))).collect()
    }

    fn ctl(&self, line: &str) -> Output {
        let mut words = Vec::new();
        // The last word may be JSON.
        words.extend(line.split(' '));
        Command::new(env!("CARGO_BIN_EXE_bondboxctl"))
            .arg("--run-dir")
            .arg(self.dir())
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn json(&self, line: &str) -> Value {
        let output = self.ctl(&format!("--json {line}"));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Two minutes mean that it hangs.
    fn until(&self, line: &str, is: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        loop {
            let output = self.ctl(&format!("--json {line}"));
            if output.status.success() && is(&serde_json::from_slice(&output.stdout).unwrap()) {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(began.elapsed() < Duration::from_secs(120), "{line}: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        for service in &mut self.services {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

/// Of which nobody listens now.
fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_service_that_is_not_there_is_named_with_its_socket() {
    let unit = Unit::new();
    for (line, service) in [
        ("capture status", "capture"),
        ("links", "uplink"),
        ("battery", "panel"),
        ("modems", "modems"),
        ("capture stop", "capture"),
        ("panel do start", "panel"),
    ] {
        let output = unit.ctl(line);
        let said = text(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty());
        for part in [format!("bondbox-{service} is not there"), format!("{}/{service}.sock", unit.dir().display())] {
            assert!(said.contains(&part), "{said}");
        }
    }
    let status = unit.ctl("status");
    assert!(status.status.success(), "status tells of every service, there or not");
    assert_eq!(text(&status.stdout).matches("is not there").count(), 4);
    assert!(!unit.ctl("selftest").status.success());
}

#[test]
fn capture_is_shown_and_told() {
    let mut unit = Unit::new();
    unit.capture();
    assert!(text(&unit.ctl("capture status").stdout).contains("Live from test by"));
    assert!(unit.json("capture keyframe")["Keyframe"]["after_ms"].is_u64());
    assert_eq!(unit.json("send capture \"ForceKeyframe\"").as_object().unwrap().len(), 1);
    assert_eq!(unit.json("capture stop"), "Now");
    assert_eq!(unit.json("capture status")["picture"], "Stopped");
    let refused = unit.ctl("capture keyframe");
    assert!(!refused.status.success() && text(&refused.stderr).contains("capture: not now: "), "{refused:?}");
    assert_eq!(unit.json("capture start"), "Now");
    let too_little = unit.ctl("capture bitrate 12");
    assert!(text(&too_little.stderr).contains("invalid value '12'"), "{too_little:?}");
    assert!(text(&too_little.stderr).contains("100..=50000"), "{too_little:?}");
    assert!(text(&unit.ctl("capture bitrate 800").stdout).starts_with("encodes at 800 kbit/s, "));
    let nonsense = unit.ctl("send capture {\"Fly\":1}");
    assert!(text(&nonsense.stderr).contains("not a command of capture: unknown variant `Fly`"), "{nonsense:?}");
}

#[test]
fn links_are_shown_once_and_again_and_told() {
    let mut unit = Unit::new();
    unit.uplink(false);
    let shown = text(&unit.ctl("links").stdout);
    assert!(shown.contains("Connecting to 127.0.0.1:9") && shown.contains("lo  "), "{shown}");
    let top = text(&unit.ctl("top --looks 3 --every-ms 100").stdout);
    assert_eq!(top.matches("Connecting to 127.0.0.1:9").count(), 3, "{top}");
    assert!(!top.contains('\x1b'), "no drawing where no terminal is");
    assert_eq!(unit.json("uplink remove-link lo"), "Left");
    unit.until("links", |state| state["links"].as_array().unwrap().is_empty());
}

#[test]
fn a_support_package_has_states_logs_and_settings_without_keys() {
    let mut unit = Unit::new();
    unit.uplink(false);
    let settings = unit.dir().join("settings");
    std::fs::create_dir(&settings).unwrap();
    std::fs::write(settings.join("uplink.toml"), "gateway = \"a:1\"\ngateway_key = \"very-secret\"\n").unwrap();
    let out = unit.dir().join("support.tar.gz");
    unit.json(&format!("support {} --settings {}", out.display(), settings.display()));
    let read = |name: &str| {
        let tar = Command::new("tar").arg("-xzOf").arg(&out).arg(format!("bondbox-support/{name}")).output().unwrap();
        assert!(tar.status.success(), "{name}: {}", text(&tar.stderr));
        tar.stdout
    };
    let state: Value = serde_json::from_slice(&read("state.json")).unwrap();
    assert_eq!(state["uplink"]["state"]["links"][0]["name"], "lo");
    let settings = text(&read("uplink.toml"));
    assert!(settings.contains("gateway = \"a:1\"") && !settings.contains("very-secret"), "{settings}");
    assert!(!read("uplink.trace").is_empty());
    assert!(!read("rules.txt").is_empty());
}

fn said<'a>(checks: &'a BTreeMap<String, (String, String)>, what: &str) -> (&'a str, &'a str) {
    let (result, said) = checks.get(what).unwrap_or_else(|| panic!("nothing of {what}: {checks:?}"));
    (result, said)
}

#[test]
fn a_selftest_on_the_air_touches_nothing_and_counts_what_runs() {
    let mut unit = Unit::new();
    unit.panel();
    unit.capture();
    unit.uplink(true);
    unit.until("links", |state| state["links"][0]["packets_delivered"].as_u64() > Some(0));
    unit.until("panel status", |state| state["meaning"] == "OnAir" && state["answer"].is_null());
    let (before, lit) = (unit.json("panel status"), unit.lit());
    let checks = unit.selftest();
    for what in ["lights", "keys"] {
        assert_eq!(said(&checks, what).0, "skipped", "{checks:?}");
    }
    for what in ["picture", "camera", "gateway", "link lo", "battery"] {
        assert_eq!(said(&checks, what).0, "works", "{checks:?}");
    }
    assert!(said(&checks, "camera").1.starts_with("test brought "), "{checks:?}");
    assert_eq!(said(&checks, "battery").1, "77.0 %, not charging");
    assert_eq!(unit.json("battery")["battery"]["charge_permille"], 770);
    let after = unit.json("panel status");
    assert_eq!((&after["lights"], &after["counters"], unit.lit()), (&before["lights"], &before["counters"], lit));
}

#[test]
fn a_selftest_off_the_air_lights_each_light_alone_and_names_what_fails() {
    let mut unit = Unit::new();
    unit.panel();
    unit.capture();
    unit.json("capture stop");
    unit.uplink(false);
    let selftest = std::thread::scope(|scope| {
        let walk = scope.spawn(|| unit.selftest());
        let mut seen = Vec::new();
        while !walk.is_finished() {
            let lit = unit.lit();
            if lit.len() == 1 && seen.last() != Some(&lit[0]) {
                seen.push(lit[0]);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // The panel is asked whether it may by the last of them, and off the air none is lit alone but green.
        let alone: Vec<_> = seen.into_iter().skip_while(|light| *light == "green:power").collect();
        assert_eq!(alone.get(..3), Some(&["red:air", "blue:link", "green:power"][..]));
        walk.join().unwrap()
    });
    for what in ["light air", "light link", "light power", "keys", "camera"] {
        assert_eq!(said(&selftest, what).0, "works", "{selftest:?}");
    }
    assert_eq!(said(&selftest, "picture"), ("absent", "off the air"));
    let (result, why) = said(&selftest, "link lo");
    assert!(result == "fails" && why.contains(", 0 of ") && why.ends_with(" packets delivered"), "{why}");
    assert!(unit.json("panel status")["testing"].is_null());
    // A light that cannot be lit, and a gauge that says what cannot be.
    std::fs::remove_dir_all(unit.dir().join("sys/class/leds/blue:link")).unwrap();
    std::fs::write(unit.dir().join("sys/class/power_supply/pack/status"), "Charging").unwrap();
    std::fs::write(unit.dir().join("sys/class/power_supply/pack/voltage_now"), "70000").unwrap();
    let checks = unit.selftest();
    let (result, why) = said(&checks, "light link");
    assert!(result == "fails" && why.contains("blue:link"), "{checks:?}");
    let (result, why) = said(&checks, "battery");
    assert!(result == "fails" && why.ends_with("one to eight cells have 2.5 to 35 V"), "{checks:?}");
}

#[test]
fn whoever_is_there_is_asked_to_look_and_to_press() {
    let mut unit = Unit::new();
    unit.panel();
    unit.capture();
    unit.json("capture stop");
    let mut asked = Command::new(env!("CARGO_BIN_EXE_bondboxctl"))
        .args(["--json", "selftest", "--interactive", "--run-dir"])
        .arg(unit.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = asked.stdin.take().unwrap();
    for question in BufReader::new(asked.stderr.take().unwrap()).lines() {
        let question = question.unwrap();
        match question.as_str() {
            "Is the red light lit (air), and no other? [y/n]" => {
                assert_eq!(unit.lit(), ["red:air"]);
                answers.write_all(b"y\n").unwrap();
            }
            "Is the blue light lit (link), and no other? [y/n]" => answers.write_all(b"n\n").unwrap(),
            "Is the green light lit (power), and no other? [y/n]" => answers.write_all(b"y\n").unwrap(),
            "Press start and let go, within ten seconds." => {
                unit.until("panel status", |state| state["testing"]["Key"] == "Start");
                unit.json("panel press start");
            }
            // Of a panel whose keys are wired the wrong way round.
            "Press select and let go, within ten seconds." => {
                unit.until("panel status", |state| state["testing"]["Key"] == "Select");
                unit.json("panel press start");
            }
            other => panic!("{other}"),
        }
    }
    let output = asked.wait_with_output().unwrap();
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |what: &str| checks.as_array().unwrap().iter().find(|check| check["what"] == what).unwrap();
    assert_eq!((&of("light air")["result"], &of("light power")["result"]), (&"works".into(), &"works".into()));
    assert_eq!((&of("light link")["result"], &of("key start")["result"]), (&"fails".into(), &"works".into()));
    assert_eq!(of("key select")["said"], "panel: not now: the other key was pressed");
    assert_eq!(unit.json("capture status")["picture"], "Stopped", "a key that is tried does nothing else");
}

#[test]
fn an_update_may_be_installed_down_to_8_percent_and_on_mains_and_where_nobody_knows() {
    let mut unit = Unit::new();
    let asked = |unit: &Unit| {
        let output = unit.ctl("may-install");
        (output.status.code(), text(&output.stdout))
    };
    // Of a panel that is not there, by its socket's name.
    let (code, said) = asked(&unit);
    assert!(code == Some(0) && said.contains("nobody knows the battery") && said.contains("panel.sock"), "{said}");

    unit.panel();
    // Three looks decide.
    let holds = |unit: &Unit, file: &str, value: &str| {
        std::fs::write(unit.dir().join("sys/class/power_supply/pack").join(file), value).unwrap();
        for _ in 0..3 {
            unit.json("send panel \"Measure\"");
        }
    };
    holds(&unit, "capacity", "9");
    unit.until("battery", |state| state["battery"]["charge_permille"] == 90);
    assert_eq!(asked(&unit), (Some(0), "an update may be installed: the battery is at 9.0 %\n".into()));
    holds(&unit, "capacity", "7");
    unit.until("battery", |state| state["step"] == "Spare");
    let (code, said) = asked(&unit);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("no update is installed now: the battery is at 7.0 % without mains"), "{said}");
    holds(&unit, "status", "Charging");
    unit.until("battery", |state| state["step"] == "Fine");
    assert_eq!(asked(&unit).0, Some(0));
}
