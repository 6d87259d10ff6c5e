//! The program against real services: their code in processes of their own, their sockets, their answers.

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

    fn uplink(&mut self) {
        let key = self.dir().join("unit.key");
        bondbox_daemon::bond::keys::generate(&key, false).unwrap();
        let public = bondbox_daemon::bond::keys::generate(&self.dir().join("gateway.key"), false).unwrap().public();
        self.start(&format!(
            "uplink --gateway 127.0.0.1:9 --gateway-key {public} --identity {} --link lo",
            key.display()
        ));
        self.until("links", |state| state["links"][0]["name"] == "lo");
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
    let nonsense = unit.ctl("send capture {\"Fly\":1}");
    assert!(text(&nonsense.stderr).contains("not a command of capture: unknown variant `Fly`"), "{nonsense:?}");
}

#[test]
fn links_are_shown_once_and_again_and_told() {
    let mut unit = Unit::new();
    unit.uplink();
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
    unit.uplink();
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
