//! Gauges on I2C that the kernel has no driver bound to: their registers, by their data sheets.

use std::io;
use std::path::Path;

use bondbox_panel_core::battery::Reading;
use embedded_hal::i2c::I2c;
use linux_embedded_hal::I2cdev;

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

/// A chip on a bus.
pub struct OnBus<B> {
    bus: B,
    chip: Chip,
    wiring: Wiring,
    name: String,
}

impl OnBus<I2cdev> {
    /// On `/dev/i2c-N`.
    ///
    /// # Errors
    /// When there is no such bus, or nobody of that kind on it.
    pub fn open(bus: &Path, chip: Chip, wiring: Wiring) -> io::Result<Self> {
        let name = format!("{chip:?} at 0x{:02x} on {}", wiring.address, bus.display());
        Self::on(
            I2cdev::new(bus).map_err(|error| io::Error::other(format!("{}: {error}", bus.display())))?,
            chip,
            wiring,
            name,
        )
    }
}

impl<B: I2c> OnBus<B> {
    /// On any bus.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn on(bus: B, chip: Chip, wiring: Wiring, name: String) -> io::Result<Self> {
        let mut gauge = Self { bus, chip, wiring, name };
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
        let mut value = [0; 2];
        self.bus
            .write_read(self.wiring.address, &[register], &mut value)
            .map_err(|error| io::Error::other(format!("{}: {error:?}", self.name)))?;
        Ok(u16::from_be_bytes(value))
    }
}

impl<B: I2c + Send> Gauge for OnBus<B> {
    fn read(&mut self) -> io::Result<Reading> {
        self.values()
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};

    use super::*;

    /// A bus with one chip, whose registers are what the test says.
    struct Bus(HashMap<u8, u16>);

    impl ErrorType for Bus {
        type Error = ErrorKind;
    }

    impl I2c for Bus {
        fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            let [Operation::Write(asked), Operation::Read(value)] = operations else { return Err(ErrorKind::Other) };
            let register = self.0.get(&asked[0]).filter(|_| address == 0x36);
            let register = register.ok_or(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address))?;
            value.copy_from_slice(&register.to_be_bytes());
            Ok(())
        }
    }

    fn reading(chip: Chip, registers: &[(u8, u16)]) -> Reading {
        let wiring = Wiring { address: 0x36, shunt_microohm: 100_000, cells: 2 };
        OnBus::on(Bus(registers.iter().copied().collect()), chip, wiring, "test".into()).unwrap().read().unwrap()
    }

    #[test]
    fn a_fuel_gauge_says_charge_and_voltage() {
        // 3.7 V are 2,960 steps; 87.5 %.
        let said = reading(Chip::Max17040, &[(2, 2_960 << 4), (4, 0x5780)]);
        assert_eq!((said.millivolts, said.charge_permille), (Some(3_700), Some(875)));
        assert_eq!(reading(Chip::Max17040, &[(2, 0), (4, 0x6700)]).charge_permille, Some(1_000));
    }

    #[test]
    fn power_monitors_say_voltage_power_and_which_way_it_flows() {
        // 7.6 V, and 150 mV, or the 75 mV that the other one can measure, over 0.1 ohm.
        let small = reading(Chip::Ina219, &[(2, 1_900 << 3), (1, 15_000)]);
        let large = reading(Chip::Ina226, &[(2, 6_080), (1, 30_000)]);
        assert_eq!((small.millivolts, small.milliwatts, small.charging), (Some(7_600), Some(11_400), Some(false)));
        assert_eq!((large.millivolts, large.milliwatts, large.charging), (Some(7_600), Some(5_700), Some(false)));
        let into = reading(Chip::Ina219, &[(2, 1_900 << 3), (1, (-15_000_i16).cast_unsigned())]);
        assert_eq!((into.milliwatts, into.charging), (Some(-11_400), Some(true)));
    }

    #[test]
    fn an_address_where_nobody_is_is_refused() {
        let wiring = Wiring { address: 0x40, shunt_microohm: 1, cells: 1 };
        assert!(OnBus::on(Bus(HashMap::new()), Chip::Ina219, wiring, "test".into()).is_err());
    }
}
