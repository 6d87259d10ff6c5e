//! Holds lights, keys, gauge, thermometer and fan against their contract where the kernel itself plays them, as `hil-tests/rig` has
//! it do in the virtual unit, with `bondbox-panel` stopped: a keyboard's lights, lines of `gpio-sim`, keys of `uinput`, the
//! battery of `test_power`, and a fan's chip on `i2c-stub` with the kernel's own driver. That takes root. Fails with what is not
//! as it should be.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bondbox_ipc::panel::{Light, Lights};
use bondbox_panel_devices::battery::PowerSupply;
use bondbox_panel_devices::gpio;
use bondbox_panel_devices::keys::{Evdev, Keys};
use bondbox_panel_devices::leds::Sysfs;
use bondbox_panel_devices::thermal::Thermometers;
use evdev::uinput::VirtualDevice;
use evdev::{AttributeSet, EventType, InputEvent, KeyCode};
use i2cdev::core::I2CDevice;
use i2cdev::linux::LinuxI2CDevice;
use machine::{named, run};
use tempfile::TempDir;

mod machine;
#[path = "../tests/promises/mod.rs"]
mod promises;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    lights_of_the_leds_class();
    lights_on_lines();
    keys_of_an_input_device().await;
    keys_on_lines().await;
    gauge_of_the_kernel();
    fan_and_thermometer();
}

/// Those of a keyboard, by the names that a board's device tree gives its own.
fn lights_of_the_leds_class() {
    run("modprobe ledtrig-timer");
    let class = Path::new("/sys/class/leds");
    let keyboards = ["numlock", "capslock", "scrolllock"].map(|light| {
        let entries = fs::read_dir(class).expect("the kernel has lights").flatten();
        let named = |path: &PathBuf| path.to_string_lossy().ends_with(light);
        entries.map(|entry| entry.path()).find(named).unwrap_or_else(|| panic!("no keyboard has {light}"))
    });
    let root = TempDir::new().unwrap();
    fs::create_dir_all(root.path().join("class/leds")).unwrap();
    for (keyboards, ours) in keyboards.iter().zip(["red:air", "blue:link", "green:power"]) {
        std::os::unix::fs::symlink(keyboards, root.path().join("class/leds").join(ours)).unwrap();
    }
    let values = keyboards.each_ref().map(|light| light.join("brightness"));
    promises::lights_keep_the_contract(&mut Sysfs::find(root.path()).unwrap(), || eye(&values));
    for light in keyboards {
        fs::write(light.join("trigger"), "none").unwrap();
    }
    println!("lights of the leds class keep the contract");
}

fn lights_on_lines() {
    let names = ["air", "link", "power"];
    let values = names.map(|name| line(name).join("value"));
    promises::lights_keep_the_contract(&mut gpio::Lines::open(names).unwrap(), || eye(&values));
    println!("lights on lines keep the contract");
}

async fn keys_of_an_input_device() {
    run("modprobe uinput");
    let found = || Evdev::find(Path::new("/sys"), Path::new("/dev"));
    let before = found();
    let keys = AttributeSet::from_iter([KeyCode::KEY_RECORD, KeyCode::KEY_SELECT]);
    let made = VirtualDevice::builder().unwrap().name("keys").with_keys(&keys).unwrap().build().unwrap();
    run("udevadm settle");
    let path = found().into_iter().find(|path| !before.contains(path)).expect("it is found by its keys");
    let mut real = Evdev::open(&path).unwrap();
    let made = RefCell::new(Some(made));
    let moves = |down| {
        let event = InputEvent::new(EventType::KEY.0, KeyCode::KEY_RECORD.0, i32::from(down));
        made.borrow_mut().as_mut().expect("it is there").emit(&[event]).unwrap();
    };
    promises::keys_keep_the_contract(&mut real, moves, || drop(made.take())).await;
    println!("keys of an input device keep the contract");
}

