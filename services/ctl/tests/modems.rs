//! The verbs of modems and links against the real service: its code in a process and a network of its own, where one stick is
//! plugged in and no ModemManager runs. What modems themselves answer is tried on a real ModemManager (`hil-tests/modems`).

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bondbox_daemon::settings::Base;
use clap::Parser;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The service's flags, as its own program has them.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    base: Base,
    #[command(flatten)]
    flags: bondbox_modems::settings::Flags,
}

/// Not a test: what [`Unit::new`] starts this program for.
#[test]
fn plays_the_service() {
    let Ok(line) = std::env::var("PLAYS") else { return };
    let Arguments { base, flags } = Arguments::parse_from(line.split(' '));
    bondbox_daemon::run("bondbox-modems", &base, &flags, bondbox_modems::serve);
}

struct Unit {
    folder: TempDir,
    service: Child,
}

impl Unit {
    /// Nothing where nobody may make a network.
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: only root may make a network namespace");
            return None;
        }
        let folder = TempDir::new().unwrap();
        // What is in `/sys` of the network that it was mounted in.
        let stick = "mount -t sysfs sysfs /sys && ip link add stick0 type veth peer name far0 && ip link set far0 up && ip link set stick0 up \
                     && ip address add 192.168.8.100/24 dev stick0 && exec \"$0\" --exact plays_the_service --nocapture";
        let dir = folder.path().display();
        let service = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-euc", stick])
            .arg(std::env::current_exe().unwrap())
            .env("PLAYS", format!("service --run-dir {dir} --state {dir} --bus unix:path={dir}/bus --also stick0"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let unit = Self { folder, service };
        // A stick that has just come says something to its neighbours, which is counted.
        unit.until(|state| state["links"][0]["state"] == "Ready" && state["data"][0]["bytes"].as_u64() > Some(0));
        Some(unit)
    }

    fn modems(&self, line: &str, input: &str) -> Output {
        let mut asked = Command::new(env!("CARGO_BIN_EXE_bondboxctl"))
            .args(["--json", "--run-dir"])
            .arg(self.folder.path())
            .arg("modems")
            .args(line.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        asked.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        asked.wait_with_output().unwrap()
    }

    fn json(&self, line: &str) -> Value {
        let output = self.modems(line, "");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, line: &str) -> String {
        let output = self.modems(line, "");
        assert!(!output.status.success() && output.stdout.is_empty(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Two minutes mean that it hangs.
    fn until(&self, is: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        loop {
            let output = self.modems("", "");
            if output.status.success() && is(&serde_json::from_slice(&output.stdout).unwrap()) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{output:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

#[test]
fn what_is_said_of_a_link_and_of_what_it_may_carry_is_kept_and_shown() {
    let Some(unit) = Unit::new() else { return };
    let link = || unit.json("")["links"][0].clone();
    assert_eq!(link()["port"], "stick0");
    assert_eq!(unit.json("name stick0 left --colour 0072b2"), "Kept");
    assert_eq!((&link()["label"], &link()["colour"]), (&json!("left"), &json!([0, 0x72, 0xb2])));
    assert_eq!(unit.json("name stick0 right"), "Kept");
    assert_eq!((&link()["label"], &link()["colour"]), (&json!("right"), &json!([0, 0x72, 0xb2])));

    assert_eq!(unit.json("usage stick0 --cap-kbps 3000 --cost 2 --backup --dscp 46"), "Kept");
    assert_eq!(link()["usage"], json!({"off": false, "cap": 3_000_000, "cost": 2, "backup": true, "dscp": 46}));
    assert_eq!(unit.json("usage stick0 --off"), "Kept");
    let off = json!({"off": true, "cap": null, "cost": 0, "backup": false, "dscp": null});
    assert_eq!(link()["usage"], off);
    assert_eq!(unit.json("usage stick0"), "Kept");

    let data = || unit.json("")["data"][0].clone();
    assert_eq!(data()["iccid"], "port:stick0");
    assert_eq!(unit.json("used port:stick0 60"), "Kept");
    assert_eq!(unit.json("plan port:stick0 50 --day 15"), "Kept");
    assert_eq!((&data()["plan"], &data()["over"]), (&json!({"bytes": 50_000_000, "day": 15}), &json!(true)));
    assert_eq!(link()["usage"]["cost"], 4, "over its plan it is dearer");
    assert!(data()["bytes"].as_u64() >= Some(60_000_000));
    assert_eq!(unit.json("plan port:stick0"), "Kept");
    assert_eq!((&data()["plan"], &link()["usage"]["cost"]), (&json!(null), &json!(0)));
}

#[test]
fn what_cannot_be_is_refused_by_name_and_value() {
    let Some(unit) = Unit::new() else { return };
    for told in
        ["pin stick0 4711", "access stick0 --apn internet", "lock stick0 B3 n78", "recover stick0 reset", "spread"]
    {
        let said = unit.refused(told);
        assert_eq!(said, "bondboxctl: modems: not now: ModemManager is not there\n", "{told}");
    }
    for (told, why) in [
        ("recover stick0 power", "modems: invalid: port is \"stick0\", must be that of a link on USB"),
        (
            "name nowhere left --colour 000000",
            "modems: invalid: port is \"nowhere\", must be that of a link or a modem",
        ),
        ("name nowhere left", "no link is in port \"nowhere\": --colour has to be given"),
        ("name stick0 left --colour green", "'green' for '--colour <COLOUR>': must be six hexadecimal digits, RRGGBB"),
        ("lock stick0 Q7", "'Q7' for '[BANDS]...': must be like B3, n78 or legacy1"),
        ("access stick0 --family ipx", "'ipx' for '--family <FAMILY>'"),
        ("usage stick0 --cost 8", "'8' for '--cost <COST>': 8 is not in 0..=7"),
        ("usage stick0 --dscp 64", "64 is not in 0..=63"),
        ("plan port:stick0 5 --day 29", "29 is not in 1..=28"),
        ("used 8949 5", "modems: invalid: iccid is \"8949\", must be one whose data is counted"),
        ("used port:stick0 18446744073709551615", "18446744073709551615 MB are more than can be counted"),
    ] {
        let said = unit.refused(told);
        assert!(said.contains(why), "{told}: {said}");
    }
    for (told, input, why) in [
        ("pin stick0", "4711\n", "not now: ModemManager is not there"),
        ("pin stick0", "", "no PIN on standard input"),
        ("access stick0 --password -", "", "no password on standard input"),
    ] {
        let output = unit.modems(told, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(why), "{told}: {said}");
    }
}
