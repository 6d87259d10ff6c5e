//! Lights, keys, a battery and a thermometer as files, where the kernel has them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::stat::Mode;
use serde::Serialize;

/// The made devices of a panel.
pub(super) struct Devices {
    sys: PathBuf,
    keys: File,
    battery: Battery,
    lights: [Light; 3],
}

/// The pack, and the plug beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Battery {
    pub(super) percent: u8,
    pub(super) mains: bool,
}

/// A light as the kernel was told; dark where nothing is on, lit where nothing is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Light {
    pub(super) colour: &'static str,
    pub(super) function: &'static str,
    pub(super) on_ms: u32,
    pub(super) off_ms: u32,
}

impl Devices {
    /// Makes them in `folder/sys` and `folder/dev`.
    pub(super) fn make(folder: &Path) -> io::Result<Self> {
        let (sys, dev) = (folder.join("sys"), folder.join("dev"));
        for (colour, function) in LIGHTS {
            let folder = light(&sys, colour, function);
            for (file, value) in [("trigger", "none"), ("delay_on", "0"), ("delay_off", "0")] {
                put(&folder.join(file), value)?;
            }
        }
        put(&sys.join("class/input/event0/device/capabilities/key"), &capabilities(&[START, SELECT]))?;
        put(&sys.join("class/power_supply/pack/type"), "Battery")?;
        put(&sys.join("class/power_supply/plug/type"), "Mains")?;
        put(&sys.join("class/thermal/thermal_zone0/temp"), "48000")?;
        let pipe = dev.join("input/event0");
        fs::create_dir_all(dev.join("input"))?;
        nix::unistd::mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR)?;
        // Both ends, so that it neither waits for a reader nor ends with one; what nobody reads must not stop the page.
        let keys = OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(pipe)?;
        let lights = LIGHTS.map(|(colour, function)| Light { colour, function, on_ms: 0, off_ms: 0 });
        let mut this = Self { sys, keys, battery: Battery { percent: 80, mains: false }, lights };
        this.set_battery(this.battery)?;
        Ok(this)
    }

    /// A finger.
    pub(super) fn key(&mut self, key: Key, down: bool) -> io::Result<()> {
        let code = match key {
            Key::Start => START,
            Key::Select => SELECT,
        };
        self.keys.write_all(&event(code, down))
    }

    /// How full the pack is, and whether it is plugged in.
    pub(super) fn set_battery(&mut self, battery: Battery) -> io::Result<()> {
        let Battery { percent, mains } = battery;
        let supply = self.sys.join("class/power_supply");
        put(&supply.join("plug/online"), if mains { "1" } else { "0" })?;
        put(&supply.join("pack/status"), if mains { "Charging" } else { "Discharging" })?;
        put(&supply.join("pack/capacity"), &percent.min(100).to_string())?;
        self.battery = battery;
        Ok(())
    }

    pub(super) fn battery(&self) -> Battery {
        self.battery
    }

    /// As the service left them. It empties a file before it writes it: what says nothing now is as it was.
    pub(super) fn lights(&mut self) -> [Light; 3] {
        for shown in &mut self.lights {
            let folder = light(&self.sys, shown.colour, shown.function);
            let number = |file| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
            shown.on_ms = number("delay_on").unwrap_or(shown.on_ms);
            shown.off_ms = number("delay_off").unwrap_or(shown.off_ms);
        }
        self.lights
    }

    /// As those of a unit without power: lights are dark, and presses that nobody heard are forgotten.
    pub(super) fn power_off(&mut self) -> io::Result<()> {
        while self.keys.read(&mut [0; 24]).is_ok_and(|read| read > 0) {}
        for (colour, function) in LIGHTS {
            let folder = light(&self.sys, colour, function);
            for file in ["delay_on", "delay_off"] {
                put(&folder.join(file), "0")?;
            }
        }
        Ok(())
    }
}

/// The keys of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Key {
    Start,
    Select,
}

