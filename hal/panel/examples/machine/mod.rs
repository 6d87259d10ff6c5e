//! What the examples do to the machine that they run on.

#![allow(dead_code, reason = "each example takes what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a command, which must succeed.
pub(crate) fn run(command: &str) {
    let ended = Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(ended.success(), "{command}: {ended}");
}

/// The first folder of a class whose `name` begins like this.
pub(crate) fn named(class: &Path, name: &str) -> PathBuf {
    let is_it = |path: &PathBuf| fs::read_to_string(path.join("name")).is_ok_and(|said| said.starts_with(name));
    let entries = fs::read_dir(class).unwrap().flatten();
    entries.map(|entry| entry.path()).find(is_it).unwrap_or_else(|| panic!("{}: no {name}", class.display()))
}

/// The bus of `i2c-stub`, where what is loaded is there.
pub(crate) fn stub() -> PathBuf {
    named(Path::new("/sys/bus/i2c/devices"), "SMBus stub driver")
}

/// The file that a bus is reached by.
pub(crate) fn device_of(adapter: &Path) -> PathBuf {
    Path::new("/dev").join(adapter.file_name().expect("i2c-N"))
}
