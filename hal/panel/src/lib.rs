//! The devices of a front panel, each a trait with the real ones and a fake.
//!
//! What the device tree describes is read as Linux offers it: [`leds`] from `/sys/class/leds` with the kernel's own timer for
//! what blinks, [`keys`] from `/dev/input`, [`battery`] from `/sys/class/power_supply`, [`thermal`] from
//! `/sys/class/{thermal,hwmon}`. What no tree describes is reached by [`gpio`], lines by their name, and gauges without a
//! driver by [`i2c`]. All paths are below a root, so that the same code runs on a tree that a test made.

pub mod battery;
pub mod gpio;
pub mod i2c;
pub mod keys;
pub mod leds;
pub mod thermal;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the file holds.
fn read<T: FromStr>(path: &Path) -> io::Result<T> {
    let text = fs::read_to_string(path).map_err(|error| named(path, &error))?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{} says {:?}", path.display(), text.trim())))
}

/// As the kernel wants it: one write, no new file.
fn write(path: &Path, value: &str) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).truncate(true).open(path);
    let mut file = file.map_err(|error| named(path, &error))?;
    io::Write::write_all(&mut file, value.as_bytes()).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The folders of one class, by name; none where there is no such class.
fn devices(class: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(class) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
