//! Gauges.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bondbox_panel_core::battery::Reading;

use crate::{devices, read};

/// Something that knows how full the pack is.
pub trait Gauge: Send {
    /// What it says now.
    ///
    /// # Errors
    /// When it does not answer, which a bus may do once without meaning anything.
    fn read(&mut self) -> io::Result<Reading>;
    /// Where it is.
    fn name(&self) -> String;
}

/// What the kernel knows of batteries and mains.
pub struct PowerSupply {
    battery: Option<PathBuf>,
    mains: Vec<PathBuf>,
}

impl PowerSupply {
    /// Finds them below `root`, which is `/sys` on a box: the first battery that feeds the box, and all that can feed it instead.
    ///
    /// # Errors
    /// When there is neither.
    pub fn find(root: &Path) -> io::Result<Self> {
        let class = root.join("class/power_supply");
        let kind = |path: &Path| read::<String>(&path.join("type")).unwrap_or_default();
        // A mouse has a battery, too; what it feeds is said by its scope.
        let feeds_box = |path: &Path| read::<String>(&path.join("scope")).is_ok_and(|scope| scope == "Device");
        let (mut battery, mut mains) = (None, Vec::new());
        for path in devices(&class).into_iter().filter(|path| !feeds_box(path)) {
            match kind(&path).as_str() {
                "Battery" => battery = battery.or(Some(path)),
                "Mains" | "USB" => mains.push(path),
                _ => {}
            }
        }
        if battery.is_none() && mains.is_empty() {
            let why = format!("{}: neither battery nor mains", class.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        Ok(Self { battery, mains })
    }
}

impl Gauge for PowerSupply {
    fn read(&mut self) -> io::Result<Reading> {
        let mut reading = Reading::default();
        let online: Vec<bool> = self
            .mains
            .iter()
            .filter_map(|path| read::<u8>(&path.join("online")).ok())
            .map(|online| online > 0)
            .collect();
        if !online.is_empty() {
            reading.mains = Some(online.contains(&true));
        }
        let Some(battery) = &self.battery else { return Ok(reading) };
        let number = |name: &str| read::<i64>(&battery.join(name));
        // Gone with the device, and then an error; only what a gauge does not have is left out.
        let status: String = read(&battery.join("status")).or_else(|error| missing_is(error, "Unknown".into()))?;
        reading.charging = match status.as_str() {
            "Charging" | "Full" => Some(true),
            "Discharging" | "Not charging" => Some(false),
            _ => None,
        };
        reading.charge_permille = match (number("energy_now"), number("energy_full")) {
            // Finer than whole percents.
            (Ok(now), Ok(full)) if full > 0 => u16::try_from(now.max(0) * 1_000 / full).ok(),
            _ => Some(number("capacity")?).and_then(|percent| u16::try_from(percent * 10).ok()),
        };
        let millivolts = number("voltage_now").ok().map(|microvolts| microvolts / 1_000);
        reading.millivolts = millivolts.and_then(|mv| u32::try_from(mv).ok());
        let milliwatts = match (number("power_now"), number("current_now"), millivolts) {
            (Ok(microwatts), ..) => Some(microwatts / 1_000),
            (_, Ok(microamps), Some(mv)) => Some(microamps * mv / 1_000_000),
            _ => None,
        };
        // Drivers do not agree on the sign of what flows; the status does.
        let sign = if reading.charging == Some(true) { -1 } else { 1 };
        reading.milliwatts = milliwatts.and_then(|mw| i32::try_from(mw.abs() * sign).ok());
        Ok(reading)
    }

    fn name(&self) -> String {
        let names = self.battery.iter().chain(&self.mains).filter_map(|path| path.file_name());
        names.map(|name| name.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

fn missing_is<T>(error: io::Error, value: T) -> io::Result<T> {
    if error.kind() == io::ErrorKind::NotFound { Ok(value) } else { Err(error) }
}

/// A gauge that a test turns. Clones are the same one.
#[derive(Clone, Default)]
pub struct Fake {
    reading: Arc<Mutex<Option<Reading>>>,
}

impl Fake {
    /// What it says from now on; `None`: nothing.
    pub fn set(&self, reading: Option<Reading>) {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }
}

impl Gauge for Fake {
    fn read(&mut self) -> io::Result<Reading> {
        let reading = *self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the gauge is gone"))
    }

    fn name(&self) -> String {
        "made up".into()
    }
}