pub(super) fn lock(devices: &Mutex<Devices>) -> MutexGuard<'_, Devices> {
    devices.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the kernel has a light.
fn light(sys: &Path, colour: &str, function: &str) -> PathBuf {
    sys.join(format!("class/leds/{colour}:{function}"))
}

/// Replaced in one step: whoever reads finds the old or the new.
fn put(path: &Path, value: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let beside = path.with_extension("new");
    fs::write(&beside, value)?;
    fs::rename(beside, path)
}

/// One `struct input_event` of a 64-bit kernel, whose time nobody reads.
fn event(code: u16, down: bool) -> [u8; 24] {
    let mut event = [0; 24];
    event[16..18].copy_from_slice(&EV_KEY.to_ne_bytes());
    event[18..20].copy_from_slice(&code.to_ne_bytes());
    event[20..].copy_from_slice(&i32::from(down).to_ne_bytes());
    event
}

/// The bitmap of keys as sysfs prints it: words of 64 bits, the highest first.
fn capabilities(codes: &[u16]) -> String {
    let words = usize::from(codes.iter().copied().max().unwrap_or_default()) / 64 + 1;
    let word = |word: usize| {
        let bits = codes.iter().filter(|code| usize::from(**code) / 64 == word).map(|code| 1_u64 << (code % 64));
        format!("{:x}", bits.fold(0, |all, bit| all | bit))
    };
    (0..words).rev().map(word).collect::<Vec<_>>().join(" ")
}

const LIGHTS: [(&str, &str); 3] = [("red", "air"), ("blue", "link"), ("green", "power")];
/// KEY_RECORD and KEY_SELECT (linux/input-event-codes.h), as the boards' device trees have them.
const START: u16 = 167;
const SELECT: u16 = 353;
const EV_KEY: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_pressed_as_the_kernel_has_them() {
        assert_eq!(capabilities(&[START, SELECT]), "200000000 0 0 8000000000 0 0");
        let folder = tempfile::tempdir().unwrap();
        let mut devices = Devices::make(folder.path()).unwrap();
        devices.key(Key::Select, true).unwrap();
        let mut bytes = [0; 24];
        File::open(folder.path().join("dev/input/event0")).unwrap().read_exact(&mut bytes).unwrap();
        assert_eq!(bytes[16..], [[1, 0], 353_u16.to_ne_bytes(), [1, 0], [0, 0]].concat());
    }

    #[test]
    fn lights_are_what_was_written_and_dark_without_power() {
        let folder = tempfile::tempdir().unwrap();
        let mut devices = Devices::make(folder.path()).unwrap();
        let air = folder.path().join("sys/class/leds/red:air");
        fs::write(air.join("delay_on"), "100\n").unwrap();
        fs::write(air.join("delay_off"), "900").unwrap();
        let light = |devices: &mut Devices| devices.lights().map(|light| (light.on_ms, light.off_ms))[0];
        assert_eq!(light(&mut devices), (100, 900));
        fs::write(air.join("delay_on"), "").unwrap();
        assert_eq!(light(&mut devices), (100, 900), "the service is about to write");
        devices.key(Key::Start, true).unwrap();
        devices.power_off().unwrap();
        assert_eq!(devices.keys.read(&mut [0; 24]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(light(&mut devices), (0, 0));
    }

    #[test]
    fn a_pack_that_is_plugged_in_charges() {
        let folder = tempfile::tempdir().unwrap();
        let mut devices = Devices::make(folder.path()).unwrap();
        let said = |file: &str| fs::read_to_string(folder.path().join("sys/class/power_supply").join(file)).unwrap();
        assert_eq!(
            (said("pack/capacity"), said("pack/status"), said("plug/online")),
            ("80".into(), "Discharging".into(), "0".into())
        );
        devices.set_battery(Battery { percent: 17, mains: true }).unwrap();
        assert_eq!(
            (said("pack/capacity"), said("pack/status"), said("plug/online")),
            ("17".into(), "Charging".into(), "1".into())
        );
    }
}
