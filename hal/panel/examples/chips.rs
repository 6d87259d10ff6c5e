//! Holds the gauges on I2C against their contract on a bus of the kernel's: `i2c-stub`, which `hil-tests/rig` has in the virtual
//! unit. That takes root. Fails with what is not as it should be.

use std::path::{Path, PathBuf};
use std::process::Command;

use bondbox_panel_devices::i2c::{Bus, Chip, Dev, OnBus, Wiring};
use chips::Played;
use i2cdev::core::I2CDevice;
use i2cdev::linux::LinuxI2CDevice;

#[path = "../tests/chips/mod.rs"]
mod chips;

fn main() {
    run("modprobe i2c-dev");
    chips::chips_keep_the_contract(&Stub);
    println!("keeps the contract");
    let wiring = Wiring { address: chips::ADDRESS, shunt_microohm: 1, cells: 1 };
    let refusal = OnBus::find(Dev::at(Path::new("/dev/i2c-99")), Chip::Ina226, wiring).map(|_| ()).unwrap_err();
    assert_eq!(refusal.to_string(), "Ina226 at 0x36 on /dev/i2c-99: No such file or directory (os error 2)");
    // A chip that the kernel drives is left to it.
    let devices = Path::new("/sys/bus/i2c/devices").join(Stub::path().file_name().expect("i2c-N"));
    std::fs::write(devices.join("new_device"), "dummy 0x36").expect("it can be told of a chip");
    let refusal = OnBus::find(Stub.bus(), Chip::Ina226, wiring).map(|_| ()).unwrap_err().to_string();
    assert!(refusal.ends_with("a driver of the kernel has it, which gauge = \"kernel\" reads"), "{refusal}");
    Stub.put(false);
    println!("leaves the kernel's alone");
}

/// What is loaded is there.
struct Stub;

impl Stub {
    fn path() -> PathBuf {
        let named = |path: &PathBuf| {
            std::fs::read_to_string(path.join("name")).is_ok_and(|name| name.starts_with("SMBus stub driver"))
        };
        let entries = std::fs::read_dir("/sys/bus/i2c/devices").expect("the kernel has I2C").flatten();
        let found = entries.map(|entry| entry.path()).find(named).expect("i2c-stub is loaded");
        Path::new("/dev").join(found.file_name().expect("i2c-N"))
    }
}

impl Played for Stub {
    fn bus(&self) -> impl Bus {
        Dev::at(&Self::path())
    }

    fn set(&self, register: u8, value: u16) {
        // The chip sends its high byte first, a word of SMBus its low one.
        let word = u16::from_le_bytes(value.to_be_bytes());
        let mut device = LinuxI2CDevice::new(Self::path(), chips::ADDRESS.into()).unwrap();
        device.smbus_write_word_data(register, word).unwrap();
    }

    fn put(&self, there: bool) {
        if there {
            run(&format!("modprobe i2c-stub chip_addr={}", chips::ADDRESS));
            run("udevadm settle");
        } else {
            run("rmmod i2c-stub");
        }
    }
}

fn run(command: &str) {
    let ended = Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(ended.success(), "{command}: {ended}");
}
