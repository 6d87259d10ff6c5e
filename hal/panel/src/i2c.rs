//! Gauges on I2C that the kernel has no driver bound to: their registers, by their data sheets.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bondbox_panel_core::battery::Reading;
use i2cdev::core::I2CDevice;
use i2cdev::linux::LinuxI2CDevice;
use nix::errno::Errno;

use crate::battery::Gauge;

/// A chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chip {
    /// Maxim MAX17040, and 17043 and 17048, which have the same registers: charge and voltage of one cell.
    Max17040,
    /// Texas Instruments INA219: voltage and current through a shunt.
    Ina219,
    /// Texas Instruments INA226, the same in other units.
    Ina226,
}

/// How a chip is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// Its address.
    pub address: u8,
    /// What it measures current over; both INAs.
    pub shunt_microohm: u32,
    /// Cells in a row, to tell charge from the voltage; both INAs.
    pub cells: u8,
}

/// Something with registers at its addresses.
pub trait Bus: Send {
    /// What the register says: two bytes, the high one first, as all these chips send them.
    ///
    /// # Errors
    /// When nobody answers at the address, or there is no bus.
    fn register(&mut self, address: u8, register: u8) -> io::Result<u16>;
    /// Which it is.
    fn name(&self) -> String;
}

/// A chip on a bus.
pub struct OnBus<B> {
    bus: B,
    chip: Chip,
    wiring: Wiring,
}

impl<B: Bus> OnBus<B> {
    /// One that answers.
    ///
    /// # Errors
    /// When there is no such bus, or nobody answers there.
    pub fn find(bus: B, chip: Chip, wiring: Wiring) -> io::Result<Self> {
        let mut gauge = Self { bus, chip, wiring };
        gauge.values()?;
        Ok(gauge)
    }

    fn values(&mut self) -> io::Result<Reading> {
        let mut reading = Reading { cells: self.wiring.cells, ..Reading::default() };
        match self.chip {
            Chip::Max17040 => {
                // VCELL: twelve bits from the left, 1.25 mV each. SOC: percents, and 256ths of them.
                reading.millivolts = Some(u32::from(self.register(0x02)? >> 4) * 5 / 4);
                let charge = u32::from(self.register(0x04)?) * 10 / 256;
                // It goes above 100 % until it has learned the pack.
                reading.charge_permille = u16::try_from(charge.min(1_000)).ok();
            }
            // Bus voltage: 13 bits from the left, 4 mV each. Shunt voltage: signed, 10 uV each.
            Chip::Ina219 => {
                let millivolts = u32::from(self.register(0x02)? >> 3) * 4;
                self.power(&mut reading, millivolts, 10_000)?;
            }
            // Bus voltage: 1.25 mV each. Shunt voltage: signed, 2.5 uV each.
            Chip::Ina226 => {
                let millivolts = u32::from(self.register(0x02)?) * 5 / 4;
                self.power(&mut reading, millivolts, 2_500)?;
            }
        }
        Ok(reading)
    }

    fn power(&mut self, reading: &mut Reading, millivolts: u32, shunt_step_nv: i64) -> io::Result<()> {
        let shunt = i64::from(self.register(0x01)?.cast_signed()) * shunt_step_nv;
        // nV over uOhm are mA.
        let milliamps = shunt / i64::from(self.wiring.shunt_microohm.max(1));
        reading.millivolts = Some(millivolts);
        reading.milliwatts = i32::try_from(milliamps * i64::from(millivolts) / 1_000).ok();
        // What flows into the pack charges it.
        reading.charging = Some(milliamps < 0);
        Ok(())
    }

    fn register(&mut self, register: u8) -> io::Result<u16> {
        let said = self.bus.register(self.wiring.address, register);
        said.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.whereabouts())))
    }

    fn whereabouts(&self) -> String {
        format!("{:?} at 0x{:02x} on {}", self.chip, self.wiring.address, self.bus.name())
    }
}

impl<B: Bus> Gauge for OnBus<B> {
    fn read(&mut self) -> io::Result<Reading> {
        self.values()
    }

    fn name(&self) -> String {
        self.whereabouts()
    }
}

/// `/dev/i2c-N`. It is opened for each register: one that is held would be that of an adapter on USB for ever, pulled or not.
///
/// What is read is a word of SMBus, which on the wire is what the data sheets draw, and which adapters can that cannot carry
/// just anything.
pub struct Dev {
    path: PathBuf,
}

impl Dev {
    /// The bus there, whether it is or not.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.into() }
    }
}

impl Bus for Dev {
    fn register(&mut self, address: u8, register: u8) -> io::Result<u16> {
        let word = LinuxI2CDevice::new(&self.path, address.into())
            .and_then(|mut device| device.smbus_read_word_data(register))
            .map_err(|error| explained(error.into()))?;
        // The first byte on the wire is the low one of a word of SMBus, and the high one of these chips.
        Ok(u16::from_be_bytes(word.to_le_bytes()))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// In words, where the kernel's are about something else: drivers of adapters do not agree on what no acknowledgement is.
fn explained(error: io::Error) -> io::Error {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENXIO | Errno::ENODEV | Errno::EREMOTEIO) => nobody(),
        Some(Errno::EBUSY) => io::Error::other("a driver of the kernel has it, which gauge = \"kernel\" reads"),
        _ => error,
    }
}

fn nobody() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "nobody answers there")
}

/// A bus with one chip, whose registers a test sets. Clones are the same one.
#[derive(Clone, Default)]
pub struct Fake {
    chip: Arc<Mutex<Option<Registers>>>,
}

/// An address, and 256 registers from zero on.
type Registers = (u8, Box<[u16; 256]>);

impl Fake {
    /// From now on a chip is there, whose registers are zero; or none.
    pub fn put(&self, address: Option<u8>) {
        *self.chip.lock().unwrap_or_else(PoisonError::into_inner) = address.map(|at| (at, Box::new([0; 256])));
    }

    /// What the chip's register says from now on.
    pub fn set(&self, register: u8, value: u16) {
        if let Some((_, registers)) = &mut *self.chip.lock().unwrap_or_else(PoisonError::into_inner) {
            registers[usize::from(register)] = value;
        }
    }
}

impl Bus for Fake {
    fn register(&mut self, address: u8, register: u8) -> io::Result<u16> {
        let chip = self.chip.lock().unwrap_or_else(PoisonError::into_inner);
        let chip = chip.as_ref().filter(|(at, _)| *at == address);
        chip.map(|(_, registers)| registers[usize::from(register)]).ok_or_else(nobody)
    }

    fn name(&self) -> String {
        "a bus made up".into()
    }
}
