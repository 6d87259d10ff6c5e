//! What every device promises, asked of the fakes, and of the real ones on trees as the kernel makes them.

use std::fs;
use std::io::Write;
use std::path::Path;

use bondbox_ipc::panel::{Key, Light, Lights};
use bondbox_panel_devices::battery::{self, Gauge, PowerSupply};
use bondbox_panel_devices::gpio;
use bondbox_panel_devices::i2c;
use bondbox_panel_devices::keys::{self, Evdev, Keys};
use bondbox_panel_devices::leds::{self, Leds, Sysfs};
use bondbox_panel_devices::thermal::{self, Thermometers};
use bondbox_units::Instant;
use chips::Played;
use promises::{
    BLINKS, PACK, fans_keep_the_contract, fans_of_the_kernel_are_given_back, gauges_keep_the_contract,
    keys_keep_the_contract, lights_keep_the_contract, said,
};
use tempfile::TempDir;

mod chips;
mod promises;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, value) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{value}\n")).unwrap();
    }
    root
}

const LIGHTS: [&str; 3] = ["red:air", "blue:link", "green:power"];

fn leds_tree() -> TempDir {
    let root = TempDir::new().unwrap();
    for name in LIGHTS {
        let folder = root.path().join("class/leds").join(name);
        fs::create_dir_all(&folder).unwrap();
        for (file, value) in [("trigger", "[none] timer heartbeat"), ("delay_on", "500"), ("delay_off", "500")] {
            fs::write(folder.join(file), value).unwrap();
        }
    }
    root
}

/// As somebody would see it who reads what the kernel was told.
fn lit(root: &Path, name: &str) -> Light {
    let say = |file: &str| said(&root.join("class/leds").join(name).join(file));
    assert_eq!(say("trigger"), "timer", "{name}");
    match [say("delay_on"), say("delay_off")].map(|ms| ms.parse().unwrap()) {
        [0, off] if off > 0 => Light::Dark,
        [on, 0] if on > 0 => Light::Lit,
        [on_ms, off_ms] => Light::Blink { on_ms, off_ms },
    }
}

#[test]
fn lights_show_what_they_are_told() {
    let fake = leds::Fake::default();
    lights_keep_the_contract(&mut fake.clone(), || *fake.shown().last().unwrap());
    let root = leds_tree();
    let mut real = Sysfs::find(root.path()).unwrap();
    assert_eq!(real.name(), LIGHTS.join(" "));
    lights_keep_the_contract(&mut real, || {
        let [air, link, power] = LIGHTS.map(|name| lit(root.path(), name));
        Lights { air, link, power }
    });
}

#[test]
fn a_light_that_is_gone_is_named_and_the_others_are_set() {
    let root = leds_tree();
    let mut real = Sysfs::find(root.path()).unwrap();
    fs::remove_dir_all(root.path().join("class/leds/red:air")).unwrap();
    let error = real.show(Lights { air: Light::Lit, link: Light::Lit, power: BLINKS[0] }).unwrap_err();
    assert!(error.to_string().contains("red:air"), "{error}");
    assert_eq!((lit(root.path(), "blue:link"), lit(root.path(), "green:power")), (Light::Lit, BLINKS[0]));
    assert!(Sysfs::find(TempDir::new().unwrap().path()).is_err());
}

fn battery_tree() -> TempDir {
    tree(&[
        ("class/power_supply/mouse/type", "Battery"),
        ("class/power_supply/mouse/scope", "Device"),
        ("class/power_supply/mouse/capacity", "3"),
        ("class/power_supply/pack/type", "Battery"),
        ("class/power_supply/pack/status", "Discharging"),
        ("class/power_supply/pack/capacity", "42"),
        ("class/power_supply/pack/voltage_now", "7400000"),
        ("class/power_supply/pack/current_now", "-1000000"),
        ("class/power_supply/mains/type", "Mains"),
        ("class/power_supply/mains/online", "0"),
    ])
}

#[test]
fn gauges_say_what_the_pack_holds_and_gives() {
    let fake = battery::Fake::default();
    fake.set(Some(PACK));
    gauges_keep_the_contract(&mut fake.clone(), || fake.set(None));
    let root = battery_tree();
    let pack = root.path().join("class/power_supply/pack");
    gauges_keep_the_contract(&mut PowerSupply::find(root.path()).unwrap(), || fs::remove_dir_all(pack).unwrap());
}

#[test]
fn energy_is_finer_than_percents_and_charging_has_a_sign() {
    let root = battery_tree();
    let pack = |file: &str, value: &str| {
        fs::write(root.path().join("class/power_supply/pack").join(file), value).unwrap();
    };
    pack("energy_now", "12345000");
    pack("energy_full", "20000000");
    pack("status", "Charging");
    let reading = PowerSupply::find(root.path()).unwrap().read().unwrap();
    assert_eq!((reading.charge_permille, reading.milliwatts, reading.charging), (Some(617), Some(-7_400), Some(true)));
    let mains = tree(&[("class/power_supply/mains/type", "Mains"), ("class/power_supply/mains/online", "1")]);
    let reading = PowerSupply::find(mains.path()).unwrap().read().unwrap();
    assert_eq!((reading.mains, reading.charge_permille), (Some(true), None));
}

/// The fake bus, with its hand.
struct MadeUp(i2c::Fake);

impl Played for MadeUp {
    fn bus(&self) -> impl i2c::Bus {
        self.0.clone()
    }

    fn set(&self, register: u8, value: u16) {
        self.0.set(register, value);
    }

    fn put(&self, there: bool) {
        self.0.put(there.then_some(chips::ADDRESS));
    }
}