async fn keys_on_lines() {
    let mut real = gpio::Contacts::open(["start", "select"]).unwrap();
    let pull = line("start").join("pull");
    let moves = |down| fs::write(&pull, if down { "pull-down" } else { "pull-up" }).unwrap();
    promises::keys_tell_each_change(&mut real, moves).await;
    println!("keys on lines keep the contract, of {}", real.name());
}

fn gauge_of_the_kernel() {
    run("modprobe test_power");
    let values = [
        ("ac_online", "off"),
        ("usb_online", "off"),
        ("battery_status", "discharging"),
        ("battery_capacity", "42"),
        ("battery_voltage", "7400000"),
        ("battery_current", "-1000000"),
    ];
    for (parameter, value) in values {
        fs::write(Path::new("/sys/module/test_power/parameters").join(parameter), value).unwrap();
    }
    let mut gauge = PowerSupply::find(Path::new("/sys")).unwrap();
    promises::gauges_keep_the_contract(&mut gauge, || run("rmmod test_power"));
    run("modprobe test_power");
    println!("the kernel's gauge keeps the contract");
}

/// An AMC6821 of Texas Instruments, by its data sheet (SBAS386): what turns the fan, and what two thermometers say.
fn fan_and_thermometer() {
    const ADDRESS: u16 = 0x18;
    // Its driver is there before it: what is loaded for it comes when it comes.
    run(&format!("modprobe -a amc6821 i2c-dev && modprobe i2c-stub chip_addr={ADDRESS} && udevadm settle"));
    let adapter = machine::stub();
    let mut chip = LinuxI2CDevice::new(machine::device_of(&adapter), ADDRESS).unwrap();
    // It turns the fan by itself, by the remote thermometer; 48 degrees are here, 61 there.
    for (register, value) in [(0x00, 0x40), (0x0a, 48), (0x0b, 61)] {
        chip.smbus_write_byte_data(register, value).unwrap();
    }
    fs::write(adapter.join("new_device"), format!("amc6821 {ADDRESS:#x}")).unwrap();
    let folder = named(Path::new("/sys/class/hwmon"), "amc6821");
    promises::fans_of_the_kernel_are_given_back(Path::new("/sys"), &folder);
    println!("the fan keeps the contract");
    let thermometers = Thermometers::find(Path::new("/sys")).unwrap();
    assert_eq!(thermometers.hottest().unwrap(), 61_000);
    fs::write(adapter.join("delete_device"), format!("{ADDRESS:#x}")).unwrap();
    assert!(thermometers.hottest().map_or(true, |hottest| hottest < 61_000), "one that is gone says nothing");
    drop(chip);
    run("rmmod i2c-stub");
    println!("thermometers keep the contract");
}

/// Where gpio-sim shows and pulls the line of this name.
fn line(name: &str) -> PathBuf {
    let panel = Path::new("/sys/kernel/config/gpio-sim/panel");
    let number = (0..).take_while(|number| panel.join(format!("bank0/line{number}")).exists());
    let is_it = |number: &u32| promises::said(&panel.join(format!("bank0/line{number}/name"))) == name;
    let number = number.into_iter().find(is_it).unwrap_or_else(|| panic!("no line {name}"));
    let [device, chip] = ["dev_name", "bank0/chip_name"].map(|file| promises::said(&panel.join(file)));
    Path::new("/sys/devices/platform").join(device).join(chip).join(format!("sim_gpio{number}"))
}

/// What three lights do, seen for a second: dark, lit, or the blink of the contract whose rhythm is nearer.
fn eye(values: &[PathBuf; 3]) -> Lights {
    // What was shown before may end now.
    std::thread::sleep(Duration::from_millis(50));
    let mut seen = [const { Vec::new() }; 3];
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        for (seen, value) in seen.iter_mut().zip(values) {
            seen.push(promises::said(value) != "0");
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    let [air, link, power] = seen.map(|seen| {
        let rises = seen.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        match (BTreeSet::from_iter(&seen).len(), seen[0]) {
            (1, true) => Light::Lit,
            (1, false) => Light::Dark,
            // One begins 1.3 times a second, the other ten times.
            _ => promises::BLINKS[usize::from(rises > 4)],
        }
    });
    Lights { air, link, power }
}
