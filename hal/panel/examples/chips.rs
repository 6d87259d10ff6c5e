//! Holds the gauges on I2C against their contract on a bus of the kernel's: `i2c-stub`, which `hil-tests/rig` has in the virtual
//! unit. That takes root. Fails with what is not as it should be.

use std::path::{Path, PathBuf};

use bondbox_panel_devices::i2c::{Bus, Chip, Dev, OnBus, Wiring};
use chips::Played;
use i2cdev::core::I2CDevice;
use i2cdev::linux::LinuxI2CDevice;
use machine::run;

#[path = "../tests/chips/mod.rs"]
mod chips;
mod machine;

fn main() {
    run("modprobe i2c-dev");
    chips::chips_keep_the_contract(&Stub);
    println!("keeps the contract");
    let wiring = Wiring { address: chips::ADDRESS, shunt_microohm: 1, cells: 1 };
    let refusal = OnBus::find(Dev::at(Path::new("/dev/i2c-99")), Chip::Ina226, wiring).map(|_| ()).unwrap_err();
    assert_eq!(refusal.to_string(), "Ina226 at 0x36 on /dev/i2c-99: No such file or directory (os error 2)");
    // A chip that the kernel drives is left to it.
    std::fs::write(machine::stub().join("new_device"), "dummy 0x36").expect("it can be told of a chip");
    let refusal = OnBus::find(Stub.bus(), Chip::Ina226, wiring).map(|_| ()).unwrap_err().to_string();
    assert!(refusal.ends_with("a driver of the kernel has it, which gauge = \"kernel\" reads"), "{refusal}");
    Stub.put(false);
    println!("leaves the kernel's alone");
}

/// What is loaded is there.
struct Stub;

impl Stub {
    fn path() -> PathBuf {
        machine::device_of(&machine::stub())
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