#[test]
fn chips_on_a_bus_say_what_the_pack_holds_and_gives_and_name_themselves_when_gone() {
    chips::chips_keep_the_contract(&MadeUp(i2c::Fake::default()));
}

#[test]
fn a_bus_that_is_not_there_is_named() {
    let bus = i2c::Dev::at(Path::new("/dev/i2c-of-nobody"));
    let wiring = i2c::Wiring { address: 0x36, shunt_microohm: 1, cells: 1 };
    let refusal = i2c::OnBus::find(bus, i2c::Chip::Max17040, wiring).map(|_| ()).unwrap_err();
    assert_eq!(refusal.to_string(), "Max17040 at 0x36 on /dev/i2c-of-nobody: No such file or directory (os error 2)");
}

#[test]
fn fans_turn_as_told_and_go_back_to_who_turned_them() {
    let fake = thermal::Fake::default();
    fans_keep_the_contract(&mut fake.clone(), || *fake.turned().last().unwrap());
    let root = tree(&[("class/hwmon/hwmon3/pwm1", "0"), ("class/hwmon/hwmon3/pwm1_enable", "2")]);
    fans_of_the_kernel_are_given_back(root.path(), &root.path().join("class/hwmon/hwmon3"));
}

#[test]
fn the_hottest_place_counts() {
    let root = tree(&[
        ("class/thermal/thermal_zone0/temp", "48200"),
        ("class/hwmon/hwmon0/temp1_input", "61500"),
        ("class/hwmon/hwmon0/temp1_label", "edge"),
    ]);
    let thermometers = Thermometers::find(root.path()).unwrap();
    assert_eq!(thermometers.hottest().unwrap(), 61_500);
    fs::remove_dir_all(root.path().join("class/hwmon")).unwrap();
    assert_eq!(thermometers.hottest().unwrap(), 48_200);
    fs::remove_dir_all(root.path().join("class/thermal")).unwrap();
    assert!(thermometers.hottest().is_err() && Thermometers::find(root.path()).is_err());
}

/// `struct input_event` as the kernel writes it.
fn event(ms: i64, kind: u16, code: u16, value: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((ms / 1_000).to_ne_bytes());
    bytes.extend((ms % 1_000 * 1_000).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(code.to_ne_bytes());
    bytes.extend(value.to_ne_bytes());
    bytes
}

#[tokio::test]
async fn keys_tell_each_change_once_and_when_they_are_gone() {
    let (mut fake, finger) = keys::Fake::new();
    let hand = finger.clone();
    let moves = move |down| hand.edge(Key::Start, down, down.then_some(Instant::from_millis(1)));
    keys_keep_the_contract(&mut fake, moves, || drop(finger)).await;

    // A pipe in the place of the kernel's device: what is written is what it would send.
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("event0");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut evdev = Evdev::open(&path).unwrap();
    let kernel = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut hand = kernel.try_clone().unwrap();
    let moves = move |down| {
        // Another key, a press that repeats, and reports between.
        let told: &[_] =
            if down { &[(1, 28, 1), (1, 167, 1), (0, 0, 0), (1, 167, 2)] } else { &[(1, 167, 0), (0, 0, 0)] };
        for (kind, code, value) in told {
            hand.write_all(&event(1_234, *kind, *code, *value)).unwrap();
        }
    };
    keys_keep_the_contract(&mut evdev, moves, || drop(kernel)).await;
}

#[test]
fn only_devices_with_a_key_of_ours_are_found() {
    let root = tree(&[
        ("class/input/event0/device/capabilities/key", "10000000000000 0"),
        ("class/input/event1/device/capabilities/key", "200000000 0 0 8000000000 0 0"),
        ("class/input/mouse0/device/name", "a mouse"),
    ]);
    assert_eq!(Evdev::find(root.path(), Path::new("/dev")), [Path::new("/dev/input/event1")]);
}

/// Whether this machine's processor is one that `rppal` knows.
fn is_raspberry_pi() -> bool {
    fs::read_to_string("/proc/device-tree/model").is_ok_and(|model| model.starts_with("Raspberry Pi"))
}

/// `why` is said of a line that cannot be had, and which; without a name there is nothing to say it of.
fn raw_lines_keep_the_contract(
    lights: impl Fn([&str; 3]) -> std::io::Result<String>,
    keys: impl Fn([&str; 2]) -> std::io::Result<String>,
    why: &str,
) {
    let refusals = [lights(["", "GPIO99", ""]).unwrap_err(), keys(["GPIO99", ""]).unwrap_err()];
    for refusal in refusals {
        let said = refusal.to_string();
        assert!(said.contains("GPIO99") && said.contains(why), "{said}");
    }
    assert!(lights(["", "", ""]).is_ok(), "a panel may have no lights");
    assert!(keys(["", ""]).unwrap_err().to_string().contains("no line is named"));
}

#[tokio::test]
async fn a_raw_line_that_cannot_be_had_is_named() {
    raw_lines_keep_the_contract(
        |names| gpio::Lines::open(names).map(|lines| lines.name()),
        |names| gpio::Contacts::open(names).map(|keys| keys.name()),
        "no line is called",
    );
    raw_lines_keep_the_contract(
        |names| gpio::pi::Lines::open(names).map(|lines| lines.name()),
        |names| gpio::pi::Contacts::open(names).map(|keys| keys.name()),
        "GPIO0 to GPIO27",
    );
    if !is_raspberry_pi() {
        let refusal = gpio::pi::Lines::open(["GPIO17", "", ""]).map(|lines| lines.name()).unwrap_err().to_string();
        assert!(refusal.contains("line GPIO17 by rppal") && refusal.contains("Raspberry Pi"), "{refusal}");
    }
}
